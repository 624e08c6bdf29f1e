package matrix_test

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol/rtkwire"
)

// eventCase is an event, by its name in package protocol, together with
// something that it is about.
type eventCase struct {
	event, object string
	// like groups objects about which the answers must be the same.
	like    string
	payload func(*scene) proto.Message
	// alone says that the scene is of no use afterwards.
	alone bool
}

// eventCases are all that is sent.
var eventCases = concat(
	[]eventCase{
		{event: "JoinRoom", object: "-", payload: nothing, alone: true},
		{event: "LeaveRoom", object: "-", payload: nothing, alone: true},
	},
	peers("GetPeerInfo", func(id string) proto.Message { return &rtkwire.GetPeerInfoRequest{PeerId: id} }),
	[]eventCase{
		{event: "GetRoomPeersInfo", object: "-", payload: nothing},
		{event: "GetRoomPeersInfo", object: "a page", payload: sending(&rtkwire.RoomPeersRequest{Limit: 5})},
		{event: "GetRoomInfo", object: "-", payload: nothing},
		{event: "GetConnectedRoomsDump", object: "-", payload: nothing},
		{event: "GetAllAddedParticipants", object: "-", payload: nothing},
	},
	kicks("Kick"),
	[]eventCase{
		{event: "KickAll", object: "-", payload: nothing, alone: true},
		{event: "GetStagePeers", object: "-", payload: nothing},
		{event: "GetStageRequests", object: "-", payload: nothing},
		{event: "GetRoomStageState", object: "-", payload: nothing},
		{event: "GetWaitingRoomRequests", object: "-", payload: nothing},
	},
	waiters("AcceptWaiting"), waiters("DenyWaiting"),
	[]eventCase{
		{event: "BroadcastMessage", object: "-", payload: sending(&rtkwire.Broadcast{Type: "t", Payload: []byte(`{}`)})},
	},
	broadcasts("BroadcastToEntity"),

	[]eventCase{
		{event: "GetMessages", object: "-", payload: nothing},
		{event: "GetPaginatedMessages", object: "public", payload: sending(&rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true})},
		{event: "GetPaginatedMessages", object: "pinned", payload: sending(&rtkwire.PageRequest{
			TimeStamp: 1 << 50, Reversed: true, Filters: &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}},
		})},
	},
	conversations("GetPaginatedMessages"),
	[]eventCase{{event: "GetPaginatedMessages", object: "of a channel", payload: sending(&rtkwire.PageRequest{ChannelId: proto.String("c")})}},
	sends("SendMessageToRoom", func(_ *scene, kind int32, payload string) proto.Message {
		return &rtkwire.SendToRoom{PayloadType: kind, Payload: payload}
	}),
	sends("SendMessageToPeers", func(s *scene, kind int32, payload string) proto.Message {
		return &rtkwire.SendToPeers{PayloadType: kind, Payload: payload, PeerIds: []string{s.alice.ID}}
	}),
	recipients("SendMessageToPeers"),
	messages("EditMessage", func(id string) proto.Message {
		return &rtkwire.EditMessage{ChatId: id, PayloadType: proto.Int32(0), Payload: proto.String("own, edited")}
	}),
	messages("PinMessage", func(id string) proto.Message { return &rtkwire.PinMessage{ChatId: id, Pinned: true} }),
	messages("DeleteMessage", func(id string) proto.Message { return &rtkwire.DeleteMessage{ChatId: id} }),
	[]eventCase{
		{event: "SearchChannelMessages", object: "-", payload: sending(&rtkwire.SearchRequest{SearchTerm: "own", TimeStamp: 1 << 50, Reversed: true})},
		{event: "SearchChannelMessages", object: "of a channel", payload: sending(&rtkwire.SearchRequest{SearchTerm: "own", ChannelId: proto.String("c")})},
		{event: "GetAllChatChannels", object: "-", payload: nothing},
		{event: "GetPlugins", object: "-", payload: nothing},
		{event: "GetPolls", object: "-", payload: nothing},
	},
	stores("StoreInsertKeys"), stores("StoreGetKeys"), stores("StoreDeleteKeys"),
	presets("GetUserPresets", func(id string) proto.Message { return &rtkwire.UserIds{UserIds: []string{id}} }),
	presets("UpdateUserPreset", func(id string) proto.Message {
		return &rtkwire.PresetUpdates{UpdatePeersPresets: []*rtkwire.PresetUpdate{{
			UserIds: id, Patch: &rtkwire.PresetPatch{CanSpotlight: proto.Bool(false)},
		}}}
	}),

	[]eventCase{
		{event: "MediaJoinRoom", object: "-", payload: nothing},
		{event: "MediaCreateTransport", object: "-", payload: sending(&rtkwire.CreateTransport{Description: offer})},
		{event: "MediaProduce", object: "-", payload: sending(&rtkwire.Produce{Description: offer})},
		{event: "MediaCloseProducer", object: "-", payload: sending(&rtkwire.CloseProducer{Description: offer})},
		{event: "MediaToggleProducer", object: "-", payload: nothing},
		{event: "MediaAudioActivity", object: "-", payload: nothing},
		{event: "MediaSelfJoinComplete", object: "-", payload: nothing},
		{event: "MediaLeaveRoom", object: "-", payload: nothing},
		{event: "MediaChangeDisplayName", object: "-", payload: nothing},
		{event: "MediaHostControl", object: "-", payload: nothing},
		{event: "MediaHostControlForPeer", object: "-", payload: nothing},
	},

	// What only the server says.
	all("RoomPeerCount", "WaitingAccepted", "WaitingDenied", "PeerStageStatus", "Error"),

	// What Parley does not have.
	all("RequestStageAccess", "CancelStageRequest", "GrantStageAccess", "DenyStageAccess", "JoinStage", "LeaveStage",
		"UpdatePeerInfo", "UpdateRoomInfo", "CloseRoom", "StartedLivestream", "StoppedLivestream", "ErroredLivestream",
		"CreateConnectedRooms", "DeleteConnectedRooms", "MovePeers", "TransferPeer", "MovedPeer", "ConnectedRoomsUpdated",
		"ConnectedRoomsDeleted", "Transcript", "RecordingStarted", "RecordingStopped", "RecordingPaused", "LivestreamingInvoked",
		"SendMessageToChannel", "MarkChannelIndexAsRead", "CreateChatChannel", "GetChatChannel", "GetChatChannelsOnce",
		"GetChannelMembers", "UpdateChatChannel", "StoreDelete", "AddPlugin", "EnablePluginForRoom", "DisablePluginForPeers",
		"EnablePluginForPeers", "DisablePluginForRoom", "RemovePlugin", "CustomPluginEventToRoom", "CustomPluginEventToPeers",
		"CreatePoll", "VotePoll", "UpdatePoll", "MediaConsume", "MediaToggleConsumer", "MediaCloseConsumer", "MediaUpdateConsumers",
		"MediaSelectedPeer", "MediaGlobalPinPeer", "MediaSelectedPeerDiff", "MediaRenegotiate", "MediaKickPeer", "MediaKickAll"),
	all("0x7777", "0x10fff", "0x1000000", "0xffffffff"),
)

