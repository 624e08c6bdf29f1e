package room

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
)

// tap is an outlet that takes down what goes out.
type tap struct {
	name string
	book *book

	hold    chan struct{} // if set, what is offered is kept, and Flush waits for it
	offered func()        // if set, is called by each Offer
	err     error         // what Offer fails with
	kept    string
}

// book has what went out on all taps, in order.
type book struct {
	mu     sync.Mutex
	writes []string // tap:text
	ends   []string // tap:reason
}

func (b *book) note(list *[]string, line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*list = append(*list, line)
}

func (t *tap) Offer(frames [][]byte) (waits bool, err error) {
	var text strings.Builder
	for _, f := range frames {
		text.Write(f)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	if t.offered != nil {
		t.offered()
	}
	switch {
	case t.err != nil:
		return false, t.err
	case t.hold != nil:
		t.kept = words
		return true, nil
	}
	t.book.note(&t.book.writes, t.name+":"+words)
	return false, nil
}

func (t *tap) Flush() error {
	<-t.hold
	t.book.note(&t.book.writes, t.name+":"+t.kept)
	t.kept, t.hold = "", nil
	return nil
}

func (t *tap) End(err error) {
	reason := err.Error()
	if closed, ok := errors.AsType[*Closed](err); ok {
		reason = closed.Reason
	}
	t.book.note(&t.book.ends, t.name+":"+reason)
}

// tapped joins, and has what goes out taken down from then on.
func (w *world) tapped(b *book, peer chat.PeerID) (*Connection, *tap) {
	c := w.join(peer)
	t := &tap{name: string(peer), book: b}
	c.Start(t)
	synctest.Wait()
	return c, t
}

// wantWrites demands what was written on a tap, write by write, and forgets it.
func (b *book) want(t *testing.T, tap string, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got, others []string
	for _, line := range b.writes {
		if name, text, _ := strings.Cut(line, ":"); name == tap {
			got = append(got, text)
		} else {
			others = append(others, line)
		}
	}
	b.writes = others
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("to %s went %q, want %q", tap, got, want)
	}
}

func (b *book) wantEnds(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if fmt.Sprint(b.ends) != fmt.Sprint(want) {
		t.Errorf("ended were %q, want %q", b.ends, want)
	}
}

// bubble runs a test of pumps in a bubble of its own.
func bubble(t *testing.T, test func(w *world, b *book)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		test(w, new(book))
		w.hub.Close()
	})
}

func TestEverybodyIsWrittenToInOrder(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		a, _ := w.tapped(b, "a1")
		w.tapped(b, "b1")
		synctest.Wait()
		b.want(w.T, "a1", "+b1")
		w.say("one")
		w.say("(two)", "a")
		a.Answer([]byte("three\n"))
		w.say("four")
		synctest.Wait()
		b.want(w.T, "a1", "one", "(two)", "three", "four")
		b.want(w.T, "b1", "one", "four")
	})
}

// What is committed together goes out together.
func TestOneWriteTellsAllOfACommit(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		w.tapped(b, "a1")
		w.hub.Observe([]journal.Entry{w.journal.commit(meeting, "one"), w.journal.commit(meeting, "two")})
		synctest.Wait()
		b.want(w.T, "a1", "one two")
	})
}

// Many peers are more than one pump takes at once, and than whoever says
// something writes to by itself.
func TestNobodyOfManyIsLeftOut(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		const many = 3*pumpBatch + 1
		for i := range many {
			w.tapped(b, chat.PeerID(fmt.Sprint("_", i)))
		}
		synctest.Wait()
		b.writes = nil
		w.say("one")
		w.say("two")
		synctest.Wait()
		for i := range many {
			name := fmt.Sprint("_", i)
			var got []string
			for _, line := range b.writes {
				if text, ok := strings.CutPrefix(line, name+":"); ok {
					got = append(got, text)
				}
			}
			if strings.Join(got, " ") != "one two" {
				t.Errorf("to %s went %q", name, got)
			}
		}
	})
}

func TestWhoHasSaidItIsToldFirst(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		for i := range pumpBatch {
			w.tapped(b, chat.PeerID(fmt.Sprint("_", i)))
		}
		synctest.Wait()
		b.writes = nil
		for range 5 {
			e := w.journal.commit(meeting, "mine")
			e.Event.Peer = "_7"
			w.hub.Observe([]journal.Entry{e})
			synctest.Wait()
			if got := b.writes[0]; got != "_7:mine" {
				t.Errorf("first was %q", got)
			}
			b.writes = nil
		}
	})
}

