package clients_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/realtime_kit"
)

func TestTheOfficialGoClientWorksUnchanged(t *testing.T) {
	server := serve(t)
	called := make(map[string]bool)
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			w := newWorld(t, server, form)
			w.apps()
			w.meetings()
			w.participants()
			w.presets()
			w.sessions()
			w.webhooks()
			w.strangers()
			w.absent()
			for name := range w.called {
				called[name] = true
			}
		})
	}
	if t.Failed() {
		return // what was not reached was not called
	}
	client := reflect.TypeFor[realtime_kit.RealtimeKitService]()
	for service := range client.Fields() {
		for method := range service.Type.Methods() {
			if name := service.Name + "." + method.Name; service.Name != "Options" && !called[name] {
				t.Errorf("%s is called nowhere in the table", name)
			}
		}
	}
}

// apps are there in the account form only. This makes the app of all that
// follows.
func (w *world) apps() {
	w.Helper()
	v2 := w.form.v2
	w.form.v2, w.token = false, w.server.AllApps
	name := "Acme " + w.form.name
	made := w.call(http.StatusOK, "Apps.Post", object{"name": name})
	made.holds(object{"Data.App.Name": name})
	w.recent(made.at("Data.App.CreatedAt"))
	listed := w.call(http.StatusOK, "Apps.Get", object{"search": strings.ToUpper(name[:5]), "sort_order": "DESC", "page_no": 1, "per_page": 1})
	listed.holds(object{
		"Data": 1, "Data.0.ID": made.text("Data.App.ID"), "Data.0.Name": name, "Paging.StartOffset": 1, "Paging.EndOffset": 1,
	})
	w.call(http.StatusOK, "Apps.Get", object{"search": "nobody is called so"}).holds(object{"Data": 0, "Paging.TotalCount": 0})
	w.refused(http.StatusBadRequest, `"name"`, "Apps.Post", object{"name": ""})
	w.refused(http.StatusBadRequest, "sort_order", "Apps.Get", object{"sort_order": "SIDEWAYS"})
	w.token = w.server.Token
	w.refused(http.StatusForbidden, "", "Apps.Post", object{"name": "not mine to make"})
	w.form.v2, w.token, w.app = v2, w.server.AllApps, made.text("Data.App.ID")
}

// recent demands that a time is one of this test.
func (w *world) recent(at reflect.Value) {
	w.Helper()
	if t, ok := reflect.TypeAssert[time.Time](at); !ok || time.Since(t) > time.Hour || time.Since(t) < -time.Minute {
		w.Errorf("%v is no time of this test", at)
	}
}

func (w *world) meetings() {
	w.Helper()
	made := w.call(http.StatusCreated, "Meetings.New", object{
		"title": "Standup", "persist_chat": true, "record_on_start": false, "live_stream_on_start": false, "summarize_on_end": false,
		"transcribe_on_end": true, "session_keep_alive_time_in_secs": 90,
		"ai_config": object{"transcription": object{"language": "de", "keywords": []any{"Parley"}}},
	})
	made.holds(object{
		"Data.Title": "Standup", "Data.PersistChat": true, "Data.TranscribeOnEnd": true, "Data.SessionKeepAliveTimeInSecs": 90,
		"Data.Status": "ACTIVE", "Data.AIConfig.Transcription.Language": "de", "Data.AIConfig.Transcription.Keywords.0": "Parley",
	})
	w.recent(made.at("Data.CreatedAt"))
	id := made.text("Data.ID")
	same := object{"Data.ID": id, "Data.Title": "Standup", "Data.CreatedAt": made.at("Data.CreatedAt").Interface(), "Data.PersistChat": true}
	w.call(http.StatusOK, "Meetings.GetMeetingByID", object{"name": "ignored"}, id).holds(same)
	w.call(http.StatusOK, "Meetings.GetMeetingByID", nil, strings.ReplaceAll(id, "-", "")).holds(same)

	w.call(http.StatusOK, "Meetings.UpdateMeetingByID", object{"status": "INACTIVE", "title": "Retro"}, id).
		holds(object{"Data.Title": "Retro", "Data.Status": "INACTIVE", "Data.PersistChat": true, "Data.SessionKeepAliveTimeInSecs": 90})
	w.call(http.StatusOK, "Meetings.ReplaceMeetingByID", object{"title": "Planning"}, id).
		holds(object{"Data.ID": id, "Data.Title": "Planning", "Data.PersistChat": false, "Data.SessionKeepAliveTimeInSecs": 60})
	w.refused(http.StatusBadRequest, "600", "Meetings.UpdateMeetingByID", object{"title": "half", "session_keep_alive_time_in_secs": 601}, id)
	w.refused(http.StatusBadRequest, "600", "Meetings.New", object{"session_keep_alive_time_in_secs": 1e6})
	w.refused(http.StatusBadRequest, `"title"`, "Meetings.ReplaceMeetingByID", object{"title": strings.Repeat("x", 10_000)}, id)
	w.call(http.StatusOK, "Meetings.GetMeetingByID", nil, id).holds(object{"Data.Title": "Planning"})
	w.pages()
}

