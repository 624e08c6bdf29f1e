package socket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestRefusedRequests sends what must not pass. Each gets an error frame; then
// nothing is stored, and everybody goes on undisturbed.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	viewer := w.join(w.invite("Vic", "webinar_viewer"))
	public := w.say(alice, "of Alice")
	private, err := alice.Whisper(w.ctx, "psst", bob.ID)
	w.must(nil, err)
	file := func(link string) string { return fmt.Sprintf(`{"link":%q,"name":"a","size":1}`, link) }
	edit := func(id, text string) *rtkwire.EditMessage {
		return &rtkwire.EditMessage{ChatId: id, PayloadType: proto.Int32(0), Payload: proto.String(text)}
	}
	send := func(kind int32, payload string) *rtkwire.SendToRoom {
		return &rtkwire.SendToRoom{PayloadType: kind, Payload: payload}
	}
	for name, test := range map[string]struct {
		who   *peer.Peer
		event protocol.Event
		wish  proto.Message
	}{
		"2,001 units":                 {bob, protocol.SendMessageToRoom, send(0, strings.Repeat("x", 2001))},
		"2,002 units of emoji":        {bob, protocol.SendMessageToRoom, send(0, strings.Repeat("😀", 1001))},
		"empty text":                  {bob, protocol.SendMessageToRoom, send(0, "")},
		"NUL":                         {bob, protocol.SendMessageToRoom, send(0, "a\x00b")},
		"unknown kind":                {bob, protocol.SendMessageToRoom, send(9, "x")},
		"negative kind":               {bob, protocol.SendMessageToRoom, send(-1, "x")},
		"image that is no link":       {bob, protocol.SendMessageToRoom, send(1, "x")},
		"image by javascript":         {bob, protocol.SendMessageToRoom, send(1, "javascript:alert(1)")},
		"image from elsewhere":        {bob, protocol.SendMessageToRoom, send(1, "https://evil.example/a.png")},
		"file that is no JSON":        {bob, protocol.SendMessageToRoom, send(2, "x")},
		"file by javascript":          {bob, protocol.SendMessageToRoom, send(2, file("javascript:alert(1)"))},
		"file without a name":         {bob, protocol.SendMessageToRoom, send(2, `{"link":"https://evil.example/a"}`)},
		"custom that is no JSON":      {bob, protocol.SendMessageToRoom, send(3, "{")},
		"custom with a bad link":      {bob, protocol.SendMessageToRoom, send(3, `{"type":"custom","images":[{"link":"javascript:1"}]}`)},
		"custom of 17 KiB":            {bob, protocol.SendMessageToRoom, send(3, `{"type":"custom","message":"`+strings.Repeat("x", 17<<10)+`"}`)},
		"whisper to nobody":           {bob, protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "x"}},
		"whisper to oneself":          {bob, protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "x", PeerIds: []string{bob.ID}}},
		"whisper to a stranger":       {bob, protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "x", PeerIds: []string{"stranger"}}},
		"whisper without the right":   {viewer, protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "x", PeerIds: []string{bob.ID}}},
		"whisper to a viewer":         {bob, protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "x", PeerIds: []string{viewer.ID}}},
		"edit of another's message":   {bob, protocol.EditMessage, edit(public.GetChatId(), "mine")},
		"edit of nothing":             {bob, protocol.EditMessage, edit("nothing", "mine")},
		"edit to nothing":             {alice, protocol.EditMessage, edit(public.GetChatId(), "")},
		"edit to another kind":        {alice, protocol.EditMessage, &rtkwire.EditMessage{ChatId: public.GetChatId(), PayloadType: proto.Int32(3), Payload: proto.String(`{"type":"custom"}`)}},
		"edit of an unseen message":   {viewer, protocol.EditMessage, edit(private.GetChatId(), "mine")},
		"delete of another's message": {viewer, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: public.GetChatId()}},
		"delete of nothing":           {bob, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: "nothing"}},
		"pin of nothing":              {bob, protocol.PinMessage, &rtkwire.PinMessage{ChatId: "nothing", Pinned: true}},
		"pin of an unseen message":    {viewer, protocol.PinMessage, &rtkwire.PinMessage{ChatId: private.GetChatId(), Pinned: true}},
		"unknown event":               {bob, protocol.Event(0x7777), nil},
		"peer info of nobody":         {bob, protocol.GetPeerInfo, &rtkwire.GetPeerInfoRequest{PeerId: "nobody"}},
		"offer that is none":          {bob, protocol.MediaCreateTransport, &rtkwire.CreateTransport{Description: &rtkwire.SessionDescription{Sdp: "v=0"}}},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.who.Request(w.ctx, test.event, test.wish, nil)
			if _, ok := errors.AsType[*peer.Refused](err); !ok {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
	w.say(bob, "undisturbed")
	w.awaitText(alice, 0, "undisturbed")
	if got, want := w.history(alice), []string{"of Alice", "psst", "undisturbed"}; !slices.Equal(got, want) {
		t.Errorf("stored: %q", got)
	}
}

