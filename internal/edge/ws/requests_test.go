package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/protocol"
)

// outcome is what a request has to bring the one who makes it.
type outcome int

const (
	// answered: a frame of the same event, or an error that names what is wrong
	// with the request, which has no payload here.
	answered outcome = iota
	// refused: an error that tells that Parley has no such thing.
	refused
	// silent: nothing, and the client does not wait for anything.
	silent
	// pushed: the server alone says this. A client that does is refused.
	pushed
	// apart: tests of its own say when it is answered and when it is not.
	apart
)

// sdkEvents are all events of the official SDK from 1.1.7 to 2.0.2, by the
// names and numbers of its own enumerations, and what becomes of them.
var sdkEvents = map[string][]struct {
	number  int
	name    string
	outcome outcome
}{
	"room": {
		{0, "getPeerInfo", answered}, {1, "updatePeerInfo", refused}, {2, "getRoomPeersInfo", answered},
		{3, "joinRoom", answered}, {4, "leaveRoom", answered}, {5, "getRoomInfo", answered},
		{6, "updateRoomInfo", refused}, {7, "closeRoom", refused}, {8, "startedLivestream", pushed},
		{9, "stoppedLivestream", pushed}, {10, "erroredLivestream", pushed}, {11, "getStagePeers", answered},
		{12, "getStageRequests", answered}, {13, "requestStageAccess", refused}, {14, "cancelStageRequest", refused},
		{15, "grantStageAccess", refused}, {16, "denyStageAccess", refused}, {18, "joinStage", refused},
		{19, "leaveStage", refused}, {20, "getConnectedRoomsDump", answered}, {21, "createConnectedRooms", refused},
		{22, "deleteConnectedRooms", refused}, {23, "movePeers", refused}, {24, "transferPeer", pushed},
		{25, "movedPeer", pushed}, {26, "connectedRoomsUpdated", pushed}, {27, "connectedRoomsDeleted", pushed},
		{17, "roomPeerCount", apart}, {28, "getAllAddedParticipants", apart}, {30, "kick", apart}, {31, "kickAll", apart},
		{34, "acceptWaitingRoomRequests", apart}, {35, "waitingRoomRequestAccepted", apart},
		{36, "denyWaitingRoomRequests", apart}, {37, "waitingRoomRequestDenied", apart},
		{29, "broadcastMessage", answered}, {32, "transcript", pushed}, {33, "getWaitingRoomRequests", answered},
		{38, "peerStageStatusUpdate", pushed}, {39, "broadcastToEntity", answered}, {40, "recordingStarted", pushed},
		{41, "recordingStopped", pushed}, {42, "recordingPaused", pushed}, {43, "getRoomStageState", answered},
		{44, "livestreamingInvoked", pushed},
	},
	"chat": {
		{0x10000, "getMessages", answered}, {0x10001, "sendMessageToRoom", answered}, {0x10002, "sendMessageToPeers", answered},
		{0x10003, "editMessage", answered}, {0x10004, "deleteMessage", answered}, {0x10005, "getPaginatedMessages", answered},
		{0x10006, "sendMessageToChannel", refused}, {0x10007, "searchChannelMessages", answered}, {0x10008, "getAllChatChannels", answered},
		{0x10009, "markChannelIndexAsRead", refused}, {0x1000a, "pinMessage", answered},
	},
	"plugin": {
		{0x20000, "getPlugins", answered}, {0x20001, "addPlugin", refused}, {0x20002, "enablePluginForRoom", refused},
		{0x20003, "disablePluginForPeers", refused}, {0x20004, "enablePluginForPeers", refused},
		{0x20005, "disablePluginForRoom", refused}, {0x20006, "removePlugin", refused},
		{0x20007, "customPluginEventToRoom", refused}, {0x20008, "customPluginEventToPeers", refused},
		{0x20009, "storeInsertKeys", answered}, {0x2000a, "storeGetKeys", answered}, {0x2000b, "storeDeleteKeys", answered}, {0x2000c, "storeDelete", refused},
	},
	"polls": {
		{0x30000, "createPoll", refused}, {0x30001, "getPolls", answered}, {0x30002, "votePoll", refused},
		{0x30003, "updatePoll", refused},
	},
	"chat channels": {
		{0x40000, "createChatChannel", refused}, {0x40001, "getChatChannel", refused},
		{0x40002, "deprecatedGetAllChatChannels", refused}, {0x40003, "getChannelMembers", refused},
		{0x40004, "updateChatChannel", refused},
	},
	"preset": {{0x50000, "getUserPresets", apart}, {0x50001, "updateUserPreset", apart}},
	"media": {
		{0x3000001, "createWebRTCTransport", answered}, {0x3000002, "produce", answered}, {0x3000003, "consume", refused},
		{0x3000004, "toggleProducer", silent}, {0x3000005, "toggleConsumer", refused}, {0x3000006, "closeProducer", answered},
		{0x3000007, "closeConsumer", refused}, {0x3000008, "updateConsumersSimulcastConfig", refused},
		{0x3000010, "joinRoom", answered}, {0x3000011, "leaveRoom", answered}, {0x3000012, "selectedPeer", pushed},
		{0x3000013, "globalPinPeer", refused}, {0x3000014, "selfJoinComplete", answered},
		{0x3000028, "selectedPeerDiff", pushed}, {0x3000032, "renegotiateSessionDescription", refused},
		{0x300005a, "kickPeer", refused}, {0x300005b, "kickAll", refused}, {0x300005c, "changeDisplayName", answered},
		{0x300005d, "hostControlPeer", answered}, {0x300005e, "hostControlAllPeers", answered}, {0x3000064, "audioActivity", silent},
	},
}

