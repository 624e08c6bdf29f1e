package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// This file holds the official shape of a preset's body, and reads it. Field
// names are those of the API; order is only for the eye.

// PresetBody is the body of a preset.
type PresetBody struct {
	Config      PresetConfig      `json:"config"`
	Permissions PresetPermissions `json:"permissions"`
	UI          PresetUI          `json:"ui"`
}

// PresetConfig says how a meeting looks and how good its media is.
type PresetConfig struct {
	ViewType        string `json:"view_type"`
	MaxVideoStreams struct {
		Mobile  int `json:"mobile"`
		Desktop int `json:"desktop"`
	} `json:"max_video_streams"`
	MaxScreenshareCount int                `json:"max_screenshare_count"`
	Media               PresetMediaQuality `json:"media"`
	// LivestreamViewerQualities may be null.
	LivestreamViewerQualities []int `json:"livestream_viewer_qualities,omitempty"`
}

// PresetMediaQuality is what a media server would be asked for.
type PresetMediaQuality struct {
	Video struct {
		Quality   string `json:"quality"`
		FrameRate int    `json:"frame_rate"`
		Simulcast bool   `json:"simulcast"`
	} `json:"video"`
	Screenshare struct {
		Quality   string `json:"quality"`
		FrameRate int    `json:"frame_rate"`
	} `json:"screenshare"`
	Audio struct {
		EnableStereo      bool `json:"enable_stereo"`
		EnableHighBitrate bool `json:"enable_high_bitrate"`
	} `json:"audio"`
}

// PresetPermissions says what a participant may do. What a chat server acts on
// is read by ParsePermissions; clients read the rest.
type PresetPermissions struct {
	AcceptWaitingRequests           bool              `json:"accept_waiting_requests"`
	CanAcceptProductionRequests     bool              `json:"can_accept_production_requests"`
	CanEditDisplayName              bool              `json:"can_edit_display_name"`
	CanSpotlight                    bool              `json:"can_spotlight"`
	DisableParticipantAudio         bool              `json:"disable_participant_audio"`
	DisableParticipantScreensharing bool              `json:"disable_participant_screensharing"`
	DisableParticipantVideo         bool              `json:"disable_participant_video"`
	KickParticipant                 bool              `json:"kick_participant"`
	PinParticipant                  bool              `json:"pin_participant"`
	CanRecord                       bool              `json:"can_record"`
	CanLivestream                   bool              `json:"can_livestream"`
	WaitingRoomType                 string            `json:"waiting_room_type"`
	Plugins                         PresetPlugins     `json:"plugins"`
	ConnectedMeetings               PresetConnected   `json:"connected_meetings"`
	Polls                           PresetPolls       `json:"polls"`
	Media                           PresetMediaRights `json:"media"`
	Chat                            PresetChat        `json:"chat"`
	HiddenParticipant               bool              `json:"hidden_participant"`
	ShowParticipantList             bool              `json:"show_participant_list"`
	CanChangeParticipantPermissions bool              `json:"can_change_participant_permissions"`
	RecorderType                    string            `json:"recorder_type"`
	IsRecorder                      bool              `json:"is_recorder"`
	StageEnabled                    bool              `json:"stage_enabled"`
	StageAccess                     string            `json:"stage_access"`
	AcceptStageRequests             bool              `json:"accept_stage_requests"`
	TranscriptionEnabled            bool              `json:"transcription_enabled"`
}

// PresetPlugins are the rights on plugins. Config is keyed by plugin.
type PresetPlugins struct {
	CanClose      bool                       `json:"can_close"`
	CanStart      bool                       `json:"can_start"`
	CanEditConfig bool                       `json:"can_edit_config"`
	Config        map[string]json.RawMessage `json:"config"`
}

// PresetConnected are the rights on connected meetings.
type PresetConnected struct {
	CanAlterConnectedMeetings  bool `json:"can_alter_connected_meetings"`
	CanSwitchConnectedMeetings bool `json:"can_switch_connected_meetings"`
	CanSwitchToParentMeeting   bool `json:"can_switch_to_parent_meeting"`
}

