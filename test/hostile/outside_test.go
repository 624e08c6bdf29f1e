package hostile

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestWhoWaitsIsToldAndDoesNothing asks for every event from the waiting room,
// plausibly, and with ids of those inside.
func TestWhoWaitsIsToldAndDoesNothing(t *testing.T) {
	w := newWorld(t)
	s := w.scene()
	_, err := w.server.Directory.CreatePreset(w.ctx, w.app, directory.NewPreset{
		Name: "guest", Config: json.RawMessage(`{}`), UI: json.RawMessage(`{}`), Permissions: json.RawMessage(
			`{"waiting_room_type":"SKIP_ON_ACCEPT","chat":{"public":{"can_send":true,"text":true,"files":true},"private":{"can_send":true,"can_receive":true,"text":true,"files":true}}}`),
	})
	must(t, err)
	s.target.Token = w.invite(w.app, w.meetingOf(s), "Guest", "guest").token
	// Who waits may not hear what is said in public either.
	s.target.Foreign.Secrets = append(s.target.Foreign.Secrets, "said by Alice", "still here")
	before := map[*peer.Peer]int{s.alice: len(s.alice.Frames()), s.bob: len(s.bob.Frames())}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	a := New(s.target)
	defer a.Close()
	guest, err := a.open(ctx, a.Token, newID())
	must(t, err)
	answer, err := guest.ask(ctx, protocol.JoinRoom, marshal(&rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{PeerId: guest.id}}))
	must(t, err)
	var info rtkwire.PeerInfo
	must(t, unmarshal(answer, protocol.JoinRoom, &info))
	if !info.GetPeer().GetWaitlisted() {
		t.Fatalf("the guest is not waiting: %v", &info)
	}
	s.checkService(t, "while somebody waits")
	for _, event := range events() {
		if leaving[event] {
			continue
		}
		payloads := [][]byte{nil, marshal(&rtkwire.SendToRoom{Payload: "from the waiting room"}), marshal(&rtkwire.SendToPeers{Payload: "from the waiting room", PeerIds: s.target.Foreign.Peers})}
		for _, p := range fieldsOf(event) {
			for _, id := range s.target.Foreign.all() {
				if p.isText() {
					payloads = append(payloads, p.text(id))
				}
			}
		}
		for _, payload := range payloads {
			must(t, guest.answered(ctx, event, payload))
		}
	}
	for _, payload := range [][]byte{marshal(&rtkwire.KickPeers{PeerIds: s.target.Foreign.Peers}), nil} {
		must(t, guest.mustBeRefused(ctx, "from the waiting room", protocol.Kick, payload))
	}
	s.checkService(t, "while somebody waits")
	if leaks := a.Leaks(); len(leaks) > 0 {
		t.Errorf("who waits was told %q", leaks)
	}
	for p, from := range before {
		for _, f := range p.Frames()[from:] {
			if strings.Contains(string(f.GetPayload()), "from the waiting room") {
				t.Errorf("somebody inside was told event %#x by who waits", f.GetEvent())
			}
		}
	}
	s.checkUntouched(t)
	s.checkFrames(t)
}

// TestNothingIsSaidAfterAKick has the attacker go on without a pause while it
// is sent out. After its leaving has been told, nothing
// of it is.
func TestNothingIsSaidAfterAKick(t *testing.T) {
	w := newWorld(t)
	s := w.scene()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	a := New(s.target)
	defer a.Close()
	mallory, err := a.join(ctx)
	must(t, err)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range 100_000 {
			for _, event := range []protocol.Event{protocol.SendMessageToRoom, protocol.JoinRoom, protocol.BroadcastMessage} {
				payload := marshal(&rtkwire.SendToRoom{Payload: "of the kicked"})
				if event == protocol.BroadcastMessage {
					payload = marshal(&rtkwire.Broadcast{Type: "t", Payload: []byte(`"of the kicked"`)})
				}
				if _, err := mallory.throw(event, payload); err != nil {
					return
				}
			}
		}
	}()
	_, _, err = s.bob.Await(ctx, 0, func(f *rtkwire.Frame) bool { return strings.Contains(string(f.GetPayload()), "of the kicked") })
	must(t, err)
	must(t, s.alice.Send(ctx, s.alice.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{mallory.id}}))
	_, left, err := s.bob.Await(ctx, 0, func(f *rtkwire.Frame) bool {
		var info rtkwire.PeerInfo
		return protocol.Event(f.GetEvent()) == protocol.LeaveRoom && proto.Unmarshal(f.GetPayload(), &info) == nil && info.GetPeer().GetPeerId() == mallory.id
	})
	must(t, err)
	<-stopped // the server hangs up
	s.checkService(t, "after the kick")
	for _, f := range s.bob.Frames()[left+1:] {
		if strings.Contains(string(f.GetPayload()), "of the kicked") {
			t.Errorf("event %#x was told after the kick", f.GetEvent())
		}
	}
	history, err := s.alice.History(ctx)
	must(t, err)
	if !slices.ContainsFunc(history, func(m *rtkwire.ChatMessage) bool { return m.GetPayload() == "of the kicked" }) {
		t.Error("nothing was said before the kick, so that this shows nothing")
	}
}
