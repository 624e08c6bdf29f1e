// Package directory knows what was set up before anybody says a word: apps,
// meetings, participants and presets. REST manages them; the edges look them
// up. What is said in a meeting is not its business, nor is who is connected.
package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Errors of the directory.
var (
	// ErrNotFound says that there is no such thing, or not in this app.
	ErrNotFound = errors.New("not found")
	// ErrTaken says that the name is in use.
	ErrTaken = errors.New("the name is taken")
	// ErrInUse says that something still refers to what was to be deleted.
	ErrInUse = errors.New("in use")
)

// App owns meetings and presets; it is the organisation of the older API.
type App struct {
	ID        chat.AppID
	Account   string
	Name      string
	CreatedAt time.Time
}

// Meeting is a lasting place for sessions.
type Meeting struct {
	ID  chat.MeetingID
	App chat.AppID
	// Title may be empty.
	Title string
	// Active is false for a meeting that nobody may join.
	Active bool
	// PersistChat keeps the chat of earlier sessions visible.
	PersistChat bool
	// KeepAlive is how long a session lives on when everybody has left.
	KeepAlive time.Duration
	// Rules are what is set for the chat.
	Rules chat.Rules
	// Settings are stored and shown, and mean nothing to a chat server.
	Settings             Settings
	CreatedAt, UpdatedAt time.Time
}

// Settings are the properties of a meeting that only a media server acts on.
type Settings struct {
	RecordOnStart     bool            `json:"record_on_start"`
	LiveStreamOnStart bool            `json:"live_stream_on_start"`
	SummarizeOnEnd    bool            `json:"summarize_on_end"`
	TranscribeOnEnd   bool            `json:"transcribe_on_end"`
	PreferredRegion   string          `json:"preferred_region,omitempty"`
	AIConfig          json.RawMessage `json:"ai_config,omitempty"`
	RecordingConfig   json.RawMessage `json:"recording_config,omitempty"`
}

// Participant is a person added to a meeting.
type Participant struct {
	ID      chat.ParticipantID
	Meeting chat.MeetingID
	// CustomID is the app's own name for the person; it need not be unique.
	CustomID string
	// Name and Picture may be empty.
	Name, Picture string
	Preset        chat.PresetID
	PresetName    string
	// Override lies over the permissions of the preset: see Overrule and
	// ParticipantChange.Muted. nil is nothing.
	Override             json.RawMessage
	CreatedAt, UpdatedAt time.Time
}

// Preset is a named set of permissions and settings.
type Preset struct {
	ID   chat.PresetID
	App  chat.AppID
	Name string
	// Body is the JSON object with config, permissions and ui, in the official
	// shape.
	Body                 json.RawMessage
	CreatedAt, UpdatedAt time.Time
}

// Permissions reads what the preset allows.
func (p Preset) Permissions() (chat.Permissions, error) { return ParsePermissions(p.Body) }

// Access is all that is known of a participant who knocks.
type Access struct {
	App         App
	Meeting     Meeting
	Participant Participant
	Preset      Preset
}

// List asks for one page of a list. Rows are ordered newest first.
type List struct {
	// Ascending lists apps, and nothing else, oldest first.
	Ascending bool
	// Page counts from 1, Size is the rows on a page.
	Page, Size int
	// Search keeps rows whose name or title contains it, in any case, or whose
	// id is it. "" keeps all.
	Search string
	// Active keeps only meetings in this state, if not nil.
	Active *bool
	// From and To bound the time of creation, where not zero.
	From, To time.Time
}

// ViewLivestream is the view type of those who watch a stream.
const ViewLivestream = "LIVESTREAM"

// ParsePermissions reads what a preset's body allows. Missing rights are not
// given.
func ParsePermissions(body []byte) (chat.Permissions, error) {
	var p struct {
		Config struct {
			ViewType string `json:"view_type"`
		} `json:"config"`
		Permissions struct {
			EditDisplayName   bool             `json:"can_edit_display_name"`
			Kick              bool             `json:"kick_participant"`
			AcceptWaiting     bool             `json:"accept_waiting_requests"`
			ChangePermissions bool             `json:"can_change_participant_permissions"`
			Hidden            bool             `json:"hidden_participant"`
			SeePeers          bool             `json:"show_participant_list"`
			Waiting           chat.WaitingRoom `json:"waiting_room_type"`
			Chat              struct {
				Public struct {
					Send  bool `json:"can_send"`
					Text  bool `json:"text"`
					Files bool `json:"files"`
				} `json:"public"`
				Moderate bool `json:"moderate"`
				Private  struct {
					Send    bool `json:"can_send"`
					Receive bool `json:"can_receive"`
					Text    bool `json:"text"`
					Files   bool `json:"files"`
				} `json:"private"`
			} `json:"chat"`
		} `json:"permissions"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return chat.Permissions{}, fmt.Errorf("reading the permissions of a preset: %w", err)
	}
	r := p.Permissions
	switch r.Waiting {
	case chat.WaitForHost, chat.WaitForAccept:
	default:
		r.Waiting = chat.WaitSkip
	}
	return chat.Permissions{
		Public: chat.PublicChat(r.Chat.Public), Private: chat.PrivateChat(r.Chat.Private),
		Moderate: r.Chat.Moderate, EditDisplayName: r.EditDisplayName, Kick: r.Kick, AcceptWaiting: r.AcceptWaiting,
		ChangePermissions: r.ChangePermissions, Hidden: r.Hidden, SeePeers: r.SeePeers, Waiting: r.Waiting,
		Watches: p.Config.ViewType == ViewLivestream,
	}, nil
}