func TestASlowConnectionHoldsUpNobodyAndMissesNothing(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		_, slow := w.tapped(b, "a1")
		w.tapped(b, "b1")
		synctest.Wait()
		b.want(w.T, "a1", "+b1")
		hold := make(chan struct{})
		slow.hold = hold
		for _, text := range []string{"one", "two", "three"} {
			w.say(text)
			synctest.Wait()
		}
		b.want(w.T, "b1", "one", "two", "three")
		b.want(w.T, "a1")
		close(hold)
		synctest.Wait()
		b.want(w.T, "a1", "one", "two three")
		w.say("four")
		synctest.Wait()
		b.want(w.T, "a1", "four")
	})
}

// What is said while a connection is written to is written afterwards.
func TestWhatIsSaidDuringAWriteFollows(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		_, a := w.tapped(b, "a1")
		a.offered = sync.OnceFunc(func() { w.say("two") })
		w.say("one")
		synctest.Wait()
		b.want(w.T, "a1", "one", "two")
	})
}

// A connection that fails, or whose own work panics, is ended once; the others
// hear everything.
func TestTheFaultOfAnOutletIsItsOwn(t *testing.T) {
	for reason, offered := range map[string]func(*tap){
		"gone":             func(a *tap) { a.err = errors.New("gone") },
		ClosedFault.Reason: func(a *tap) { a.offered = func() { panic("a fault of ours") } },
	} {
		bubble(t, func(w *world, b *book) {
			w.hub.config.Faults = fault.New(w.hub.config.Logger)
			_, a := w.tapped(b, "a1")
			w.tapped(b, "b1")
			synctest.Wait()
			offered(a)
			for _, text := range []string{"one", "two"} {
				w.say(text)
				synctest.Wait()
			}
			b.want(w.T, "b1", "one", "two")
			b.wantEnds(w.T, "a1:"+reason)
		})
	}
}

// A pump that panics sends those away whom it was about to write to, and the
// room is dropped.
func TestAPanicOfAPumpIsNobodysSilence(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		a, _ := w.tapped(b, "a1")
		w.tapped(b, "b1")
		a.Room.mu.Lock()
		a.pings, a.queue = nil, []*item{nil}
		a.rouse()
		a.Room.mu.Unlock()
		synctest.Wait()
		b.mu.Lock()
		ended := len(b.ends)
		b.mu.Unlock()
		if ended != 2 {
			t.Errorf("ended were %q, want both", b.ends)
		}
		if w.hub.counts.Dropped.Load() != 1 {
			t.Error("the room is not dropped")
		}
	})
}

func TestTheEndComesAfterAllThatWasSaid(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		w.tapped(b, "a1")
		w.say("one")
		w.hub.Drain()
		synctest.Wait()
		b.want(w.T, "a1", "one")
		b.wantEnds(w.T, "a1:"+ClosedRestart.Reason)
	})
}

func TestWhoeverDisconnectsIsNotEndedAgain(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		a, _ := w.tapped(b, "a1")
		w.tapped(b, "b1")
		synctest.Wait()
		b.want(w.T, "a1", "+b1")
		a.Room.Disconnect(a.Feed, true)
		w.say("one")
		synctest.Wait()
		b.want(w.T, "a1")
		b.wantEnds(w.T)
	})
}

// A long backlog goes out in pieces, all of it.
func TestABacklogGoesOutToItsEnd(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		c := w.join("a1")
		text := strings.Repeat("x", 40<<10)
		for range 20 {
			w.say(text)
		}
		c.Start(&tap{name: "a1", book: b})
		synctest.Wait()
		var got int
		for _, line := range b.writes {
			got += strings.Count(line, "x")
		}
		if got != 20*len(text) || len(b.writes) < 2 {
			t.Errorf("%d bytes went out in %d writes, want %d in some", got, len(b.writes), 20*len(text))
		}
	})
}

// Whoever waits until answers have gone out is let go when none will.
func TestAFailedOutletHoldsUpNoReader(t *testing.T) {
	bubble(t, func(w *world, b *book) {
		a, slow := w.tapped(b, "a1")
		slow.hold = make(chan struct{})
		for range 3 {
			a.Answer(make([]byte, maxAnswers))
			synctest.Wait()
		}
		let := make(chan error)
		go func() { _, err := a.AwaitRoom(w.Context()); let <- err }()
		synctest.Wait()
		slow.err = errors.New("gone")
		close(slow.hold)
		if err := <-let; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		b.wantEnds(w.T, "a1:gone")
	})
}
