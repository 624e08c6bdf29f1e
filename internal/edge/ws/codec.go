package ws

import (
	"slices"

	"github.com/gofrs/uuid/v5"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/edge/ws/transport"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Codec makes the frames of the official protocol. It implements room.Codec.
type Codec struct {
	// Render gives the payload of a content as clients get it, with links.
	Render func(chat.MeetingID, chat.Content) string
	// Faults stops panics of Render. Default: nobody is told of them.
	Faults *fault.Guard
}

// pingFrame is the keep-alive, a text message.
var pingFrame = append(transport.Header(nil, transport.Text, len(protocol.Ping)), protocol.Ping...)

// Ping implements room.Codec.
func (c Codec) Ping() []byte { return pingFrame }

// Joined implements room.Codec.
func (c Codec) Joined(i room.Info) []byte {
	return frame(protocol.JoinRoom, freshID(), &rtkwire.PeerInfo{Peer: wirePeer(i)})
}

// Left implements room.Codec.
func (c Codec) Left(i room.Info) []byte {
	return frame(protocol.LeaveRoom, freshID(), &rtkwire.PeerInfo{Peer: wirePeer(i)})
}

// Entry implements room.Codec. The frame of an entry that settles a request
// carries the request's id: to the requester it is the answer, to all others a
// push like any other.
func (c Codec) Entry(e journal.Entry) []byte {
	id := e.Settles
	if id == "" {
		id = freshID()
	}
	m := &e.Event.Message
	switch e.Event.Kind {
	case chat.MessageSent:
		event := protocol.SendMessageToRoom
		if !m.Public() {
			event = protocol.SendMessageToPeers
		}
		return frame(event, id, &rtkwire.OneChatMessage{Message: c.message(m)})
	case chat.MessageEdited:
		return frame(protocol.EditMessage, id, &rtkwire.OneChatMessage{Message: c.message(m)})
	case chat.MessageDeleted:
		return frame(protocol.DeleteMessage, id, &rtkwire.DeleteMessage{ChatId: string(m.ID)})
	case chat.MessagePinned, chat.MessageUnpinned:
		pinned := e.Event.Kind == chat.MessagePinned
		return frame(protocol.PinMessage, id, &rtkwire.PinMessageResult{
			ChatId: string(m.ID), Pinned: pinned, Message: c.message(m),
		})
	}
	return nil
}

// message gives a message as clients get it.
func (c Codec) message(m *chat.Message) *rtkwire.ChatMessage {
	kind, payload := c.render(m)
	return &rtkwire.ChatMessage{
		ChatId: string(m.ID), PeerId: string(m.Peer), UserId: string(m.Author), DisplayName: content.ForOfficialUI(m.DisplayName),
		Pinned: m.Pinned, IsEdited: m.EditedAt != 0,
		PayloadType: int32(kind), Payload: payload,
		TargetUserIds: texts(m.Audience),
		CreatedAt:     uint64(m.SentAt / 1000), CreatedAtMs: proto.Uint64(uint64(m.SentAt)),
	}
}

// standIn is shown in place of a message that cannot be.
const standIn = "(This message cannot be shown.)"

// render gives the payload of a message. One on which Render panics leaves no
// hole: something stands in for it.
func (c Codec) render(m *chat.Message) (kind chat.Kind, payload string) {
	defer func() {
		if c.Faults.Stopped(fault.Frame, recover()) {
			kind, payload = chat.Text, standIn
		}
	}()
	return m.Content.Kind, c.Render(m.Meeting, m.Content)
}

// Message implements room.Codec: the message as an element of ChatMessages. A
// list of messages in the protocol's encoding is what its elements are, one
// after the other.
func (c Codec) Message(m *chat.Message) []byte {
	wire := c.message(m)
	size := proto.Size(wire)
	buf := make([]byte, 0, protowire.SizeTag(listField)+protowire.SizeBytes(size))
	buf = protowire.AppendTag(buf, listField, protowire.BytesType)
	buf = protowire.AppendVarint(buf, uint64(size))
	whole, err := proto.MarshalOptions{}.MarshalAppend(buf, wire)
	if err != nil {
		return nil // only a string that is not UTF-8 gets here, and none is stored
	}
	return whole
}

// listField is the number of ChatMessages.messages and of Page.messages.
const listField = 1

// newestOf gives the newest of a list of messages, which is ordered from the
// oldest on, as elements of ChatMessages: as many as a history may hold.
func (c Codec) newestOf(list []chat.Message) [][]byte {
	var parts [][]byte
	left := room.HistoryBytes
	for i := len(list) - 1; i >= 0; i-- {
		part := c.Message(&list[i])
		if left -= len(part); left < 0 {
			break
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return parts
}

// pageOf gives the first messages of a page, as many as a history may hold, and
// whether those are all.
func (c Codec) pageOf(list []chat.Message) (wire []*rtkwire.ChatMessage, all bool) {
	left := room.HistoryBytes
	for i := range list {
		m := c.message(&list[i])
		if left -= proto.Size(m); left < 0 {
			return wire, false
		}
		wire = append(wire, m)
	}
	return wire, true
}

// head gives the beginning of a WebSocket message whose payload has so many
// bytes, which are to follow.
func head(event protocol.Event, id string, payload int) []byte {
	size := protowire.SizeTag(1) + protowire.SizeVarint(uint64(event)) +
		protowire.SizeTag(2) + protowire.SizeBytes(len(id)) +
		protowire.SizeTag(3) + protowire.SizeBytes(payload)
	buf := make([]byte, 0, size-payload+10)
	buf = transport.Header(buf, transport.Binary, size)
	buf = protowire.AppendTag(buf, 1, protowire.VarintType)
	buf = protowire.AppendVarint(buf, uint64(event))
	buf = protowire.AppendTag(buf, 2, protowire.BytesType)
	buf = protowire.AppendString(buf, id)
	buf = protowire.AppendTag(buf, 3, protowire.BytesType)
	return protowire.AppendVarint(buf, uint64(payload))
}

// frame gives one WebSocket message, header included. The payload is present
// even when it is empty: clients fail on answers without one.
func frame(event protocol.Event, id string, payload proto.Message) []byte {
	options := proto.MarshalOptions{}
	buf := frameHead(event, id, options.Size(payload))
	buf, err := options.MarshalAppend(buf, payload)
	if err != nil {
		// Only a string that is not UTF-8 gets here, and none is stored.
		return refusal(event, id, "the answer could not be encoded")
	}
	return buf
}

// frameHead gives all of a frame but its payload, which has to be appended, and
// has room for that.
func frameHead(event protocol.Event, id string, payload int) []byte {
	return slices.Grow(head(event, id, payload), payload)
}

// refusal gives the frame that answers a request with an error.
func refusal(event protocol.Event, id, text string) []byte {
	return frame(protocol.Error, id, &rtkwire.EdgeError{ErrorMessage: text, EventId: int32(event)})
}

func wirePeer(i room.Info) *rtkwire.Peer {
	stage := rtkwire.StageType_STAGE_ON
	if i.Rights.Watches {
		// On the stage a viewer of a stream would want media to connect.
		stage = rtkwire.StageType_STAGE_OFF
	}
	p := &rtkwire.Peer{
		PeerId: string(i.Peer), UserId: string(i.Participant), DisplayName: content.ForOfficialUI(i.Name),
		StageType: stage.Enum(),
		PresetId:  proto.String(string(i.Preset)),
		Flags:     &rtkwire.PeerFlags{PresetName: i.PresetName, RecorderType: "NONE"},
	}
	if i.CustomID != "" {
		p.CustomParticipantId = proto.String(i.CustomID)
	}
	if i.Picture != "" {
		p.DisplayPictureUrl = proto.String(i.Picture)
	}
	return p
}

func texts[T ~string](ids []T) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

func freshID() string { return uuid.Must(uuid.NewV4()).String() }
