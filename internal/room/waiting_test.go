package room

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

func waits(p *chat.Permissions)      { p.Waiting = chat.WaitForAccept }
func awaitsHost(p *chat.Permissions) { p.Waiting = chat.WaitForHost }

// knockAt asks to come in as one who has to wait.
func (w *world) knockAt(c *Connection, change func(*chat.Permissions)) (bool, error) {
	w.Helper()
	info := infoOf(c.info.Peer)
	change(&info.Rights)
	return c.Room.Wait(c.Feed, info, []byte("wait\n"), func() error { return nil })
}

// knock connects and is made to wait.
func (w *world) knock(peer chat.PeerID, change func(*chat.Permissions)) *Connection {
	w.Helper()
	c := w.connect(peer)
	if waiting, err := w.knockAt(c, change); !waiting || err != nil {
		w.Fatalf("%s does not wait: %v", peer, err)
	}
	w.wantSent(c, "wait")
	return c
}

func TestWaitingPeerHearsNothingAndIsNotHeardOf(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	g := w.knock("g1", waits)
	w.say("hello")
	w.say("for g", "g")
	b := w.join("b1")
	w.wantSent(g, "")
	w.wantSent(a, "hello +b1")
	if got := w.names(b); got != "a1,b1" {
		t.Errorf("listed: %s", got)
	}
	if a.Room.Joined(g.Feed) || !a.Room.Waits(g.Feed) {
		t.Error("has joined, or does not wait")
	}
}

func TestHostsAreToldWhoWaitsAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, b := w.guest("h1", host), w.join("b1")
		w.sent(h)
		for n := range 20 {
			w.knock(chat.PeerID(fmt.Sprint("_", n)), waits)
		}
		// Two tabs are one who waits, and who awaits a host is let in.
		w.knock("g1", waits)
		w.knock("g2", waits)
		const crowd = "waiting:_0,_1,_2,_3,_4,_5,_6,_7,_8,_9,_10,_11,_12,_13,_14,_15,_16,_17,_18,_19,"
		if told := w.wantLast(h, crowd+"g1,"); len(told) > 2 {
			t.Errorf("in a second told %q", told)
		}
		w.wantSent(b, "")
		h.Room.Answer([]chat.ParticipantID{"g"}, []byte("no\n"), false)
		w.wantLast(h, crowd)
	})
}

func TestHostWhoComesLetsInWhoAwaitsOne(t *testing.T) {
	w := newWorld(t)
	g, other := w.knock("g1", awaitsHost), w.knock("o1", waits)
	h := w.guest("h1", host)
	w.wantSent(g, "in")
	w.wantSent(other, "")
	if h.Room.LetIn("g") != session.ID || h.Room.Waits(g.Feed) {
		t.Error("g still waits")
	}
	// One that was about to wait does not begin to.
	late := w.connect("l1")
	if waiting, err := w.knockAt(late, awaitsHost); waiting || err != nil {
		t.Errorf("waits for a host who is here: %v, %v", waiting, err)
	}
	h.Room.Disconnect(h.Feed, true)
	w.knock("m1", awaitsHost)
}

// Between the decision that one has to wait and the waiting, another tab's
// wait can have been ended.
func TestWhoWasLetInDoesNotBeginToWait(t *testing.T) {
	w := newWorld(t)
	w.join("a1")
	first, second := w.knock("g1", waits), w.connect("g2")
	first.Room.Answer([]chat.ParticipantID{"g"}, []byte("in\n"), true)
	if waiting, err := w.knockAt(second, waits); waiting || err != nil {
		t.Errorf("waits: %v, %v", waiting, err)
	}
	w.join("g1")
	if first.Room.LetIn("g") != "" {
		t.Error("is let in a second time")
	}
}

func TestWaitingOutlastsABrokenConnectionForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.knock("g1", waits)
		g.Room.Disconnect(g.Feed, false)
		time.Sleep(grace - time.Second)
		back := w.connect("g1")
		if !back.Room.Waits(back.Feed) {
			t.Fatal("no longer waits")
		}
		back.Room.Answer([]chat.ParticipantID{"g"}, []byte("in\n"), true)
		w.wantSent(back, "in")

		o := w.knock("o1", waits)
		o.Room.Disconnect(o.Feed, false)
		time.Sleep(grace + time.Second)
		synctest.Wait()
		if list := o.Room.Waiting(); len(list) != 0 {
			t.Errorf("%v still wait", list)
		}
		p := w.knock("p1", waits)
		p.Room.Disconnect(p.Feed, true)
		if list := o.Room.Waiting(); len(list) != 0 {
			t.Errorf("%v still wait after saying goodbye", list)
		}
		w.hub.Close()
	})
}

func TestWaitingRoomIsBounded(t *testing.T) {
	w := newWorld(t)
	for n := range MaxWaiting {
		w.knock(chat.PeerID(fmt.Sprint("_", n)), waits)
	}
	late := w.connect("l1")
	if _, err := w.knockAt(late, waits); !errors.Is(err, ErrWaitingFull) {
		t.Errorf("one more gets %v", err)
	}
	// Those who await a host are counted apart.
	w.knock("m1", awaitsHost)
	// One that waits already asks again.
	c := w.connect("_7")
	if waiting, err := w.knockAt(c, waits); !waiting || err != nil {
		t.Errorf("one of them: %v, %v", waiting, err)
	}
}

func TestRoomWithSomebodyWaitingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		g := w.knock("g1", waits)
		g.Room.Disconnect(g.Feed, false)
		time.Sleep(12 * time.Second)
		back := w.connect("g1")
		if back.Room != g.Room || !back.Room.Waits(back.Feed) {
			t.Error("the room was forgotten, and with it who waits")
		}
		back.Room.Disconnect(back.Feed, true)
	})
}
