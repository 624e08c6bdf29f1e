package chat

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the type of a message's payload; the numbers are those of the wire
// and of the store.
type Kind int32

// The kinds of message.
const (
	Text   Kind = 0
	Image  Kind = 1
	File   Kind = 2
	Custom Kind = 3
)

func (k Kind) String() string {
	switch k {
	case Text:
		return "text"
	case Image:
		return "image"
	case File:
		return "file"
	case Custom:
		return "custom"
	}
	return "unknown"
}

// Limits on what one message may hold.
const (
	// MaxTextUnits is the longest text, in UTF-16 code units as browsers count.
	MaxTextUnits = 2000
	// MaxPayloadBytes is the longest stored payload of any other kind.
	MaxPayloadBytes = 16 << 10
	// MaxUploadsPerMessage bounds the files a custom message may refer to.
	MaxUploadsPerMessage = 20
	// MaxRecipients bounds the audience of a private message, its author included.
	MaxRecipients = 100
	// MaxDisplayName is the longest display name, in bytes; longer ones are cut.
	MaxDisplayName = 256
	// MaxClientID is the longest client-made id, in bytes.
	MaxClientID = 64
)

// Content is the checked payload of a message, in the form in which it is
// stored: links to uploaded files are references ("upload:<id>"), never URLs.
// Package content makes it from what clients send.
type Content struct {
	Kind    Kind
	Payload string
	// Uploads are the files that the payload refers to.
	Uploads []UploadID
}

// Message is a message as it stands now, after edits, pins and deletion.
type Message struct {
	ID      MessageID
	Meeting MeetingID
	Session SessionID
	// Seq is the number of the entry by which it was sent. It never leaves
	// the server: a gap would tell of private messages.
	Seq         uint64
	Author      ParticipantID
	Peer        PeerID
	DisplayName string
	Content     Content
	// Audience is empty for a public message; else the sorted ids of all who
	// may see it, the author among them.
	Audience []ParticipantID
	// SentAt is in unix milliseconds, unique and increasing in its meeting.
	SentAt int64
	Pinned bool
	// EditedAt and DeletedAt are 0, or the time of the last edit and of the
	// deletion. A deleted message is a tombstone without content.
	EditedAt  int64
	DeletedAt int64
}

// Public tells whether everyone in the meeting may see the message.
func (m *Message) Public() bool { return len(m.Audience) == 0 }

// VisibleTo tells whether p belongs to the audience. It is the only rule on
// reading; the permission to receive private messages at all is applied when
// the audience is made and again, by Receives, when something is read.
func (m *Message) VisibleTo(p ParticipantID) bool {
	if m.Public() {
		return true
	}
	_, found := slices.BinarySearch(m.Audience, p)
	return found
}

// NewText checks a text and makes it content. It refuses empty text, more
// than MaxTextUnits UTF-16 units, NUL, and bytes that are not UTF-8; the text
// itself is kept byte for byte.
func NewText(text string) (Content, error) {
	if text == "" {
		return Content{}, Refuse(Invalid, "a text message must not be empty")
	}
	if err := CheckString(text); err != nil {
		return Content{}, err
	}
	if len(text) > MaxTextUnits && utf16Units(text) > MaxTextUnits {
		return Content{}, Refuse(Invalid, "a text message may have at most %d characters", MaxTextUnits).Beyond("text_length")
	}
	return Content{Kind: Text, Payload: text}, nil
}

// CheckString refuses what no stored string may contain: invalid UTF-8 and NUL.
func CheckString(s string) error {
	if !utf8.ValidString(s) {
		return Refuse(Invalid, "the payload is not valid UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return Refuse(Invalid, "the payload contains a NUL character")
	}
	return nil
}

func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
