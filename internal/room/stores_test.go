package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/kv"
)

// shelf is what is kept of stores.
type shelf struct {
	mu    sync.Mutex
	kept  kv.Snapshot
	reads int
	fault error
	gate  chan struct{} // if set, reading waits until it is closed, after it has read
}

func (s *shelf) Keys(context.Context, chat.MeetingID) (kv.Snapshot, error) {
	s.mu.Lock()
	s.reads++
	kept, fault, gate := s.kept, s.fault, s.gate
	kept.Items = append([]kv.Item(nil), kept.Items...)
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return kept, fault
}

// put commits a write of a peer at a time, key=value or key=- to delete, and
// gives the change, which is not told yet.
func (w *world) put(at int64, peer chat.PeerID, pair string) kv.Change {
	key, value, _ := strings.Cut(pair, "=")
	i := kv.Item{Name: kv.Name{Store: "st", Key: key}, Peer: peer, At: at}
	if value != "-" {
		i.Value = []byte(value)
	}
	w.stores.mu.Lock()
	defer w.stores.mu.Unlock()
	items := w.stores.kept.Items
	for n, before := range items {
		if before.Name != i.Name {
			continue
		}
		i.Rival = before.At
		if before.Peer == peer {
			i.Rival = before.Rival
		}
		items = append(items[:n:n], items[n+1:]...)
		break
	}
	w.stores.kept.Items = append(items, i)
	return kv.Change{Meeting: meeting, Session: w.stores.kept.Session, Peer: peer, At: at, Items: []kv.Item{i}}
}

func (w *world) set(at int64, peer chat.PeerID, pair string) {
	w.hub.ObserveStores(w.put(at, peer, pair))
}

// ask asks for all of the store; the answer is one line.
func (w *world) ask(c *Connection, keys ...string) error {
	slot, list, err := c.Room.Stored(w.Context(), c.Feed, "st", keys)
	if err == nil {
		slot.Fill([]byte("[" + strings.Join(strings.Fields(string(items(list))), ",") + "]\n"))
	}
	return err
}

func (w *world) mustAsk(c *Connection, keys ...string) {
	w.Helper()
	if err := w.ask(c, keys...); err != nil {
		w.Fatal(err)
	}
}

func TestChangesOfStoresAreToldAmongEntriesInTheOrderOfCommit(t *testing.T) {
	w := newWorld(t)
	a, b, outside := w.join("a1"), w.join("b1"), w.connect("c1")
	w.sent(a)
	w.set(1, "a1", "k=1")
	w.say("one")
	w.set(2, "a1", "k=-")
	for _, c := range []*Connection{a, b} {
		w.wantSent(c, "k=1@a1 one k=-@a1")
	}
	w.wantSent(outside, "")
}

func TestAnAnswerStandsAtItsPlaceAmongTheChanges(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.set(1, "b1", "k=1")
	w.mustAsk(a)
	w.set(2, "b1", "k=2")
	w.set(3, "b1", "l=1")
	w.mustAsk(a)
	w.set(4, "b1", "k=-")
	w.mustAsk(a)
	w.mustAsk(a, "k", "none")
	w.wantSent(a, "k=1@b1 [k=1@b1] k=2@b1 l=1@b1 [k=2@b1,l=1@b1] k=-@b1 [l=1@b1] []")
	if w.stores.reads != 1 {
		t.Errorf("the rows were read %d times", w.stores.reads)
	}
}

// What is committed while the rows are read is neither lost nor told twice.
func TestChangesWhileTheRowsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		w.stores.gate = make(chan struct{})
		late := w.put(1, "b1", "k=1") // committed, and told after it is read
		asked := make(chan error)
		go func() { asked <- w.ask(a) }()
		go func() { asked <- w.ask(a) }()
		synctest.Wait()
		w.hub.ObserveStores(late)
		w.set(2, "b1", "l=1") // committed after it is read
		close(w.stores.gate)
		if err := errors.Join(<-asked, <-asked); err != nil {
			t.Fatal(err)
		}
		w.wantSent(a, "k=1@b1 l=1@b1 [k=1@b1,l=1@b1] [k=1@b1,l=1@b1]")
		if w.stores.reads != 1 {
			t.Errorf("the rows were read %d times", w.stores.reads)
		}
		w.hub.Close()
	})
}

func TestStoresThatCannotBeReadAreTriedAgain(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.stores.fault = errors.New("no disk")
	if err := w.ask(a); err == nil {
		t.Error("nobody is told")
	}
	w.stores.fault = nil
	w.set(1, "b1", "k=1")
	w.mustAsk(a)
	w.wantSent(a, "k=1@b1 [k=1@b1]")
}

