package protocol_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// kind is an event as the recordings name it: its number, and the message that
// a request carries.
type kind struct {
	event   protocol.Event
	request proto.Message
}

// kinds are the events in the recordings. Those that this package does not
// name are not served.
var kinds = map[string]kind{
	"room.getRoomPeersInfo":      {protocol.GetRoomPeersInfo, &rtkwire.RoomPeersRequest{}},
	"room.joinRoom":              {protocol.JoinRoom, &rtkwire.JoinRoomRequest{}},
	"room.getRoomInfo":           {protocol.GetRoomInfo, &emptypb.Empty{}},
	"room.getConnectedRoomsDump": {protocol.GetConnectedRoomsDump, &emptypb.Empty{}},
	"room.broadcastMessage":      {29, &rtkwire.Broadcast{}},
	"room.kick":                  {30, &rtkwire.KickPeers{}},
	"room.broadcastToEntity":     {39, &rtkwire.Broadcast{}},
	"chat.getMessages":           {protocol.GetMessages, &emptypb.Empty{}},
	"chat.sendMessageToRoom":     {protocol.SendMessageToRoom, &rtkwire.SendToRoom{}},
	"chat.sendMessageToPeers":    {protocol.SendMessageToPeers, &rtkwire.SendToPeers{}},
	"chat.editMessage":           {protocol.EditMessage, &rtkwire.EditMessage{}},
	"chat.deleteMessage":         {protocol.DeleteMessage, &rtkwire.DeleteMessage{}},
	"chat.getPaginatedMessages":  {protocol.GetPaginatedMessages, &rtkwire.PageRequest{}},
	"chat.pinMessage":            {protocol.PinMessage, &rtkwire.PinMessage{}},
	"plugin.getPlugins":          {protocol.GetPlugins, &emptypb.Empty{}},
	"plugin.storeGetKeys":        {protocol.StoreGetKeys, &rtkwire.StoreWrite{}},
	"polls.getPolls":             {protocol.GetPolls, &emptypb.Empty{}},
	"preset.getUserPresets":      {0x50000, &rtkwire.UserIds{}},
	"preset.updateUserPreset":    {0x50001, &rtkwire.PresetUpdates{}},
	"media.createTransport":      {protocol.MediaCreateTransport, &rtkwire.CreateTransport{}},
	"media.joinRoom":             {protocol.MediaJoinRoom, nil}, // capabilities, which nobody reads
	"media.leaveRoom":            {protocol.MediaLeaveRoom, &emptypb.Empty{}},
	"media.selfJoinComplete":     {protocol.MediaSelfJoinComplete, &emptypb.Empty{}},
}

// recorded is one line of a recording.
type recorded struct {
	name, note string
	raw        []byte
}

func recordings(t *testing.T) map[string][]recorded {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "client-*.txt"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("recordings: %q, %v", paths, err)
	}
	all := make(map[string][]recorded)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "#") {
				continue
			}
			parts := strings.SplitN(lines.Text(), "\t", 3)
			raw, err := hex.DecodeString(parts[1])
			if err != nil || len(parts) != 3 {
				t.Fatalf("%s: %q, %v", path, parts[0], err)
			}
			all[path] = append(all[path], recorded{parts[0], parts[2], raw})
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestRecordedFramesDecode reads every frame that official clients sent: it
// is of the event that it is said to be, its payload is of the message that
// this package says, nothing in it is unknown to us, and it is encoded again
// as it was.
func TestRecordedFramesDecode(t *testing.T) {
	for path, frames := range recordings(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if len(frames) < 20 {
				t.Fatalf("only %d frames", len(frames))
			}
			for _, r := range frames {
				t.Run(r.name, func(t *testing.T) { checkRecorded(t, r) })
			}
		})
	}
}

func checkRecorded(t *testing.T, r recorded) {
	k, ok := kinds[r.name]
	if !ok {
		t.Fatal("nothing is known of this event")
	}
	var f rtkwire.Frame
	decode(t, r.raw, &f)
	if protocol.Event(f.GetEvent()) != k.event {
		t.Errorf("event %#x, want %#x", f.GetEvent(), k.event)
	}
	if id := f.GetId(); len(id) < 40 || len(id) > protocol.MaxFrameID || id[36] != '-' {
		t.Errorf("id %q", id)
	}
	if len(r.raw) > protocol.MaxMessage {
		t.Errorf("%d bytes", len(r.raw))
	}
	if k.request == nil {
		return
	}
	request := k.request.ProtoReflect().New().Interface()
	decode(t, f.GetPayload(), request)
	checkNote(t, r.note, request)
}

// decode decodes and encodes again.
func decode(t *testing.T, raw []byte, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
	if unknown := unknownIn(into.ProtoReflect()); unknown != "" {
		t.Errorf("unknown fields in %s", unknown)
	}
	again, err := proto.Marshal(into)
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("encoded again it is\n%x, %v, and was\n%x", again, err, raw)
	}
}

// unknownIn names a message with unknown fields, if there is one.
func unknownIn(m protoreflect.Message) (name string) {
	if len(m.GetUnknown()) > 0 {
		return string(m.Descriptor().FullName())
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				if name = unknownIn(value.List().Get(i).Message()); name != "" {
					return false
				}
			}
		default:
			name = unknownIn(value.Message())
		}
		return name == ""
	})
	return name
}

// checkNote compares a message with what the recorder read in it, by its own
// decoder.
func checkNote(t *testing.T, note string, got proto.Message) {
	t.Helper()
	if !json.Valid([]byte(note)) || note == "null" {
		return
	}
	want := got.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal([]byte(note), want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("decoded as %v, want %v", got, want)
	}
}

// TestEventNumbers holds the numbers to the published table: namespace and
// index for each.
func TestEventNumbers(t *testing.T) {
	const room, chat, plugin, polls, media = 0, 1 << 16, 2 << 16, 3 << 16, 3 << 24
	for event, want := range map[protocol.Event]protocol.Event{
		protocol.GetPeerInfo: room + 0, protocol.GetRoomPeersInfo: room + 2, protocol.JoinRoom: room + 3,
		protocol.LeaveRoom: room + 4, protocol.GetRoomInfo: room + 5, protocol.GetStagePeers: room + 11,
		protocol.GetStageRequests: room + 12, protocol.GetConnectedRoomsDump: room + 20,
		protocol.GetWaitingRoomRequests: room + 33, protocol.GetRoomStageState: room + 43,
		protocol.GetMessages: chat + 0, protocol.SendMessageToRoom: chat + 1, protocol.SendMessageToPeers: chat + 2,
		protocol.EditMessage: chat + 3, protocol.DeleteMessage: chat + 4, protocol.GetPaginatedMessages: chat + 5,
		protocol.PinMessage: chat + 10,
		protocol.GetPlugins: plugin + 0, protocol.StoreGetKeys: plugin + 10, protocol.GetPolls: polls + 1,
		protocol.MediaCreateTransport: media + 1, protocol.MediaJoinRoom: media + 0x10,
		protocol.MediaLeaveRoom: media + 0x11, protocol.MediaSelfJoinComplete: media + 0x14,
		protocol.Error: 65535,
	} {
		if event != want {
			t.Errorf("event %#x should be %#x", event, want)
		}
	}
}
