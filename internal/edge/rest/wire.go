package rest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// This file translates between the directory and the JSON of the API.

// guid is an id in a path. It comes with or without dashes, in any case, and
// is brought into the form in which ids are kept.
type guid string

// Resolve implements huma.ResolverWithPath.
func (g *guid) Resolve(_ huma.Context, prefix *huma.PathBuffer) []error {
	id, ok := parseGUID(string(*g))
	if !ok {
		_, name, _ := strings.Cut(prefix.String(), ".")
		return []error{fmt.Errorf("%q must be a valid GUID", name)}
	}
	*g = guid(id)
	return nil
}

// parseGUID brings an id into the form in which ids are kept.
func parseGUID(text string) (string, bool) {
	id, err := uuid.FromString(text)
	if (len(text) != 32 && len(text) != 36) || err != nil {
		return "", false
	}
	return id.String(), true
}

// idParam is a parameter of a query that is an id, and where it goes.
type idParam struct {
	name, given string
	set         func(id string)
}

// setIDs takes over the ids that were given.
func setIDs(params []idParam) error {
	for _, p := range params {
		if p.given == "" {
			continue
		}
		id, ok := parseGUID(p.given)
		if !ok {
			return badRequest("%q must be a valid GUID", p.name)
		}
		p.set(id)
	}
	return nil
}

// stamp is a time in the API: RFC 3339 in UTC with milliseconds.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (s stamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(s).UTC().Format("2006-01-02T15:04:05.000Z"))
}