func concat(lists ...[]eventCase) []eventCase {
	var all []eventCase
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func nothing(*scene) proto.Message { return nil }

func sending(m proto.Message) func(*scene) proto.Message {
	return func(*scene) proto.Message { return m }
}

// all are events that are about nothing.
func all(events ...string) []eventCase {
	cases := make([]eventCase, len(events))
	for i, event := range events {
		cases[i] = eventCase{event: event, object: "-", payload: nothing}
	}
	return cases
}

var offer = &rtkwire.SessionDescription{Type: "offer", Sdp: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"}

// named is an object that goes by an id.
type named struct {
	name, like string
	id         func(*scene) string
}

// about makes a case for each object.
func each(event string, objects []named, payload func(id string) proto.Message) []eventCase {
	var cases []eventCase
	for _, o := range objects {
		cases = append(cases, eventCase{event: event, object: o.name, like: o.like, payload: func(s *scene) proto.Message { return payload(o.id(s)) }})
	}
	return cases
}

func unknown(*scene) string { return freshID() }

// peers are asked for by their ids. One that is hidden is shown only to itself.
func peers(event string, payload func(id string) proto.Message) []eventCase {
	return each(event, []named{
		{"self", "", func(s *scene) string { return s.subject.ID }},
		{"host", "", func(s *scene) string { return s.alice.ID }},
		{"hidden", "unknown", func(s *scene) string { return s.ghost.ID }},
		{"waiting", "unknown", func(s *scene) string { return s.guest.ID }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.ID }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.alice.ID }},
		{"unknown", "unknown", unknown},
	}, payload)
}

