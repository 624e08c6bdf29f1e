package socket_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// knock opens a socket, asks to join, and demands to be made to wait.
func (w *world) knock(p person) *peer.Peer {
	w.Helper()
	c := w.connect(p, peer.Options{})
	w.wait(c)
	return c
}

// wait asks to join and demands to be made to wait.
func (w *world) wait(c *peer.Peer) {
	w.Helper()
	if p, err := c.Join(w.ctx, ""); err != nil || !p.GetWaitlisted() {
		w.Fatalf("not made to wait: %v, %v", p, err)
	}
}

// comeIn asks to join and demands to be let in at once.
func (w *world) comeIn(c *peer.Peer) {
	w.Helper()
	if p, err := c.Join(w.ctx, ""); err != nil || p.GetWaitlisted() {
		w.Fatalf("not let in: %v, %v", p, err)
	}
}

func (w *world) decide(host *peer.Peer, event protocol.Event, ids ...string) error {
	return host.Request(w.ctx, event, &rtkwire.UserIds{UserIds: ids}, nil)
}

// awaitWaiting waits until a host has been told that exactly these wait, in
// this order.
func (w *world) awaitWaiting(host *peer.Peer, from int, ids ...chat.ParticipantID) int {
	w.Helper()
	for {
		var m rtkwire.WaitingRoom
		from = w.await(host, from, protocol.GetWaitingRoomRequests, &m)
		same := len(m.GetRequests()) == len(ids)
		for i := range ids {
			same = same && m.GetRequests()[i].GetUserId() == string(ids[i])
		}
		if same {
			return from
		}
	}
}

const (
	needsAccept = `{"waiting_room_type":"SKIP_ON_ACCEPT","chat":{"private":{"can_send":true,"can_receive":true,"text":true,"files":true}}}`
	needsHost   = `{"waiting_room_type":"ON_PRIVILEGED_USER_ENTRY"}`
)

func TestAcceptedFromTheWaitingRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	someone := w.invite("Guest", "guest")
	guest := w.knock(someone)
	w.awaitWaiting(host, 0, someone.id)
	w.must(nil, w.decide(host, protocol.AcceptWaiting, string(someone.id)))
	at := w.awaitWaiting(host, 0, someone.id)
	w.awaitWaiting(host, at)
	w.await(guest, 0, protocol.WaitingAccepted, new(rtkwire.PeerInfo))
	w.comeIn(guest)
	w.say(guest, "thank you")
	w.awaitText(host, 0, "thank you")

	// The session knows the guest: by another tab, after leaving, after a restart.
	w.comeIn(w.connect(someone, peer.Options{}))
	guest.Leave()
	w.comeIn(w.connect(someone, peer.Options{}))
	w.restart()
	w.comeIn(w.connect(someone, peer.Options{}))
}

// Accepted, and then the server stops before the guest has come in.
func TestAcceptedGuestIsNotAskedAgainAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	someone := w.invite("Guest", "guest")
	guest := w.knock(someone)
	w.must(nil, w.decide(host, protocol.AcceptWaiting, string(someone.id)))
	w.restart()
	w.comeIn(w.connect(someone, peer.Options{ID: guest.ID}))
}

func TestNextSessionAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	someone := w.invite("Guest", "guest")
	guest := w.knock(someone)
	w.must(nil, w.decide(host, protocol.AcceptWaiting, string(someone.id)))
	w.comeIn(guest)
	first := w.session(host)
	guest.Leave()
	host.Leave()
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL`, first)
	w.ahead.Store(int64(time.Hour))
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL`, first)
	w.knock(someone)
}

func TestWaitingPeerIsToldNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	w.say(host, "before")
	guest := w.knock(w.invite("Guest", "guest"))
	w.say(host, "meanwhile")
	w.enter("Late").Leave()

	var info rtkwire.RoomInfo
	w.must(nil, guest.Request(w.ctx, protocol.GetRoomInfo, nil, &info))
	if r := info.GetRoom(); r.GetTitle() != "Standup" || r.GetRoomUuid() != "" || r.GetCreatedAt() == 0 {
		t.Errorf("the room is %v", r)
	}
	var peers rtkwire.RoomPeers
	w.must(nil, guest.Request(w.ctx, protocol.GetRoomPeersInfo, nil, &peers))
	if len(peers.GetPeers()) != 0 {
		t.Errorf("is told of %v", peers.GetPeers())
	}
	if got := w.history(guest); len(got) != 0 {
		t.Errorf("the history holds %q", got)
	}
	_, err := guest.SendText(w.ctx, "let me in")
	w.refused(err, "join the meeting first")
	_, err = guest.Whisper(w.ctx, "let me in", host.ID)
	w.refused(err, "join the meeting first")
	_, err = guest.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true})
	w.refused(err, "join the meeting first")
	w.refused(w.decide(guest, protocol.AcceptWaiting, guest.Participant), "join the meeting first")
	for _, f := range guest.Frames() {
		switch protocol.Event(f.GetEvent()) {
		case protocol.JoinRoom, protocol.GetRoomInfo, protocol.GetRoomPeersInfo, protocol.GetMessages, protocol.Error:
		default:
			t.Errorf("was told event %d", f.GetEvent())
		}
	}
}

func TestWaitingStartsNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsHost)
	someone := w.invite("Guest", "guest")
	guest := w.knock(someone)
	w.awaitRow(`SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessions) AND NOT EXISTS (SELECT 1 FROM peers)`)
	host := w.enter("Host")
	w.await(guest, 0, protocol.WaitingAccepted, new(rtkwire.PeerInfo))
	w.comeIn(guest)

	// While a host is there nobody waits for one; once it has gone, others do.
	w.comeIn(w.connect(w.invite("Second", "guest"), peer.Options{}))
	host.Leave()
	w.await(guest, 0, protocol.LeaveRoom, new(rtkwire.PeerInfo))
	w.knock(w.invite("Third", "guest"))
	w.comeIn(w.connect(someone, peer.Options{}))
}

func TestTurnedAwayFromTheWaitingRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	someone := w.invite("Guest", "guest")
	guest := w.knock(someone)
	// Asking again is all right, again and again is not.
	for range 5 {
		w.must(nil, w.decide(host, protocol.DenyWaiting, string(someone.id)))
		if p, err := guest.Join(w.ctx, ""); err != nil {
			w.refused(err, "too often")
			break
		} else if !p.GetWaitlisted() {
			t.Fatal("let in")
		}
	}
	w.await(guest, 0, protocol.WaitingDenied, new(rtkwire.PeerInfo))
	_, err := guest.Join(w.ctx, "")
	w.refused(err, "too often")
	w.refused(w.decide(host, protocol.AcceptWaiting, string(someone.id)), "nobody of these waits")
	w.ahead.Store(int64(time.Minute))
	w.wait(guest)
}

func TestWhoMayDecideWhoComesIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host, bob := w.enter("Host"), w.join(w.invite("Bob", "group_call_participant"))
	someone := w.invite("Guest", "guest")
	w.knock(someone)
	w.awaitWaiting(host, 0, someone.id)
	w.refused(w.decide(bob, protocol.AcceptWaiting, string(someone.id)), "does not allow")
	w.refused(w.decide(bob, protocol.DenyWaiting, string(someone.id)), "does not allow")
	w.refused(w.decide(host, protocol.AcceptWaiting, "nobody"), "nobody of these waits")
	var list rtkwire.WaitingRoom
	w.must(nil, bob.Request(w.ctx, protocol.GetWaitingRoomRequests, nil, &list))
	if len(list.GetRequests()) != 0 {
		t.Errorf("Bob is told that %v wait", list.GetRequests())
	}
	w.must(nil, host.Request(w.ctx, protocol.GetWaitingRoomRequests, nil, &list))
	if len(list.GetRequests()) != 1 || list.GetRequests()[0].GetDisplayName() != "Guest" || list.GetRequests()[0].GetPresetName() != "guest" {
		t.Errorf("the host is told that %v wait", list.GetRequests())
	}
	for _, f := range bob.Frames() {
		if e := protocol.Event(f.GetEvent()); e == protocol.GetWaitingRoomRequests && f.GetId()[:36] != bob.ID {
			t.Error("Bob was told unasked who waits")
		}
	}
}

