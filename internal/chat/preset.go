package chat

// Permissions is what a preset allows, as far as chat and the room need it.
// The zero value allows nothing.
type Permissions struct {
	Public  PublicChat
	Private PrivateChat
	// EditDisplayName lets a client propose the name it is shown by.
	EditDisplayName bool
	// Moderate lets a participant delete the public messages of others.
	// The official preset shape has no such right, so no preset read from it
	// sets it.
	Moderate bool
}

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
