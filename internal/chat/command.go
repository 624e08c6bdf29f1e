package chat

// Command is a wish: something a participant wants said or changed. It is one
// of SendMessage, EditMessage, DeleteMessage and PinMessage.
type Command interface {
	// By tells who wishes, and where.
	By() Actor
	// Touches tells what Decide needs to see of the meeting.
	Touches() Touches
}

// Actor is the participant who wishes something, in which meeting, by which
// connection.
type Actor struct {
	Meeting     MeetingID
	Participant ParticipantID
	Peer        PeerID
	// DisplayName is the name the participant is shown by at this moment.
	// "" means the one that the participant has been given.
	DisplayName string
	// App is set where the app itself brings the wish, by its own key: in its
	// own name, where Participant is AppAuthor(App), or else for a participant.
	App AppID
	// SeesPrivate says that the key may see all private messages.
	SeesPrivate bool
}

// By implements Command for everything that embeds an Actor.
func (a Actor) By() Actor { return a }

// Touches lists what a command needs from the store to be decided.
type Touches struct {
	// Message is the message to be changed, "" for a new one.
	Message MessageID
	// ClientID is the id made by the client, "" for none.
	ClientID string
	// Key is the key by which an app knows a message again, "" for none.
	Key string
	// Recipients are the participants addressed besides the actor.
	Recipients []ParticipantID
	// Uploads are the files referred to.
	Uploads []UploadID
}

// SendMessage wishes a new message.
type SendMessage struct {
	Actor
	// ID is minted by the server before the append, so that after a commit of
	// unknown outcome the message can be looked for.
	ID      MessageID
	Content Content
	// Private says that the message is for the Recipients and the author only.
	Private    bool
	Recipients []ParticipantID
	// ClientID makes a repeated send one message; "" for clients that have none.
	ClientID string
	// Key does the same for what an app sends, in all its meetings together and
	// for as long as the journal keeps keys.
	Key string
}

// Touches implements Command.
func (c SendMessage) Touches() Touches {
	return Touches{ClientID: c.ClientID, Key: c.Key, Recipients: c.Recipients, Uploads: c.Content.Uploads}
}

// EditMessage wishes other content for a message of the actor's own.
type EditMessage struct {
	Actor
	Message MessageID
	Content Content
}

// Touches implements Command.
func (c EditMessage) Touches() Touches {
	return Touches{Message: c.Message, Uploads: c.Content.Uploads}
}

// DeleteMessage wishes a message gone.
type DeleteMessage struct {
	Actor
	Message MessageID
}

// Touches implements Command.
func (c DeleteMessage) Touches() Touches { return Touches{Message: c.Message} }

// PinMessage wishes a message pinned, or unpinned.
type PinMessage struct {
	Actor
	Message MessageID
	Pinned  bool
}

// Touches implements Command.
func (c PinMessage) Touches() Touches { return Touches{Message: c.Message} }
