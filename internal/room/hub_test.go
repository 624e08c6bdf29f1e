package room

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

func TestRoomIsLoadedOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.journal.gate = make(chan struct{})
		rooms := make(chan *Room, 10)
		for range cap(rooms) {
			go func() {
				r, err := w.hub.Room(t.Context(), meeting)
				if err != nil {
					t.Error(err)
				}
				rooms <- r
			}()
		}
		synctest.Wait()
		close(w.journal.gate)
		first := <-rooms
		for range cap(rooms) - 1 {
			if r := <-rooms; r != first {
				t.Error("there are two rooms of one meeting")
			}
		}
	})
}

func TestWhoDoesNotWaitForTheLoadingGetsItsOwnReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.journal.gate = make(chan struct{})
		reason := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		if _, err := w.hub.Connect(ctx, meeting, infoOf("a1")); !errors.Is(err, reason) {
			t.Errorf("Connect: %v", err)
		}
		close(w.journal.gate)
		w.hub.Close()
	})
}

func TestRoomThatCouldNotBeLoadedIsTriedAnew(t *testing.T) {
	w := newWorld(t)
	w.journal.fault = errors.New("no disk")
	if _, err := w.hub.Connect(t.Context(), meeting, infoOf("a1")); !errors.Is(err, w.journal.fault) {
		t.Errorf("Connect: %v", err)
	}
	w.journal.fault = nil
	w.connect("a1")
}

// TestOneRoomThatCannotBeRestoredDoesNotKeepTheServerFromStarting: its peers
// are looked at again when somebody comes.
func TestOneRoomThatCannotBeRestoredDoesNotKeepTheServerFromStarting(t *testing.T) {
	w := newWorld(t)
	w.sessions.live = []chat.MeetingID{"damaged", meeting}
	w.journal.damaged = "damaged"
	if err := w.hub.Restore(t.Context()); err != nil {
		t.Error(err)
	}
	if rooms := w.hub.all(); len(rooms) != 1 || rooms[0].meeting != meeting {
		t.Errorf("%d rooms are restored", len(rooms))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.journal.gate = make(chan struct{})
	w.sessions.live = []chat.MeetingID{"slow"}
	if err := w.hub.Restore(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait gets %v", err)
	}
	close(w.journal.gate)
	w.hub.Close()
}

func TestEntriesToldWhileARoomLoadsAreNeitherLostNorDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.journal.gate = make(chan struct{})
		for _, text := range []string{"one", "two"} {
			w.say(text)
		}
		loaded := make(chan *Connection)
		go func() { loaded <- w.connect("a1") }()
		synctest.Wait()
		// Whatever of these the loading finds in the journal, it is told too.
		w.say("three")
		w.say("four")
		gate := w.journal.gate
		w.journal.gate = nil
		close(gate)
		a := <-loaded
		a.Room.Join(a.Feed, infoOf("a1"), session, []byte("welcome\n"))
		w.say("five")
		synctest.Wait()
		w.wantSent(a, "welcome five")
		if slot := a.Reserve(); slot.Seq != 5 {
			t.Errorf("the room stands at %d, want 5", slot.Seq)
		}
		if w.journal.reads != 0 {
			t.Errorf("the journal was read %d times for what had been told", w.journal.reads)
		}
		w.hub.Close()
	})
}

// TestEntryToldBetweenTheReadingsOfALoad has entries committed after the head
// was read and told before the room was ready.
func TestEntryToldBetweenTheReadingsOfALoad(t *testing.T) {
	for name, lost := range map[string]bool{"all told": false, "some not told": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.say("one")
				between := &betweenReadings{rows: w.sessions, gate: make(chan struct{})}
				w.hub = NewHub(Config{}, lines{}, w.journal, between)
				loaded := make(chan *Connection)
				go func() { loaded <- w.connect("a1") }()
				synctest.Wait()
				if lost {
					w.journal.commit(meeting, "two")
				} else {
					w.say("two")
				}
				w.say("three")
				close(between.gate)
				a := <-loaded
				synctest.Wait()
				if slot := a.Reserve(); slot.Seq != 3 {
					t.Errorf("the room stands at %d, want 3", slot.Seq)
				}
				w.hub.Close()
			})
		})
	}
}

// betweenReadings holds a load up when it has read the head.
type betweenReadings struct {
	*rows
	gate chan struct{}
}

func (b *betweenReadings) Peers(ctx context.Context, m chat.MeetingID) (Session, []Kept, error) {
	<-b.gate
	return b.rows.Peers(ctx, m)
}

func TestEntriesThatWereNotToldAreReadFromTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.join("a1"), w.join("b1"), w.join("c1")
		for _, p := range []*Connection{a, b, c} {
			w.sent(p)
		}
		w.say("one")
		w.journal.commit(meeting, "(two)", "a", "b")
		for n := range fillPage + 10 {
			w.journal.commit(meeting, fmt.Sprint("n", n))
		}
		w.journal.gate = make(chan struct{})
		w.say("late")
		synctest.Wait()
		w.say("later")
		w.journal.commit(meeting, "never-told")
		w.say("latest")
		close(w.journal.gate)
		synctest.Wait()
		want := "one (two)"
		for n := range fillPage + 10 {
			want += fmt.Sprint(" n", n)
		}
		want += " late later never-told latest"
		w.wantSent(a, want)
		w.wantSent(b, want)
		w.wantSent(c, strings.Replace(want, "(two) ", "", 1))
		w.say("on")
		w.wantSent(a, "on")
		w.hub.Close()
	})
}