// A call that nobody answers hangs for twenty seconds in the app that made it.
func TestEveryRequestOfOfficialClientsIsSettled(t *testing.T) {
	for group, list := range sdkEvents {
		for _, r := range list {
			if r.outcome == apart {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", group, r.name), func(t *testing.T) {
				s := newWorld(t).sit("alice", "")
				raw, id := s.request(protocol.Event(r.number), nil)
				s.handle(s.Context(), raw)
				var event protocol.Event
				var words string
				n := 0
				for _, f := range s.frames() {
					if f.GetId() == id {
						n++
						event, words = protocol.Event(f.GetEvent()), refusedWith(f)
					}
				}
				switch {
				case r.outcome == silent:
					if n != 0 {
						t.Errorf("answered by event %d", event)
					}
				case n != 1:
					t.Errorf("answered %d times", n)
				case strings.Contains(words, "does not know event"):
					t.Errorf("refused as unknown")
				case r.outcome == answered:
					if event != protocol.Event(r.number) && (words == "" || slices.Contains(said(), words)) {
						t.Errorf("answered by event %d: %q", event, words)
					}
				case !slices.Contains(said(), words):
					t.Errorf("answered by event %d: %q", event, words)
				}
			})
		}
	}
}

// said gives all sentences that tell what Parley does not do.
func said() []string {
	var sentences []string
	for _, s := range absent {
		sentences = append(sentences, s)
	}
	return sentences
}

// The table above and that of the server are to hold the same events, but for
// the error, and those that the server alone sends and knows no request for.
func TestEveryEventThatIsHandledIsInTheTable(t *testing.T) {
	known := make(map[protocol.Event]bool)
	for _, list := range sdkEvents {
		for _, r := range list {
			known[protocol.Event(r.number)] = true
		}
	}
	for event := range handlers {
		if !known[event] {
			t.Errorf("event %#x is handled and not in the table of requests", uint32(event))
		}
		if absent[event] != "" {
			t.Errorf("event %#x is handled, and refused as absent", uint32(event))
		}
	}
	for event := range absent {
		if !known[event] {
			t.Errorf("event %#x is refused and not in the table of requests", uint32(event))
		}
	}
}

func TestWhatNobodyKnowsIsRefused(t *testing.T) {
	s := newWorld(t).sit("alice", "")
	for _, event := range []protocol.Event{45, 999, 0x10063, 0x60000, 0x3000063, 1 << 31} {
		if words := refusedWith(s.ask(event, nil)); !strings.Contains(words, fmt.Sprintf("does not know event %d", event)) {
			t.Errorf("event %d: %q", event, words)
		}
	}
}