// Schema implements huma.SchemaProvider.
func (stamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// instant reads a time from a query: RFC 3339, or a date, which is its
// beginning in UTC.
func instant(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, badRequest("%q must be a valid ISO 8601 time", field)
}

// object drops a JSON null, which says the same as leaving the field out.
func object(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

type appWire struct {
	ID        string `json:"id" format:"uuid"`
	Name      string `json:"name"`
	CreatedAt stamp  `json:"created_at"`
}

func wireApp(a directory.App) appWire {
	return appWire{ID: string(a.ID), Name: a.Name, CreatedAt: stamp(a.CreatedAt)}
}

type meetingWire struct {
	ID                string          `json:"id" format:"uuid"`
	CreatedAt         stamp           `json:"created_at"`
	UpdatedAt         stamp           `json:"updated_at"`
	Title             string          `json:"title"`
	Status            string          `json:"status" enum:"ACTIVE,INACTIVE"`
	PersistChat       bool            `json:"persist_chat"`
	RecordOnStart     bool            `json:"record_on_start"`
	LiveStreamOnStart bool            `json:"live_stream_on_start"`
	SummarizeOnEnd    bool            `json:"summarize_on_end"`
	TranscribeOnEnd   bool            `json:"transcribe_on_end"`
	KeepAlive         int             `json:"session_keep_alive_time_in_secs"`
	PreferredRegion   string          `json:"preferred_region,omitempty"`
	AIConfig          json.RawMessage `json:"ai_config,omitempty"`
	RecordingConfig   json.RawMessage `json:"recording_config,omitempty"`
	Chat              rulesWire       `json:"chat" doc:"What is set for the chat. An addition to the official API."`
}

// rulesWire are the rules of a meeting's chat.
type rulesWire struct {
	Mode     chat.Mode `json:"mode" enum:"EVERYONE,HOSTS,OFF" doc:"Who may write. Hosts are those whose preset has permissions.chat.moderate."`
	Private  bool      `json:"private" doc:"Whether there may be private messages."`
	Pin      string    `json:"pin" enum:"EVERYONE,HOSTS" doc:"Who may pin messages."`
	SlowMode int       `json:"slow_mode_in_secs" doc:"The time between two messages of one participant, at most 3600; 0 for none. Hosts are free of it."`
}

func wireRules(r chat.Rules) rulesWire {
	wire := rulesWire{Mode: r.Mode, Private: !r.NoPrivate, Pin: string(chat.ModeEveryone), SlowMode: int(r.SlowMode / time.Second)}
	if r.HostsPin {
		wire.Pin = string(chat.ModeHosts)
	}
	return wire
}

// rulesWish changes the rules of a meeting's chat; what is absent or null stays.
type rulesWish struct {
	Mode     *chat.Mode `json:"mode,omitempty"`
	Private  *bool      `json:"private,omitempty"`
	Pin      *string    `json:"pin,omitempty" enum:"EVERYONE,HOSTS"`
	SlowMode *int64     `json:"slow_mode_in_secs,omitempty"`
}

func (w *rulesWish) into(r *chat.Rules) {
	if w == nil {
		return
	}
	if w.Mode != nil {
		r.Mode = *w.Mode
	}
	if w.Private != nil {
		r.NoPrivate = !*w.Private
	}
	if w.Pin != nil {
		r.HostsPin = *w.Pin == string(chat.ModeHosts)
	}
	if w.SlowMode != nil {
		// What is beyond the bound stays beyond it, and is refused.
		r.SlowMode = time.Duration(min(max(*w.SlowMode, -1), 1<<31)) * time.Second
	}
}

const (
	statusActive   = "ACTIVE"
	statusInactive = "INACTIVE"
)

func wireMeeting(m directory.Meeting) meetingWire {
	status := statusInactive
	if m.Active {
		status = statusActive
	}
	return meetingWire{
		ID: string(m.ID), CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(m.UpdatedAt), Title: m.Title, Status: status,
		PersistChat: m.PersistChat, RecordOnStart: m.Settings.RecordOnStart, LiveStreamOnStart: m.Settings.LiveStreamOnStart,
		SummarizeOnEnd: m.Settings.SummarizeOnEnd, TranscribeOnEnd: m.Settings.TranscribeOnEnd,
		KeepAlive: int(m.KeepAlive / time.Second), PreferredRegion: m.Settings.PreferredRegion,
		AIConfig: m.Settings.AIConfig, RecordingConfig: m.Settings.RecordingConfig, Chat: wireRules(m.Rules),
	}
}

// meetingWish is the body that makes a meeting. Every field may be absent or
// null, which is its default.
type meetingWish struct {
	Title             string          `json:"title,omitempty"`
	PersistChat       bool            `json:"persist_chat,omitempty"`
	RecordOnStart     bool            `json:"record_on_start,omitempty"`
	LiveStreamOnStart bool            `json:"live_stream_on_start,omitempty"`
	SummarizeOnEnd    bool            `json:"summarize_on_end,omitempty"`
	TranscribeOnEnd   bool            `json:"transcribe_on_end,omitempty"`
	KeepAlive         *float64        `json:"session_keep_alive_time_in_secs,omitempty" doc:"Default 60, at most 600."`
	PreferredRegion   string          `json:"preferred_region,omitempty" enum:"ap-south-1,ap-southeast-1,us-east-1,eu-central-1"`
	AIConfig          json.RawMessage `json:"ai_config,omitempty"`
	RecordingConfig   json.RawMessage `json:"recording_config,omitempty"`
	Chat              *rulesWish      `json:"chat,omitempty" doc:"What is set for the chat. An addition to the official API."`
}

func (w meetingWish) meeting() (directory.NewMeeting, error) {
	m := directory.NewMeeting{
		Title: w.Title, PersistChat: w.PersistChat,
		Settings: directory.Settings{
			RecordOnStart: w.RecordOnStart, LiveStreamOnStart: w.LiveStreamOnStart,
			SummarizeOnEnd: w.SummarizeOnEnd, TranscribeOnEnd: w.TranscribeOnEnd,
			PreferredRegion: w.PreferredRegion, AIConfig: object(w.AIConfig), RecordingConfig: object(w.RecordingConfig),
		},
	}
	w.Chat.into(&m.Rules)
	if w.KeepAlive != nil {
		keepAlive, err := seconds("session_keep_alive_time_in_secs", *w.KeepAlive)
		if err != nil {
			return directory.NewMeeting{}, err
		}
		m.KeepAlive = keepAlive
	}
	return m, nil
}

// seconds reads a whole number of seconds that is not 0: to the directory that
// would mean "not said". How many may be is the directory's business.
func seconds(field string, n float64) (time.Duration, error) {
	if n != math.Trunc(n) || n < 1 || n > math.MaxInt32 {
		return 0, badRequest("%q must be a whole number of seconds, at least 1", field)
	}
	return time.Duration(n) * time.Second, nil
}

type participantWire struct {
	ID         string  `json:"id" format:"uuid"`
	CustomID   string  `json:"custom_participant_id"`
	PresetName string  `json:"preset_name"`
	CreatedAt  stamp   `json:"created_at"`
	UpdatedAt  stamp   `json:"updated_at"`
	Name       *string `json:"name"`
	Picture    *string `json:"picture"`
	// Token is there only for who was just added.
	Token string          `json:"token,omitempty"`
	Chat  participantChat `json:"chat" doc:"What was set for this participant in the chat. An addition to the official API."`
}

type participantChat struct {
	Muted bool `json:"muted" doc:"Whether the right to write was taken away, by REST or by a host. Another preset gives it back."`
}

// participantChatWish changes what is set for a participant in the chat; what is
// absent or null stays.
type participantChatWish struct {
	Muted *bool `json:"muted,omitempty"`
}

func wireParticipant(p directory.Participant) participantWire {
	return participantWire{
		ID: string(p.ID), CustomID: p.CustomID, PresetName: p.PresetName,
		CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt), Name: orNull(p.Name), Picture: orNull(p.Picture),
		Chat: participantChat{Muted: p.Muted()},
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// participantWish is the body that adds a participant.
type participantWish struct {
	CustomID string `json:"custom_participant_id,omitempty" doc:"Required. Your own id for the person; it need not be unique."`
	// OldCustomID is what the field was called before.
	OldCustomID string `json:"client_specific_id,omitempty" deprecated:"true"`
	PresetName  string `json:"preset_name,omitempty" doc:"Required."`
	Name        string `json:"name,omitempty"`
	Picture     string `json:"picture,omitempty" doc:"An http or https URL."`
}

func (w participantWish) participant() directory.NewParticipant {
	if w.CustomID == "" {
		w.CustomID = w.OldCustomID
	}
	return directory.NewParticipant{CustomID: w.CustomID, Name: w.Name, Picture: w.Picture, PresetName: w.PresetName}
}

type presetRowWire struct {
	ID        string `json:"id" format:"uuid"`
	Name      string `json:"name"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

func wirePresetRow(p directory.Preset) presetRowWire {
	return presetRowWire{ID: string(p.ID), Name: p.Name, CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt)}
}
