package clients_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// sessions are made by people who join: one session that has ended, and one
// that lives, of two meetings.
func (w *world) sessions() {
	w.Helper()
	past, _, _ := w.attended("Past", "Ada", "Bob", "Cyd")
	active := w.call(http.StatusOK, "ActiveSession.GetActiveSession", nil, past)
	active.holds(object{
		"Data.AssociatedID": past, "Data.MeetingDisplayName": "Past", "Data.Status": "LIVE", "Data.Type": "meeting", "Data.LiveParticipants": 3,
		"Data.MaxConcurrentParticipants": 3, "Data.OrganizationID": w.app, "Data.EndedAt": "",
	})
	ended := active.text("Data.ID")
	w.refused(http.StatusNotFound, "no user found", "ActiveSession.KickParticipants", object{"participant_ids": []any{stranger}, "custom_participant_ids": []any{}}, past)
	w.call(http.StatusOK, "ActiveSession.KickParticipants", object{"participant_ids": []any{}, "custom_participant_ids": []any{"c-Ada"}}, past).
		holds(object{"Data.Action": "kick", "Data.Participants": 1, "Data.Participants.0.Name": "Ada"})
	w.call(http.StatusOK, "ActiveSession.KickAllParticipants", nil, past).holds(object{"Data.Action": "kick_all", "Data.KickedParticipantsCount": 2})
	for _, name := range []string{"ActiveSession.GetActiveSession", "ActiveSession.KickAllParticipants"} {
		w.refused(http.StatusNotFound, "No active session found for meeting_id "+past, name, nil, past)
	}
	meeting, ids, peers := w.attended("Present", "Ada", "Bob")
	live := w.call(http.StatusOK, "ActiveSession.GetActiveSession", nil, meeting).text("Data.ID")

	w.call(http.StatusOK, "Sessions.GetSessionDetails", object{"include_breakout_rooms": true}, ended).holds(object{
		"Data.ID": ended, "Data.AssociatedID": past, "Data.Status": "ENDED", "Data.LiveParticipants": 0, "Data.MaxConcurrentParticipants": 3,
	})
	if at := w.call(http.StatusOK, "Sessions.GetSessionDetails", nil, ended).text("Data.EndedAt"); !strings.HasSuffix(at, "Z") {
		w.Errorf("the session has ended at %q", at)
	}
	w.sessionLists(past, ended, live)
	w.sessionPeople(ended, live, ids, peers)
	link := w.call(http.StatusOK, "Sessions.GetSessionChat", nil, live)
	if url := link.text("Data.ChatDownloadURL"); !strings.Contains(url, live) || link.text("Data.ChatDownloadURLExpiry") == "" {
		w.Errorf("the link is %q", url)
	}
}

// attended makes a meeting and lets people join it. It gives the ids of the
// participants and of their peers.
func (w *world) attended(title string, names ...string) (meeting string, participants, peers []string) {
	w.Helper()
	meeting = w.call(http.StatusCreated, "Meetings.New", object{"title": title}).text("Data.ID")
	for _, name := range names {
		added := w.call(http.StatusCreated, "Meetings.AddParticipant", object{
			"custom_participant_id": "c-" + name, "name": name, "preset_name": "group_call_host",
		}, meeting)
		participants = append(participants, added.text("Data.ID"))
		peers = append(peers, w.join(meeting, added.text("Data.Token")).ID)
	}
	return meeting, participants, peers
}

func (w *world) sessionLists(past, ended, live string) {
	w.Helper()
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, c := range []struct {
		query object
		ids   []string
	}{
		{object{"status": "ENDED", "search": "past"}, []string{ended}},
		{object{"status": "LIVE", "search": "PRESENT"}, []string{live}},
		{object{"associated_id": past}, []string{ended}},
		{object{"search": live}, []string{live}},
		{object{"participants": "3:3"}, []string{ended}},
		{object{"participants": "2:3"}, []string{live, ended}},
		{object{"participants": "5:"}, nil},
		{object{"participants": "2:3", "sort_by": "createdAt", "sort_order": "ASC"}, []string{ended, live}},
		{object{"participants": "2:3", "sort_by": "createdAt", "sort_order": "ASC", "page_no": 2, "per_page": 1}, []string{live}},
		{object{"participants": "2:3", "end_time": before}, nil},
		{object{"participants": "2:3", "start_time": before, "end_time": after}, []string{live, ended}},
	} {
		listed := w.call(http.StatusOK, "Sessions.GetSessions", c.query)
		listed.holds(object{"Data.Sessions": len(c.ids)})
		for i, id := range c.ids {
			if got := listed.at("Data.Sessions").Index(i).FieldByName("ID").String(); got != id {
				w.Errorf("%v: row %d is %s, want %s", c.query, i, got, id)
			}
		}
	}
	w.call(http.StatusOK, "Sessions.GetSessions", object{"sort_by": "minutesConsumed", "per_page": 1, "participants": "2:3"}).
		holds(object{"Data.Sessions": 1, "Paging.TotalCount": 2, "Paging.EndOffset": 1})
	w.refused(http.StatusBadRequest, "participants", "Sessions.GetSessions", object{"participants": "many"})
	w.refused(http.StatusBadRequest, "associated_id", "Sessions.GetSessions", object{"associated_id": "nonsense"})
	w.refused(http.StatusBadRequest, "sort_by", "Sessions.GetSessions", object{"sort_by": "mood"})
}

