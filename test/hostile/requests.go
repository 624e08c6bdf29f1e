package hostile

import (
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// requests are what official clients send, by event; nil stands for requests
// without a body. Whether the server knows them does not matter.
var requests = map[protocol.Event]proto.Message{
	protocol.GetPeerInfo:             &rtkwire.GetPeerInfoRequest{},
	protocol.GetRoomPeersInfo:        &rtkwire.RoomPeersRequest{},
	protocol.JoinRoom:                &rtkwire.JoinRoomRequest{},
	protocol.GetRoomInfo:             nil,
	protocol.GetStagePeers:           nil,
	protocol.GetStageRequests:        nil,
	protocol.RequestStageAccess:      nil,
	protocol.CancelStageRequest:      nil,
	protocol.GrantStageAccess:        &rtkwire.UserIds{},
	protocol.DenyStageAccess:         &rtkwire.UserIds{},
	protocol.RoomPeerCount:           &rtkwire.RoomPeerCount{},
	protocol.JoinStage:               nil,
	protocol.LeaveStage:              &rtkwire.UserIds{},
	protocol.GetConnectedRoomsDump:   nil,
	protocol.GetAllAddedParticipants: nil,
	protocol.BroadcastMessage:        &rtkwire.Broadcast{},
	protocol.BroadcastToEntity:       &rtkwire.Broadcast{},
	protocol.Kick:                    &rtkwire.KickPeers{},
	protocol.KickAll:                 &rtkwire.KickAll{},
	protocol.GetWaitingRoomRequests:  nil,
	protocol.AcceptWaiting:           &rtkwire.UserIds{},
	protocol.WaitingAccepted:         nil,
	protocol.DenyWaiting:             &rtkwire.UserIds{},
	protocol.WaitingDenied:           nil,
	protocol.PeerStageStatus:         &rtkwire.PeerStageStatus{},
	protocol.GetRoomStageState:       nil,

	protocol.GetMessages:            nil,
	protocol.SendMessageToRoom:      &rtkwire.SendToRoom{},
	protocol.SendMessageToPeers:     &rtkwire.SendToPeers{},
	protocol.EditMessage:            &rtkwire.EditMessage{},
	protocol.DeleteMessage:          &rtkwire.DeleteMessage{},
	protocol.GetPaginatedMessages:   &rtkwire.PageRequest{},
	protocol.PinMessage:             &rtkwire.PinMessage{},
	protocol.SendMessageToChannel:   &rtkwire.SendToChannel{},
	protocol.SearchChannelMessages:  &rtkwire.SearchRequest{},
	protocol.GetAllChatChannels:     nil,
	protocol.MarkChannelIndexAsRead: &rtkwire.MarkChannelRead{},
	protocol.CreateChatChannel:      &rtkwire.CreateChannel{},
	protocol.GetChatChannel:         &rtkwire.ChannelRef{},
	protocol.GetChannelMembers:      &rtkwire.ChannelRef{},
	protocol.UpdateChatChannel:      &rtkwire.UpdateChannel{},

	protocol.GetPlugins:      nil,
	protocol.StoreInsertKeys: &rtkwire.StoreWrite{},
	protocol.StoreGetKeys:    &rtkwire.StoreWrite{},
	protocol.StoreDeleteKeys: &rtkwire.StoreWrite{},

	protocol.CreatePoll: &rtkwire.NewPoll{},
	protocol.GetPolls:   nil,
	protocol.VotePoll:   &rtkwire.VotePoll{},
	protocol.UpdatePoll: &rtkwire.VotePoll{},

	protocol.GetUserPresets:   &rtkwire.UserIds{},
	protocol.UpdateUserPreset: &rtkwire.PresetUpdates{},

	protocol.MediaJoinRoom:           nil,
	protocol.MediaCreateTransport:    &rtkwire.CreateTransport{},
	protocol.MediaProduce:            &rtkwire.Produce{},
	protocol.MediaCloseProducer:      &rtkwire.CloseProducer{},
	protocol.MediaToggleProducer:     nil,
	protocol.MediaAudioActivity:      nil,
	protocol.MediaSelfJoinComplete:   nil,
	protocol.MediaLeaveRoom:          nil,
	protocol.MediaChangeDisplayName:  nil,
	protocol.MediaHostControl:        nil,
	protocol.MediaHostControlForPeer: nil,

	protocol.Error: &rtkwire.EdgeError{},
}

// unanswered are notices, to which nobody expects an answer.
var unanswered = map[protocol.Event]bool{protocol.MediaToggleProducer: true, protocol.MediaAudioActivity: true}

// leaving are those after which the attacker may be gone.
var leaving = map[protocol.Event]bool{protocol.LeaveRoom: true, protocol.Kick: true, protocol.KickAll: true}
