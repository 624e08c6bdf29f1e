package room

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// remembered is what a connection is given as its history, and how far it goes.
func (w *world) remembered(c *Connection) (string, uint64) {
	w.Helper()
	h, err := c.Room.History(w.Context(), c.Feed, Reader{Participant: c.info.Participant, Receives: true})
	if err != nil {
		w.Fatal(err)
	}
	h.Slot.Fill(nil)
	if !h.Known {
		w.Fatal("the room does not know its history")
	}
	return string(bytes.Join(h.Messages, nil)), h.Slot.Seq
}

func (w *world) wantRemembered(c *Connection, want string) {
	w.Helper()
	if got, _ := w.remembered(c); got != want {
		w.Errorf("%s is given %q, want %q", c.info.Peer, got, want)
	}
}

func (w *world) recents() int {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.journal.recents
}

func TestHistoryIsReadOnceAndFollows(t *testing.T) {
	w := newWorld(t)
	w.journal.commit(meeting, "old")
	a, b, c := w.join("a1"), w.join("b1"), w.join("c1")
	w.wantRemembered(a, "[old]")
	w.say("new")
	w.say("psst", "a", "b")
	w.wantRemembered(a, "[old][new][psst]")
	w.wantRemembered(b, "[old][new][psst]")
	w.wantRemembered(c, "[old][new]")
	if n := w.recents(); n != 1 {
		t.Errorf("the journal was read %d times", n)
	}
}

// TestHistoryHoldsAllUpToItsPlace asks while others talk, and loses the window
// again and again.
func TestHistoryHoldsAllUpToItsPlace(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	var talk sync.WaitGroup
	talk.Go(func() {
		for n := range 500 {
			w.say(fmt.Sprint(n + 1))
		}
	})
	var ask sync.WaitGroup
	for reader := range uint64(4) {
		c := w.join(chat.PeerID(fmt.Sprintf("%c1", 'b'+rune(reader))))
		ask.Go(func() {
			random := rand.New(rand.NewPCG(reader, 0))
			for range 200 {
				h, err := c.Room.History(t.Context(), c.Feed, Reader{Participant: c.info.Participant})
				if err != nil {
					t.Error(err)
					return
				}
				h.Slot.Fill(nil)
				var want strings.Builder
				for n := range h.Slot.Seq {
					fmt.Fprintf(&want, "[%d]", n+1)
				}
				if got := string(bytes.Join(h.Messages, nil)); h.Known && got != want.String() {
					t.Errorf("up to %d there is %q", h.Slot.Seq, got)
					return
				}
				if random.IntN(4) == 0 {
					a.Room.mu.Lock()
					a.Room.dropHistory()
					a.Room.mu.Unlock()
				}
			}
		})
	}
	ask.Wait()
	talk.Wait()
}

func TestAskersOfOneMeetingShareAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.say("hello")
		var crowd []*Connection
		for i := range 50 {
			crowd = append(crowd, w.join(chat.PeerID(fmt.Sprintf("%c1", 'a'+rune(i)))))
		}
		w.journal.gate = make(chan struct{})
		var asking sync.WaitGroup
		for _, c := range crowd {
			asking.Go(func() { w.wantRemembered(c, "[hello][more]") })
		}
		synctest.Wait()
		w.say("more")
		close(w.journal.gate)
		asking.Wait()
		if n := w.recents(); n != 1 {
			t.Errorf("the journal was read %d times", n)
		}
		if c := w.hub.HistoryCounts(); c.Misses != 1 || c.Coalesced != 49 || c.Hits != 50 {
			t.Errorf("counted %+v", c)
		}
		w.hub.Close()
	})
}

func TestHistoryOfAnotherSessionIsNotGiven(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.say("old")
	w.wantRemembered(a, "[old]")
	a.Room.Join(a.Feed, infoOf("a1"), Session{ID: "another"}, nil)
	h, err := a.Room.History(t.Context(), a.Feed, Reader{Participant: "a"})
	if err != nil || h.Known { // the journal still knows of the first session alone
		t.Errorf("known %v, error %v", h.Known, err)
	}
	h.Slot.Fill(nil)
}

func TestHistoryThatCannotBeReadIsAnError(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.journal.fault = errors.New("no disk")
	if _, err := a.Room.History(t.Context(), a.Feed, Reader{Participant: "a"}); err == nil {
		t.Error("no error")
	}
	w.say("a place that nobody fills would hold this back")
	w.wantSent(a, "a place that nobody fills would hold this back")
	w.journal.fault = nil
	w.wantRemembered(a, "[a place that nobody fills would hold this back]")
}

func TestHistoryIsLetGo(t *testing.T) {
	for name, test := range map[string]struct {
		kind  chat.Kind
		after time.Duration
		uses  bool // somebody asks all the time
		reads int
	}{
		"not while it is used":       {chat.Text, 3 * time.Hour, true, 1},
		"when nobody asks":           {chat.Text, 6 * time.Minute, false, 2},
		"when its links have aged":   {chat.Image, 61 * time.Minute, true, 2},
		"not before they have aged":  {chat.Image, 59 * time.Minute, true, 1},
		"not while they may ask yet": {chat.Text, 4 * time.Minute, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.run()
				a := w.join("a1")
				e := w.journal.commit(meeting, "hello")
				e.Event.Message.Content.Kind = test.kind
				w.journal.entries[meeting][0] = e
				w.hub.Observe([]journal.Entry{e})
				w.wantRemembered(a, "[hello]")
				for end := time.Now().Add(test.after); time.Now().Before(end); {
					<-time.After(10 * time.Second)
					a.Ponged()
					w.sent(a)
					if test.uses {
						w.wantRemembered(a, "[hello]")
					}
				}
				w.wantRemembered(a, "[hello]")
				if n := w.recents(); n != test.reads {
					t.Errorf("the journal was read %d times, want %d", n, test.reads)
				}
			})
		})
	}
}

func TestHistoriesTogetherAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hub.config.HistoryBytes = 10_000
		for n := range 20 {
			id := chat.MeetingID(fmt.Sprint("m", n))
			w.hub.Observe([]journal.Entry{w.journal.commit(id, strings.Repeat("x", 2000))})
			c, err := w.hub.Connect(t.Context(), id, infoOf("a1"))
			if err != nil {
				t.Fatal(err)
			}
			c.Room.Join(c.Feed, infoOf("a1"), session, nil)
			w.remembered(c)
			<-time.After(time.Second)
			if held := w.hub.HistoryCounts().Bytes; held > 10_000 {
				t.Fatalf("%d bytes are held", held)
			}
		}
		if held := w.hub.HistoryCounts().Bytes; held < 2000 {
			t.Errorf("%d bytes are held", held)
		}
		w.hub.Close()
	})
}
