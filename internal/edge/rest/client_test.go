package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// visit makes a call with a participant's token, "" for none.
func (f *fixture) visit(method, path, token, body string) reply {
	f.Helper()
	r := httptest.NewRequest(method, path, reader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return f.send(r)
}

// visitor adds a participant to a new meeting.
func (f *fixture) visitor(wish string) (meeting, participant map[string]any) {
	f.Helper()
	form := forms()[0]
	meeting = f.meeting(form, `{"title":"Standup"}`)
	path := "/meetings/" + text(f, meeting, "id") + "/participants"
	return meeting, f.call(form, "POST", path, wish).object(http.StatusCreated)
}

const (
	details = "/v2/internals/participant-details"
	host    = `{"custom_participant_id":"u-42","preset_name":"group_call_host","name":"Zoë","picture":"https://example.com/z.png"}`
)

func TestParticipantDetails(t *testing.T) {
	f := start(t)
	meeting, p := f.visitor(host)
	data := f.visit("GET", details, text(t, p, "token"), "").object(http.StatusOK)
	want := map[string]any{
		"id": p["id"], "name": "Zoë", "custom_participant_id": "u-42", "organization_id": string(f.app.ID), "picture": "https://example.com/z.png",
	}
	if !reflect.DeepEqual(data["participant"], any(want)) {
		t.Errorf("participant is %v, want %v", data["participant"], want)
	}
	if !reflect.DeepEqual(data["meeting"], any(map[string]any{"id": meeting["id"], "title": "Standup"})) {
		t.Errorf("meeting is %v", data["meeting"])
	}
	preset, ok := data["preset"].(map[string]any)
	if !ok || preset["name"] != "group_call_host" || preset["id"] == "" {
		t.Fatalf("preset is %v", data["preset"])
	}
	stored, err := f.directory.PresetNamed(t.Context(), f.app.ID, "group_call_host")
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(stored.Body, &body); err != nil {
		t.Fatal(err)
	}
	for part, want := range body {
		if !reflect.DeepEqual(preset[part], want) {
			t.Errorf("%s is %v, want %v", part, preset[part], want)
		}
	}
	if _, found := data["socket"]; found {
		t.Error("a socket is named: official clients would go there")
	}
}

// Official clients die while joining over a null.
func TestParticipantDetailsLeaveOutWhatIsNotKnown(t *testing.T) {
	f := start(t)
	_, p := f.visitor(`{"custom_participant_id":"u-42","preset_name":"webinar_viewer"}`)
	got := f.visit("GET", details, text(t, p, "token"), "")
	data := got.object(http.StatusOK)["participant"].(map[string]any)
	if _, found := data["picture"]; found || data["name"] != "" {
		t.Errorf("participant is %v, want no picture and an empty name", data)
	}
	if strings.Contains(string(got.raw), "null") {
		t.Errorf("the answer holds a null: %s", got.raw)
	}
}

func TestParticipantDetailsAreForGoodTokens(t *testing.T) {
	f := start(t)
	_, p := f.visitor(host)
	good := text(t, p, "token")
	who, err := f.tokens.Verify(good)
	if err != nil {
		t.Fatal(err)
	}
	mint := func(tokens auth.Tokens, change func(*auth.Identity)) string {
		other := who
		change(&other)
		token, err := tokens.Mint(other, "preset")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	nobody := chat.ParticipantID("00000000-0000-4000-8000-000000000000")
	for what, c := range map[string]struct {
		token  string
		status int
	}{
		"none":              {"", 401},
		"garbage":           {"eyJ.eyJ.eyJ", 401},
		"an API token":      {f.app.token, 401},
		"cut":               {good[:len(good)-1], 401},
		"another key":       {mint(auth.Tokens{Key: make([]byte, auth.KeySize), Now: f.now}, func(*auth.Identity) {}), 401},
		"participant gone":  {mint(f.tokens, func(i *auth.Identity) { i.Participant = nobody }), 404},
		"meeting gone":      {mint(f.tokens, func(i *auth.Identity) { i.Meeting = chat.MeetingID(nobody) }), 404},
		"another app":       {mint(f.tokens, func(i *auth.Identity) { i.App = f.tenant("spy").ID }), 404},
		"meeting is closed": {f.closedMeeting(t), 403},
	} {
		for _, call := range [][2]string{{"GET", details}, {"POST", "/v2/internals/rooms"}} {
			if got := f.visit(call[0], call[1], c.token, ""); got.status != c.status {
				t.Errorf("%s, %s: status %d, want %d: %s", what, call[1], got.status, c.status, got.raw)
			} else {
				got.refused(c.status)
			}
		}
	}
}

// closedMeeting gives the token of a participant of an inactive meeting.
func (f *fixture) closedMeeting(t *testing.T) string {
	t.Helper()
	m := directory.Meeting{ID: "11111111-1111-4111-8111-111111111111", App: f.app.ID, KeepAlive: directory.DefaultKeepAlive}
	if err := f.db.PutMeeting(t.Context(), m, "epoch"); err != nil {
		t.Fatal(err)
	}
	return text(t, f.call(forms()[0], "POST", "/meetings/"+string(m.ID)+"/participants", host).object(http.StatusCreated), "token")
}

func TestCallsOfOldClients(t *testing.T) {
	f := start(t)
	_, p := f.visitor(host)
	token := text(t, p, "token")
	if got := f.visit("GET", "/v2/plugins/user", token, "").object(http.StatusOK); !reflect.DeepEqual(got, map[string]any{"plugins": []any{}}) {
		t.Errorf("plugins are %v", got)
	}
	f.visit("GET", "/v2/plugins/user", "", "").refused(http.StatusUnauthorized)
	room := f.visit("POST", "/v2/internals/rooms", token, `{"ip_information":{"city":"X"}}`).object(http.StatusOK)
	if !reflect.DeepEqual(room, map[string]any{"title": "Standup", "sfu": 3.0}) {
		t.Errorf("the room is %v", room)
	}
	ice := f.visit("GET", "/iceservers", token, "")
	if ice.status != http.StatusOK || !reflect.DeepEqual(ice.body, map[string]any{"success": true, "iceServers": []any{}}) {
		t.Errorf("ice servers are %s", ice.raw)
	}
	id := text(t, p, "id")
	for _, path := range []string{"/v2/meetings/" + id + "/active-transcript", "/v2/meetings/" + id + "/active-livestream", "/v2/recordings/active-recording/" + id} {
		f.visit("GET", path, token, "").refused(http.StatusNotFound)
	}
}
