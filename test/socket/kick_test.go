package socket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// countOf counts the frames of an event that a peer has got.
func countOf(p *peer.Peer, event protocol.Event) int {
	n := 0
	for _, f := range p.Frames() {
		if protocol.Event(f.GetEvent()) == event {
			n++
		}
	}
	return n
}

// wantRefused demands that a request is answered with an error that says this.
func (w *world) wantRefused(p *peer.Peer, event protocol.Event, payload proto.Message, want string) {
	w.Helper()
	var refused *peer.Refused
	if err := p.Request(w.ctx, event, payload, nil); !errors.As(err, &refused) || !strings.Contains(refused.Text, want) {
		w.Errorf("event %d was answered with %v, want it refused: %q", event, err, want)
	}
}

// wantGone waits until the peer has left, as the other is told.
func (w *world) wantGone(other, gone *peer.Peer) {
	w.Helper()
	for from := 0; ; {
		var left rtkwire.PeerInfo
		from = w.await(other, from, protocol.LeaveRoom, &left)
		if left.GetPeer().GetPeerId() == gone.ID {
			return
		}
	}
}

// Official clients ask twice for each peer, are never answered, and would leave
// themselves if they were.
func TestKickedPeerIsSentOutAndNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	guest := w.invite("Gus", "group_call_participant")
	phone, laptop := w.join(guest), w.join(guest)
	w.say(phone, "before")
	for range 2 {
		w.must(nil, host.Send(w.ctx, host.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{phone.ID}}))
	}
	var told rtkwire.PeerInfo
	w.await(phone, 0, protocol.Kick, &told)
	if told.GetPeer().GetPeerId() != phone.ID {
		t.Errorf("the kicked peer was told of %v", told.GetPeer())
	}
	w.wantGone(host, phone)
	w.wantGone(laptop, phone)
	w.say(host, "after")
	w.awaitText(laptop, 0, "after")
	w.wantRefused(phone, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "still here?"}, "join the meeting first")
	if code, err := phone.Closed(w.ctx); err != nil || code != 1000 {
		t.Errorf("the kicked peer was closed with %d, %v; want 1000", code, err)
	}
	for name, p := range map[string]*peer.Peer{"host": host, "other tab": laptop} {
		if n := countOf(p, protocol.Kick) + countOf(p, protocol.KickAll) + countOf(p, protocol.Error); n != 0 {
			t.Errorf("the %s got %d frames that answer or spread the kick", name, n)
		}
	}
	if n := countOf(phone, protocol.Kick); n != 1 {
		t.Errorf("the kicked peer was told %d times", n)
	}
	for _, f := range phone.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.LeaveRoom {
			t.Error("the kicked peer was told of its own leaving")
		}
	}
}

func TestKickIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	guest := w.join(w.invite("Gus", "group_call_participant"))
	outside := w.connect(w.invite("Otto", "group_call_host"), peer.Options{})
	one := &rtkwire.KickPeers{PeerIds: []string{guest.ID}}
	w.wantRefused(guest, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{host.ID}}, "may not remove")
	w.wantRefused(guest, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{"unknown"}}, "may not remove")
	w.wantRefused(guest, protocol.KickAll, &rtkwire.KickAll{}, "may not remove")
	w.wantRefused(outside, protocol.Kick, one, "join the meeting first")
	w.wantRefused(outside, protocol.KickAll, &rtkwire.KickAll{}, "join the meeting first")
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{}, "at least one")
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID, "unknown"}}, "no such peer")
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID, outside.ID}}, "no such peer")
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID, host.ID}}, "do not remove yourself")
	many := make([]string, session.MaxKick+1)
	for i := range many {
		many[i] = guest.ID
	}
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: many}, "at most 500")
	w.say(guest, "nothing has happened")
	w.awaitText(host, 0, "nothing has happened")
	if n := countOf(host, protocol.LeaveRoom); n != 0 {
		t.Errorf("%d have left", n)
	}
}

// The right to kick is that of the moment of the kick.
func TestKickGoesByTheRightsOfTheMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.invite("Hanna", "group_call_host")
	host, guest := w.join(p), w.enter("Gus")
	lesser := "group_call_participant"
	w.must(w.server.Directory.UpdateParticipant(w.ctx, w.app.ID, w.meeting.ID, p.id, directory.ParticipantChange{PresetName: &lesser}))
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID}}, "may not remove")
	w.wantRefused(host, protocol.KickAll, &rtkwire.KickAll{}, "may not remove")
	w.must(w.say(guest, "still here"), nil)
}

