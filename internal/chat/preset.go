package chat

// Permissions is what a preset allows, as far as chat and the room need it.
// The zero value allows nothing.
type Permissions struct {
	Public  PublicChat
	Private PrivateChat
	// EditDisplayName lets a client propose the name it is shown by.
	EditDisplayName bool
	// Moderate makes a participant a host of the chat: may delete the public
	// messages of others, write and pin where only hosts may, and is free of slow
	// mode.
	Moderate bool
	// Kick lets a participant send others out of the meeting.
	Kick bool
	// AcceptWaiting lets a participant see who waits to be let in, and decide.
	AcceptWaiting bool
	// ChangePermissions lets a participant change what others may do.
	ChangePermissions bool
	// Hidden keeps a participant out of the lists of who is here.
	Hidden bool
	// SeePeers lets a participant see the list of who is here.
	SeePeers bool
	// Waiting says whether a participant waits before being let in.
	Waiting WaitingRoom
	// Watches says that a participant's view is that of a stream: its client
	// counts the viewers, and does not join again when it comes back.
	Watches bool
}

// Host tells whether a participant leads the meeting: may send others out, or
// let them in.
func (p Permissions) Host() bool { return p.Kick || p.AcceptWaiting }

// WaitingRoom says when a participant is let in.
type WaitingRoom string

// The kinds of waiting, by their names in presets. Whatever else a preset says
// means WaitSkip.
const (
	// WaitSkip lets in at once.
	WaitSkip WaitingRoom = "SKIP"
	// WaitForHost lets in when somebody who may accept has come or accepts.
	WaitForHost WaitingRoom = "ON_PRIVILEGED_USER_ENTRY"
	// WaitForAccept lets in when somebody who may accept does.
	WaitForAccept WaitingRoom = "SKIP_ON_ACCEPT"
)

// PublicChat is the permission set for messages to everybody.
type PublicChat struct{ Send, Text, Files bool }

// PrivateChat is the permission set for messages to chosen participants.
type PrivateChat struct{ Send, Receive, Text, Files bool }

// maySend tells whether messages of this kind may be sent, with the same
// arithmetic as the official client: text needs text, images and files need
// files, custom needs both.
func (p Permissions) maySend(kind Kind, private bool) bool {
	send, text, files := p.Public.Send, p.Public.Text, p.Public.Files
	if private {
		send, text, files = p.Private.Send, p.Private.Text, p.Private.Files
	}
	switch kind {
	case Text:
		return send && text
	case Image, File:
		return send && files
	case Custom:
		return send && text && files
	}
	return false
}

// Receives tells whether private messages of others may be shown at all.
// One's own are always shown: whoever wrote them knows them.
func (p Permissions) Receives() bool { return p.Private.Receive }

// Participant is a person of a meeting as Decide needs to know them.
type Participant struct {
	ID          ParticipantID
	Name        string
	Permissions Permissions
}
