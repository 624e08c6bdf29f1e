package directory_test

import (
	"encoding/json"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

func defaults(t *testing.T) map[string]directory.PresetBody {
	t.Helper()
	presets, err := directory.DefaultPresets()
	if err != nil {
		t.Fatal(err)
	}
	bodies := make(map[string]directory.PresetBody)
	for _, p := range presets {
		var body directory.PresetBody
		if err := json.Unmarshal(p.Body, &body); err != nil {
			t.Fatal(err)
		}
		bodies[p.Name] = body
	}
	return bodies
}

func TestNoDefaultPresetAsksForMediaOrAStage(t *testing.T) {
	for name, b := range defaults(t) {
		p := b.Permissions
		media := [...]string{p.Media.Audio.CanProduce, p.Media.Video.CanProduce, p.Media.Screenshare.CanProduce, p.StageAccess}
		for _, may := range media {
			if may != "NOT_ALLOWED" {
				t.Errorf("%s: media or stage is %s", name, may)
			}
		}
		if b.Config.ViewType != "GROUP_CALL" || p.StageEnabled || p.Polls.CanView || p.Plugins.CanStart {
			t.Errorf("%s offers a view, a stage, polls or plugins that this server has not: %+v", name, b)
		}
	}
}

func TestHostPresetsModerate(t *testing.T) {
	hosts := map[string]bool{"group_call_host": true, "webinar_presenter": true}
	for name, b := range defaults(t) {
		p := b.Permissions
		for _, right := range [...]bool{p.KickParticipant, p.AcceptWaitingRequests, p.CanChangeParticipantPermissions, p.PinParticipant} {
			if right != hosts[name] {
				t.Errorf("%s: a right of hosts is %v", name, right)
			}
		}
	}
}

func TestChatRightsOfDefaultPresets(t *testing.T) {
	presets, err := directory.DefaultPresets()
	if err != nil {
		t.Fatal(err)
	}
	if len(presets) != 5 {
		t.Fatalf("%d default presets, want 5", len(presets))
	}
	for _, p := range presets {
		got, err := directory.ParsePermissions(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		host := p.Name == "group_call_host" || p.Name == "webinar_presenter"
		want := chat.Permissions{
			Public: chat.PublicChat{Send: true, Text: true, Files: true}, EditDisplayName: true, SeePeers: true,
			Moderate: host, Kick: host, AcceptWaiting: host, ChangePermissions: host, Waiting: chat.WaitSkip,
		}
		if p.Name != "webinar_viewer" {
			want.Private = chat.PrivateChat{Send: true, Receive: true, Text: true, Files: true}
		}
		if got != want {
			t.Errorf("%s allows %+v, want %+v", p.Name, got, want)
		}
	}
}

func TestAnUnknownKindOfWaitingIsNone(t *testing.T) {
	for waiting, want := range map[string]chat.WaitingRoom{
		`"SKIP"`: chat.WaitSkip, `"ON_PRIVILEGED_USER_ENTRY"`: chat.WaitForHost, `"SKIP_ON_ACCEPT"`: chat.WaitForAccept,
		`"SOMETHING_NEW"`: chat.WaitSkip, `""`: chat.WaitSkip,
	} {
		got, err := directory.ParsePermissions([]byte(`{"permissions":{"waiting_room_type":` + waiting + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got.Waiting != want {
			t.Errorf("%s is read as %s, want %s", waiting, got.Waiting, want)
		}
	}
}

// Official clients fail where a key of the body is missing, so the shape is
// checked as they get it.
func TestPresetBodyHasTheOfficialShape(t *testing.T) {
	presets, err := directory.DefaultPresets()
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]map[string]json.RawMessage
	if err := json.Unmarshal(presets[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"config": {"view_type", "max_video_streams", "max_screenshare_count", "media"},
		"permissions": {
			"accept_waiting_requests", "can_accept_production_requests", "can_edit_display_name", "can_spotlight",
			"disable_participant_audio", "disable_participant_screensharing", "disable_participant_video", "kick_participant",
			"pin_participant", "can_record", "can_livestream", "waiting_room_type", "plugins", "connected_meetings", "polls", "media",
			"chat", "hidden_participant", "show_participant_list", "can_change_participant_permissions", "recorder_type",
		},
		"ui": {"design_tokens", "config_diff"},
	}
	for part, keys := range want {
		for _, key := range keys {
			if len(body[part][key]) == 0 || string(body[part][key]) == "null" {
				t.Errorf("%s.%s is missing", part, key)
			}
		}
	}
}
