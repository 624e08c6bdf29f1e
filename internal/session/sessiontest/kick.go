package sessiontest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

func peersOf(actors ...chat.Actor) []chat.PeerID {
	ids := make([]chat.PeerID, len(actors))
	for i, a := range actors {
		ids[i] = a.Peer
	}
	return ids
}

// Kicking a peer leaves the participant's other tabs alone.
func kickTakesOutThosePeers(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	w.enter(b)
	tab, c := w.tab(b), w.come("Cid", guest)
	w.enter(tab)
	w.advance(time.Minute)
	w.leave(s, c)
	gone, err := w.kick(session.Kick{By: &a, Peers: append(peersOf(b, c), b.Peer)})
	w.must(err)
	w.wantGone(gone, b) // Cid has left before
	if gone.Session != s.ID || !slices.Equal(gone.Participants(), []chat.ParticipantID{b.Participant}) {
		t.Errorf("gone from %s are %v, want Bob from %s", gone.Session, gone.Participants(), s.ID)
	}
	p := w.peer(s, b)
	if !p.Kicked || !p.LeftAt.Equal(w.now()) || p.Spent != time.Minute {
		t.Errorf("the kicked peer is %+v, want it kicked now, after a minute", p)
	}
	if last := p.Events[len(p.Events)-1]; last.Kind != session.Kicked || !last.At.Equal(w.now()) {
		t.Errorf("the last event of the kicked peer is %+v", last)
	}
	if other := w.peer(s, tab); other.Kicked || !other.LeftAt.IsZero() {
		t.Errorf("the other tab is %+v, want it there", other)
	}
	if r := w.record(s); r.Live != 2 {
		t.Errorf("%d are there, want Ann and Bob's other tab", r.Live)
	}
	again, err := w.kick(session.Kick{By: &a, Peers: peersOf(b)})
	w.must(err)
	w.wantGone(again)
	w.wantLive(s)
}

func kickByWhateverName(_ *testing.T, w *world) {
	a := w.come("Ann", host)
	b, c, d := w.come("Bob", guest), w.come("Cid", guest), w.come("Dan", guest)
	second := w.tab(b)
	w.enter(second)
	gone, err := w.kick(session.Kick{Participants: []string{string(b.Participant), string(c.Peer)}, CustomIDs: []string{"custom-Dan", "custom-Bob"}})
	w.must(err)
	w.wantGone(gone, b, second, c, d)
	_, err = w.kick(session.Kick{Participants: []string{string(b.Participant)}})
	w.wantRefused(err, chat.NotFound)
	// The operator may take out a host, too.
	gone, err = w.kick(session.Kick{Peers: peersOf(a)})
	w.must(err)
	w.wantGone(gone, a)
}

func kickIsAllOrNothing(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	b := w.come("Bob", guest)
	elsewhere := w.addTo(w.newMeeting("Other"), "Eve", guest)
	w.enter(elsewhere)
	for name, k := range map[string]session.Kick{
		"an unknown peer":           {By: &a, Peers: []chat.PeerID{b.Peer, "unknown"}},
		"a peer of another meeting": {By: &a, Peers: peersOf(b, elsewhere)},
		"an unknown participant":    {Participants: []string{string(b.Participant), "unknown"}},
		"an unknown custom id":      {Participants: []string{string(b.Participant)}, CustomIDs: []string{"unknown"}},
	} {
		if _, err := w.kick(k); chat.CodeOf(err) != chat.NotFound {
			t.Errorf("%s: %v, want %s", name, err, chat.NotFound)
		}
	}
	if _, err := w.kick(session.Kick{By: &a, Peers: peersOf(b, a)}); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("oneself: %v, want %s", err, chat.Invalid)
	}
	if r := w.record(s); r.Live != 2 {
		t.Errorf("after refusals %d are there, want 2", r.Live)
	}
}