func TestUnseenAndUnknownMessagesAreRefusedAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.enter("Alice"), w.enter("Bob"), w.enter("Carol")
	private, err := alice.Whisper(w.ctx, "psst", bob.ID)
	w.must(nil, err)
	for _, event := range []protocol.Event{protocol.EditMessage, protocol.DeleteMessage, protocol.PinMessage} {
		wish := func(id string) proto.Message {
			switch event {
			case protocol.EditMessage:
				return &rtkwire.EditMessage{ChatId: id, PayloadType: proto.Int32(0), Payload: proto.String("x")}
			case protocol.DeleteMessage:
				return &rtkwire.DeleteMessage{ChatId: id}
			}
			return &rtkwire.PinMessage{ChatId: id, Pinned: true}
		}
		unseen := carol.Request(w.ctx, event, wish(private.GetChatId()), nil)
		unknown := carol.Request(w.ctx, event, wish("01890000-0000-7000-8000-000000000000"), nil)
		if unseen == nil || unknown == nil || unseen.Error() != unknown.Error() {
			t.Errorf("event %d: unseen %v, unknown %v", event, unseen, unknown)
		}
	}
}

func TestNothingIsSaidBeforeJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inside := w.enter("Alice")
	outside := w.connect(w.invite("Bob", "group_call_host"), peer.Options{})
	for _, event := range []protocol.Event{
		protocol.SendMessageToRoom, protocol.GetMessages, protocol.GetPaginatedMessages, protocol.GetRoomPeersInfo, protocol.PinMessage,
	} {
		if _, ok := errors.AsType[*peer.Refused](outside.Request(w.ctx, event, &rtkwire.SendToRoom{Payload: "x"}, nil)); !ok {
			t.Errorf("event %d was not refused", event)
		}
	}
	w.say(inside, "for those inside")
	w.must(outside.Join(w.ctx, ""))
	for _, f := range outside.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.SendMessageToRoom {
			t.Error("who had not joined was told a message")
		}
	}
}

func TestRequestMustBeNamedAfterItsPeer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	for name, id := range map[string]string{
		"another's": alice.ID + "-abc123", "without tail": bob.ID + "-", "none": "", "long": bob.ID + "-" + strings.Repeat("x", 100),
	} {
		t.Run(name, func(t *testing.T) {
			from := len(bob.Frames())
			w.must(nil, bob.Send(w.ctx, id, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "forged"}))
			var e rtkwire.EdgeError
			w.await(bob, from, protocol.Error, &e)
		})
	}
	w.say(bob, "undisturbed")
	if got := w.awaitText(alice, 0, "undisturbed"); len(got) != 1 {
		t.Errorf("Alice was told %q", got)
	}
}

func TestBytesThatAreNoFrame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	for name, raw := range map[string][]byte{
		"noise": {0xff, 0xff, 0xff}, "cut in the middle": {0x08, 0x81, 0x80, 0x04, 0x12, 0x2a, 0x32}, "invalid UTF-8 in the id": {0x12, 0x01, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			from := len(alice.Frames())
			w.must(nil, alice.Write(w.ctx, websocket.MessageBinary, raw))
			var e rtkwire.EdgeError
			w.await(alice, from, protocol.Error, &e)
		})
	}
	w.say(alice, "undisturbed")
}

func TestInvalidUTF8InATextIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	id := alice.NewID()
	inner := []byte{0x12, 0x02, 0xc3, 0x28} // SendToRoom.payload
	f, err := proto.Marshal(&rtkwire.Frame{Event: uint32(protocol.SendMessageToRoom), Id: &id, Payload: inner})
	w.must(nil, err)
	w.must(nil, alice.Write(w.ctx, websocket.MessageBinary, f))
	var e rtkwire.EdgeError
	w.await(alice, 0, protocol.Error, &e)
	if got := w.history(alice); len(got) != 0 {
		t.Errorf("stored: %q", got)
	}
}

func TestTooLongMessageEndsOnlyItsOwnConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	// The server hangs up before it has read all, so writing may fail.
	_ = bob.Write(w.ctx, websocket.MessageBinary, make([]byte, 10<<20))
	if code, err := bob.Closed(w.ctx); err != nil || code == 1000 {
		t.Errorf("closed with %d, %v", code, err)
	}
	w.say(alice, "undisturbed")
}

func TestFloodIsRefusedAndForgivenLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	refused := 0
	for i := range 200 {
		err := alice.Request(w.ctx, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: fmt.Sprint(i)}, nil)
		if _, ok := errors.AsType[*peer.Refused](err); ok {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	// 180 at once and 3 a second: some of 200 must have been refused.
	if stored := len(w.history(alice)); refused == 0 || stored != 200-refused || stored < 180 {
		t.Errorf("%d refused, %d stored", refused, stored)
	}
}

func TestPeerThatAnswersNoPingIsClosedAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(w.ctx, peer.Timeout*3)
	defer cancel()
	mute := w.connect(w.invite("Alice", "group_call_host"), peer.Options{Silent: true})
	w.must(mute.Join(ctx, ""))
	if code, err := mute.Closed(ctx); code != 4010 || err != nil {
		t.Errorf("closed with %d, %v", code, err)
	}
}
