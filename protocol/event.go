package protocol

// Event is the number in a frame that says what its payload is.
type Event uint32

// Events of the room.
const (
	GetPeerInfo            Event = 0
	GetRoomPeersInfo       Event = 2
	JoinRoom               Event = 3
	LeaveRoom              Event = 4
	GetRoomInfo            Event = 5
	GetStagePeers          Event = 11
	GetStageRequests       Event = 12
	GetConnectedRoomsDump  Event = 20
	GetWaitingRoomRequests Event = 33
	GetRoomStageState      Event = 43
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

// Events of plugins and polls, answered empty.
const (
	GetPlugins   Event = 0x20000
	StoreGetKeys Event = 0x2000a
	GetPolls     Event = 0x30001
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