func kicks(event string) []eventCase {
	return each(event, []named{
		{"member", "", func(s *scene) string { return s.newcomer(member).ID }},
		{"host", "", func(s *scene) string { return s.newcomer("group_call_host").ID }},
		{"hidden", "", func(s *scene) string { return s.newcomer("hidden").ID }},
		{"self", "", func(s *scene) string { return s.subject.ID }},
		{"waiting", "unknown", func(s *scene) string { return s.guest.ID }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.ID }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.alice.ID }},
		{"unknown", "unknown", unknown},
	}, func(id string) proto.Message { return &rtkwire.KickPeers{PeerIds: []string{id}} })
}

func waiters(event string) []eventCase {
	return each(event, []named{
		{"waiting", "", func(s *scene) string { p, _ := s.knock(); return string(p.id) }},
		{"here", "unknown", func(s *scene) string { return s.alice.Participant }},
		{"absent", "unknown", func(s *scene) string { return string(s.absent.id) }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.Participant }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.alice.Participant }},
		{"unknown", "unknown", unknown},
	}, func(id string) proto.Message { return &rtkwire.UserIds{UserIds: []string{id}} })
}

// broadcasts to peers. Who has the id of one, and be it hidden, may address it.
func broadcasts(event string) []eventCase {
	to := each(event, []named{
		{"host", "", func(s *scene) string { return s.alice.ID }},
		{"hidden", "", func(s *scene) string { return s.ghost.ID }},
		{"waiting", "unknown", func(s *scene) string { return s.guest.ID }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.ID }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.alice.ID }},
		{"unknown", "unknown", unknown},
	}, func(id string) proto.Message {
		return &rtkwire.Broadcast{Type: "t", Payload: []byte(`{}`), Ids: []string{id}}
	})
	meetings := each(event, []named{
		{"this meeting", "", func(s *scene) string { return string(s.meeting) }},
		{"another meeting", "meeting", func(s *scene) string { return string(s.elsewhere.meeting) }},
		{"a foreign meeting", "meeting", func(s *scene) string { return string(s.foreign.meeting) }},
		{"an unknown meeting", "meeting", unknown},
	}, func(id string) proto.Message {
		return &rtkwire.Broadcast{Type: "t", Payload: []byte(`{}`), Ids: []string{id}, BroadcastType: rtkwire.BroadcastScope_SCOPE_ROOMS.Enum()}
	})
	return append(to, meetings...)
}

// conversations with others, in pages. With whom there is none, it is empty.
func conversations(event string) []eventCase {
	return each(event, []named{
		{"with host", "", func(s *scene) string { return s.alice.Participant }},
		{"with hidden", "unknown", func(s *scene) string { return s.ghost.Participant }},
		{"with elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.Participant }},
		{"with foreign", "unknown", func(s *scene) string { return s.foreign.alice.Participant }},
		{"with unknown", "unknown", unknown},
	}, func(id string) proto.Message {
		return &rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true, Filters: &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: id}}}
	})
}

