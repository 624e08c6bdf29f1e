package chat

// EventKind says what happened. The numbers are stored; they are forever.
type EventKind int

// The kinds of event.
const (
	MessageSent     EventKind = 1
	MessageEdited   EventKind = 2
	MessageDeleted  EventKind = 3
	MessagePinned   EventKind = 4
	MessageUnpinned EventKind = 5
)

// Event is a fact: something that happened to one message. Message is the
// message as it stands after the event, except that Decide leaves the numbers
// and times (Seq, SentAt, EditedAt, DeletedAt) to the journal.
type Event struct {
	Kind    EventKind
	Message Message
	// Actor is who did it; for MessageSent the author, for what an app did in its
	// own name AppAuthor.
	Actor ParticipantID
	Peer  PeerID
	// Before is the content that an edit or a deletion replaced.
	Before Content
	// ClientID and Digest are what makes a repeated send known, see Digest.
	ClientID string
	Digest   []byte
	// App is the app that brought the wish, and Key what it called it.
	App AppID
	Key string
}
