package socket_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

func TestPeersSeeEachOtherComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	bob := w.enter("Bob")
	var joined, left rtkwire.PeerInfo
	next := w.await(alice, 1, protocol.JoinRoom, &joined)
	if joined.GetPeer().GetPeerId() != bob.ID || joined.GetPeer().GetDisplayName() != "Bob" {
		t.Errorf("Alice was told of %v", joined.GetPeer())
	}
	bob.Leave()
	w.await(alice, next, protocol.LeaveRoom, &left)
	if left.GetPeer().GetPeerId() != bob.ID {
		t.Errorf("Alice was told that %v left", left.GetPeer())
	}
	var present rtkwire.RoomPeers
	w.must(nil, alice.Request(w.ctx, protocol.GetRoomPeersInfo, nil, &present))
	if len(present.GetPeers()) != 1 || present.GetPeers()[0].GetPeerId() != alice.ID {
		t.Errorf("still here: %v", present.GetPeers())
	}
}

func TestNameIsTheParticipantsUnlessThePresetLetsThemChoose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connect(w.invite("Alice", "group_call_host"), peer.Options{})
	got, err := c.Join(w.ctx, " Ali\x01ce L. ")
	if err != nil || got.GetDisplayName() != "Alice L." {
		t.Errorf("joined as %q, %v", got.GetDisplayName(), err)
	}
	if m := w.say(c, "hi"); m.GetDisplayName() != "Alice L." {
		t.Errorf("the message is by %q", m.GetDisplayName())
	}
}

func TestJoiningAgainIsAnsweredAndNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	w.must(bob.Join(w.ctx, ""))
	w.say(bob, "after")
	w.awaitText(alice, 0, "after")
	n := 0
	for _, f := range alice.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.JoinRoom && f.GetId()[:len(alice.ID)] != alice.ID {
			n++
		}
	}
	if n != 1 {
		t.Errorf("Bob was announced %d times", n)
	}
}

func TestWhoMayNotComeInGetsNoSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.invite("Alice", "group_call_host")
	other := w.newMeeting(directory.NewMeeting{})
	inside := w.join(alice)
	bob := w.invite("Bob", "group_call_host")
	for name, test := range map[string]struct {
		token   string
		options peer.Options
		want    int
	}{
		"no token":            {"", peer.Options{}, http.StatusUnauthorized},
		"forged token":        {alice.token[:len(alice.token)-2] + "xx", peer.Options{}, http.StatusUnauthorized},
		"token of elsewhere":  {alice.token, peer.Options{Meeting: string(other.ID)}, http.StatusForbidden},
		"peer id is no UUID":  {alice.token, peer.Options{ID: "me"}, http.StatusBadRequest},
		"peer id of another":  {bob.token, peer.Options{ID: inside.ID}, http.StatusForbidden},
		"peer id in capitals": {alice.token, peer.Options{ID: "297A0799-DB57-4B7E-B4BF-6BC67E00907E"}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			if test.options.Meeting == "" {
				test.options.Meeting = string(w.meeting.ID)
			}
			p, err := peer.Dial(w.ctx, w.url(), test.token, test.options)
			if err == nil {
				p.Cut()
			}
			if status, ok := errors.AsType[peer.StatusError](err); !ok || int(status) != test.want {
				t.Errorf("got %v, want status %d", err, test.want)
			}
		})
	}
	w.say(inside, "undisturbed")
}

func TestTwoTabsOfOneParticipant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.invite("Alice", "group_call_host")
	one, two := w.join(alice), w.join(alice)
	w.say(one, "from one tab")
	w.awaitText(two, 0, "from one tab")
	bob := w.enter("Bob")
	w.must(bob.Whisper(w.ctx, "psst", one.ID))
	var m rtkwire.OneChatMessage
	w.await(two, 0, protocol.SendMessageToPeers, &m)
	if m.GetMessage().GetPayload() != "psst" {
		t.Errorf("the other tab got %q", m.GetMessage().GetPayload())
	}
}

func TestPeerThatConnectsAnewReplacesItsOldConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.invite("Alice", "group_call_host")
	old := w.join(alice)
	w.connect(alice, peer.Options{ID: old.ID})
	code, err := old.Closed(w.ctx)
	if err != nil || code == 1000 || code < 1001 {
		t.Errorf("the old connection was closed with %d, %v", code, err)
	}
}

func TestStopTellsPeersToComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	w.stop()
	if code, err := alice.Closed(w.ctx); code != 1012 || err != nil {
		t.Errorf("closed with %d, %v", code, err)
	}
}

func TestSessionOutlivesARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	someone := w.invite("Alice", "group_call_host")
	alice := w.join(someone)
	w.say(alice, "before")
	var before, after rtkwire.RoomInfo
	w.must(nil, alice.Request(w.ctx, protocol.GetRoomInfo, nil, &before))
	w.restart()
	back := w.connect(someone, peer.Options{ID: alice.ID})
	w.must(back.Join(w.ctx, ""))
	w.must(nil, back.Request(w.ctx, protocol.GetRoomInfo, nil, &after))
	if before.GetRoom().GetRoomUuid() != after.GetRoom().GetRoomUuid() || before.GetRoom().GetRoomUuid() == "" {
		t.Errorf("session %q became %q", before.GetRoom().GetRoomUuid(), after.GetRoom().GetRoomUuid())
	}
	if got := w.history(back); !slices.Equal(got, []string{"before"}) {
		t.Errorf("history after the restart: %q", got)
	}
}

func TestStopStillEchoesWhatWasStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	someone := w.invite("Alice", "group_call_host")
	alice := w.join(someone)
	const n = 150
	for i := range n {
		w.must(nil, alice.Send(w.ctx, alice.NewID(), protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: fmt.Sprint(i)}))
	}
	w.stop()
	w.must(alice.Closed(w.ctx))
	var echoed []string
	for _, f := range alice.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.SendMessageToRoom {
			var m rtkwire.OneChatMessage
			w.must(nil, proto.Unmarshal(f.GetPayload(), &m))
			echoed = append(echoed, m.GetMessage().GetPayload())
		}
	}
	w.start()
	back := w.connect(someone, peer.Options{ID: alice.ID})
	w.must(back.Join(w.ctx, ""))
	if stored := w.history(back); !slices.Equal(echoed, stored) {
		t.Errorf("%d were stored, %d echoed before the end", len(stored), len(echoed))
	}
}