// The right is that of the moment, and who has not got it learns nothing.
func kickNeedsTheRight(t *testing.T, w *world) {
	a, b := w.come("Ann", host), w.come("Bob", guest)
	for _, id := range []chat.PeerID{a.Peer, "unknown"} {
		_, err := w.kick(session.Kick{By: &b, Peers: []chat.PeerID{id}})
		if chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("kicking %s without the right: %v, want %s", id, err, chat.Forbidden)
		}
	}
	_, err := w.engine.ChangeParticipant(t.Context(), w.app, w.meeting, a.Participant,
		func(p *directory.Participant) error { p.PresetName = guest; return nil })
	w.must(err)
	_, err = w.kick(session.Kick{By: &a, Peers: peersOf(b)})
	w.wantRefused(err, chat.Forbidden)
	_, err = w.engine.DeleteParticipant(t.Context(), w.app, w.meeting, a.Participant)
	w.must(err)
	_, err = w.kick(session.Kick{By: &a, Peers: peersOf(b)})
	w.wantRefused(err, chat.Unauthorized)
	// Who was deleted can still be taken out.
	gone, err := w.kick(session.Kick{Participants: []string{string(a.Participant)}})
	w.must(err)
	w.wantGone(gone, a)
}

func kickOfTheLastLetsTheSessionEnd(_ *testing.T, w *world) {
	a := w.add("Ann", guest)
	s := w.enter(a)
	_, err := w.kick(session.Kick{Peers: peersOf(a)})
	w.must(err)
	at := w.now()
	w.wantLive(s)
	w.advance(keepAlive)
	w.end()
	w.wantEnded(s, at.Add(keepAlive))
}

// A peer that was kicked does not come back, whatever happens to the server or
// the session. The participant may, by another.
func kickedPeerStaysOut(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", host)
	s := w.enter(a)
	w.enter(b)
	_, err := w.kick(session.Kick{By: &a, Peers: peersOf(b)})
	w.must(err)
	out := func(when string) {
		t.Helper()
		if _, err := w.tryEnter(b); !errors.Is(err, chat.ErrKicked) {
			t.Errorf("%s the kicked peer got %v, want %v", when, err, chat.ErrKicked)
		}
		if _, err := w.kick(session.Kick{By: &b, Peers: peersOf(a)}); chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("%s the kicked peer kicks: %v, want %s", when, err, chat.Forbidden)
		}
	}
	out("at once")
	w.crash()
	out("after a crash")
	w.leave(s, b) // told late
	if p := w.peer(s, b); !p.Kicked || len(p.Events) != 2 {
		t.Errorf("the kicked peer is %+v, want it kicked, and that alone", p)
	}
	w.leave(s, a)
	w.advance(keepAlive)
	w.end()
	w.enter(a)
	out("in the next session")
	w.enter(w.tab(b))
	// In another meeting the id means nothing.
	other := w.addTo(w.newMeeting("Other"), "Bob", guest)
	other.Peer = b.Peer
	w.enter(other)
}

// A message of one who was kicked is refused even where it was on its way
// before the room knew.
func kickedPeerSaysNothingMore(t *testing.T, w *world) {
	a, b := w.come("Ann", host), w.come("Bob", guest)
	first := w.append(w.say(b, "before"))
	_, err := w.kick(session.Kick{By: &a, Peers: peersOf(b)})
	w.must(err)
	for _, cmd := range []chat.Command{
		w.say(b, "after"), chat.DeleteMessage{Actor: b, Message: first.ID}, chat.PinMessage{Actor: b, Message: first.ID, Pinned: true},
	} {
		if _, err := w.journal.Append(t.Context(), cmd); chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("%T of one who was kicked: %v, want %s", cmd, err, chat.Forbidden)
		}
	}
	again := w.tab(b)
	w.enter(again)
	w.append(w.say(again, "back"))
	w.append(w.say(a, "still here"))
}

func kickAllEndsAtOnce(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	w.enter(b)
	c := w.come("Cid", guest)
	w.leave(s, c)
	w.advance(time.Hour)
	gone, err := w.kickAll(&a)
	w.must(err)
	w.wantGone(gone, a, b)
	w.wantEnded(s, w.now())
	r := w.record(s)
	if r.Live != 0 || r.Peers != 3 || r.Spent != 2*time.Hour {
		t.Errorf("the session is %+v, want nobody of 3 there and two hours", r)
	}
	for _, x := range []chat.Actor{a, b} {
		p := w.peer(s, x)
		if !p.Kicked || !p.LeftAt.Equal(w.now()) || p.Spent != time.Hour || p.Events[1].Kind != session.Kicked {
			t.Errorf("%s is %+v, want kicked now after an hour", x.DisplayName, p)
		}
	}
	if p := w.peer(s, c); p.Kicked {
		t.Errorf("Cid, who had left, is %+v", p)
	}
	w.crash()
	w.advance(time.Minute)
	if n := w.end(); n != 0 {
		t.Errorf("%d sessions ended later", n)
	}
	next := w.enter(c)
	if next.ID == s.ID || !next.StartedAt.Equal(w.now()) {
		t.Errorf("who comes after is in %+v, want a new session", next)
	}
}