// Whoever may let others in need not wait, whatever else the preset says.
func TestHostDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("host", `{"waiting_room_type":"ON_PRIVILEGED_USER_ENTRY","accept_waiting_requests":true}`)
	w.comeIn(w.connect(w.invite("Host", "host"), peer.Options{}))
}

func TestWaitingEndsWithItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	preset := w.preset("guest", needsAccept)
	w.enter("Host")
	someone, deleted := w.invite("Guest", "guest"), w.invite("Deleted", "guest")
	guest, gone := w.knock(someone), w.knock(deleted)
	w.must(w.server.Directory.DeleteParticipant(w.ctx, w.app.ID, deleted.meeting, deleted.id))
	if code, err := gone.Closed(w.ctx); err != nil || code != 1000 {
		t.Errorf("the deleted one is closed with %d, %v", code, err)
	}
	w.change(preset, `{"waiting_room_type":"SKIP"}`)
	w.await(guest, 0, protocol.WaitingAccepted, new(rtkwire.PeerInfo))
	w.comeIn(guest)
}

// A connection that breaks while its peer waits keeps its place.
func TestWaitingGoesOnAfterABrokenConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("guest", needsAccept)
	host := w.enter("Host")
	first, second := w.invite("First", "guest"), w.invite("Second", "guest")
	guest := w.knock(first)
	w.knock(second)
	at := w.awaitWaiting(host, 0, first.id, second.id)
	guest.Cut()
	back := w.connect(first, peer.Options{ID: guest.ID})
	w.wait(back)
	w.must(nil, w.decide(host, protocol.AcceptWaiting, string(second.id)))
	at = w.awaitWaiting(host, at, first.id)
	w.must(nil, w.decide(host, protocol.AcceptWaiting, string(first.id)))
	w.await(back, 0, protocol.WaitingAccepted, new(rtkwire.PeerInfo))
	w.awaitWaiting(host, at)
	w.comeIn(back)
}

// A member whose preset begins to ask for waiting stays, also over a broken
// connection.
func TestMemberIsNotMadeToWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	preset := w.preset("guest", `{}`)
	w.enter("Host")
	someone := w.invite("Guest", "guest")
	guest := w.join(someone)
	w.change(preset, `{"waiting_room_type":"SKIP_ON_ACCEPT"}`)
	w.patch(guest, 0)
	guest.Cut()
	w.comeIn(w.connect(someone, peer.Options{ID: guest.ID}))
}

// Who watches a stream is a member again as soon as the connection is, and
// needs no media.
func TestViewerOfAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.presetWith("viewer", `{"view_type":"LIVESTREAM"}`, `{}`)
	host := w.enter("Host")
	someone := w.invite("Viewer", "viewer")
	viewer := w.connect(someone, peer.Options{})
	if p, err := viewer.Join(w.ctx, ""); err != nil || p.GetStageType() != rtkwire.StageType_STAGE_OFF {
		t.Fatalf("joined as %v, %v", p, err)
	}
	var count rtkwire.RoomPeerCount
	w.await(viewer, 0, protocol.RoomPeerCount, &count)
	if count.GetCount() != 2 {
		t.Errorf("%d are counted", count.GetCount())
	}
	w.enter("Third")
	for at := 0; count.GetCount() != 3; {
		at = w.await(host, at, protocol.RoomPeerCount, &count)
	}
	viewer.Cut()
	w.say(host, "while the viewer was away")
	back := w.connect(someone, peer.Options{ID: viewer.ID})
	w.awaitText(back, 0, "while the viewer was away")
	w.must(back.SendText(w.ctx, "no need to join"))
	w.restart()
	again := w.connect(someone, peer.Options{ID: viewer.ID})
	w.must(again.SendText(w.ctx, "nor after a restart"))
}
