package room

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

func TestJoinIsAnnouncedOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	b.Room.Join(b.Feed, infoOf("b1"), session, []byte("again\n"))
	w.wantSent(a, "+b1")
	w.wantSent(b, "again")
}

func TestPeerIDBelongsToWhoBroughtItFirst(t *testing.T) {
	foreign := Info{Peer: "a1", Participant: "b"}
	for name, prepare := range map[string]func(*world){
		"connected": func(w *world) { w.connect("a1") },
		"joined":    func(w *world) { w.join("a1") },
		"away":      func(w *world) { a := w.join("a1"); a.Room.Disconnect(a.Feed, false) },
		"left":      func(w *world) { a := w.join("a1"); a.Room.Disconnect(a.Feed, true) },
		"known from before the restart": func(w *world) {
			w.sessions.kept = []Kept{{Info: infoOf("a1"), Gone: true}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			defer w.hub.Close()
			prepare(w)
			if _, err := w.hub.Connect(t.Context(), meeting, foreign); !errors.Is(err, ErrForeignPeer) {
				t.Errorf("Connect: %v", err)
			}
			if err := w.hub.Admits(t.Context(), meeting, foreign.Peer, foreign.Participant); !errors.Is(err, ErrForeignPeer) {
				t.Errorf("Admits: %v", err)
			}
			w.connect("a1")
		})
	}
}

func TestConnectionsOfAParticipantAreCounted(t *testing.T) {
	w := newWorld(t)
	peer := func(n int) chat.PeerID { return chat.PeerID(fmt.Sprint("a", n)) }
	var first *Connection
	for n := range MaxPeersPerParticipant {
		if c := w.connect(peer(n)); n == 0 {
			first = c
		}
	}
	_, err := w.hub.Connect(t.Context(), meeting, infoOf("a-more"))
	if !errors.Is(err, ErrTooManyPeers) || !errors.Is(w.hub.Admits(t.Context(), meeting, "a-more", "a"), ErrTooManyPeers) {
		t.Errorf("one more: %v", err)
	}
	w.connect("b1")
	// A peer that comes back takes its own place, and who goes gives one up.
	again := w.connect(peer(0))
	first.Room.Disconnect(first.Feed, false)
	if _, err := w.hub.Connect(t.Context(), meeting, infoOf("a-more")); !errors.Is(err, ErrTooManyPeers) {
		t.Errorf("after a replacement: %v", err)
	}
	again.Room.Disconnect(again.Feed, false)
	w.connect("a-more")
}

func TestNewConnectionOfAPeerReplacesTheOld(t *testing.T) {
	w := newWorld(t)
	b := w.join("b1")
	old := w.join("a1")
	w.sent(b)
	w.say("one")
	again := w.connect("a1")
	w.wantEnd(old, ClosedReplaced)
	if again.Missed == nil || again.Missed.After != 0 || again.Missed.Slot.Seq != 1 {
		t.Fatalf("missed: %+v", again.Missed)
	}
	w.say("two")
	w.wantSent(again, "")
	again.Missed.Slot.Fill([]byte("(one)\n"))
	// It is a member without joining again, and nobody is told of the change.
	w.wantSent(again, "(one) two")
	old.Room.Disconnect(old.Feed, true)
	old.Room.Leave(old.Feed)
	old.Ponged()
	w.say("three")
	w.wantSent(again, "three")
	w.wantSent(b, "one two three")
}

func TestPeerThatSaysGoodbyeHasLeft(t *testing.T) {
	for name, leave := range map[string]func(*Connection){
		"by closing": func(c *Connection) { c.Room.Disconnect(c.Feed, true) },
		"by a word":  func(c *Connection) { c.Room.Leave(c.Feed) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.join("a1"), w.join("b1")
			w.sent(a)
			leave(b)
			w.wantSent(a, "-b1")
			w.hub.Close()
			if got := w.sessions.whoLeft(); got != "b1" {
				t.Errorf("recorded as left: %q", got)
			}
			if _, ok := a.Room.Member("b1"); ok {
				t.Error("b1 is still a member")
			}
		})
	}
}

func TestPeerThatLeftByAWordMayJoinAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	b.Room.Leave(b.Feed)
	w.say("without-b")
	w.say("(to-b)", "a", "b")
	b.Room.Join(b.Feed, infoOf("b1"), session, []byte("welcome\n"))
	w.say("with-b")
	w.wantSent(b, "welcome with-b")
	w.wantSent(a, "+b1 -b1 without-b (to-b) +b1 with-b")
}

func TestPeerThatIsCutOffHasTimeToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a, b := w.join("a1"), w.join("b1")
		w.sent(a)
		b.Room.Disconnect(b.Feed, false)
		w.say("one")
		w.say("(to-b)", "a", "b")
		time.Sleep(grace - time.Second)
		again := w.connect("b1")
		if again.Missed == nil || again.Missed.After != 0 || again.Missed.Slot.Seq != 2 {
			t.Fatalf("missed: %+v", again.Missed)
		}
		again.Missed.Slot.Fill(nil)
		time.Sleep(2 * grace)
		synctest.Wait()
		if _, ok := a.Room.Member("b1"); !ok {
			t.Error("b1 came back and is no member")
		}
		if got := w.sessions.whoLeft(); got != "" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestPeerThatComesBackMissesNothingFromBeforeItJoined(t *testing.T) {
	w := newWorld(t)
	w.connect("b1")
	w.say("before")
	w.join("a1")
	if again := w.connect("a1"); again.Missed == nil || again.Missed.After != 1 {
		t.Errorf("missed: %+v", again.Missed)
	}
}

func TestEachCutGivesTheWholeTimeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a1"), w.join("b1")
		w.sent(a)
		b.Room.Disconnect(b.Feed, false)
		time.Sleep(grace - time.Second)
		again := w.connect("b1")
		again.Missed.Slot.Fill(nil)
		again.Room.Disconnect(again.Feed, false)
		time.Sleep(grace - time.Second)
		synctest.Wait()
		w.wantSent(a, "")
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantSent(a, "-b1")
		w.hub.Close()
	})
}

func TestPeerThatDoesNotComeBackHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a1"), w.join("b1")
		w.sent(a)
		b.Room.Disconnect(b.Feed, false)
		time.Sleep(grace - time.Nanosecond)
		synctest.Wait()
		w.wantSent(a, "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.wantSent(a, "-b1")
		if again := w.connect("b1"); again.Missed != nil {
			t.Error("after that it comes back as if it had not left")
		}
		w.hub.Close()
		if got := w.sessions.whoLeft(); got != "b1" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestPeersFromBeforeTheRestartHaveTimeToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sessions.live = []chat.MeetingID{meeting}
		w.sessions.session = Session{ID: "kept", StartedAt: time.Unix(7, 0)}
		w.sessions.kept = []Kept{
			{Info: infoOf("a1"), Seen: 2}, {Info: infoOf("b1"), Seen: 1}, {Info: infoOf("c1"), Seen: 3, Gone: true},
		}
		for _, text := range []string{"one", "two", "three"} {
			w.journal.commit(meeting, text)
		}
		if err := w.hub.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(grace * 2)
		a := w.connect("a1")
		if a.Missed == nil || a.Missed.After != 2 || a.Missed.Slot.Seq != 3 {
			t.Fatalf("missed: %+v", a.Missed)
		}
		a.Missed.Slot.Fill(nil)
		if got := a.Room.Session(); got != w.sessions.session {
			t.Errorf("session %+v", got)
		}
		if c := w.connect("c1"); c.Missed != nil {
			t.Error("who had left before is back as if it had not")
		}
		time.Sleep(restart - grace*2)
		synctest.Wait()
		w.wantSent(a, "-b1")
		w.hub.Close()
		if got := w.sessions.whoLeft(); got != "b1" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestWhoIsHereIsListedAtItsPlace(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	w.join("b1")
	slot, present := a.Room.Present(a.Feed)
	w.join("c1")
	if got := string(bytes.Join(present, nil)); got != "a1,b1," {
		t.Errorf("present: %q", got)
	}
	slot.Fill([]byte("[a1,b1]\n"))
	w.wantSent(a, "+b1 [a1,b1] +c1")
}

func TestPeersLeadToTheirParticipantsAlsoWhenTheyHaveLeft(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.connect("c1")
	b.Room.Disconnect(b.Feed, true)
	got := a.Room.Participants([]string{"a1", "b1", "c1", "d1"})
	if len(got) != 2 || got["a1"] != "a" || got["b1"] != "b" {
		t.Errorf("participants: %v", got)
	}
}

// TestJoinAfterLeavingWaitsUntilTheLeavingIsRecorded: were the join stored
// first, the leaving would undo it, and the session would end under the peer.
func TestJoinAfterLeavingWaitsUntilTheLeavingIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sessions.gate = make(chan struct{})
		a := w.join("a1")
		a.Room.Leave(a.Feed)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Room.AwaitLeft(ended, "a1"); !errors.Is(err, context.Canceled) {
			t.Errorf("who does not wait gets %v", err)
		}
		free := make(chan error, 1)
		go func() { free <- a.Room.AwaitLeft(t.Context(), "a1") }()
		synctest.Wait()
		select {
		case <-free:
			t.Error("the join goes on before the leaving is recorded")
		default:
		}
		if err := a.Room.AwaitLeft(t.Context(), "b1"); err != nil {
			t.Errorf("another peer: %v", err)
		}
		close(w.sessions.gate)
		if err := <-free; err != nil || w.sessions.whoLeft() != "a1" {
			t.Errorf("%v; recorded as left: %q", err, w.sessions.whoLeft())
		}
		w.hub.Close()
	})
}

// TestPeerWhoseConnectionEndsWhileItJoinsIsWaitedFor: its row says that it is
// here, so the room must know it too, or nobody ever records that it left.
func TestPeerWhoseConnectionEndsWhileItJoinsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.join("b1")
		a := w.connect("a1")
		a.Close(ClosedSilent)
		a.Room.Join(a.Feed, infoOf("a1"), session, nil)
		a.Room.Disconnect(a.Feed, false)
		w.wantSent(b, "+a1")
		time.Sleep(grace)
		synctest.Wait()
		w.wantSent(b, "-a1")
		w.hub.Close()
		if got := w.sessions.whoLeft(); got != "a1" {
			t.Errorf("recorded as left: %q", got)
		}
	})
}

func TestPeerThatIsReplacedWhileItJoinsIsAMemberByItsNewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.join("b1")
		old := w.connect("a1")
		again := w.connect("a1")
		old.Room.Join(old.Feed, infoOf("a1"), session, []byte("welcome\n"))
		old.Room.Disconnect(old.Feed, false)
		w.say("one")
		w.wantSent(again, "one")
		again.Room.Join(again.Feed, infoOf("a1"), session, []byte("welcome\n"))
		w.wantSent(again, "welcome")
		time.Sleep(2 * grace)
		synctest.Wait()
		w.wantSent(b, "+a1 one")
		w.hub.Close()
	})
}