// The peers of an ended session do not begin the next one by coming back by
// themselves, nor speak in it.
func kickAllStaysInForce(t *testing.T, w *world) {
	a, b := w.come("Ann", host), w.come("Bob", guest)
	_, err := w.kickAll(nil)
	w.must(err)
	w.crash()
	for range 2 {
		if _, err := w.tryEnter(b); !errors.Is(err, chat.ErrEnded) {
			t.Errorf("a peer of the ended session got %v, want %v", err, chat.ErrEnded)
		}
		if _, err := w.journal.Append(t.Context(), w.say(b, "late")); chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("a message of a peer of the ended session: %v, want %s", err, chat.Forbidden)
		}
		w.enter(w.tab(a)) // the next session, for the second round
	}
}

func kickAllOfNobody(_ *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.leave(s, a)
	w.advance(keepAlive / 2)
	gone, err := w.kickAll(nil)
	w.must(err)
	w.wantGone(gone)
	w.wantEnded(s, w.now())

	s = w.enter(a) // she had left, and was not kicked
	w.leave(s, a)
	due := w.now().Add(keepAlive)
	w.advance(time.Hour) // its time came, and nobody has looked
	_, err = w.kickAll(nil)
	w.must(err)
	w.wantEnded(s, due)
}

func kickAllNeedsTheRight(_ *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	w.enter(b)
	_, err := w.kickAll(&b)
	w.wantRefused(err, chat.Forbidden)
	w.wantLive(s)
	_, err = w.kick(session.Kick{Peers: peersOf(a)})
	w.must(err)
	_, err = w.kickAll(&a)
	w.wantRefused(err, chat.Forbidden)
	w.wantLive(s)
}

// Who joins at the same moment is either among those sent out or in the next
// session, and never in between.
func kickAllAgainstJoins(t *testing.T, w *world) {
	const people = 24
	s := w.enter(w.add("Ann", host))
	actors := make([]chat.Actor, people)
	for i := range actors {
		actors[i] = w.add(fmt.Sprint("p", i), guest)
	}
	entered := make([]session.Session, people)
	var gone session.Gone
	var all sync.WaitGroup
	for i, a := range actors {
		all.Go(func() {
			var err error
			if entered[i], err = w.tryEnter(a); err != nil {
				t.Errorf("entering: %v", err)
			}
		})
		if i == people/2 {
			all.Go(func() {
				var err error
				if gone, err = w.kickAll(nil); err != nil {
					t.Errorf("ending: %v", err)
				}
			})
		}
	}
	all.Wait()
	out := make(map[chat.PeerID]bool)
	for _, p := range gone.Peers {
		out[p.ID] = true
	}
	for i, a := range actors {
		if out[a.Peer] != (entered[i].ID == s.ID) {
			t.Errorf("%s entered session %s; sent out: %v", a.DisplayName, entered[i].ID, out[a.Peer])
		}
	}
	if r := w.record(s); r.Live != 0 || r.Peers != len(gone.Peers) || r.Status() != session.Ended {
		t.Errorf("the ended session is %+v, with %d sent out", r, len(gone.Peers))
	}
	if next, err := w.engine.Active(t.Context(), w.app, w.meeting); err == nil && next.Live != people+1-len(gone.Peers) {
		t.Errorf("the next session has %d peers, want the %d others", next.Live, people+1-len(gone.Peers))
	}
}

func whereNoSessionIs(_ *testing.T, w *world) {
	a := w.add("Ann", host)
	for _, by := range []*chat.Actor{nil, &a} {
		_, err := w.kick(session.Kick{By: by, Peers: peersOf(a)})
		w.wantRefused(err, chat.NotFound)
		_, err = w.kickAll(by)
		w.wantRefused(err, chat.NotFound)
	}
	_, err := w.kick(session.Kick{Meeting: "unknown", Peers: peersOf(a)})
	w.wantRefused(err, chat.NotFound)
	_, err = w.engine.KickAll(w.Context(), "unknown", nil, w.now())
	w.wantRefused(err, chat.NotFound)
}