// PresetPolls are the rights on polls.
type PresetPolls struct {
	CanCreate bool `json:"can_create"`
	CanVote   bool `json:"can_vote"`
	CanView   bool `json:"can_view"`
}

// PresetMediaRights say ALLOWED, NOT_ALLOWED or CAN_REQUEST of each kind.
type PresetMediaRights struct {
	Video       PresetProduce `json:"video"`
	Audio       PresetProduce `json:"audio"`
	Screenshare PresetProduce `json:"screenshare"`
}

// PresetProduce is the right to send one kind of media.
type PresetProduce struct {
	CanProduce string `json:"can_produce"`
}

// PresetChat are the chat rights.
type PresetChat struct {
	Public struct {
		CanSend bool `json:"can_send"`
		Text    bool `json:"text"`
		Files   bool `json:"files"`
	} `json:"public"`
	Private struct {
		CanSend    bool `json:"can_send"`
		CanReceive bool `json:"can_receive"`
		Text       bool `json:"text"`
		Files      bool `json:"files"`
	} `json:"private"`
	// Moderate makes a host of the chat. The official product has no such right,
	// and its clients pass over it.
	Moderate bool `json:"moderate"`
}

// PresetUI is the look that the official UI kit takes on.
type PresetUI struct {
	DesignTokens PresetDesign `json:"design_tokens"`
	// ConfigDiff is for the official client; nothing here reads it.
	ConfigDiff json.RawMessage `json:"config_diff"`
}

// PresetDesign are the design tokens of the official UI kit.
type PresetDesign struct {
	BorderRadius string       `json:"border_radius"`
	BorderWidth  string       `json:"border_width"`
	SpacingBase  int          `json:"spacing_base"`
	Theme        string       `json:"theme"`
	Colors       PresetColors `json:"colors"`
	Logo         string       `json:"logo"`
	FontFamily   string       `json:"font_family,omitempty"`
	GoogleFont   string       `json:"google_font,omitempty"`
}

// PresetColors are CSS colours; brand and background are keyed by shade.
type PresetColors struct {
	Brand       map[string]string `json:"brand"`
	Background  map[string]string `json:"background"`
	Danger      string            `json:"danger"`
	Text        string            `json:"text"`
	TextOnBrand string            `json:"text_on_brand"`
	Success     string            `json:"success"`
	VideoBG     string            `json:"video_bg"`
	Warning     string            `json:"warning"`
}

// merge reads a body, or a part of one, over this one: what it does not name
// stays as it is, and null names nothing. Keys that are not of the official
// shape are passed over.
func (b *PresetBody) merge(part []byte) error {
	dec := json.NewDecoder(bytes.NewReader(part))
	err := dec.Decode(b)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return chat.Refuse(chat.Invalid, "%q must be %s", wrong.Field, kindOf(wrong.Type.Kind().String()))
	}
	if err != nil {
		return chat.Refuse(chat.Invalid, "the preset is not valid JSON")
	}
	return b.check()
}

// kindOf names a kind of Go value as one who writes JSON knows it.
func kindOf(kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case kind == "string":
		return "a string"
	case kind == "slice":
		return "an array"
	}
	return "an object"
}

// The values that fields of a preset may have.
var (
	viewTypes     = []string{"GROUP_CALL", "WEBINAR", "AUDIO_ROOM", "LIVESTREAM", "CHAT"}
	qualities     = []string{"hd", "vga", "qvga", "fhd", "uhd"}
	waitingRooms  = []string{"SKIP", "ON_PRIVILEGED_USER_ENTRY", "SKIP_ON_ACCEPT"}
	recorders     = []string{"NONE", "RECORDER", "LIVESTREAMER"}
	produceRights = []string{"ALLOWED", "NOT_ALLOWED", "CAN_REQUEST"}
	radii         = []string{"sharp", "rounded", "extra-rounded", "circular"}
	widths        = []string{"none", "thin", "fat"}
	themes        = []string{"darkest", "dark", "light"}
)

