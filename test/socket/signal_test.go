package socket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

func TestBroadcastsStandAmongMessagesAndAreNotKept(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	w.say(alice, "one")
	w.must(nil, alice.Request(w.ctx, protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "typing", Payload: []byte("true")}, nil))
	w.say(alice, "two")
	w.awaitText(bob, 0, "two")
	var order []string
	for _, f := range bob.Frames() {
		switch protocol.Event(f.GetEvent()) {
		case protocol.SendMessageToRoom:
			order = append(order, "text")
		case protocol.BroadcastMessage:
			order = append(order, "broadcast")
		}
	}
	if got := strings.Join(order, " "); got != "text broadcast text" {
		t.Errorf("bob heard %s", got)
	}
	if got := w.history(w.enter("Carol")); len(got) != 2 {
		t.Errorf("the history is %q", got)
	}
}

// What one peer tells another by a broadcast is nobody else's business.
func TestBroadcastToOnePeerLeaksToNobody(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.enter("Alice"), w.enter("Bob"), w.enter("Carol")
	before := len(carol.Frames())
	w.must(nil, alice.Send(w.ctx, alice.NewID(), protocol.BroadcastToEntity, &rtkwire.Broadcast{
		Type: "secret", Payload: []byte(`"for bob"`), Ids: []string{bob.ID},
	}))
	var got rtkwire.Broadcast
	w.await(bob, 0, protocol.BroadcastToEntity, &got)
	if got.GetType() != "secret" || string(got.GetPayload()) != `"for bob"` || got.GetTimestamp() == 0 {
		t.Errorf("bob heard %v", &got)
	}
	w.say(alice, "after")
	w.awaitText(carol, 0, "after")
	if n := len(carol.Frames()) - before; n != 1 {
		t.Errorf("carol was sent %d frames, want the message alone", n)
	}
}

func TestWhatParleyDoesNotDoIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.enter("Alice")
	for event, want := range map[protocol.Event]string{
		protocol.JoinStage: "no stage", protocol.LeaveStage: "no stage", protocol.RequestStageAccess: "no stage",
		protocol.CreatePoll: "no polls", protocol.VotePoll: "no polls", protocol.MovePeers: "no breakout rooms",
		protocol.CreateChatChannel: "one chat", protocol.AddPlugin: "no plugins", protocol.MediaConsume: "no audio or video",
	} {
		refused, ok := errors.AsType[*peer.Refused](alice.Request(w.ctx, event, nil, nil))
		if !ok || !strings.Contains(refused.Text, want) {
			t.Errorf("event %#x: %v, want %q", uint32(event), refused, want)
		}
	}
	var channels rtkwire.Channels
	w.must(nil, alice.Request(w.ctx, protocol.GetAllChatChannels, nil, &channels))
	var polls rtkwire.Polls
	w.must(nil, alice.Request(w.ctx, protocol.GetPolls, nil, &polls))
	if len(channels.GetChatChannels())+len(polls.GetPolls()) > 0 {
		t.Errorf("there are %v and %v", &channels, &polls)
	}
	w.say(alice, "still here")
}
