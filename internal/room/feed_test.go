package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/internal/journal"
)

func TestPeersHearOfEachOtherAndOfMessagesInOneOrder(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	b := w.join("b1")
	w.say("one")
	w.join("c1")
	w.say("two")
	w.wantSent(a, "+b1 one +c1 two")
	w.wantSent(b, "one +c1 two")
}

func TestPrivateEntriesStandAtTheirPlaceForTheirAudienceAlone(t *testing.T) {
	w := newWorld(t)
	a, b, tab, c := w.join("a1"), w.join("b1"), w.join("b2"), w.join("c1")
	for _, p := range []*Connection{a, b, tab, c} {
		w.sent(p)
	}
	w.hub.Observe([]journal.Entry{
		w.journal.commit(meeting, "one"),
		w.journal.commit(meeting, "(to-b)", "a", "b"),
		w.journal.commit(meeting, "two"),
		w.journal.commit(meeting, "(to-c)", "a", "c"),
	})
	w.wantSent(a, "one (to-b) two (to-c)")
	w.wantSent(b, "one (to-b) two")
	w.wantSent(tab, "one (to-b) two")
	w.wantSent(c, "one two (to-c)")
}

func TestAnswerComesAfterWhatWasSaidAndBeforeWhatIsSaidNext(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.say("before")
	a.Answer([]byte("answer\n"))
	w.say("after")
	w.wantSent(a, "before answer after")
}

func TestSlotHoldsBackAllThatComesAfterIt(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.sent(a)
	w.say("one")
	slot := a.Reserve()
	w.say("two")
	w.say("(whisper)", "a", "b")
	a.Answer([]byte("later\n"))
	if slot.Seq != 1 {
		t.Errorf("the place is after entry %d, want 1", slot.Seq)
	}
	w.wantSent(a, "one")
	w.wantSent(a, "")
	w.wantSent(b, "one two (whisper)")
	slot.Fill([]byte("answer\n"))
	w.wantSent(a, "answer two (whisper) later")
}

func TestSlotMayStayEmpty(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	slot := a.Reserve()
	w.say("one")
	slot.Fill(nil)
	w.wantSent(a, "one")
}

func TestWhoHasNotJoinedIsToldNothingButAnswers(t *testing.T) {
	w := newWorld(t)
	outside := w.connect("a1")
	w.join("b1")
	w.say("one")
	w.say("(to-a)", "a", "b")
	outside.Answer([]byte("answer\n"))
	w.say("two")
	w.wantSent(outside, "answer")
	outside.Room.Join(outside.Feed, infoOf("a1"), session, []byte("welcome\n"))
	w.say("three")
	w.wantSent(outside, "welcome three")
}

func TestWhatAPeerIsToldBeginsWithTheAnswerToItsJoin(t *testing.T) {
	w := newWorld(t)
	w.join("b1")
	w.say("before")
	a := w.connect("a1")
	a.Answer([]byte("early\n"))
	w.say("still-before")
	a.Room.Join(a.Feed, infoOf("a1"), session, []byte("welcome\n"))
	w.say("after")
	w.wantSent(a, "early welcome after")
}

// TestNextWaits checks that no wake-up is lost between looking and waiting.
func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		ctx, cancel := context.WithCancel(t.Context())
		var got strings.Builder
		var end error
		go func() {
			var bufs [][]byte
			for end == nil {
				bufs, end = a.Next(ctx, bufs)
				for _, b := range bufs {
					got.Write(b)
				}
			}
		}()
		for _, act := range []func(){
			func() { w.say("one") },
			func() { w.say("(two)", "a", "b") },
			func() { a.Answer([]byte("three\n")) },
			func() { w.join("b1") },
			func() {
				s := a.Reserve()
				synctest.Wait()
				s.Fill([]byte("five\n"))
			},
		} {
			act()
			synctest.Wait()
		}
		if want := "one\n(two)\nthree\n+b1\nfive\n"; got.String() != want {
			t.Errorf("Next gave %q, want %q", got.String(), want)
		}
		cancel()
		synctest.Wait()
		if !errors.Is(end, context.Canceled) {
			t.Errorf("Next ended with %v", end)
		}
	})
}

func TestNextGivesTheReasonOfTheEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		ended := make(chan error)
		go func() { _, err := a.Next(t.Context(), nil); ended <- err }()
		synctest.Wait()
		a.Close(ClosedFault)
		a.Close(ClosedRestart)
		if err := <-ended; !errors.Is(err, ClosedFault) {
			t.Errorf("Next ended with %v, want the first reason", err)
		}
		w.say("one")
		a.Answer([]byte("answer\n"))
		a.Reserve().Fill([]byte("answer\n"))
		w.wantEnd(a, ClosedFault)
	})
}

