package ws

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// answers says what each recorded request must be answered with: the message,
// and what in it the client reads without looking whether it is there. Events
// that are not listed are refused.
var answers = map[string]struct {
	message proto.Message
	check   func(s *seat, request, answer proto.Message) bool
}{
	"room.joinRoom": {&rtkwire.PeerInfo{}, func(s *seat, _, m proto.Message) bool {
		p := m.(*rtkwire.PeerInfo).GetPeer()
		return p.GetPeerId() == string(s.info.Peer) && p.GetUserId() == "alice" && p.GetDisplayName() == "Alice" &&
			p.GetFlags().GetRecorderType() == "NONE" && !p.GetWaitlisted()
	}},
	"room.getRoomInfo": {&rtkwire.RoomInfo{}, func(_ *seat, _, m proto.Message) bool {
		r := m.(*rtkwire.RoomInfo).GetRoom()
		return r.GetCreatedAt() == 1_600_000_000 && r.GetTitle() == "Standup" && r.GetRoomUuid() == "s"
	}},
	"room.getRoomPeersInfo": {&rtkwire.RoomPeers{}, func(_ *seat, _, m proto.Message) bool {
		return len(m.(*rtkwire.RoomPeers).GetPeers()) == 2
	}},
	"room.getConnectedRoomsDump": {&rtkwire.ConnectedMeetings{}, func(_ *seat, _, m proto.Message) bool {
		return m.(*rtkwire.ConnectedMeetings).GetParentMeeting().GetId() == string(meeting)
	}},
	"room.broadcastMessage": {&rtkwire.Broadcast{}, func(s *seat, asked, m proto.Message) bool {
		want, got := asked.(*rtkwire.Broadcast), m.(*rtkwire.Broadcast)
		return got.GetType() == want.GetType() && bytes.Equal(got.GetPayload(), want.GetPayload()) &&
			got.GetTimestamp() == uint64(s.time().UnixMilli())
	}},
	"chat.getMessages":        {&rtkwire.ChatMessages{}, nil},
	"chat.sendMessageToRoom":  {&rtkwire.OneChatMessage{}, sentAsAsked},
	"chat.sendMessageToPeers": {&rtkwire.OneChatMessage{}, sentAsAsked},
	"chat.editMessage":        {&rtkwire.OneChatMessage{}, sentAsAsked},
	"chat.deleteMessage": {&rtkwire.DeleteMessage{}, func(_ *seat, asked, m proto.Message) bool {
		return m.(*rtkwire.DeleteMessage).GetChatId() == asked.(*rtkwire.DeleteMessage).GetChatId()
	}},
	"chat.pinMessage": {&rtkwire.PinMessageResult{}, func(_ *seat, asked, m proto.Message) bool {
		want, got := asked.(*rtkwire.PinMessage), m.(*rtkwire.PinMessageResult)
		return got.GetMessage().GetChatId() == want.GetChatId() && got.GetMessage().GetPinned() == want.GetPinned() &&
			got.GetPinned() == want.GetPinned() && got.GetChatId() == want.GetChatId()
	}},
	"chat.getPaginatedMessages": {&rtkwire.Page{}, nil},
	"plugin.getPlugins":         {&rtkwire.PluginsEnabled{}, nil},
	"plugin.storeGetKeys": {&rtkwire.StoreItems{}, func(_ *seat, asked, m proto.Message) bool {
		want, got := asked.(*rtkwire.StoreWrite), m.(*rtkwire.StoreItems)
		return got.GetPluginId() == want.GetPluginId() && got.GetStoreName() == want.GetStoreName()
	}},
	"polls.getPolls": {&rtkwire.Polls{}, nil},
	"media.joinRoom": {&rtkwire.MediaStatus{}, nil},
	"media.createTransport": {&rtkwire.CreateTransportResult{}, func(_ *seat, asked, m proto.Message) bool {
		offer, got := asked.(*rtkwire.CreateTransport).GetDescription(), m.(*rtkwire.CreateTransportResult)
		answer := got.GetDescription()
		return got.GetTransportId() != "" && answer.GetType() == "answer" && answer.GetTarget() == offer.GetTarget() &&
			strings.Contains(answer.GetSdp(), "a=candidate:")
	}},
	"media.selfJoinComplete": {&rtkwire.SelfJoinComplete{}, func(s *seat, _, m proto.Message) bool {
		got := m.(*rtkwire.SelfJoinComplete)
		return got.GetRoomState().GetCurrentPeerId() == string(s.info.Peer) && got.GetSelectedPeers() != nil
	}},
	"media.leaveRoom": {&rtkwire.MediaLeaveResult{}, func(_ *seat, _, m proto.Message) bool {
		return m.(*rtkwire.MediaLeaveResult).GetClosed()
	}},
}