// sends are of all kinds of messages. Whose file one is, is nobody's business.
func sends(event string, payload func(s *scene, kind int32, payload string) proto.Message) []eventCase {
	text := func(kind int32, text func(*scene) string) func(*scene) proto.Message {
		return func(s *scene) proto.Message { return payload(s, kind, text(s)) }
	}
	link := func(of func(*scene) string) func(*scene) proto.Message {
		return text(2, func(s *scene) string { return file(of(s)) })
	}
	return []eventCase{
		{event: event, object: "text", payload: text(0, func(*scene) string { return "own" })},
		{event: event, object: "custom", payload: text(3, func(*scene) string { return `{"type":"custom","message":"own"}` })},
		{event: event, object: "own file", payload: link(func(s *scene) string { return s.file })},
		{event: event, object: "another's file", payload: link(func(s *scene) string { return s.alices })},
		{event: event, object: "file of elsewhere", like: "file", payload: link(func(s *scene) string { return s.elsewheres })},
		{event: event, object: "unknown file", like: "file", payload: link(func(s *scene) string {
			return pathID.ReplaceAllString(s.alices, "/"+freshID())
		})},
		{event: event, object: "file by another signature", like: "file", payload: link(func(s *scene) string {
			return signature.ReplaceAllString(s.alices, "sig="+strings.Repeat("A", 43))
		})},
	}
}

func recipients(event string) []eventCase {
	return each(event, []named{
		{"to member", "", func(s *scene) string { return s.newcomer(member).ID }},
		{"to who may not hear it", "unknown", func(s *scene) string { return s.newcomer("mute").ID }},
		{"to hidden", "", func(s *scene) string { return s.ghost.ID }},
		{"to absent", "", func(s *scene) string { return string(s.absent.id) }},
		{"to self", "unknown", func(s *scene) string { return s.subject.ID }},
		{"to elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.Participant }},
		{"to foreign", "unknown", func(s *scene) string { return s.foreign.alice.Participant }},
		{"to unknown", "unknown", unknown},
	}, func(id string) proto.Message { return &rtkwire.SendToPeers{Payload: "own", PeerIds: []string{id}} })
}

func messages(event string, payload func(id string) proto.Message) []eventCase {
	of := func(s *scene) said { return s.said[event] }
	return each(event, []named{
		{"own", "", func(s *scene) string { return of(s).public }},
		{"own private", "", func(s *scene) string { return of(s).private }},
		{"another's", "", func(s *scene) string { return of(s).others }},
		{"another's, private to one", "", func(s *scene) string { return of(s).toMe }},
		{"another's, private to others", "unknown", func(s *scene) string { return of(s).unseen }},
		{"deleted", "unknown", func(s *scene) string { return of(s).deleted }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.public() }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.public() }},
		{"unknown", "unknown", unknown},
	}, payload)
}

func stores(event string) []eventCase {
	return each(event, []named{
		{"own", "", func(s *scene) string { return string(s.meeting) }},
		{"elsewhere", "unknown", func(s *scene) string { return string(s.elsewhere.meeting) }},
		{"foreign", "unknown", func(s *scene) string { return string(s.foreign.meeting) }},
		{"unknown", "unknown", unknown},
	}, func(id string) proto.Message {
		return &rtkwire.StoreWrite{PluginId: id, StoreName: "store", Keys: []*rtkwire.StoreKey{{StoreKey: "key", Payload: []byte(`1`)}}}
	})
}

func presets(event string, payload func(id string) proto.Message) []eventCase {
	return each(event, []named{
		{"self", "", func(s *scene) string { return string(s.who.id) }},
		{"host", "", func(s *scene) string { return s.alice.Participant }},
		{"hidden", "", func(s *scene) string { return s.ghost.Participant }},
		{"absent", "", func(s *scene) string { return string(s.absent.id) }},
		{"elsewhere", "unknown", func(s *scene) string { return s.elsewhere.alice.Participant }},
		{"foreign", "unknown", func(s *scene) string { return s.foreign.alice.Participant }},
		{"unknown", "unknown", unknown},
	}, payload)
}
