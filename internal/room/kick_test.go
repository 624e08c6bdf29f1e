package room

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// ids are peers by their names.
func ids(names ...chat.PeerID) []chat.PeerID { return names }

func TestKickedPeersHearOfItAndOfNothingAfter(t *testing.T) {
	w := newWorld(t)
	a, b1, b2, c := w.join("a1"), w.join("b1"), w.join("b2"), w.join("c1")
	for _, x := range []*Connection{a, b1, b2, c} {
		w.sent(x)
	}
	w.say("before")
	w.hub.Kicked(meeting, ids("b1", "c1"))
	w.say("after")
	w.say("for b", "b")
	w.wantSent(b1, "before !b1")
	w.wantSent(c, "before !c1")
	w.wantSent(a, "before -b1 -c1 after")
	w.wantSent(b2, "before -b1 -c1 after for b") // the other tab stays
	b1.Answer([]byte("refused\n"))
	w.say("later")
	w.wantSent(b1, "refused")
	if w.sessions.whoLeft() != "" {
		t.Errorf("the leaving of %s was recorded by the room", w.sessions.whoLeft())
	}
}

// A client that is closed before it has worked off the news takes it for a lost
// connection, so it gets the time to close by itself.
func TestKickedPeerIsClosedForGoodIfItStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a1"), w.join("b1")
		w.hub.Kicked(meeting, ids("a1", "b1"))
		w.wantSent(a, "+b1 !a1")
		b.Room.Disconnect(b.Feed, true)
		time.Sleep(expelGrace - 1)
		synctest.Wait()
		w.wantEnd(a, nil)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.wantEnd(a, ClosedForGood)
		w.wantEnd(b, ClosedReplaced)
		if code := ClosedForGood.Code; code != 1000 {
			t.Errorf("it is closed with %d, after which clients come back", code)
		}
	})
}

func TestKickedPeerThatIsAwayLeavesAtOnceAndIsToldWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a1"), w.join("b1")
		w.sent(a)
		b.Room.Disconnect(b.Feed, false)
		w.hub.Kicked(meeting, ids("b1"))
		w.wantSent(a, "-b1")
		back := w.connect("b1")
		if back.Missed != nil || back.Room.Joined(back.Feed) {
			t.Error("a kicked peer is a member again")
		}
		w.say("secret")
		w.wantSent(back, "!b1")
		other := w.connect("b2")
		other.Room.Join(other.Feed, infoOf("b2"), session, []byte("welcome\n"))
		w.wantSent(other, "welcome")
		time.Sleep(2 * grace)
		synctest.Wait()
		w.wantSent(a, "secret +b2")
	})
}

// The row of a join may be written before that of a kick, and the room told of
// both the other way round.
func TestPeerThatWasKickedWhileItJoinedIsNoMember(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.connect("b1")
	w.hub.Kicked(meeting, ids("b1"))
	if err := b.Room.Join(b.Feed, infoOf("b1"), session, []byte("welcome\n")); !errors.Is(err, chat.ErrKicked) {
		t.Errorf("Join: %v, want %v", err, chat.ErrKicked)
	}
	w.say("secret")
	w.wantSent(b, "!b1")
	w.wantSent(a, "secret")
	if b.Room.Joined(b.Feed) {
		t.Error("it is a member")
	}
	// And if it is connected only now.
	c := w.connect("c1")
	c.Room.Disconnect(c.Feed, false)
	w.hub.Kicked(meeting, ids("c1"))
	again := w.connect("c1")
	again.Room.Join(again.Feed, infoOf("c1"), session, []byte("welcome\n"))
	w.wantSent(again, "!c1")
}

func TestKickWhileTheRoomLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.journal.gate = make(chan struct{})
		w.sessions.session, w.sessions.kept = session, []Kept{{Info: infoOf("a1")}, {Info: infoOf("b1")}}
		loaded := make(chan *Room)
		go func() {
			r, err := w.hub.Room(t.Context(), meeting)
			if err != nil {
				t.Error(err)
			}
			loaded <- r
		}()
		synctest.Wait()
		w.hub.Kicked(meeting, ids("b1"))
		close(w.journal.gate)
		r := <-loaded
		if _, ok := r.Member("b1"); ok {
			t.Error("the kicked peer is a member")
		}
		if _, ok := r.Member("a1"); !ok {
			t.Error("the other is none")
		}
		w.hub.Close()
	})
}

func TestWhoWasKickedBeforeTheRestartIsKnownToBe(t *testing.T) {
	w := newWorld(t)
	w.sessions.session, w.sessions.kept = session, []Kept{{Info: infoOf("b1"), Gone: true, Kicked: true}}
	w.wantSent(w.connect("b1"), "!b1")
	w.hub.Close()
}