// A client that missed the news comes back by itself, with the peer id it had:
// it gets them again. The person may come back, anew.
func TestKickedPeerDoesNotComeBackAndThePersonMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	p := w.invite("Gus", "group_call_participant")
	guest := w.join(p)
	guest.Cut()
	w.must(nil, host.Send(w.ctx, host.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID}}))
	w.wantGone(host, guest) // at once, not after the time to come back
	for _, when := range []string{"at once", "after a restart"} {
		w.say(host, "among us "+when)
		back := w.connect(p, peer.Options{ID: guest.ID})
		if _, err := back.Join(w.ctx, ""); err == nil {
			t.Errorf("%s the kicked peer could join", when)
		}
		var told rtkwire.PeerInfo
		w.await(back, 0, protocol.Kick, &told)
		if n := countOf(back, protocol.SendMessageToRoom); n != 0 {
			t.Errorf("%s the kicked peer got %d messages", when, n)
		}
		back.Cut()
		if when == "at once" {
			host.Cut()
			w.restart()
			host = w.connect(w.invite("Hugo", "group_call_host"), peer.Options{})
			w.must(host.Join(w.ctx, ""))
		}
	}
	anew := w.join(p)
	w.say(anew, "here I am")
	w.awaitText(host, 0, "here I am")
}

// Everybody leaves with the state "ended", the asker as well: its client, and
// the official "end meeting for all" button, wait for that.
func TestEndForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.invite("Hanna", "group_call_host")
	host, guest := w.join(p), w.enter("Gus")
	away := w.invite("Ada", "group_call_host")
	gone := w.join(away)
	before := w.session(host)
	w.say(host, "old")
	gone.Cut()
	id := host.NewID()
	w.must(nil, host.Send(w.ctx, id, protocol.KickAll, &rtkwire.KickAll{PropagateKickAcrossRooms: true}))
	var told rtkwire.PeerInfo
	w.await(guest, 0, protocol.KickAll, &told)
	w.await(host, 0, protocol.KickAll, &told)
	for _, p := range []*peer.Peer{host, guest} {
		if code, err := p.Closed(w.ctx); err != nil || code != 1000 {
			t.Errorf("closed with %d, %v; want 1000", code, err)
		}
		if n := countOf(p, protocol.KickAll); n != 1 {
			t.Errorf("a peer was told %d times", n)
		}
	}
	for _, f := range host.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.KickAll && f.GetId() != id {
			t.Errorf("the asker's request %s was answered as %s", id, f.GetId())
		}
	}
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL`, before)

	// Who was away does not begin the next session by coming back by itself.
	back := w.connect(away, peer.Options{ID: gone.ID})
	if _, err := back.Join(w.ctx, ""); err == nil {
		t.Error("a peer of the ended session could join")
	}
	w.await(back, 0, protocol.KickAll, &told)

	next := w.join(p)
	if after := w.session(next); after == before || after == "" {
		t.Errorf("the session after the end is %q, that before it was %q", after, before)
	}
	if texts := w.history(next); len(texts) != 0 {
		t.Errorf("the next session begins with %q", texts)
	}
}

// The operator needs no right, no peer, and nobody connected.
func TestOperatorKicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	p := w.invite("Gus", "group_call_participant")
	phone, laptop := w.join(p), w.join(p)
	gone, err := w.server.Sessions.Kick(w.ctx, session.Kick{Meeting: w.meeting.ID, CustomIDs: []string{"c-Gus"}})
	if err != nil || len(gone.Peers) != 2 || len(gone.Participants()) != 1 {
		t.Errorf("gone are %+v, %v; want both peers of Gus", gone, err)
	}
	w.wantGone(host, phone)
	w.wantGone(host, laptop)
	gone, err = w.server.Sessions.KickAll(w.ctx, w.meeting.ID, nil, "")
	if err != nil || len(gone.Peers) != 1 {
		t.Errorf("gone are %+v, %v; want Hanna", gone, err)
	}
	var told rtkwire.PeerInfo
	w.await(host, 0, protocol.KickAll, &told)
	if _, err := w.server.Sessions.KickAll(w.ctx, w.meeting.ID, nil, ""); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("ending no session: %v, want %v", err, session.ErrNoSession)
	}
}

func TestClosedMeetingEndsItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	id := w.session(host)
	closed := false
	w.must(w.server.Directory.UpdateMeeting(w.ctx, w.app.ID, w.meeting.ID, directory.MeetingChange{Active: &closed}))
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL`, id)
	var told rtkwire.PeerInfo
	w.await(host, 0, protocol.KickAll, &told)
	if code, err := host.Closed(w.ctx); err != nil || code != 1000 {
		t.Errorf("closed with %d, %v; want 1000", code, err)
	}
	if n := countOf(host, protocol.KickAll); n != 1 {
		t.Errorf("Hanna was told %d times", n)
	}
}

// A peer id that was never used is nobody's.
func TestKickOfAFreshPeerIDDoesNotKeepItOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	id := uuid.Must(uuid.NewV4()).String()
	w.wantRefused(host, protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{id}}, "no such peer")
	later := w.connect(w.invite("Gus", "group_call_participant"), peer.Options{ID: id})
	w.must(later.Join(w.ctx, ""))
}
