package protocol

// Event is the number in a frame that says what its payload is.
type Event uint32

// Events of the room.
const (
	GetPeerInfo             Event = 0
	GetRoomPeersInfo        Event = 2
	JoinRoom                Event = 3
	LeaveRoom               Event = 4
	GetRoomInfo             Event = 5
	GetStagePeers           Event = 11
	GetStageRequests        Event = 12
	RequestStageAccess      Event = 13
	CancelStageRequest      Event = 14
	GrantStageAccess        Event = 15
	DenyStageAccess         Event = 16
	RoomPeerCount           Event = 17
	JoinStage               Event = 18
	LeaveStage              Event = 19
	GetConnectedRoomsDump   Event = 20
	GetAllAddedParticipants Event = 28
	BroadcastMessage        Event = 29
	Kick                    Event = 30
	KickAll                 Event = 31
	GetWaitingRoomRequests  Event = 33
	AcceptWaiting           Event = 34
	WaitingAccepted         Event = 35
	DenyWaiting             Event = 36
	WaitingDenied           Event = 37
	PeerStageStatus         Event = 38
	BroadcastToEntity       Event = 39
	GetRoomStageState       Event = 43
)

// Events of the room that concern what a chat server does not have: other
// rooms, streams, recordings, transcripts.
const (
	UpdatePeerInfo        Event = 1
	UpdateRoomInfo        Event = 6
	CloseRoom             Event = 7
	StartedLivestream     Event = 8
	StoppedLivestream     Event = 9
	ErroredLivestream     Event = 10
	CreateConnectedRooms  Event = 21
	DeleteConnectedRooms  Event = 22
	MovePeers             Event = 23
	TransferPeer          Event = 24
	MovedPeer             Event = 25
	ConnectedRoomsUpdated Event = 26
	ConnectedRoomsDeleted Event = 27
	Transcript            Event = 32
	RecordingStarted      Event = 40
	RecordingStopped      Event = 41
	RecordingPaused       Event = 42
	LivestreamingInvoked  Event = 44
)

// Events of the chat.
const (
	GetMessages          Event = 0x10000
	SendMessageToRoom    Event = 0x10001
	SendMessageToPeers   Event = 0x10002
	EditMessage          Event = 0x10003
	DeleteMessage        Event = 0x10004
	GetPaginatedMessages Event = 0x10005
	PinMessage           Event = 0x1000a
)

// Events of the chat channels of clients up to 1.2.3.
const (
	SendMessageToChannel   Event = 0x10006
	SearchChannelMessages  Event = 0x10007
	GetAllChatChannels     Event = 0x10008
	MarkChannelIndexAsRead Event = 0x10009
	CreateChatChannel      Event = 0x40000
	GetChatChannel         Event = 0x40001
	GetChatChannelsOnce    Event = 0x40002 // deprecated by GetAllChatChannels
	GetChannelMembers      Event = 0x40003
	UpdateChatChannel      Event = 0x40004
)

// Events of plugins and of the stores that apps share.
const (
	GetPlugins      Event = 0x20000
	StoreInsertKeys Event = 0x20009
	StoreGetKeys    Event = 0x2000a
	StoreDeleteKeys Event = 0x2000b
	StoreDelete     Event = 0x2000c
)

// Events by which clients of 1.x run plugins.
const (
	AddPlugin                Event = 0x20001
	EnablePluginForRoom      Event = 0x20002
	DisablePluginForPeers    Event = 0x20003
	EnablePluginForPeers     Event = 0x20004
	DisablePluginForRoom     Event = 0x20005
	RemovePlugin             Event = 0x20006
	CustomPluginEventToRoom  Event = 0x20007
	CustomPluginEventToPeers Event = 0x20008
)

// Events of polls.
const (
	CreatePoll Event = 0x30000
	GetPolls   Event = 0x30001
	VotePoll   Event = 0x30002
	UpdatePoll Event = 0x30003
)

// Events of presets.
const (
	GetUserPresets   Event = 0x50000
	UpdateUserPreset Event = 0x50001
)

// Events by which a client connects its media.
const (
	MediaCreateTransport    Event = 0x3000001
	MediaProduce            Event = 0x3000002
	MediaToggleProducer     Event = 0x3000004
	MediaCloseProducer      Event = 0x3000006
	MediaJoinRoom           Event = 0x3000010
	MediaLeaveRoom          Event = 0x3000011
	MediaSelfJoinComplete   Event = 0x3000014
	MediaChangeDisplayName  Event = 0x300005c
	MediaHostControl        Event = 0x300005d
	MediaHostControlForPeer Event = 0x300005e
	MediaAudioActivity      Event = 0x3000064
)

// Events by which a client would get the media of others.
const (
	MediaConsume          Event = 0x3000003
	MediaToggleConsumer   Event = 0x3000005
	MediaCloseConsumer    Event = 0x3000007
	MediaUpdateConsumers  Event = 0x3000008
	MediaSelectedPeer     Event = 0x3000012
	MediaGlobalPinPeer    Event = 0x3000013
	MediaSelectedPeerDiff Event = 0x3000028
	MediaRenegotiate      Event = 0x3000032
	MediaKickPeer         Event = 0x300005a
	MediaKickAll          Event = 0x300005b
)

// Error answers a request that is refused.
const Error Event = 65535

// The keep-alive, as text messages.
const (
	Ping = "2"
	Pong = "3"
)

// Limits of the socket.
const (
	// MaxMessage is the longest message a peer may send, in bytes.
	MaxMessage = 64 << 10
	// MaxFrameID is the longest id of a request, in bytes.
	MaxFrameID = 64
)
