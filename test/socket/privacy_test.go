package socket_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestThirdPeerCannotTellThatOthersWhisper plays one public script twice, with
// and without private traffic between two others. All that the third peer
// receives and fetches must be the same, but for ids and times: no text, no
// gap, no count may tell.
func TestThirdPeerCannotTellThatOthersWhisper(t *testing.T) {
	t.Parallel()
	wantSameView(t, "group_call_host", (*world).whisperAndRegret)
}

// TestThirdPeerCannotTellThatOthersAreHidden does the same with hidden peers
// that come, are renamed, ask, and go.
func TestThirdPeerCannotTellThatOthersAreHidden(t *testing.T) {
	t.Parallel()
	wantSameView(t, "group_call_host", (*world).haunt)
}

// TestThirdPeerCannotTellThatOthersWait does the same with others who wait to
// be let in, are turned away, or give up.
func TestThirdPeerCannotTellThatOthersWait(t *testing.T) {
	t.Parallel()
	wantSameView(t, "group_call_participant", (*world).waitInVain)
}

// wantSameView demands that the third peer's view is the same with and without
// something that goes on between others.
func wantSameView(t *testing.T, preset string, secret func(w *world, alice, bob *peer.Peer, n int)) {
	t.Helper()
	without := thirdPeersView(t, preset, func(*world, *peer.Peer, *peer.Peer, int) {})
	with := thirdPeersView(t, preset, secret)
	for i := range max(len(without), len(with)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(without) {
			a = without[i]
		}
		if i < len(with) {
			b = with[i]
		}
		if a != b {
			t.Fatalf("frame %d is\n%s\nwithout private traffic and\n%s\nwith it", i, a, b)
		}
	}
	if len(without) < 20 {
		t.Fatalf("only %d frames were compared", len(without))
	}
}

// haunt lets hidden peers come, look, change and go.
func (w *world) haunt(alice, bob *peer.Peer, n int) {
	w.Helper()
	preset, err := w.server.Directory.PresetNamed(w.ctx, w.app.ID, "unseen")
	if err != nil {
		preset = w.preset("unseen", `{"hidden_participant":true,"chat":{"private":{"can_send":true,"text":true}}}`)
	}
	for i := range n {
		someone := w.invite(fmt.Sprint("Ghost ", i), "unseen")
		ghost := w.join(someone)
		var peers rtkwire.RoomPeers
		w.must(nil, ghost.Request(w.ctx, protocol.GetRoomPeersInfo, nil, &peers))
		if len(peers.GetPeers()) < 4 {
			w.Errorf("a hidden peer is told of %d", len(peers.GetPeers()))
		}
		name := fmt.Sprint("Spirit ", i)
		w.update(someone, directory.ParticipantChange{Name: &name})
		w.change(preset, fmt.Sprintf(`{"can_spotlight":%v}`, i%2 == 0))
		w.must(ghost.Whisper(w.ctx, "boo", alice.ID, bob.ID))
		if i%2 == 0 {
			ghost.Leave()
		}
	}
}

// waitInVain lets others knock, be turned away, or give up.
func (w *world) waitInVain(alice, _ *peer.Peer, n int) {
	w.Helper()
	if _, err := w.server.Directory.PresetNamed(w.ctx, w.app.ID, "guest"); err != nil {
		w.preset("guest", needsAccept)
	}
	for i := range n {
		someone := w.invite(fmt.Sprint("Guest ", i), "guest")
		guest := w.knock(someone)
		if i%2 == 0 {
			w.must(nil, w.decide(alice, protocol.DenyWaiting, string(someone.id)))
		} else {
			guest.Leave()
		}
	}
}

// thirdPeersView plays the script and gives all of the third peer's frames.
func thirdPeersView(t *testing.T, preset string, secret func(w *world, alice, bob *peer.Peer, n int)) []string {
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	someone := w.invite("Carol", preset)
	// Carol answers no pings: what she is told again when she comes back would
	// depend on when she was last pinged.
	carol := w.connect(someone, peer.Options{Silent: true})
	w.must(carol.Join(w.ctx, ""))
	private := func(n int) { secret(w, alice, bob, n) }

	private(3)
	first := w.say(alice, "one")
	private(1)
	w.say(carol, "two")
	w.must(nil, alice.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{
		ChatId: first.GetChatId(), PayloadType: proto.Int32(0), Payload: proto.String("one, edited"),
	}, nil))
	private(2)
	w.must(nil, bob.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: first.GetChatId(), Pinned: true}, nil))
	last := w.say(bob, "three")
	w.awaitText(carol, 0, "three")
	w.fetchEverything(carol, alice, bob, last)

	carol.Cut()
	private(2)
	w.say(alice, "while Carol was away")
	private(1)
	back := w.connect(someone, peer.Options{ID: carol.ID, Silent: true})
	w.must(back.Join(w.ctx, ""))
	w.fetchEverything(back, alice, bob, last)

	w.restart()
	again := w.connect(someone, peer.Options{ID: carol.ID, Silent: true})
	w.must(again.Join(w.ctx, ""))
	w.fetchEverything(again, alice, bob, last)
	return normalised(t, carol, back, again)
}

