package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// This file makes the bodies of deliveries. Their keys and their order are
// those of the official product.

// Session is what bodies tell of a session.
type Session struct {
	ID, Meeting, Title string
	StartedAt          time.Time
	// EndedAt is zero while the session lives.
	EndedAt time.Time
	// AppID and AppName are whose meeting it is.
	AppID, AppName string
}

// Peer is what bodies tell of one connection of a participant.
type Peer struct {
	ID, DisplayName, CustomID string
	JoinedAt                  time.Time
	LeftAt                    time.Time
}

// Reason is why a session has ended.
type Reason string

// The reasons.
const (
	AllLeft   Reason = "ALL_PARTICIPANTS_LEFT"
	HostEnded Reason = "HOST_ENDED_MEETING"
)

// stamp is a time as JavaScript prints it.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(s).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (s stamp) IsZero() bool { return time.Time(s).IsZero() }

type organisation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type meeting struct {
	ID          string       `json:"id"`
	SessionID   string       `json:"sessionId"`
	Title       string       `json:"title"`
	RoomName    string       `json:"roomName"`
	Status      string       `json:"status"`
	CreatedAt   stamp        `json:"createdAt"`
	StartedAt   stamp        `json:"startedAt"`
	EndedAt     stamp        `json:"endedAt,omitzero"`
	OrganizedBy organisation `json:"organizedBy"`
}

// meetingOf has the status LIVE also when the session has ended: that is what
// the official product sends, and receivers know no other.
func meetingOf(s Session) meeting {
	return meeting{
		ID: s.Meeting, SessionID: s.ID, Title: s.Title, RoomName: s.Meeting, Status: "LIVE",
		CreatedAt: stamp(s.StartedAt), StartedAt: stamp(s.StartedAt), EndedAt: stamp(s.EndedAt),
		OrganizedBy: organisation{s.AppID, s.AppName},
	}
}

type participant struct {
	PeerID          string `json:"peerId"`
	UserDisplayName string `json:"userDisplayName"`
	CustomID        string `json:"customParticipantId"`
	// ClientID is the older name of the same.
	ClientID string `json:"clientSpecificId"`
	JoinedAt stamp  `json:"joinedAt"`
	LeftAt   stamp  `json:"leftAt,omitzero"`
}

func participantOf(p Peer) participant {
	return participant{
		PeerID: p.ID, UserDisplayName: p.DisplayName, CustomID: p.CustomID, ClientID: p.CustomID,
		JoinedAt: stamp(p.JoinedAt), LeftAt: stamp(p.LeftAt),
	}
}

// StartedBody tells that a session has begun.
func StartedBody(s Session) ([]byte, error) {
	return encode(struct {
		Event   Event   `json:"event"`
		Meeting meeting `json:"meeting"`
	}{MeetingStarted, meetingOf(s)})
}

// EndedBody tells that a session has ended.
func EndedBody(s Session, why Reason) ([]byte, error) {
	return encode(struct {
		Event   Event   `json:"event"`
		Meeting meeting `json:"meeting"`
		Reason  Reason  `json:"reason"`
	}{MeetingEnded, meetingOf(s), why})
}

// PeerBody tells of a peer: that it has joined, or if it has a time of leaving,
// that it has left.
func PeerBody(s Session, p Peer) ([]byte, error) {
	event := ParticipantJoined
	if !p.LeftAt.IsZero() {
		event = ParticipantLeft
	}
	return encode(struct {
		Event       Event       `json:"event"`
		Meeting     meeting     `json:"meeting"`
		Participant participant `json:"participant"`
	}{event, meetingOf(s), participantOf(p)})
}

// ChatSyncedBody tells that the chat of a session that has ended can be
// downloaded. Unlike all others it is flat.
func ChatSyncedBody(s Session, link string, expires time.Time) ([]byte, error) {
	return encode(struct {
		Event       Event        `json:"event"`
		SessionID   string       `json:"sessionId"`
		MeetingID   string       `json:"meetingId"`
		Title       string       `json:"title"`
		URL         string       `json:"chatDownloadUrl"`
		Expiry      stamp        `json:"chatDownloadUrlExpiry"`
		CreatedAt   stamp        `json:"createdAt"`
		StartedAt   stamp        `json:"startedAt"`
		EndedAt     stamp        `json:"endedAt,omitzero"`
		OrganizedBy organisation `json:"organizedBy"`
	}{
		ChatSynced, s.ID, s.Meeting, s.Title, link, stamp(expires),
		stamp(s.StartedAt), stamp(s.StartedAt), stamp(s.EndedAt), organisation{s.AppID, s.AppName},
	})
}

// encode prints JSON the way JavaScript's JSON.stringify does. Receivers check
// the signature over the bytes they got, or over what they get from parsing and
// printing those again; both are the same only if these are what JavaScript
// would print.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding the body of a webhook: %w", err)
	}
	return unescape(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// unescape writes U+2028 and U+2029 raw, which Go always escapes and
// JavaScript never does.
func unescape(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		switch {
		case body[i] != '\\':
			out = append(out, body[i])
			i++
		case bytes.HasPrefix(body[i:], []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += 6
		case bytes.HasPrefix(body[i:], []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += 6
		default: // an escape of two bytes, or the beginning of a longer one
			out = append(out, body[i], body[i+1])
			i += 2
		}
	}
	return out
}
