// Package chat is the domain of meeting chat, and it is pure: what may be
// wished (commands), what then happened (events), and the rules between the
// two (Decide). It knows no clock, no store, no socket and no wire format;
// everything it needs is handed to it as values. What is shown of a message
// to whom is decided here too, so that every route follows one rule.
package chat

// Identifiers are types, so that a map of participants cannot be indexed with
// a meeting. All are opaque strings to everyone but their maker; the server
// makes UUIDs.
type (
	// AppID names the app (the organisation of the older API) that owns meetings.
	AppID string
	// MeetingID names a meeting: the lasting place.
	MeetingID string
	// SessionID names one live run of a meeting.
	SessionID string
	// ParticipantID names a person added to a meeting; "user id" on the wire.
	ParticipantID string
	// PeerID names one connection of a participant. Clients make it up (UUID v4).
	PeerID string
	// PresetID names a set of permissions.
	PresetID string
	// MessageID names a message. The server makes it (UUID v7).
	MessageID string
	// UploadID names an uploaded file that messages refer to.
	UploadID string
)