// A client applies its own writes at once and passes their echo over. Of two
// that write one key at the same time, the one that was first committed would
// keep the other's value, and the other the first's.
func TestWhoeverWroteWhatAnotherWroteTooIsToldHowItEnded(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.join("a1"), w.join("b1"), w.join("c1")
	for _, p := range []*Connection{a, b, c} {
		w.sent(p)
	}
	w.set(1000, "a1", "k=1")
	w.set(1001, "b1", "k=2")
	w.set(1002, "b1", "k=3")
	w.set(1003, "a1", "k=-")
	w.wantSent(a, "k=1@a1 k=2@b1 k=3@b1 k=-@a1 k=-@!")
	w.wantSent(b, "k=1@a1 k=2@b1 k=2@! k=3@b1 k=3@! k=-@a1")
	w.wantSent(c, "k=1@a1 k=2@b1 k=3@b1 k=-@a1")
	w.set(100_000, "b1", "k=4")
	w.wantSent(b, "k=4@b1")
}

// missed gives what a peer that is back is told of the stores.
func (w *world) missed(c *Connection) string {
	w.Helper()
	list, err := c.Room.StoredSince(w.Context(), *c.Missed)
	if err != nil {
		w.Fatal(err)
	}
	c.Missed.Slot.Fill(items(list))
	return w.sent(c)
}

func TestWhoIsBackIsToldWhatItMissed(t *testing.T) {
	w := newWorld(t)
	w.join("b1")
	a := w.join("a1")
	w.set(1, "b1", "before=1")
	w.set(2, "b1", "gone=1")
	a.Room.mu.Lock()
	a.ping([]byte("?\n"))
	a.Room.mu.Unlock()
	a.Ponged()
	w.set(3, "b1", "unsure=1") // sent, and perhaps not arrived
	a.Room.Disconnect(a.Feed, false)
	w.set(4, "b1", "k=1")
	w.set(5, "b1", "k=2")
	w.set(6, "b1", "gone=-")
	back := w.connect("a1")
	w.set(7, "b1", "k=3")
	w.set(8, "b1", "l=1")
	if got, want := w.missed(back), "unsure=1@b1 gone=-@b1 k=3@b1 l=1@b1"; got != want {
		t.Errorf("it was told %q, want %q", got, want)
	}
}

// After a restart nobody knows what arrived, so all is told that is kept.
func TestAfterARestartWhoIsBackIsToldWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sessions.session = session
		w.sessions.kept = []Kept{{Info: infoOf("a1")}}
		w.put(1, "b1", "k=1")
		w.put(2, "b1", "l=-")
		back := w.connect("a1")
		if got, want := w.missed(back), "k=1@b1 l=-@b1"; got != want {
			t.Errorf("it was told %q, want %q", got, want)
		}
		w.hub.Close()
	})
}

func TestStoresOfAnotherSessionAreNotShown(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.set(1, "a1", "k=1")
	w.mustAsk(a)
	w.wantSent(a, "k=1@a1 [k=1@a1]")
	w.stores.mu.Lock()
	w.stores.kept = kv.Snapshot{Session: "next"}
	w.stores.mu.Unlock()
	w.mustAsk(a) // the old session is not over for this peer
	b := w.connect("b1")
	b.Room.Join(b.Feed, infoOf("b1"), Session{ID: "next"}, []byte("welcome\n"))
	w.mustAsk(b)
	w.wantSent(b, "welcome []")
	w.set(2, "b1", "l=1")
	w.mustAsk(b)
	w.wantSent(b, "l=1@b1 [l=1@b1]")
}

func TestOnlySoManyDeletedKeysAreHeld(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.mustAsk(a)
	for n := range 3 * kv.MaxDeleted {
		c := kv.Change{Meeting: meeting, Session: session.ID, At: int64(n + 1)}
		c.Items = []kv.Item{{Name: kv.Name{Store: "st", Key: fmt.Sprint(n)}, At: c.At}}
		w.hub.ObserveStores(c)
		w.sent(a)
	}
	if n := len(a.Room.stores.items); n > 2*kv.MaxDeleted || n < kv.MaxDeleted || a.Room.stores.deleted != n {
		t.Errorf("%d deleted keys are held, counted as %d", n, a.Room.stores.deleted)
	}
}

func TestARoomTakesOnlySoManyWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		taken := 0
		for ; taken < 1000 && a.Room.AllowsStoreWrite(1); taken++ {
		}
		if taken != storeBurst {
			t.Errorf("%d writes were taken at once", taken)
		}
		time.Sleep(time.Minute)
		bytes := 0
		for a.Room.AllowsStoreWrite(32 << 10) {
			bytes += 32 << 10
		}
		if bytes != storeBytesAtOnce {
			t.Errorf("%d bytes were taken at once", bytes)
		}
		w.hub.Close()
	})
}

// After a cut, everybody is back at once, and as a rule nothing was missed.
func TestWhoMissedNothingOfTheStoresCostsNoReading(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	a.Room.Disconnect(a.Feed, false)
	if got := w.missed(w.connect("a1")); got != "" {
		t.Errorf("it was told %q", got)
	}
	w.set(1, "b1", "k=1")
	b.Room.mu.Lock()
	b.ping([]byte("?\n"))
	b.Room.mu.Unlock()
	b.Ponged()
	b.Room.Disconnect(b.Feed, false)
	if got := w.missed(w.connect("b1")); got != "" {
		t.Errorf("it was told %q", got)
	}
	if w.stores.reads > 0 {
		t.Errorf("the rows were read %d times", w.stores.reads)
	}
}