// pages goes through a list of meetings page by page, as clients have to: the
// official ones have no iterators for RealtimeKit.
func (w *world) pages() {
	w.Helper()
	const rows, perPage = 7, 3
	var ids []string
	for i := range rows {
		ids = append(ids, w.call(http.StatusCreated, "Meetings.New", object{"title": fmt.Sprintf("Paged %d", i)}).text("Data.ID"))
	}
	slices.Reverse(ids) // newest first
	var got []string
	for page := 1; ; page++ {
		listed := w.call(http.StatusOK, "Meetings.Get", object{"page_no": page, "per_page": perPage, "search": "PAGED", "status": "ACTIVE"})
		n := listed.at("Data").Len()
		if n == 0 {
			listed.holds(object{"Paging.TotalCount": rows, "Paging.StartOffset": 0, "Paging.EndOffset": 0})
			break
		}
		listed.holds(object{
			"Paging.TotalCount": rows, "Paging.StartOffset": (page-1)*perPage + 1, "Paging.EndOffset": (page-1)*perPage + n,
		})
		for i := range n {
			got = append(got, listed.text(fmt.Sprintf("Data.%d.ID", i)))
		}
	}
	if !slices.Equal(got, ids) {
		w.Errorf("the pages hold %v, want %v", got, ids)
	}
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	w.call(http.StatusOK, "Meetings.Get", object{"search": ids[2], "start_time": before, "end_time": after}).holds(object{"Data": 1, "Data.0.ID": ids[2]})
	w.call(http.StatusOK, "Meetings.Get", object{"search": "paged", "start_time": after}).holds(object{"Data": 0})
	w.call(http.StatusOK, "Meetings.Get", object{"search": "paged", "end_time": before}).holds(object{"Data": 0})
	w.call(http.StatusOK, "Meetings.Get", object{"search": "paged", "status": "INACTIVE"}).holds(object{"Data": 0})
	w.call(http.StatusOK, "Meetings.Get", object{"search": "paged", "page_no": 0, "per_page": 0}).holds(object{"Data": rows})
	w.call(http.StatusOK, "Meetings.Get", object{"page_no": 1e9}).holds(object{"Data": 0})
	w.refused(http.StatusBadRequest, "page_no", "Meetings.Get", object{"page_no": -1})
	w.refused(http.StatusBadRequest, "status", "Meetings.Get", object{"status": "OPEN"})
}

