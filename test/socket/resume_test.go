package socket_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// missed are the texts a returning peer is told before its join is answered.
func (w *world) missed(p *peer.Peer) []string {
	w.Helper()
	w.must(p.Join(w.ctx, ""))
	var texts []string
	for _, f := range p.Frames() {
		switch protocol.Event(f.GetEvent()) {
		case protocol.SendMessageToRoom, protocol.SendMessageToPeers:
			var m rtkwire.OneChatMessage
			w.must(nil, proto.Unmarshal(f.GetPayload(), &m))
			texts = append(texts, m.GetMessage().GetPayload())
		case protocol.DeleteMessage:
			texts = append(texts, "(deleted)")
		case protocol.JoinRoom:
			return texts
		}
	}
	w.Fatal("the join was not answered")
	return nil
}

func TestReturningPeerIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"after a cut": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			someone := w.invite("Bob", "group_call_host")
			bob := w.join(someone)
			alice, carol := w.enter("Alice"), w.enter("Carol")
			bob.Cut()
			w.say(alice, "one")
			w.must(alice.Whisper(w.ctx, "psst", bob.ID))
			w.must(alice.Whisper(w.ctx, "not for Bob", carol.ID))
			gone := w.say(alice, "regretted")
			w.must(nil, alice.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: gone.GetChatId()}, nil))
			w.say(alice, "two")
			if restart {
				w.restart()
			}
			back := w.connect(someone, peer.Options{ID: bob.ID})
			if got, want := w.missed(back), []string{"one", "psst", "(deleted)", "two"}; !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
			if got, want := w.history(back), []string{"one", "psst", "two"}; !slices.Equal(got, want) {
				t.Errorf("history %q, want %q", got, want)
			}
		})
	}
}

func TestReturningPeerHasNotLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "group_call_host")
	bob := w.join(someone)
	bob.Cut()
	back := w.connect(someone, peer.Options{ID: bob.ID})
	// It is told what is said even before it joins again.
	w.say(alice, "welcome back")
	w.awaitText(back, 0, "welcome back")
	w.must(back.Join(w.ctx, ""))
	for _, f := range alice.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.LeaveRoom {
			t.Error("Bob was said to have left")
		}
	}
}

func TestPeerThatSaidGoodbyeComesAsANewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "group_call_host")
	bob := w.join(someone)
	bob.Leave()
	var left rtkwire.PeerInfo
	w.await(alice, 0, protocol.LeaveRoom, &left)
	w.say(alice, "without Bob")
	back := w.connect(someone, peer.Options{ID: bob.ID})
	if got := w.missed(back); len(got) != 0 {
		t.Errorf("told %q", got)
	}
}
