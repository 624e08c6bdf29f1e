package hostile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// pushes are what official clients decode by event, whether they asked or not.
var pushes = map[protocol.Event]proto.Message{
	protocol.GetPeerInfo:            &rtkwire.PeerInfo{},
	protocol.GetRoomPeersInfo:       &rtkwire.RoomPeers{},
	protocol.JoinRoom:               &rtkwire.PeerInfo{},
	protocol.LeaveRoom:              &rtkwire.PeerInfo{},
	protocol.GetRoomInfo:            &rtkwire.RoomInfo{},
	protocol.RoomPeerCount:          &rtkwire.RoomPeerCount{},
	protocol.GetConnectedRoomsDump:  &rtkwire.ConnectedMeetings{},
	protocol.BroadcastMessage:       &rtkwire.Broadcast{},
	protocol.BroadcastToEntity:      &rtkwire.Broadcast{},
	protocol.GetWaitingRoomRequests: &rtkwire.WaitingRoom{},
	protocol.PeerStageStatus:        &rtkwire.PeerStageStatus{},
	protocol.GetMessages:            &rtkwire.ChatMessages{},
	protocol.SendMessageToRoom:      &rtkwire.OneChatMessage{},
	protocol.SendMessageToPeers:     &rtkwire.OneChatMessage{},
	protocol.EditMessage:            &rtkwire.OneChatMessage{},
	protocol.DeleteMessage:          &rtkwire.DeleteMessage{},
	protocol.GetPaginatedMessages:   &rtkwire.Page{},
	protocol.PinMessage:             &rtkwire.PinMessageResult{},
	protocol.StoreInsertKeys:        &rtkwire.StoreItems{},
	protocol.StoreGetKeys:           &rtkwire.StoreItems{},
	protocol.StoreDeleteKeys:        &rtkwire.StoreItems{},
	protocol.UpdateUserPreset:       &rtkwire.PresetUpdates{},
	protocol.Error:                  &rtkwire.EdgeError{},
}

// Judge tells what is wrong with a frame that an honest official client was
// sent: what it cannot decode, what it reads without a guard and is not there,
// and what it or its UI kit would run. Events that clients skip are fine.
func Judge(f *rtkwire.Frame) error {
	event := protocol.Event(f.GetEvent())
	kind, ok := pushes[event]
	if !ok {
		return nil
	}
	if f.Payload == nil || f.Id == nil {
		return fmt.Errorf("event %#x has no payload or no id", event)
	}
	m := proto.Clone(kind)
	if err := proto.Unmarshal(f.GetPayload(), m); err != nil {
		return fmt.Errorf("event %#x cannot be decoded: %w", event, err)
	}
	if err := judge(event, m); err != nil {
		return fmt.Errorf("event %#x: %w", event, err)
	}
	return nil
}

func judge(event protocol.Event, m proto.Message) error {
	switch m := m.(type) {
	case *rtkwire.PeerInfo:
		if event == protocol.JoinRoom || event == protocol.LeaveRoom {
			return judgePeer(m.GetPeer())
		}
	case *rtkwire.RoomPeers:
		return each(m.GetPeers(), judgePeer)
	case *rtkwire.RoomInfo:
		if m.GetRoom() == nil {
			return errors.New("there is no room")
		}
	case *rtkwire.ConnectedMeetings:
		if m.GetParentMeeting() == nil {
			return errors.New("there is no parent meeting")
		}
	case *rtkwire.OneChatMessage:
		return judgeMessage(m.GetMessage())
	case *rtkwire.ChatMessages:
		return each(m.GetMessages(), judgeMessage)
	case *rtkwire.Page:
		return each(m.GetMessages(), judgeMessage)
	case *rtkwire.PinMessageResult:
		return judgeMessage(m.GetMessage())
	case *rtkwire.Broadcast:
		return judgeJSON("a broadcast", m.GetPayload())
	case *rtkwire.StoreItems:
		return each(m.GetStoreItems(), func(i *rtkwire.StoreItem) error {
			if len(i.GetPayload()) == 0 {
				return nil // deleted
			}
			return judgeJSON("a store", i.GetPayload())
		})
	}
	return nil
}