func TestEntriesToldTwiceAreSentOnce(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	one, two := w.journal.commit(meeting, "one"), w.journal.commit(meeting, "two")
	w.hub.Observe([]journal.Entry{one, two})
	w.hub.Observe([]journal.Entry{one})
	w.hub.Observe([]journal.Entry{two})
	w.wantSent(a, "one two")
}

func TestObserveSortsEntriesByMeeting(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	other, err := w.hub.Connect(t.Context(), "other", infoOf("b1"))
	if err != nil {
		t.Fatal(err)
	}
	other.Room.Join(other.Feed, infoOf("b1"), session, nil)
	w.hub.Observe([]journal.Entry{
		w.journal.commit(meeting, "one"), w.journal.commit(meeting, "two"), w.journal.commit("other", "three"),
		w.journal.commit("unknown", "four"), w.journal.commit(meeting, "five"),
	})
	w.wantSent(a, "one two five")
	w.wantSent(other, "three")
}

func TestRoomThatCannotReadWhatItMissedSendsItsPeersBack(t *testing.T) {
	for name, cause := range map[string]func(*memory){
		"an error": func(m *memory) { m.fault = errors.New("damaged") },
		"a hole":   func(m *memory) { m.empty = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b, away := w.join("a1"), w.join("b1"), w.join("c1")
				w.sent(a)
				away.Room.Disconnect(away.Feed, false)
				cause(w.journal)
				w.journal.commit(meeting, "lost")
				w.say("late")
				time.Sleep(time.Second)
				w.wantEnd(a, ClosedFault)
				w.wantEnd(b, ClosedFault)
				w.journal.fault, w.journal.empty = nil, false
				w.sessions.kept = []Kept{{Info: infoOf("a1")}, {Info: infoOf("b1")}, {Info: infoOf("c1")}}
				again := w.connect("a1")
				if again.Room == a.Room || again.Missed == nil {
					t.Fatal("the room was not loaded anew")
				}
				again.Missed.Slot.Fill(nil)
				back := w.connect("b1")
				back.Missed.Slot.Fill(nil)
				w.connect("c1").Missed.Slot.Fill(nil)
				// The end of the old connections, whenever it is noticed, says
				// nothing about who is here.
				b.Room.Leave(b.Feed)
				a.Room.Disconnect(a.Feed, false)
				b.Room.Disconnect(b.Feed, true)
				time.Sleep(2 * restart)
				w.hub.Close()
				if got := w.sessions.whoLeft(); got != "" {
					t.Errorf("recorded as left: %q", got)
				}
				w.wantSent(again, "")
			})
		})
	}
}

func TestEmptyRoomsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a := w.join("a1")
		time.Sleep(time.Minute)
		if len(w.hub.all()) != 1 {
			t.Fatal("a room with a silent peer was forgotten")
		}
		a.Room.Disconnect(a.Feed, false)
		time.Sleep(grace - time.Second)
		if len(w.hub.all()) != 1 {
			t.Error("a room that somebody is expected in was forgotten")
		}
		time.Sleep(time.Minute)
		if len(w.hub.all()) != 0 {
			t.Error("an empty room was not forgotten")
		}
		w.connect("b1")
	})
}

// TestRoomIsKeptUntilALeavingIsRecorded: who loaded it anew before that would
// find the peer still there.
func TestRoomIsKeptUntilALeavingIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sessions.gate = make(chan struct{})
		w.run()
		a := w.join("a1")
		a.Room.Disconnect(a.Feed, true)
		time.Sleep(time.Minute)
		if len(w.hub.all()) != 1 {
			t.Error("the room was forgotten")
		}
		close(w.sessions.gate)
		time.Sleep(time.Minute)
		if len(w.hub.all()) != 0 {
			t.Error("the room was not forgotten")
		}
	})
}

func TestConnectFindsTheRoomThatFollowsAForgottenOne(t *testing.T) {
	w := newWorld(t)
	old, err := w.hub.Room(t.Context(), meeting)
	if err != nil || !old.retire() {
		t.Fatal("the room was not given up", err)
	}
	if _, err := old.connect(infoOf("a1")); !errors.Is(err, errForgotten) {
		t.Errorf("the old room says %v", err)
	}
	found := make(chan *Connection)
	go func() { found <- w.connect("a1") }()
	w.hub.forget(old)
	if c := <-found; c.Room == old {
		t.Error("a peer was let into a room that nothing is told in")
	}
}

