package room

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
)

// brittle is a codec that panics where it meets the name or the text "bad".
type brittle struct{ lines }

func (c brittle) Entry(e journal.Entry) []byte {
	if e.Event.Message.Content.Payload == "bad" {
		panic("an entry that cannot be shown")
	}
	return c.lines.Entry(e)
}

func (c brittle) Joined(i Info) []byte {
	if i.Name == "bad" {
		panic("a peer that cannot be shown")
	}
	return c.lines.Joined(i)
}

func (c brittle) Left(i Info) []byte {
	if i.Name == "worse" {
		panic("a peer that cannot go")
	}
	return c.lines.Left(i)
}

func newBrittleWorld(t *testing.T) (*world, *fault.Guard) {
	w := newWorld(t)
	guard := fault.New(slog.New(slog.DiscardHandler))
	w.hub = NewHub(Config{Faults: guard}, brittle{}, w.journal, w.sessions)
	return w, guard
}

// A panic in telling costs the room in which it happened. Its peers are sent
// away, come back to a new one, and have the place from which on they missed
// something; other rooms go on, and so does the rest of the commit.
func TestPanicInTellingDropsTheRoomAlone(t *testing.T) {
	w, guard := newBrittleWorld(t)
	a, b := w.join("a1"), w.join("b1")
	other, err := w.hub.Connect(t.Context(), "other", infoOf("c1"))
	if err != nil {
		t.Fatal(err)
	}
	other.Room.Join(other.Feed, infoOf("c1"), session, []byte("welcome\n"))
	w.sent(other)
	w.sent(a)

	w.say("good")
	w.wantSent(a, "good")
	w.sessions.kept = []Kept{{Info: infoOf("a1"), Seen: 1}, {Info: infoOf("b1")}}
	w.hub.Observe([]journal.Entry{
		w.journal.commit(meeting, "bad"), w.journal.commit(meeting, "beside it"), w.journal.commit("other", "elsewhere"),
	})
	w.wantEnd(a, ClosedFault)
	w.wantEnd(b, ClosedFault)
	w.wantSent(other, "elsewhere")
	if dropped, caught := w.hub.Counters().Dropped.Load(), guard.Caught().Of(fault.Room); dropped != 1 || caught != 1 {
		t.Errorf("%d rooms were dropped for %d panics", dropped, caught)
	}

	a.Room.Disconnect(a.Feed, false)
	b.Room.Disconnect(b.Feed, false)
	back := w.connect("a1")
	if back.Room == a.Room {
		t.Fatal("back in the room that was dropped")
	}
	if back.Missed == nil || back.Missed.After != 1 || back.Missed.Slot.Seq != 3 {
		t.Fatalf("missed %+v, want the entries after 1 up to 3", back.Missed)
	}
	back.Missed.Slot.Fill([]byte("(missed)\n"))
	w.say("later")
	w.wantSent(back, "(missed) later")
}

// A request that panics under the room's lock leaves the lock free and the
// room dropped; who guards the request gets the panic.
func TestPanicInARequestDropsTheRoom(t *testing.T) {
	w, guard := newBrittleWorld(t)
	a, b := w.join("a1"), w.connect("b1")
	if guard.Do(fault.Request, func() {
		b.Room.Join(b.Feed, Info{Peer: "b1", Participant: "b", Name: "bad", Rights: sociable}, session, nil)
	}) {
		t.Fatal("the request has not panicked")
	}
	w.wantEnd(a, ClosedFault)
	w.wantEnd(b, ClosedFault)
	if w.join("a2").Room == a.Room {
		t.Error("the room is still in use")
	}
}

func TestPanicInATimerEndsTheRoomAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, guard := newBrittleWorld(t)
		w.run()
		a := w.join("a1")
		b := w.connect("b1")
		b.Room.Join(b.Feed, Info{Peer: "b1", Participant: "b", Name: "worse", Rights: sociable}, session, nil)
		b.Room.Disconnect(b.Feed, false)
		time.Sleep(grace + 1500*time.Millisecond) // between two pings
		w.wantEnd(a, ClosedFault)
		if n := guard.Caught().Of(fault.Room); n != 1 {
			t.Errorf("%d panics were counted", n)
		}
		back := w.join("a1")
		w.say("life goes on")
		w.wantSent(back, "life goes on")
	})
}

func TestPanicInLoadingIsAnError(t *testing.T) {
	w, guard := newBrittleWorld(t)
	w.hub.sessions = panics{w.sessions}
	if _, err := w.hub.Room(t.Context(), meeting); err == nil || !strings.Contains(err.Error(), "loading a room") {
		t.Errorf("loading gave %v", err)
	}
	w.hub.work.Wait() // the panic is counted after those who wait are told
	if n := guard.Caught().Of(fault.Room); n != 1 {
		t.Errorf("%d panics were counted", n)
	}
	w.hub.sessions = w.sessions
	w.join("a1")
}

// panics is where reading who was here panics.
type panics struct{ *rows }

func (p panics) Peers(context.Context, chat.MeetingID) (Session, []Kept, error) { panic("in reading") }

func TestSurveyCountsWhoIsHereAndHowFarBehind(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.connect("c1")
	d := w.join("d1")
	d.Room.Disconnect(d.Feed, false)
	w.sent(a)
	w.sent(b)
	if s := w.hub.Survey(); s.Rooms != 1 || s.Connections != 3 || s.Members != 3 || s.Away != 1 || s.Slowest != 0 {
		t.Errorf("the survey is %+v", s)
	}
	long := strings.Repeat("x", 1<<10)
	for range 600 {
		w.say(long)
		w.sent(a)
	}
	s := w.hub.Survey()
	if s.Slowest != 600*(len(long)+1) || s.Behind != [len(LagSteps)]int{1, 1, 0} {
		t.Errorf("with one that does not read the survey is %+v", s)
	}
}

func TestDeliveriesCountFramesTimesReaders(t *testing.T) {
	w := newWorld(t)
	w.join("a1")
	w.join("b1")
	w.connect("c1") // has not joined, and hears nothing
	before := w.hub.Counters().Deliveries.Load()
	w.hub.Observe([]journal.Entry{w.journal.commit(meeting, "one"), w.journal.commit(meeting, "two")})
	w.say("for a", "a")
	if got := w.hub.Counters().Deliveries.Load() - before; got != 5 {
		t.Errorf("%d deliveries, want two to each of two and one more", got)
	}
}
