package directory

import (
	"encoding/json"
	"fmt"
)

// notAllowed denies media. It keeps the official client from asking for camera
// and microphone, which nobody would see or hear.
const notAllowed = "NOT_ALLOWED"

var noMedia = PresetMediaRights{Video: PresetProduce{notAllowed}, Audio: PresetProduce{notAllowed}, Screenshare: PresetProduce{notAllowed}}

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
		encoded, err := body.encode()
		if err != nil {
			return nil, fmt.Errorf("preset %s: %w", d.name, err)
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
	p.Chat.Moderate = true
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
	p.Media = noMedia
	p.Chat.Public.CanSend, p.Chat.Public.Text, p.Chat.Public.Files = true, true, true

	b.UI.ConfigDiff = json.RawMessage("{}")
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
