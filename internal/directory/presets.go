package directory

import (
	"encoding/json"
	"fmt"
)

// This file holds the official shape of a preset's body, and the presets every
// app begins with. Field names are those of the API; order is only for the eye.

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

// PresetPermissions says what a participant may do. Only the chat rights and
// the display name mean something to this server; clients read the rest.
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
}

// PresetUI is the look that the official UI kit takes on.
type PresetUI struct {
	DesignTokens PresetDesign `json:"design_tokens"`
	// ConfigDiff is empty here; the official client reads it.
	ConfigDiff struct{} `json:"config_diff"`
}

// PresetDesign are the design tokens of the official UI kit.
type PresetDesign struct {
	BorderRadius string       `json:"border_radius"`
	BorderWidth  string       `json:"border_width"`
	SpacingBase  int          `json:"spacing_base"`
	Theme        string       `json:"theme"`
	Colors       PresetColors `json:"colors"`
	Logo         string       `json:"logo"`
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

// notAllowed denies media. It keeps the official client from asking for camera
// and microphone, which nobody would see or hear.
const notAllowed = "NOT_ALLOWED"

// DefaultPresets gives the presets that a new app begins with, without ids,
// app and times: those of the official product by name, cut down to what a
// chat server can do.
func DefaultPresets() ([]Preset, error) {
	defaults := []struct {
		name    string
		host    bool
		private bool
	}{
		{"group_call_host", true, true},
		{"group_call_participant", false, true},
		{"webinar_presenter", true, true},
		{"webinar_viewer", false, false},
		{"webinar_participant", false, true},
	}
	presets := make([]Preset, len(defaults))
	for i, d := range defaults {
		body := defaultBody()
		if d.host {
			body.Permissions.makeHost()
		}
		if d.private {
			body.Permissions.allowPrivate()
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding preset %s: %w", d.name, err)
		}
		presets[i] = Preset{Name: d.name, Body: encoded}
	}
	return presets, nil
}

func (p *PresetPermissions) makeHost() {
	p.KickParticipant = true
	p.AcceptWaitingRequests = true
	p.CanChangeParticipantPermissions = true
	p.PinParticipant = true
}

func (p *PresetPermissions) allowPrivate() {
	c := &p.Chat.Private
	c.CanSend, c.CanReceive, c.Text, c.Files = true, true, true, true
}

// defaultBody is what all default presets have in common: public chat and
// one's own display name, nothing else. Every view is a group call, because a
// webinar has a stage, and there is none.
func defaultBody() PresetBody {
	var b PresetBody
	b.Config.ViewType = "GROUP_CALL"
	b.Config.MaxVideoStreams.Mobile, b.Config.MaxVideoStreams.Desktop = 6, 6
	b.Config.MaxScreenshareCount = 1
	b.Config.Media.Video.Quality, b.Config.Media.Video.FrameRate = "vga", 30
	b.Config.Media.Screenshare.Quality, b.Config.Media.Screenshare.FrameRate = "hd", 5

	p := &b.Permissions
	p.CanEditDisplayName = true
	p.ShowParticipantList = true
	p.WaitingRoomType = "SKIP"
	p.RecorderType = "NONE"
	p.StageAccess = notAllowed
	p.Plugins.Config = map[string]json.RawMessage{}
	p.Media = PresetMediaRights{Video: PresetProduce{notAllowed}, Audio: PresetProduce{notAllowed}, Screenshare: PresetProduce{notAllowed}}
	p.Chat.Public.CanSend, p.Chat.Public.Text, p.Chat.Public.Files = true, true, true

	b.UI.DesignTokens = PresetDesign{
		BorderRadius: "rounded", BorderWidth: "thin", SpacingBase: 4, Theme: "dark", Colors: defaultColors(),
	}
	return b
}

func defaultColors() PresetColors {
	return PresetColors{
		Brand:      map[string]string{"300": "#023dd0", "400": "#0248f5", "500": "#2160fd", "600": "#3e75fd", "700": "#5c8afe"},
		Background: map[string]string{"600": "#222222", "700": "#1f1f1f", "800": "#1b1b1b", "900": "#181818", "1000": "#141414"},
		Danger:     "#FF2D2D", Text: "#EEEEEE", TextOnBrand: "#EEEEEE",
		Success: "#62A504", VideoBG: "#191919", Warning: "#FFCD07",
	}
}
