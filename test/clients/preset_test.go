package clients_test

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

// fullPreset is a preset in which each field of the official shape stands, with
// values that are nobody's default.
func fullPreset(t *testing.T) object {
	t.Helper()
	raw, err := os.ReadFile("testdata/preset.json")
	if err != nil {
		t.Fatal(err)
	}
	var preset object
	if err := json.Unmarshal(raw, &preset); err != nil {
		t.Fatal(err)
	}
	return preset
}

// whole is what the client must find of fullPreset in an answer.
var whole = object{
	"Data.Name": "teacher", "Data.Config.ViewType": "WEBINAR", "Data.Config.MaxVideoStreams.Mobile": 3, "Data.Config.MaxScreenshareCount": 2,
	"Data.Config.Media.Video.Quality": "hd", "Data.Config.Media.Video.FrameRate": 24, "Data.Config.Media.Screenshare.Quality": "fhd",
	"Data.Config.Media.Audio.EnableStereo": true, "Data.Config.LivestreamViewerQualities.1": 720,
	"Data.Permissions.CanEditDisplayName": false, "Data.Permissions.KickParticipant": true, "Data.Permissions.WaitingRoomType": "SKIP_ON_ACCEPT",
	"Data.Permissions.Plugins.CanEditConfig": true, "Data.Permissions.ConnectedMeetings.CanSwitchToParentMeeting": true,
	"Data.Permissions.Polls.CanVote": false, "Data.Permissions.Media.Video.CanProduce": "CAN_REQUEST",
	"Data.Permissions.Chat.Public.Files": false, "Data.Permissions.Chat.Private.CanReceive": true,
	"Data.Permissions.RecorderType": "LIVESTREAMER", "Data.Permissions.StageAccess": "CAN_REQUEST", "Data.Permissions.TranscriptionEnabled": true,
	"Data.UI.DesignTokens.BorderRadius": "extra-rounded", "Data.UI.DesignTokens.SpacingBase": 8, "Data.UI.DesignTokens.Theme": "light",
	"Data.UI.DesignTokens.Colors.Brand.Number300": "#000300", "Data.UI.DesignTokens.Colors.Background.Number1000": "#000010",
	"Data.UI.DesignTokens.Logo": "https://example.com/logo.png",
}

func (w *world) presets() {
	w.Helper()
	w.call(http.StatusOK, "Presets.Get", object{"search": "GROUP_CALL", "page_no": 1, "per_page": 1}).
		holds(object{"Data": 1, "Paging.TotalCount": 2, "Paging.StartOffset": 1, "Paging.EndOffset": 1})
	preset := fullPreset(w.T)
	made := w.call(http.StatusOK, "Presets.New", preset)
	made.holds(whole)
	w.recent(made.at("Data.CreatedAt"))
	id := made.text("Data.ID")
	w.call(http.StatusOK, "Presets.GetPresetByID", nil, id).holds(whole)
	w.call(http.StatusOK, "Presets.Get", object{"search": "Teach"}).holds(object{"Data": 1, "Data.0.ID": id, "Data.0.Name": "teacher"})

	changed := w.call(http.StatusOK, "Presets.Update", object{"permissions": object{"chat": object{"public": object{"files": true}}}}, id)
	for path, value := range whole {
		if path != "Data.Permissions.Chat.Public.Files" {
			changed.holds(object{path: value})
		}
	}
	changed.holds(object{"Data.Permissions.Chat.Public.Files": true, "Data.Permissions.Chat.Public.Text": true})

	w.taken(id, preset)
	w.refused(http.StatusBadRequest, "view_type", "Presets.Update", object{"name": "half", "config": object{"view_type": "CINEMA"}}, id)
	w.call(http.StatusOK, "Presets.GetPresetByID", nil, id).holds(object{"Data.Name": "teacher"})
	w.call(http.StatusOK, "Presets.Delete", nil, id).holds(object{"Data.ID": id, "Data.Name": "teacher"})
	w.refused(http.StatusNotFound, "preset", "Presets.GetPresetByID", nil, id)
}

// taken are conflicts, which the official client would repeat by itself if it
// were not told that this is in vain.
func (w *world) taken(id string, preset object) {
	w.Helper()
	w.retries = 2
	defer func() { w.retries = 0 }()
	w.refused(http.StatusConflict, "name", "Presets.New", preset)
	w.refused(http.StatusConflict, "name", "Presets.Update", object{"name": "group_call_host"}, id)
	meeting := w.call(http.StatusCreated, "Meetings.New", nil).text("Data.ID")
	pupil := w.call(http.StatusCreated, "Meetings.AddParticipant", object{"custom_participant_id": "u", "preset_name": "teacher"}, meeting).text("Data.ID")
	w.refused(http.StatusConflict, "in use", "Presets.Delete", nil, id)
	w.call(http.StatusOK, "Meetings.DeleteMeetingParticipant", nil, meeting, pupil).holds(object{"Data.PresetID": id})
}