func TestNoEndIsOneAfterWhichClientsStayAway(t *testing.T) {
	for _, c := range []*Closed{ClosedRestart, ClosedBehind, ClosedReplaced, ClosedSilent, ClosedFault} {
		if c.Code < 1001 || c.Code > 4999 || c.Reason == "" || len(c.Reason) > 123 {
			t.Errorf("%v", c)
		}
	}
}

func TestPeerThatLagsIsClosedAndHurtsNobody(t *testing.T) {
	w := newWorld(t)
	lags, reads := w.join("a1"), w.join("b1")
	text := strings.Repeat("x", 10<<10)
	for i := range 300 {
		w.say(fmt.Sprint(i, text))
		if got := w.sent(reads); !strings.HasPrefix(got, fmt.Sprint(i, "x")) {
			t.Fatalf("message %d: the peer that reads got %d bytes", i, len(got))
		}
	}
	w.wantEnd(lags, ClosedBehind)
	if kept := w.kept(reads); kept > retained+2*maxChunk {
		t.Errorf("the log keeps %d bytes for a peer that lags", kept)
	}
	w.say("on")
	w.wantSent(reads, "on")
}

func TestPeerThatIsAsFarBehindAsItMayIsNotClosed(t *testing.T) {
	w := newWorld(t)
	lags := w.join("a1")
	text := strings.Repeat("x", 10<<10)
	n := retained / (len(text) + 1)
	for range n {
		w.say(text)
	}
	if got := strings.Count(w.sent(lags), "x"); got != n*len(text) {
		t.Errorf("%d bytes of %d came", got, n*len(text))
	}
}

func TestPrivateFramesThatPileUpEndTheirPeerOnly(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.sent(a)
	text := strings.Repeat("x", 100<<10)
	for range maxPrivate/len(text) + 1 {
		w.say(text, "a", "b")
		w.sent(a)
	}
	w.wantEnd(b, ClosedBehind)
	if len(b.queue) != 0 {
		t.Errorf("%d frames are kept for a closed peer", len(b.queue))
	}
	w.say("on")
	w.wantSent(a, "on")
}

func TestAnswersThatPileUpHoldUpTheRequests(t *testing.T) {
	for name, answer := range map[string][]byte{"long": make([]byte, 100<<10), "short": []byte("3")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.join("a1")
				// However short, an answer costs its place in the queue.
				const most = maxAnswers / 32
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				n := 0
				for n < most && awaitRoom(ended, a) == nil {
					a.Answer(answer)
					n++
				}
				if n == most {
					t.Fatalf("%d answers of %d bytes wait, and the next request is read", n, len(answer))
				}
				free := make(chan error, 1)
				go func() { free <- awaitRoom(t.Context(), a) }()
				synctest.Wait()
				select {
				case <-free:
					t.Fatal("the next request is read before anything has gone out")
				default:
				}
				w.sent(a)
				if err := <-free; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// awaitRoom is AwaitRoom where it has to tell that it waited before it ends.
func awaitRoom(ctx context.Context, c *Connection) error {
	held, err := c.AwaitRoom(ctx)
	if err != nil && !held {
		return errors.New("it ended without having waited")
	}
	return err
}

func TestTheEndOfAFeedFreesWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		a.Answer(make([]byte, maxAnswers+1))
		free := make(chan error, 1)
		go func() { free <- awaitRoom(t.Context(), a) }()
		synctest.Wait()
		a.Close(ClosedRestart)
		if err := <-free; err != nil {
			t.Error(err)
		}
		if held, err := a.AwaitRoom(t.Context()); held || err != nil {
			t.Errorf("held up: %v, %v", held, err)
		}
	})
}

// TestABatchIsBounded matters for a slow peer: what it is being sent is kept
// in memory until it is gone.
func TestABatchIsBounded(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	for range 9 {
		w.say(strings.Repeat("x", 100<<10))
	}
	total := 0
	for {
		bufs, err := a.take(nil)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, b := range bufs {
			size += len(b)
		}
		if size > batchBytes+(100<<10)+1 {
			t.Errorf("a batch of %d bytes", size)
		}
		if len(bufs) > 0 && bufs[len(bufs)-1][len(bufs[len(bufs)-1])-1] != '\n' {
			t.Error("a batch ends in the middle of a frame")
		}
		if total += size; len(bufs) == 0 {
			break
		}
	}
	if total != 9*(100<<10+1) {
		t.Errorf("%d bytes came", total)
	}
}