// TestConnectWhileARoomIsForgotten connects and leaves while rooms are swept:
// whoever is let in must be in the room that entries are brought to.
func TestConnectWhileARoomIsForgotten(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for ctx.Err() == nil {
			w.hub.sweep(w.hub.all())
		}
	})
	for range 300 {
		c := w.connect("a1")
		c.Room.Join(c.Feed, infoOf("a1"), session, nil)
		w.say("on")
		w.wantSent(c, "on")
		c.Room.Leave(c.Feed)
		c.Room.Disconnect(c.Feed, true)
	}
	cancel()
	sweeping.Wait()
	w.hub.Close()
}

func TestPeersArePingedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		var peers []*Connection
		for n := range MaxPeersPerParticipant {
			peers = append(peers, w.join(chat.PeerID(fmt.Sprint("a", n))))
		}
		w.connect("b1")
		for _, p := range peers {
			w.sent(p)
		}
		for range 5 {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			for _, p := range peers {
				w.wantSent(p, "?")
				p.Ponged()
			}
		}
	})
}

func TestPeerThatAnswersNoPingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		joined, outside := w.join("a1"), w.connect("b1")
		for _, c := range []*Connection{joined, outside} {
			w.sent(c)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		w.wantSent(joined, "? ?")
		w.wantSent(outside, "? ?")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.wantEnd(joined, ClosedSilent)
		w.wantEnd(outside, ClosedSilent)
	})
}

func TestWhatAPeerHasSeenIsWhatWasSentBeforeAnAnsweredPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a := w.join("a1")
		a.Ponged() // answers nothing
		w.say("one")
		time.Sleep(10 * time.Second)
		w.say("two")
		synctest.Wait()
		w.wantSent(a, "one ? two")
		a.Ponged()
		a.Ponged() // answers nothing more
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := w.sessions.seen["a1"]; got != 1 || w.sessions.saves != 1 {
			t.Errorf("saved as seen: %d, want 1; in %d writes", got, w.sessions.saves)
		}
		again := w.connect("a1")
		if again.Missed == nil || again.Missed.After != 1 {
			t.Fatalf("missed: %+v", again.Missed)
		}
		again.Missed.Slot.Fill(nil)
		// An answer on the old connection tells nothing about the new one.
		a.Ponged()
		if third := w.connect("a1"); third.Missed.After != 1 {
			t.Errorf("missed: %+v", third.Missed)
		}
	})
}

func TestWhatIsSavedAlreadyIsNotSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a := w.join("a1")
		w.say("one")
		for range 10 {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			a.Ponged()
			w.sent(a)
		}
		if w.sessions.saves != 1 {
			t.Errorf("%d writes for one entry seen", w.sessions.saves)
		}
	})
}

func TestWhatWasSeenIsSavedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		w.say("one")
		w.hub.pingSlot(a.Room, slotOf("a1"))
		a.Ponged()
		w.hub.Close()
		if got := w.sessions.seen["a1"]; got != 1 {
			t.Errorf("saved as seen: %d, want 1", got)
		}
	})
}

func TestDrainSendsAllPeersBackAndNobodyHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, outside := w.join("a1"), w.connect("b1")
		w.hub.Drain()
		w.wantEnd(a, ClosedRestart)
		w.wantEnd(outside, ClosedRestart)
		// Who was let in before and comes only now must not be forgotten.
		late := w.connect("a2")
		w.wantEnd(late, ClosedRestart)
		for _, c := range []*Connection{a, outside, late} {
			c.Room.Disconnect(c.Feed, false)
		}
		w.hub.Close()
		time.Sleep(2 * restart)
		synctest.Wait()
		if got := w.sessions.whoLeft(); got != "" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestDrainLetsEverythingGoOutFirst(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.sent(a)
	w.say("one")
	slot := a.Reserve()
	w.say("(to-a)", "a", "b")
	w.hub.Drain()
	w.say("two")
	w.wantSent(b, "one (to-a) two <the server restarts>")
	w.wantSent(a, "one")
	slot.Fill([]byte("answer\n"))
	w.wantSent(a, "answer (to-a) two <the server restarts>")
	w.hub.Close()
}

// TestCloseLeavesNothingRunning would fail in a bubble that does not end.
func TestCloseLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); w.hub.Run(ctx) }()
	a, b := w.join("a1"), w.join("b1")
	a.Room.Disconnect(a.Feed, false)
	b.Room.Disconnect(b.Feed, true)
	w.journal.commit(meeting, "not told")
	w.say("told")
	cancel()
	<-ran
	w.hub.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

func TestLeavingIsRecordedWhenTheStoreIsBackAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.sessions.faults = 3
		b := w.join("b1")
		b.Room.Disconnect(b.Feed, true)
		synctest.Wait()
		if got := w.sessions.whoLeft(); got != "" {
			t.Fatalf("recorded as left while the store failed: %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.sessions.whoLeft(); got != "b1" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestCloseDoesNotWaitForAStoreThatFails(t *testing.T) {
	w := newWorld(t)
	w.sessions.faults = 1 << 30
	b := w.join("b1")
	b.Room.Disconnect(b.Feed, true)
	w.hub.Close()
	if got := w.sessions.whoLeft(); got != "" {
		t.Errorf("recorded as left: %q", got)
	}
}
