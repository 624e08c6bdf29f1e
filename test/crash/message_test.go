package crash_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// message is one as clients are given it, in a form that can be compared. What
// clients are given of a file is taken apart: its link is made anew each time.
type message struct {
	id, peer, author, name string
	to                     string // the audience, "" for everybody
	at                     uint64
	pinned, edited         bool
	label                  string // the text, or the name of the file
	link                   string // "" for a text
}

// same compares all but the link.
func (m message) same(o message) bool {
	m.link, o.link = "", ""
	return m == o
}

// payloadTypeFile marks a message whose payload is a file.
const payloadTypeFile = 2

// file is the payload of a message with a file.
type file struct {
	Name string `json:"name"`
	Size int    `json:"size"`
	Link string `json:"link"`
}

func messageOf(w *rtkwire.ChatMessage) (message, error) {
	m := message{
		id: w.GetChatId(), peer: w.GetPeerId(), author: w.GetUserId(), name: w.GetDisplayName(),
		to: strings.Join(w.GetTargetUserIds(), " "), at: w.GetCreatedAtMs(),
		pinned: w.GetPinned(), edited: w.GetIsEdited(), label: w.GetPayload(),
	}
	if w.GetPayloadType() == payloadTypeFile {
		var f file
		if err := json.Unmarshal([]byte(w.GetPayload()), &f); err != nil {
			return m, fmt.Errorf("reading the payload of a file: %w", err)
		}
		m.label, m.link = f.Name, f.Link
	}
	return m, nil
}

func messagesOf(list []*rtkwire.ChatMessage) ([]message, error) {
	messages := make([]message, len(list))
	for i, w := range list {
		var err error
		if messages[i], err = messageOf(w); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// kind is what can happen to a message, numbered as in the store.
type kind int

const (
	said kind = 1 + iota
	edited
	deleted
	pinned
	unpinned
)

func (k kind) String() string {
	return [...]string{"?", "said", "edited", "deleted", "pinned", "unpinned"}[k]
}

// told is one thing that a connection was told.
type told struct {
	kind    kind
	id      string  // of the message
	message message // as it stands then; empty for one that is deleted
}

// step is told in short.
type step struct {
	kind kind
	id   string
}

// decode gives what a frame tells of a message; false where it tells of
// something else.
func decode(f *rtkwire.Frame) (told, bool, error) {
	var t told
	var wire *rtkwire.ChatMessage
	switch protocol.Event(f.GetEvent()) {
	case protocol.SendMessageToRoom, protocol.SendMessageToPeers, protocol.EditMessage:
		var one rtkwire.OneChatMessage
		if err := proto.Unmarshal(f.GetPayload(), &one); err != nil {
			return t, false, fmt.Errorf("reading a message: %w", err)
		}
		t.kind, wire = said, one.GetMessage()
		if protocol.Event(f.GetEvent()) == protocol.EditMessage {
			t.kind = edited
		}
	case protocol.PinMessage:
		var pin rtkwire.PinMessageResult
		if err := proto.Unmarshal(f.GetPayload(), &pin); err != nil {
			return t, false, fmt.Errorf("reading a pin: %w", err)
		}
		t.kind, wire = unpinned, pin.GetMessage()
		if pin.GetPinned() {
			t.kind = pinned
		}
	case protocol.DeleteMessage:
		var gone rtkwire.DeleteMessage
		if err := proto.Unmarshal(f.GetPayload(), &gone); err != nil {
			return t, false, fmt.Errorf("reading a deletion: %w", err)
		}
		return told{kind: deleted, id: gone.GetChatId()}, true, nil
	default:
		return t, false, nil
	}
	var err error
	t.message, err = messageOf(wire)
	t.id = t.message.id
	return t, true, err
}