func (w *world) sessionPeople(ended, live string, participants, peers []string) {
	w.Helper()
	w.call(http.StatusOK, "Sessions.GetSessionParticipants", object{"sort_by": "joinedAt", "sort_order": "ASC"}, live).holds(object{
		"Data.Participants": 2, "Data.Participants.0.ID": peers[0], "Data.Participants.0.UserID": participants[0],
		"Data.Participants.0.CustomParticipantID": "c-Ada", "Data.Participants.0.DisplayName": "Ada", "Data.Participants.0.LeftAt": "",
		"Data.Participants.1.ID": peers[1], "Data.Participants.1.PresetName": "group_call_host", "Data.Participants.0.PeerEvents": 0,
	})
	gone := w.call(http.StatusOK, "Sessions.GetSessionParticipants", object{"search": "bob", "view": "consolidated", "include_peer_events": true, "sort_by": "duration"}, ended)
	gone.holds(object{
		"Data.Participants": 1, "Data.Participants.0.DisplayName": "Bob", "Data.Participants.0.PeerEvents": 2,
		"Data.Participants.0.PeerEvents.0.EventName": "PEER_JOINING", "Data.Participants.0.PeerEvents.1.EventName": "PEER_LEAVING",
	})
	if gone.text("Data.Participants.0.LeftAt") == "" {
		w.Error("nobody is told when somebody left")
	}
	w.call(http.StatusOK, "Sessions.GetSessionParticipants", object{"page_no": 2, "per_page": 2, "sort_order": "ASC"}, ended).
		holds(object{"Data.Participants": 1, "Data.Participants.0.DisplayName": "Cyd"})
	w.call(http.StatusOK, "Sessions.GetSessionParticipantDetails", object{"include_peer_events": true}, live, peers[1]).
		holds(object{"Data.Participant.ID": peers[1], "Data.Participant.UserID": participants[1], "Data.Participant.PeerEvents": 1})
	w.refused(http.StatusNotFound, "participant", "Sessions.GetSessionParticipantDetails", nil, live, stranger)
	w.refused(http.StatusBadRequest, "view", "Sessions.GetSessionParticipants", object{"view": "from above"}, live)
}

// strangers are ids that nothing has, and what is no id.
func (w *world) strangers() {
	w.Helper()
	preset := fullPreset(w.T)
	hook := object{"name": "n", "url": "https://example.com", "events": []any{"meeting.ended"}}
	for name, c := range map[string]struct {
		about  string
		values object
		ids    int
	}{
		"Meetings.GetMeetingByID":               {"meeting", nil, 1},
		"Meetings.UpdateMeetingByID":            {"meeting", object{"title": "x"}, 1},
		"Meetings.ReplaceMeetingByID":           {"meeting", object{"title": "x"}, 1},
		"Meetings.AddParticipant":               {"meeting", object{"custom_participant_id": "u", "preset_name": "group_call_host"}, 1},
		"Meetings.GetMeetingParticipants":       {"meeting", nil, 1},
		"Meetings.GetMeetingParticipant":        {"participant", nil, 2},
		"Meetings.EditParticipant":              {"participant", object{"name": "x"}, 2},
		"Meetings.DeleteMeetingParticipant":     {"participant", nil, 2},
		"Meetings.RefreshParticipantToken":      {"participant", nil, 2},
		"Presets.GetPresetByID":                 {"preset", nil, 1},
		"Presets.Update":                        {"preset", preset, 1},
		"Presets.Delete":                        {"preset", nil, 1},
		"ActiveSession.GetActiveSession":        {stranger, nil, 1},
		"ActiveSession.KickAllParticipants":     {stranger, nil, 1},
		"ActiveSession.KickParticipants":        {stranger, object{"participant_ids": []any{stranger}, "custom_participant_ids": []any{}}, 1},
		"Sessions.GetSessionDetails":            {"session", nil, 1},
		"Sessions.GetSessionParticipants":       {"session", nil, 1},
		"Sessions.GetSessionParticipantDetails": {"", nil, 2},
		"Sessions.GetSessionChat":               {"session", nil, 1},
		"Webhooks.GetWebhookByID":               {"webhook", nil, 1},
		"Webhooks.EditWebhook":                  {"webhook", object{"name": "x"}, 1},
		"Webhooks.ReplaceWebhook":               {"webhook", hook, 1},
		"Webhooks.DeleteWebhook":                {"webhook", nil, 1},
	} {
		w.refused(http.StatusNotFound, c.about, name, c.values, []string{stranger, stranger}[:c.ids]...)
		w.refused(http.StatusBadRequest, "must be a valid GUID", name, c.values, []string{"nonsense", "nonsense"}[:c.ids]...)
	}
}