func TestKickWhereNoRoomIs(t *testing.T) {
	w := newWorld(t)
	w.hub.Kicked(meeting, ids("a1"))
	w.hub.Ended(meeting, ids("a1"), "", "")
	if rooms := w.hub.all(); len(rooms) != 0 {
		t.Errorf("%d rooms were made", len(rooms))
	}
}

// The one who asked hears of the end as the answer to its request, and once.
func TestEndForAllIsToldToEverybody(t *testing.T) {
	w := newWorld(t)
	a, b, waiting := w.join("a1"), w.join("b1"), w.connect("c1")
	away := w.join("d1")
	away.Room.Disconnect(away.Feed, false)
	for _, x := range []*Connection{a, b} {
		w.sent(x)
	}
	w.hub.Ended(meeting, ids("a1", "b1", "d1"), "a1", "#7")
	w.wantSent(a, "end#7")
	w.wantSent(b, "end")
	w.wantSent(waiting, "")
	w.wantSent(w.connect("d1"), "end")
	next := Session{ID: "next"}
	waiting.Room.Join(waiting.Feed, infoOf("c1"), next, []byte("welcome\n"))
	w.say("hello")
	w.wantSent(waiting, "welcome hello")
	w.wantSent(a, "")
	if got := waiting.Room.Session(); got != next {
		t.Errorf("the room's session is %+v, want %+v", got, next)
	}
}

// Who joined the next session already is not taken out by the end of the one
// before, of which the room is told later.
func TestEndToldLateSparesTheNextSession(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	b := w.connect("b1")
	next := Session{ID: "next"}
	b.Room.Join(b.Feed, infoOf("b1"), next, []byte("welcome\n"))
	w.sent(a)
	w.hub.Ended(meeting, ids("a1"), "", "")
	w.wantSent(a, "end")
	w.wantSent(b, "welcome -a1")
	if !b.Room.Joined(b.Feed) || b.Room.Session() != next {
		t.Errorf("b1 is a member: %v, in session %s", b.Room.Joined(b.Feed), b.Room.Session().ID)
	}
}

// A peer leaves the session it has joined, which is not always the latest.
func TestLeavingIsRecordedInTheSessionThatWasJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a1"), w.connect("b1")
		b.Room.Join(b.Feed, infoOf("b1"), Session{ID: "next"}, nil)
		a.Room.Disconnect(a.Feed, true)
		synctest.Wait()
		if got := w.sessions.sessionsLeft["a1"]; got != session.ID {
			t.Errorf("a1 left session %q, want %q", got, session.ID)
		}
		w.hub.Close()
	})
}

func TestPeerIDsOfAnEarlierSessionLeadNowhere(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.hub.Ended(meeting, ids("a1"), "", "")
	b := w.connect("b1")
	b.Room.Join(b.Feed, infoOf("b1"), Session{ID: "next"}, nil)
	if found := a.Room.Participants([]string{"a1", "b1"}); len(found) != 1 || found["b1"] != "b" {
		t.Errorf("the peers lead to %v, want that of the next session alone", found)
	}
}

func TestDrainDoesNotCallBackWhoWasKicked(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.hub.Kicked(meeting, ids("a1"))
	w.hub.Drain()
	w.wantSent(a, "+b1 !a1 <"+ClosedForGood.Reason+">")
	w.sent(b)
	w.wantEnd(b, ClosedRestart)
}

// A peer may be recorded as present while nobody is in the room yet.
func TestRoomIsKeptWhileAPeerIsBeingRecorded(t *testing.T) {
	w := newWorld(t)
	r, err := w.hub.Room(t.Context(), meeting)
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("full")
	if err := r.Enter(func() error {
		if r.retire() {
			t.Error("the room was given up")
		}
		return fault
	}); !errors.Is(err, fault) {
		t.Errorf("Enter: %v", err)
	}
	if !r.retire() {
		t.Error("the room is kept for nothing")
	}
}

// Peers that are recorded as present without a room, as after a fault of the
// store, would keep their session alive for ever.
func TestPeersWithoutARoomAreFoundAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		time.Sleep(findEvery / 2)
		w.sessions.mu.Lock()
		w.sessions.session, w.sessions.kept = session, []Kept{{Info: infoOf("a1")}}
		w.sessions.live = []chat.MeetingID{meeting}
		w.sessions.mu.Unlock()
		time.Sleep(findEvery + restart)
		synctest.Wait()
		if got := w.sessions.whoLeft(); got != "a1" {
			t.Errorf("those who left are %q, want a1", got)
		}
	})
}