// whisperAndRegret makes private entries of every kind.
func (w *world) whisperAndRegret(from, to *peer.Peer, n int) {
	w.Helper()
	for i := range n {
		m, err := from.Whisper(w.ctx, fmt.Sprint("secret ", i), to.ID)
		w.must(nil, err)
		w.must(nil, from.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{
			ChatId: m.GetChatId(), PayloadType: proto.Int32(0), Payload: proto.String("secret, edited"),
		}, nil))
		w.must(nil, to.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: m.GetChatId(), Pinned: true}, nil))
		if i%2 == 1 {
			w.must(nil, from.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: m.GetChatId()}, nil))
		}
	}
}

// fetchEverything asks all that a peer can ask about messages and people.
func (w *world) fetchEverything(p, alice, bob *peer.Peer, last *rtkwire.ChatMessage) {
	w.Helper()
	w.must(p.History(w.ctx))
	pinned := &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}}
	for _, filter := range []*rtkwire.PageFilter{nil, pinned, conversation(alice), conversation(bob), conversation(p)} {
		for _, reversed := range []bool{true, false} {
			for _, size := range []int32{0, 1, 2, 50} {
				for _, at := range []uint64{0, last.GetCreatedAtMs(), 1 << 50} {
					w.must(p.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: at, Size: size, Reversed: reversed, Filters: filter}))
				}
			}
		}
	}
	for _, event := range []protocol.Event{protocol.GetRoomPeersInfo, protocol.GetRoomInfo} {
		w.must(nil, p.Request(w.ctx, event, nil, nil))
	}
}

func conversation(with *peer.Peer) *rtkwire.PageFilter {
	return &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: with.Participant}}
}

var (
	requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}-[0-9a-f]{6}\b`)
	uuidText  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)
	unixMilli = regexp.MustCompile(`\b1[0-9]{12}\b`)
	unixTime  = regexp.MustCompile(`\b1[0-9]{9}\b`)
)

// normalised prints the frames of peers with every id and time replaced by the
// number of its first appearance.
func normalised(t *testing.T, peers ...*peer.Peer) []string {
	var printed []string
	names := make(map[string]string)
	number := func(kind string) func(string) string {
		return func(s string) string {
			if names[s] == "" {
				names[s] = fmt.Sprintf("%s%d", kind, len(names))
			}
			return names[s]
		}
	}
	for _, p := range peers {
		for _, f := range p.Frames() {
			text := fmt.Sprintf("%d %s %s", f.GetEvent(), f.GetId(), printedPayload(t, f))
			text = requestID.ReplaceAllString(text, "request")
			text = uuidText.ReplaceAllStringFunc(text, number("id"))
			text = unixMilli.ReplaceAllStringFunc(text, number("ms"))
			text = unixTime.ReplaceAllString(text, "s")
			printed = append(printed, strings.Join(strings.Fields(text), " "))
		}
	}
	return printed
}

func printedPayload(t *testing.T, f *rtkwire.Frame) string {
	t.Helper()
	var m proto.Message
	switch protocol.Event(f.GetEvent()) {
	case protocol.JoinRoom, protocol.LeaveRoom:
		m = new(rtkwire.PeerInfo)
	case protocol.GetRoomPeersInfo:
		m = new(rtkwire.RoomPeers)
	case protocol.GetRoomInfo:
		m = new(rtkwire.RoomInfo)
	case protocol.GetMessages:
		m = new(rtkwire.ChatMessages)
	case protocol.GetPaginatedMessages:
		m = new(rtkwire.Page)
	case protocol.SendMessageToRoom, protocol.SendMessageToPeers, protocol.EditMessage:
		m = new(rtkwire.OneChatMessage)
	case protocol.DeleteMessage:
		m = new(rtkwire.DeleteMessage)
	case protocol.PinMessage:
		m = new(rtkwire.PinMessageResult)
	case protocol.UpdateUserPreset: // after a restart
		m = new(rtkwire.PresetUpdates)
	default:
		t.Fatalf("a third peer got event %d", f.GetEvent())
	}
	if err := proto.Unmarshal(f.GetPayload(), m); err != nil {
		t.Fatal(err)
	}
	return prototext.MarshalOptions{Multiline: false}.Format(m)
}