// absent is what a chat server has not, and says so.
func (w *world) absent() {
	w.Helper()
	for name, c := range map[string]struct {
		about  string
		values object
		ids    int
	}{
		"ActiveSession.NewPoll":                               {"polls", object{"question": "?", "options": []any{"a"}}, 1},
		"Sessions.GenerateSummaryOfTranscripts":               {"summaries", nil, 1},
		"Sessions.GetSessionSummary":                          {"summaries", nil, 1},
		"Sessions.GetSessionTranscripts":                      {"transcripts", nil, 1},
		"Sessions.GetParticipantDataFromPeerID":               {"call statistics", nil, 1},
		"Analytics.GetOrgAnalytics":                           {"call statistics", nil, 0},
		"Recordings.GetActiveRecordings":                      {"recordings", nil, 1},
		"Recordings.GetOneRecording":                          {"recordings", nil, 1},
		"Recordings.GetRecordings":                            {"recordings", nil, 0},
		"Recordings.PauseResumeStopRecording":                 {"recordings", object{"action": "stop"}, 1},
		"Recordings.StartRecordings":                          {"recordings", object{"meeting_id": stranger}, 0},
		"Recordings.StartTrackRecording":                      {"recordings", nil, 0},
		"Livestreams.NewIndependentLivestream":                {"livestreams", nil, 0},
		"Livestreams.GetActiveLivestreamsForLivestreamID":     {"livestreams", nil, 1},
		"Livestreams.GetAllLivestreams":                       {"livestreams", nil, 0},
		"Livestreams.GetLivestreamAnalyticsComplete":          {"", nil, 0},
		"Livestreams.GetLivestreamAnalyticsDaywise":           {"", nil, 0},
		"Livestreams.GetLivestreamSessionDetailsForSessionID": {"livestreams", nil, 1},
		"Livestreams.GetLivestreamSessionForLivestreamID":     {"livestreams", nil, 1},
		"Livestreams.GetMeetingActiveLivestreams":             {"livestreams", nil, 1},
		"Livestreams.GetOrgAnalytics":                         {"", nil, 0},
		"Livestreams.StartLivestreamingAMeeting":              {"livestreams", nil, 1},
		"Livestreams.StopLivestreamingAMeeting":               {"livestreams", nil, 1},
	} {
		about := "this server carries chat only and has no " + c.about
		if w.form.v2 && (name == "Recordings.GetActiveRecordings" || name == "Livestreams.GetMeetingActiveLivestreams") {
			about = "there is none" // the official SDK asks for these, too, and is answered
		}
		w.refused(http.StatusNotFound, about, name, c.values, []string{stranger}[:c.ids]...)
	}
}

// Who is not let in is told so in the words of each form.
func TestTheOfficialGoClientUnderstandsThatItIsNotLetIn(t *testing.T) {
	server := serve(t)
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			w := newWorld(t, server, form)
			message := "Authentication error"
			if form.v2 {
				message = "Unauthorized"
			}
			for _, token := range []string{"parley_wrong", "nonsense"} {
				w.token = token
				w.refused(http.StatusUnauthorized, message, "Meetings.Get", nil)
			}
			w.app, w.token = stranger, server.Token
			status := http.StatusForbidden
			if form.v2 {
				status = http.StatusUnauthorized
			}
			w.refused(status, message, "Meetings.Get", nil)
		})
	}
}
