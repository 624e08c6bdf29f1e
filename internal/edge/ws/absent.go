package ws

import (
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
)

// Some of what official clients can ask for is not here. They are told so at
// once, for a call that nobody answers hangs for twenty seconds, and one that
// is answered as if it had been done would be a lie.

// What Parley does not do, as whoever asks for it is told.
const (
	noStage      = "Parley carries no audio or video, so there is no stage to be on"
	noMedia      = "Parley carries no audio or video"
	noRooms      = "Parley connects no meetings, so there are no breakout rooms"
	noRecording  = "Parley records no audio or video"
	noLivestream = "Parley streams no audio or video"
	noTranscript = "Parley transcribes nothing"
	noPolls      = "Parley has no polls"
	noPlugins    = "Parley has no plugins"
	noChannels   = "Parley has no chat channels: a meeting has one chat"
	noSuchWish   = "the server alone changes this, by its REST API"
)

// absent has the sentence for each event that is refused whoever asks.
var absent = map[protocol.Event]string{
	protocol.RequestStageAccess: noStage,
	protocol.CancelStageRequest: noStage,
	protocol.GrantStageAccess:   noStage,
	protocol.DenyStageAccess:    noStage,
	protocol.JoinStage:          noStage,
	protocol.LeaveStage:         noStage,
	protocol.PeerStageStatus:    noStage,

	protocol.CreateConnectedRooms:  noRooms,
	protocol.DeleteConnectedRooms:  noRooms,
	protocol.MovePeers:             noRooms,
	protocol.TransferPeer:          noRooms,
	protocol.MovedPeer:             noRooms,
	protocol.ConnectedRoomsUpdated: noRooms,
	protocol.ConnectedRoomsDeleted: noRooms,

	protocol.StartedLivestream:    noLivestream,
	protocol.StoppedLivestream:    noLivestream,
	protocol.ErroredLivestream:    noLivestream,
	protocol.LivestreamingInvoked: noLivestream,
	protocol.RecordingStarted:     noRecording,
	protocol.RecordingStopped:     noRecording,
	protocol.RecordingPaused:      noRecording,
	protocol.Transcript:           noTranscript,

	protocol.UpdatePeerInfo: noSuchWish,
	protocol.UpdateRoomInfo: noSuchWish,
	protocol.CloseRoom:      noSuchWish,

	protocol.CreatePoll: noPolls,
	protocol.VotePoll:   noPolls,
	protocol.UpdatePoll: noPolls,

	protocol.AddPlugin:                noPlugins,
	protocol.EnablePluginForRoom:      noPlugins,
	protocol.DisablePluginForPeers:    noPlugins,
	protocol.EnablePluginForPeers:     noPlugins,
	protocol.DisablePluginForRoom:     noPlugins,
	protocol.RemovePlugin:             noPlugins,
	protocol.CustomPluginEventToRoom:  noPlugins,
	protocol.CustomPluginEventToPeers: noPlugins,
	protocol.StoreDelete:              noPlugins,

	protocol.SendMessageToChannel:   noChannels,
	protocol.MarkChannelIndexAsRead: noChannels,
	protocol.CreateChatChannel:      noChannels,
	protocol.GetChatChannel:         noChannels,
	protocol.GetChatChannelsOnce:    noChannels,
	protocol.GetChannelMembers:      noChannels,
	protocol.UpdateChatChannel:      noChannels,

	protocol.MediaConsume:          noMedia,
	protocol.MediaToggleConsumer:   noMedia,
	protocol.MediaCloseConsumer:    noMedia,
	protocol.MediaUpdateConsumers:  noMedia,
	protocol.MediaSelectedPeer:     noMedia,
	protocol.MediaGlobalPinPeer:    noMedia,
	protocol.MediaSelectedPeerDiff: noMedia,
	protocol.MediaRenegotiate:      noMedia,
	protocol.MediaKickPeer:         noMedia,
	protocol.MediaKickAll:          noMedia,
}

// unknown refuses an event that has no handler.
func unknown(event protocol.Event) *chat.Error {
	if sentence, ok := absent[event]; ok {
		return chat.Refuse(chat.Invalid, "%s", sentence)
	}
	return chat.Refuse(chat.Invalid, "this server does not know event %d", event)
}
