package ws

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

var plain = Codec{Render: func(m chat.MeetingID, c chat.Content) string { return string(m) + ":" + c.Payload }}

// only decodes bytes that are one frame.
func only(t *testing.T, raw []byte, into proto.Message) *rtkwire.Frame {
	t.Helper()
	frames, err := unframe(raw)
	if err != nil || len(frames) != 1 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	if err := proto.Unmarshal(frames[0].GetPayload(), into); err != nil {
		t.Fatal(err)
	}
	return frames[0]
}

func TestFrameBytes(t *testing.T) {
	got := frame(protocol.GetMessages, "id", &rtkwire.DeleteMessage{ChatId: "x"})
	want := []byte{0x82, 13, 0x08, 0x80, 0x80, 0x04, 0x12, 2, 'i', 'd', 0x1a, 3, 0x0a, 1, 'x'}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestEmptyPayloadIsThere(t *testing.T) {
	raw := frame(protocol.GetPolls, "id", &rtkwire.RoomPeers{})
	if !bytes.HasSuffix(raw, []byte{0x1a, 0}) {
		t.Errorf("%x does not end in an empty field 3", raw)
	}
}

func TestFramesOfAllLengths(t *testing.T) {
	for _, n := range []int{0, 1, 90, 100, 110, 120, 125, 126, 127, 128, 200, 16000, 65400, 65500, 65536, 1 << 20} {
		text := strings.Repeat("x", n)
		var got rtkwire.SendToRoom
		f := only(t, frame(protocol.SendMessageToRoom, "id", &rtkwire.SendToRoom{Payload: text}), &got)
		if got.GetPayload() != text || f.GetId() != "id" || protocol.Event(f.GetEvent()) != protocol.SendMessageToRoom {
			t.Errorf("a text of %d bytes came back with %d", n, len(got.GetPayload()))
		}
	}
}

func TestAnswerThatCannotBeEncodedIsAnError(t *testing.T) {
	for name, raw := range map[string][]byte{
		"an answer": frame(protocol.GetPeerInfo, "id", &rtkwire.GetPeerInfoRequest{PeerId: "\xff"}),
		"a refusal": refusal(protocol.GetPeerInfo, "id", "\xff"),
	} {
		var e rtkwire.EdgeError
		f := only(t, raw, &e)
		if protocol.Event(f.GetEvent()) != protocol.Error || f.GetId() != "id" || e.GetErrorMessage() == "" {
			t.Errorf("%s became event %d: %v", name, f.GetEvent(), &e)
		}
	}
}

func TestRefusalNamesTheRequest(t *testing.T) {
	var e rtkwire.EdgeError
	f := only(t, refusal(protocol.PinMessage, "id", "no"), &e)
	if protocol.Event(f.GetEvent()) != protocol.Error || f.GetId() != "id" || e.GetErrorMessage() != "no" || e.GetEventId() != 0x1000a {
		t.Errorf("%v %v", f, &e)
	}
}

// message is one with everything set.
func message() chat.Message {
	return chat.Message{
		ID: "id", Meeting: "m", Session: "s", Seq: 7, Author: "a", Peer: "p", DisplayName: "Alice",
		Content: chat.Content{Kind: chat.File, Payload: "payload"}, SentAt: 1_700_000_000_123, Pinned: true, EditedAt: 1_700_000_001_000,
	}
}

func TestMessageAsClientsGetIt(t *testing.T) {
	m := message()
	want := &rtkwire.ChatMessage{
		ChatId: "id", PeerId: "p", UserId: "a", DisplayName: "Alice", Pinned: true, IsEdited: true,
		PayloadType: 2, Payload: "m:payload", CreatedAt: 1_700_000_000, CreatedAtMs: proto.Uint64(1_700_000_000_123),
	}
	if got := plain.message(&m); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	m.Audience = []chat.ParticipantID{"a", "b"}
	m.EditedAt = 0
	want.TargetUserIds, want.IsEdited = []string{"a", "b"}, false
	if got := plain.message(&m); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestEntriesAreToldByTheirEvents(t *testing.T) {
	whole := new(rtkwire.OneChatMessage)
	for _, test := range []struct {
		kind    chat.EventKind
		private bool
		event   protocol.Event
		payload proto.Message
	}{
		{chat.MessageSent, false, protocol.SendMessageToRoom, whole},
		{chat.MessageSent, true, protocol.SendMessageToPeers, whole},
		{chat.MessageEdited, false, protocol.EditMessage, whole},
		{chat.MessageEdited, true, protocol.EditMessage, whole},
		{chat.MessageDeleted, false, protocol.DeleteMessage, &rtkwire.DeleteMessage{}},
		{chat.MessageDeleted, true, protocol.DeleteMessage, &rtkwire.DeleteMessage{}},
		{chat.MessagePinned, false, protocol.PinMessage, &rtkwire.PinMessageResult{}},
		{chat.MessageUnpinned, true, protocol.PinMessage, &rtkwire.PinMessageResult{}},
	} {
		t.Run(fmt.Sprint(test.kind, test.private), func(t *testing.T) {
			e := journal.Entry{Meeting: "m", Seq: 9, Event: chat.Event{Kind: test.kind, Message: message()}, Settles: "request"}
			if test.private {
				e.Event.Message.Audience = []chat.ParticipantID{"a", "b"}
			}
			var want proto.Message
			switch test.payload.(type) {
			case *rtkwire.OneChatMessage:
				want = &rtkwire.OneChatMessage{Message: plain.message(&e.Event.Message)}
			case *rtkwire.DeleteMessage:
				// The content is gone: nothing of it may be told.
				want = &rtkwire.DeleteMessage{ChatId: "id"}
			default:
				want = &rtkwire.PinMessageResult{
					ChatId: "id", Pinned: test.kind == chat.MessagePinned, Message: plain.message(&e.Event.Message),
				}
			}
			got := test.payload.ProtoReflect().New().Interface()
			f := only(t, plain.Entry(e), got)
			if protocol.Event(f.GetEvent()) != test.event || f.GetId() != "request" || !proto.Equal(got, want) {
				t.Errorf("event %#x of %q: %v", f.GetEvent(), f.GetId(), got)
			}
		})
	}
}

func TestEntriesThatSettleNothingHaveIDsOfTheirOwn(t *testing.T) {
	e := journal.Entry{Meeting: "m", Event: chat.Event{Kind: chat.MessageSent, Message: message()}}
	one, two := only(t, plain.Entry(e), &rtkwire.OneChatMessage{}), only(t, plain.Entry(e), &rtkwire.OneChatMessage{})
	if len(one.GetId()) != 36 || one.GetId() == two.GetId() {
		t.Errorf("ids %q and %q", one.GetId(), two.GetId())
	}
}

func TestPeersAsClientsGetThem(t *testing.T) {
	i := room.Info{Peer: "p", Participant: "a", Name: "Alice", Preset: "x", PresetName: "host"}
	want := &rtkwire.Peer{
		PeerId: "p", UserId: "a", DisplayName: "Alice", StageType: rtkwire.StageType_STAGE_ON.Enum(),
		PresetId: proto.String("x"), Flags: &rtkwire.PeerFlags{PresetName: "host", RecorderType: "NONE"},
	}
	var joined, left rtkwire.PeerInfo
	f := only(t, plain.Joined(i), &joined)
	if protocol.Event(f.GetEvent()) != protocol.JoinRoom || !proto.Equal(joined.GetPeer(), want) {
		t.Errorf("joined: event %d, %v", f.GetEvent(), &joined)
	}
	f = only(t, plain.Left(i), &left)
	if protocol.Event(f.GetEvent()) != protocol.LeaveRoom || !proto.Equal(left.GetPeer(), want) {
		t.Errorf("left: event %d, %v", f.GetEvent(), &left)
	}
	i.CustomID, i.Picture = "c", "https://example.com/a.png"
	want.CustomParticipantId, want.DisplayPictureUrl = &i.CustomID, &i.Picture
	if got := wirePeer(i); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestKeepAliveIsAText(t *testing.T) {
	if got := plain.Ping(); !bytes.Equal(got, []byte{0x81, 1, '2'}) {
		t.Errorf("ping %x", got)
	}
	if !bytes.Equal(pongFrame, []byte{0x81, 1, '3'}) {
		t.Errorf("pong %x", pongFrame)
	}
}