func each[T any](list []T, check func(T) error) error {
	for _, one := range list {
		if err := check(one); err != nil {
			return err
		}
	}
	return nil
}

// judgePeer: a picture that is no link, and a recorder, are shown in strange
// ways.
func judgePeer(p *rtkwire.Peer) error {
	switch {
	case p == nil:
		return errors.New("there is no peer")
	case p.GetFlags().GetRecorderType() != "NONE":
		return fmt.Errorf("a peer is a recorder of type %q", p.GetFlags().GetRecorderType())
	case p.DisplayPictureUrl != nil && !isLink(p.GetDisplayPictureUrl()):
		return fmt.Errorf("a picture is %q", p.GetDisplayPictureUrl())
	case anchor.MatchString(p.GetDisplayName()):
		return fmt.Errorf("a name is %q", p.GetDisplayName())
	}
	return nil
}

// anchor is what the official UI kit makes a link of, with any scheme.
var anchor = regexp.MustCompile(`(?i)<a[\s/>]`)

func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

func judgeMessage(m *rtkwire.ChatMessage) error {
	if m == nil {
		return errors.New("there is no message")
	}
	if m.GetChatId() == "" || m.GetUserId() == "" || m.GetCreatedAtMs() == 0 || anchor.MatchString(m.GetDisplayName()) {
		return fmt.Errorf("message %q of %q, called %q", m.GetChatId(), m.GetUserId(), m.GetDisplayName())
	}
	if strings.ContainsRune(m.GetPayload(), 0) {
		return errors.New("a payload holds NUL")
	}
	switch m.GetPayloadType() {
	case 0:
		if m.GetPayload() == "" || anchor.MatchString(m.GetPayload()) {
			return fmt.Errorf("a text is %.200q", m.GetPayload())
		}
		return nil
	case 1:
		if !isLink(m.GetPayload()) {
			return fmt.Errorf("an image is %.200q", m.GetPayload())
		}
		return nil
	case 2:
		return judgeFile([]byte(m.GetPayload()))
	case 3:
		return judgeCustom([]byte(m.GetPayload()))
	}
	return fmt.Errorf("a message of kind %d", m.GetPayloadType())
}

func judgeFile(payload []byte) error {
	var f struct {
		Link *string  `json:"link"`
		Name *string  `json:"name"`
		Size *float64 `json:"size"`
	}
	if err := json.Unmarshal(payload, &f); err != nil || f.Link == nil || f.Name == nil || f.Size == nil || !isLink(*f.Link) || *f.Size < 0 {
		return fmt.Errorf("a file is %.200q", payload)
	}
	return nil
}

// runs is what may not be left in HTML that apps show.
var runs = regexp.MustCompile(`(?i)<(script|iframe|object|embed|svg|math|style|base|meta|form|link)\b|<[^>]*\son[a-z]+\s*=|(javascript|vbscript|data)\s*:[^<]*["'>]`)

func judgeCustom(payload []byte) error {
	if err := judgeJSON("a custom message", payload); err != nil {
		return err
	}
	var c struct {
		HTML   string      `json:"html"`
		Files  []*attached `json:"files"`
		Images []*attached `json:"images"`
		Videos []*attached `json:"videos"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("a custom message is %.200q: %w", payload, err)
	}
	if runs.MatchString(c.HTML) {
		return fmt.Errorf("the HTML of a custom message is %.200q", c.HTML)
	}
	for _, list := range [][]*attached{c.Files, c.Images, c.Videos} {
		for _, one := range list {
			if one == nil || !isLink(one.Link) {
				return fmt.Errorf("a custom message links to %.200q", payload)
			}
		}
	}
	return nil
}

type attached struct {
	Link string `json:"link"`
}

// judgeJSON demands what JSON.parse takes, and no key that changes the
// prototype of what an app merges it into.
func judgeJSON(what string, payload []byte) error {
	if !json.Valid(payload) {
		return fmt.Errorf("%s is no JSON: %.200q", what, payload)
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // the end
		}
		if token == "__proto__" {
			return fmt.Errorf("%s holds __proto__: %.200q", what, payload)
		}
	}
}