// maxPresetNumber bounds the numbers in a preset: they are counts and rates.
const maxPresetNumber = 100_000

// check refuses values that no client could make sense of.
func (b *PresetBody) check() error {
	c, p, ui := &b.Config, &b.Permissions, &b.UI.DesignTokens
	for _, choice := range []struct {
		field, value string
		of           []string
	}{
		{"config.view_type", c.ViewType, viewTypes},
		{"config.media.video.quality", c.Media.Video.Quality, qualities},
		{"config.media.screenshare.quality", c.Media.Screenshare.Quality, qualities},
		{"permissions.waiting_room_type", p.WaitingRoomType, waitingRooms},
		{"permissions.recorder_type", p.RecorderType, recorders},
		{"permissions.stage_access", p.StageAccess, produceRights},
		{"permissions.media.video.can_produce", p.Media.Video.CanProduce, produceRights},
		{"permissions.media.audio.can_produce", p.Media.Audio.CanProduce, produceRights},
		{"permissions.media.screenshare.can_produce", p.Media.Screenshare.CanProduce, produceRights},
		{"ui.design_tokens.border_radius", ui.BorderRadius, radii},
		{"ui.design_tokens.border_width", ui.BorderWidth, widths},
		{"ui.design_tokens.theme", ui.Theme, themes},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return chat.Refuse(chat.Invalid, "%q must be one of %s", choice.field, strings.Join(choice.of, ", "))
		}
	}
	for _, number := range []struct {
		field string
		value int
	}{
		{"config.max_video_streams.mobile", c.MaxVideoStreams.Mobile},
		{"config.max_video_streams.desktop", c.MaxVideoStreams.Desktop},
		{"config.max_screenshare_count", c.MaxScreenshareCount},
		{"config.media.video.frame_rate", c.Media.Video.FrameRate},
		{"config.media.screenshare.frame_rate", c.Media.Screenshare.FrameRate},
		{"ui.design_tokens.spacing_base", ui.SpacingBase},
	} {
		if number.value < 0 || number.value > maxPresetNumber {
			return chat.Refuse(chat.Invalid, "%q must be a whole number from 0 to %d", number.field, maxPresetNumber).Beyond("field_range")
		}
	}
	if diff := bytes.TrimSpace(b.UI.ConfigDiff); len(diff) == 0 || string(diff) == "null" {
		b.UI.ConfigDiff = json.RawMessage("{}")
	} else if diff[0] != '{' {
		return chat.Refuse(chat.Invalid, `"ui.config_diff" must be an object`)
	}
	if p.Plugins.Config == nil {
		p.Plugins.Config = map[string]json.RawMessage{}
	}
	return nil
}

// encode gives the body as it is stored.
func (b *PresetBody) encode() (json.RawMessage, error) {
	encoded, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding a preset: %w", err)
	}
	if len(encoded) > MaxPreset {
		return nil, chat.Refuse(chat.Invalid, "a preset must have at most %d bytes", MaxPreset).Beyond("field_length")
	}
	if bytes.Contains(encoded, []byte(`\u0000`)) {
		return nil, chat.Refuse(chat.Invalid, "a preset must not contain a NUL character")
	}
	return encoded, nil
}

// Offered gives the body as clients are to see it: without what a chat server
// cannot do. A client that is allowed media would ask for the camera, and show
// people to nobody; one with a view of type CHAT does not finish joining.
func (p Preset) Offered() (PresetBody, error) {
	var b PresetBody
	if err := json.Unmarshal(p.Body, &b); err != nil {
		return b, fmt.Errorf("reading preset %s: %w", p.ID, err)
	}
	if b.Config.ViewType == "CHAT" {
		b.Config.ViewType = "GROUP_CALL"
	}
	r := &b.Permissions
	r.Media = noMedia
	r.Polls, r.Plugins.CanStart, r.Plugins.CanClose = PresetPolls{}, false, false
	r.CanRecord, r.CanLivestream, r.TranscriptionEnabled = false, false, false
	r.IsRecorder, r.RecorderType = false, "NONE"
	return b, nil
}