// sentAsAsked compares a message with the request that made it so.
func sentAsAsked(_ *seat, asked, answer proto.Message) bool {
	type content interface {
		GetPayloadType() int32
		GetPayload() string
	}
	want, got := asked.(content), answer.(*rtkwire.OneChatMessage).GetMessage()
	_, private := asked.(*rtkwire.SendToPeers)
	_, edit := asked.(*rtkwire.EditMessage)
	return got.GetPayload() == want.GetPayload() && got.GetPayloadType() == want.GetPayloadType() &&
		got.GetCreatedAtMs() != 0 && got.GetCreatedAt() == got.GetCreatedAtMs()/1000 && got.GetIsEdited() == edit &&
		(len(got.GetTargetUserIds()) == 2) == private
}

// requests are the messages that requests of these events carry.
var requests = map[string]proto.Message{
	"chat.sendMessageToRoom": &rtkwire.SendToRoom{}, "chat.sendMessageToPeers": &rtkwire.SendToPeers{},
	"chat.editMessage": &rtkwire.EditMessage{}, "chat.deleteMessage": &rtkwire.DeleteMessage{},
	"chat.pinMessage": &rtkwire.PinMessage{}, "plugin.storeGetKeys": &rtkwire.StoreWrite{},
	"media.createTransport": &rtkwire.CreateTransport{}, "room.broadcastMessage": &rtkwire.Broadcast{},
}

// TestRecordedRequestsAreAnswered plays what official clients sent, in their
// order, but for the messages they edit, pin and delete: those are ours. Each
// is answered once, with its id, its event and the message of that event.
func TestRecordedRequestsAreAnswered(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "protocol", "testdata", "client-*.txt"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("recordings: %q, %v", paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { replayRecording(t, path) })
	}
}

func replayRecording(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	bob := w.sit("bob", "")
	seats := make(map[string]*seat) // the recording may hold more than one client
	answered := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		parts := strings.SplitN(lines.Text(), "\t", 3)
		raw, err := hex.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var f rtkwire.Frame
		if err := proto.Unmarshal(raw, &f); err != nil {
			t.Fatal(err)
		}
		id := f.GetId()[:36]
		if seats[id] == nil {
			seats[id] = w.connect(chat.PeerID(id), "alice")
		}
		if seats[id].checkRecorded(t, parts[0], &f, bob) {
			answered++
		}
	}
	if answered < 17 {
		t.Errorf("only %d requests were answered", answered)
	}
}

// checkRecorded hands in one recorded frame; true if it was not refused.
func (s *seat) checkRecorded(t *testing.T, name string, f *rtkwire.Frame, other *seat) bool {
	var request proto.Message
	if m := requests[name]; m != nil {
		request = m.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(f.GetPayload(), request); err != nil {
			t.Fatal(err)
		}
		s.makeOurs(request, other)
		f.Payload, _ = proto.Marshal(request)
	}
	raw, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	s.handle(s.Context(), raw)
	frames := s.frames()
	if len(frames) != 1 || frames[0].GetId() != f.GetId() {
		t.Fatalf("%s: %d answers", name, len(frames))
	}
	want, served := answers[name]
	if !served {
		if refusedWith(frames[0]) == "" {
			t.Errorf("%s, which nobody serves, was answered by event %d", name, frames[0].GetEvent())
		}
		return false
	}
	if frames[0].GetEvent() != f.GetEvent() {
		t.Errorf("%s was answered by event %d: %s", name, frames[0].GetEvent(), refusedWith(frames[0]))
		return false
	}
	answer := want.message.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(frames[0].GetPayload(), answer); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if len(answer.ProtoReflect().GetUnknown()) > 0 || want.check != nil && !want.check(s, request, answer) {
		t.Errorf("%s %v was answered with %v", name, request, answer)
	}
	return true
}

// makeOurs replaces what a recording names by what this world has.
func (s *seat) makeOurs(request proto.Message, other *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text string
	for id, m := range s.now {
		if m.Content.Kind == chat.Text && m.Public() {
			text = string(id)
		}
	}
	switch m := request.(type) {
	case *rtkwire.EditMessage:
		m.ChatId = text
	case *rtkwire.DeleteMessage:
		m.ChatId = text
	case *rtkwire.PinMessage:
		m.ChatId = text
	case *rtkwire.StoreWrite:
		m.PluginId = string(meeting)
	case *rtkwire.SendToPeers:
		m.PeerIds[0] = string(other.info.Peer)
	}
}

// TestEveryEventThatIsServedIsAnsweredOrExpectsNoAnswer: clients fail on
// answers without a payload, which frames looks for.
func TestEveryEventThatIsServedIsAnsweredOrExpectsNoAnswer(t *testing.T) {
	silent := []protocol.Event{protocol.MediaToggleProducer, protocol.MediaAudioActivity}
	for event := range handlers {
		w := newWorld(t)
		s := w.sit("alice", "")
		raw, id := s.request(event, nil)
		s.handle(s.Context(), raw)
		frames := s.frames()
		want := 1
		if event == silent[0] || event == silent[1] {
			want = 0
		}
		if len(frames) != want || want == 1 && frames[0].GetId() != id {
			t.Errorf("event %#x without a payload got %d answers", event, len(frames))
		}
	}
}