func (w *world) participants() {
	w.Helper()
	meeting := w.call(http.StatusCreated, "Meetings.New", nil).text("Data.ID")
	added := w.call(http.StatusCreated, "Meetings.AddParticipant", object{
		"custom_participant_id": "u-1", "preset_name": "group_call_host", "name": "Ada", "picture": "https://example.com/ada.png",
	}, meeting)
	added.holds(object{
		"Data.CustomParticipantID": "u-1", "Data.PresetName": "group_call_host", "Data.Name": "Ada", "Data.Picture": "https://example.com/ada.png",
	})
	w.recent(added.at("Data.CreatedAt"))
	id := added.text("Data.ID")
	w.join(meeting, added.text("Data.Token")).Leave()
	w.call(http.StatusCreated, "Meetings.AddParticipant", object{"custom_participant_id": "u-2", "preset_name": "group_call_participant"}, meeting).
		holds(object{"Data.Name": "", "Data.Picture": ""})

	w.call(http.StatusOK, "Meetings.GetMeetingParticipant", nil, meeting, id).holds(object{"Data.ID": id, "Data.Name": "Ada"})
	w.call(http.StatusOK, "Meetings.GetMeetingParticipants", object{"page_no": 2, "per_page": 1}, meeting).
		holds(object{"Data": 1, "Paging.TotalCount": 2, "Paging.StartOffset": 2, "Paging.EndOffset": 2})
	edited := w.call(http.StatusOK, "Meetings.EditParticipant", object{"name": "Ada L.", "preset_name": "group_call_participant"}, meeting, id)
	edited.holds(object{"Data.Name": "Ada L.", "Data.PresetName": "group_call_participant", "Data.Picture": "https://example.com/ada.png"})
	fresh := w.call(http.StatusOK, "Meetings.RefreshParticipantToken", nil, meeting, id).text("Data.Token")
	for _, token := range []string{added.text("Data.Token"), edited.text("Data.Token"), fresh} {
		w.join(meeting, token).Leave()
	}

	w.refused(http.StatusBadRequest, "custom_participant_id", "Meetings.AddParticipant", object{"custom_participant_id": "", "preset_name": "group_call_host"}, meeting)
	w.refused(http.StatusNotFound, "preset", "Meetings.AddParticipant", object{"custom_participant_id": "u", "preset_name": "nobody's"}, meeting)
	w.refused(http.StatusNotFound, "preset", "Meetings.EditParticipant", object{"name": "half", "preset_name": "nobody's"}, meeting, id)
	w.call(http.StatusOK, "Meetings.GetMeetingParticipant", nil, meeting, id).holds(object{"Data.Name": "Ada L."})
	deleted := w.call(http.StatusOK, "Meetings.DeleteMeetingParticipant", nil, meeting, id)
	deleted.holds(object{"Data.CustomParticipantID": "u-1", "Data.CreatedAt": added.at("Data.CreatedAt").Interface()})
	w.refused(http.StatusNotFound, "participant", "Meetings.DeleteMeetingParticipant", nil, meeting, id)
	w.refused(http.StatusNotFound, "participant", "Meetings.RefreshParticipantToken", nil, meeting, id)
}

func (w *world) webhooks() {
	w.Helper()
	all := []any{
		"meeting.started", "meeting.ended", "meeting.participantJoined", "meeting.participantLeft", "meeting.chatSynced",
		"recording.statusUpdate", "livestreaming.statusUpdate", "meeting.transcript", "meeting.summary",
	}
	made := w.call(http.StatusCreated, "Webhooks.NewWebhook", object{"name": "mine", "url": "https://example.com/hook?x=1", "events": all})
	made.holds(object{"Data.Name": "mine", "Data.URL": "https://example.com/hook?x=1", "Data.Enabled": true, "Data.Events": len(all)})
	w.recent(made.at("Data.CreatedAt"))
	id := made.text("Data.ID")
	w.call(http.StatusOK, "Webhooks.GetWebhooks", nil).holds(object{"Data": 1, "Data.0.ID": id, "Data.0.Events": len(all)})
	w.call(http.StatusOK, "Webhooks.GetWebhookByID", nil, id).holds(object{"Data.ID": id, "Data.Name": "mine"})
	w.call(http.StatusOK, "Webhooks.EditWebhook", object{"enabled": false, "events": []any{"meeting.ended"}}, id).
		holds(object{"Data.Enabled": false, "Data.Events": 1, "Data.Events.0": "meeting.ended", "Data.Name": "mine"})
	w.call(http.StatusOK, "Webhooks.ReplaceWebhook", object{"name": "other", "url": "http://example.org", "events": all[:2]}, id).
		holds(object{"Data.ID": id, "Data.Name": "other", "Data.Enabled": true, "Data.Events": 2, "Data.URL": "http://example.org"})
	w.refused(http.StatusBadRequest, `"url"`, "Webhooks.NewWebhook", object{"name": "n", "url": "https://10.0.0.1", "events": all})
	w.refused(http.StatusBadRequest, `"events"`, "Webhooks.EditWebhook", object{"name": "half", "events": []any{"meeting.exploded"}}, id)
	w.call(http.StatusOK, "Webhooks.GetWebhookByID", nil, id).holds(object{"Data.Name": "other"})
	w.call(http.StatusOK, "Webhooks.DeleteWebhook", nil, id).holds(object{"Data.ID": id, "Data.Name": "other"})
	w.refused(http.StatusNotFound, "webhook", "Webhooks.GetWebhookByID", nil, id)
	w.call(http.StatusOK, "Webhooks.GetWebhooks", nil).holds(object{"Data": 0})
}
