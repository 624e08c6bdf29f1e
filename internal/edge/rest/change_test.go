package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestMeetingsCanBeChangedAndReplaced(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.meeting(form, `{"title":"Standup","persist_chat":true,"record_on_start":true,"ai_config":{"a":1}}`)
		path := "/meetings/" + text(t, made, "id")

		changed := f.call(form, "PATCH", path, `{"status":"INACTIVE","session_keep_alive_time_in_secs":30,"ai_config":null,"unknown":1}`).object(http.StatusOK)
		if changed["status"] != "INACTIVE" || changed["title"] != "Standup" || changed["persist_chat"] != true ||
			changed["session_keep_alive_time_in_secs"] != 30.0 || changed["ai_config"] != nil || changed["updated_at"] == made["updated_at"] {
			t.Errorf("changed: %v", changed)
		}
		same := f.call(form, "PATCH", path, "").object(http.StatusOK)
		if same["title"] != "Standup" || same["status"] != "INACTIVE" {
			t.Errorf("a change of nothing gave %v", same)
		}
		if cleared := f.call(form, "PATCH", path, `{"title":null}`).object(http.StatusOK); cleared["title"] != "" {
			t.Errorf("a title that was taken away is %v", cleared["title"])
		}
		replaced := f.call(form, "PUT", path, `{"title":"Retro"}`).object(http.StatusOK)
		if replaced["title"] != "Retro" || replaced["persist_chat"] != false || replaced["record_on_start"] != false ||
			replaced["session_keep_alive_time_in_secs"] != 60.0 || replaced["created_at"] != made["created_at"] {
			t.Errorf("replaced: %v", replaced)
		}

		for body, field := range map[string]string{
			`{"title":"half done","status":"ASLEEP"}`:                     "status",
			`{"title":"half done","session_keep_alive_time_in_secs":601}`: "session_keep_alive_time_in_secs",
			`{"title":"half done","session_keep_alive_time_in_secs":0}`:   "session_keep_alive_time_in_secs",
			`{"title":"half done","persist_chat":"yes"}`:                  "persist_chat",
			`{"title":"half done","ai_config":[]}`:                        "ai_config",
			`{"title":"` + strings.Repeat("x", 1025) + `"}`:               "title",
			`{"title":"nul \u0000"}`:                                      "title",
		} {
			if message := f.call(form, "PATCH", path, body).refused(http.StatusBadRequest); !strings.Contains(message, field) {
				t.Errorf("%.60s is refused with %q, which does not name %s", body, message, field)
			}
		}
		if after := f.call(form, "GET", path, "").object(http.StatusOK); after["title"] != "Retro" {
			t.Errorf("a refused change has left %v", after)
		}
		f.call(form, "DELETE", path, "").refused(http.StatusMethodNotAllowed)
	})
}

func TestAMeetingHasRulesForItsChat(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.meeting(form, `{"chat":{"mode":"HOSTS"}}`)
		path := "/meetings/" + text(t, made, "id")
		rules := dig(t, made, "chat")
		if fmt.Sprint(rules) != "map[mode:HOSTS pin:EVERYONE private:true slow_mode_in_secs:0]" {
			t.Errorf("made with %v", rules)
		}
		changed := f.call(form, "PATCH", path, `{"chat":{"slow_mode_in_secs":30,"private":false,"pin":"HOSTS"}}`).object(http.StatusOK)
		if fmt.Sprint(changed["chat"]) != "map[mode:HOSTS pin:HOSTS private:false slow_mode_in_secs:30]" {
			t.Errorf("changed to %v", changed["chat"])
		}
		for body, field := range map[string]string{
			`{"chat":{"mode":"SOME"}}`: "chat.mode", `{"chat":{"slow_mode_in_secs":3601}}`: "chat.slow_mode_in_secs",
			`{"chat":{"slow_mode_in_secs":-1}}`: "chat.slow_mode_in_secs", `{"chat":{"pin":"ME"}}`: "chat.pin", `{"chat":7}`: "chat",
		} {
			if message := f.call(form, "PATCH", path, body).refused(http.StatusBadRequest); !strings.Contains(message, field) {
				t.Errorf("%s is refused with %q", body, message)
			}
		}
		if replaced := f.call(form, "PUT", path, `{}`).object(http.StatusOK); fmt.Sprint(replaced["chat"]) != "map[mode:EVERYONE pin:EVERYONE private:true slow_mode_in_secs:0]" {
			t.Errorf("replaced by %v", replaced["chat"])
		}
	})
}

func TestParticipantsCanBeChangedDeletedAndGivenTokens(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		people := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		added := f.call(form, "POST", people, `{"custom_participant_id":"u","preset_name":"group_call_host","name":"Ada"}`).object(http.StatusCreated)
		path := people + "/" + text(t, added, "id")

		changed := f.call(form, "PATCH", path, `{"name":null,"preset_name":"webinar_viewer","picture":"https://example.com/a.png"}`).object(http.StatusOK)
		if changed["name"] != nil || changed["preset_name"] != "webinar_viewer" || changed["picture"] != "https://example.com/a.png" ||
			changed["custom_participant_id"] != "u" {
			t.Errorf("changed: %v", changed)
		}
		if who, err := f.tokens.Verify(text(t, changed, "token")); err != nil || string(who.Participant) != added["id"] {
			t.Errorf("the token of a change is for %+v, %v", who, err)
		}
		f.call(form, "PATCH", path, `{"preset_name":"no such"}`).refused(http.StatusNotFound)
		f.call(form, "PATCH", path, `{"picture":"javascript:alert(1)"}`).refused(http.StatusBadRequest)

		token := text(t, f.call(form, "POST", path+"/token", "").object(http.StatusOK), "token")
		if who, err := f.tokens.Verify(token); err != nil || string(who.Participant) != added["id"] {
			t.Errorf("the refreshed token is for %+v, %v", who, err)
		}
		if _, err := f.tokens.Verify(text(t, added, "token")); err != nil {
			t.Errorf("a refresh has revoked the token before it: %v", err)
		}

		deleted := f.call(form, "DELETE", path, "").object(http.StatusOK)
		if len(deleted) != 4 || deleted["custom_participant_id"] != "u" || deleted["preset_id"] == "" || deleted["created_at"] != added["created_at"] {
			t.Errorf("deleted: %v", deleted)
		}
		for _, method := range []string{"GET", "PATCH", "DELETE"} {
			f.call(form, method, path, "").refused(http.StatusNotFound)
		}
		f.call(form, "POST", path+"/token", "").refused(http.StatusNotFound)
	})
}

func TestParticipantsCanBeMuted(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		people := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		added := f.call(form, "POST", people, `{"custom_participant_id":"u","preset_name":"group_call_participant"}`).object(http.StatusCreated)
		path := people + "/" + text(t, added, "id")
		muted := func(of map[string]any) any { return of["chat"].(map[string]any)["muted"] }
		if muted(added) != false {
			t.Errorf("a new participant is muted: %v", added)
		}
		for body, want := range map[string]bool{
			`{"chat":{"muted":true}}`:  true,
			`{"chat":{"muted":null}}`:  true,
			`{"chat":{}}`:              true,
			`{"name":"Ada"}`:           true,
			`{"chat":{"muted":false}}`: false,
		} {
			f.call(form, "PATCH", path, `{"chat":{"muted":true}}`).object(http.StatusOK)
			if changed := f.call(form, "PATCH", path, body).object(http.StatusOK); muted(changed) != want {
				t.Errorf("after %s it is muted: %v", body, muted(changed))
			}
			if got := f.call(form, "GET", path, "").object(http.StatusOK); muted(got) != want {
				t.Errorf("asked after %s it is muted: %v", body, muted(got))
			}
		}
		if message := f.call(form, "PATCH", path, `{"chat":{"muted":"yes"}}`).refused(http.StatusBadRequest); !strings.Contains(message, "chat.muted") {
			t.Errorf("refused with %q", message)
		}
	})
}

func TestPresetsCanBeMadeChangedReplacedAndDeleted(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.call(form, "POST", "/presets", `{"name":"teacher","unknown":1,
			"config":{"view_type":"WEBINAR"},"permissions":{"kick_participant":true,"nonsense":2},"ui":{}}`).object(http.StatusOK)
		path := "/presets/" + text(t, made, "id")
		got := f.call(form, "GET", path, "").object(http.StatusOK)
		if dig(t, got, "config", "view_type") != "WEBINAR" || dig(t, got, "permissions", "kick_participant") != true ||
			dig(t, got, "permissions", "chat", "public", "can_send") != true || got["name"] != "teacher" || got["updated_at"] != made["updated_at"] {
			t.Errorf("got %v", got)
		}
		changed := f.call(form, "PATCH", path, `{"permissions":{"chat":{"public":{"text":false}}}}`).object(http.StatusOK)
		if dig(t, changed, "permissions", "chat", "public", "text") != false || dig(t, changed, "permissions", "chat", "public", "files") != true ||
			dig(t, changed, "permissions", "kick_participant") != true {
			t.Errorf("changed: %v", changed)
		}
		replaced := f.call(form, "PUT", path, `{"name":"tutor","config":{},"permissions":{},"ui":{}}`).object(http.StatusOK)
		if replaced["name"] != "tutor" || dig(t, replaced, "permissions", "kick_participant") != false {
			t.Errorf("replaced: %v", replaced)
		}

		f.call(form, "POST", "/presets", `{"name":"tutor","config":{},"permissions":{},"ui":{}}`).refused(http.StatusConflict)
		for body, field := range map[string]string{
			``: "name", `{}`: "name", `{"name":"x","config":{},"permissions":{}}`: "ui",
			`{"name":"x","config":{"view_type":7},"permissions":{},"ui":{}}`:                    "config.view_type",
			`{"name":"x","config":{},"permissions":{"chat":{"private":{"text":"no"}}},"ui":{}}`: "permissions.chat.private.text",
			`{"name":"x","config":{},"permissions":{"waiting_room_type":"LOBBY"},"ui":{}}`:      "permissions.waiting_room_type",
			`{"name":"x","config":"{}","permissions":{},"ui":{}}`:                               "config",
		} {
			if message := f.call(form, "POST", "/presets", body).refused(http.StatusBadRequest); !strings.Contains(message, `"`+field+`"`) {
				t.Errorf("%s is refused with %q, which does not name %s", body, message, field)
			}
		}
		if len(f.call(form, "GET", "/presets?search=tutor", "").rows()) != 1 {
			t.Error("the preset is not in the list by its new name")
		}
		if deleted := f.call(form, "DELETE", path, "").object(http.StatusOK); deleted["name"] != "tutor" || deleted["permissions"] == nil {
			t.Errorf("deleted: %v", deleted)
		}
		f.call(form, "GET", path, "").refused(http.StatusNotFound)
	})
}

func TestAPresetInUseIsKept(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.call(form, "POST", "/presets", `{"name":"teacher","config":{},"permissions":{},"ui":{}}`).object(http.StatusOK)
		people := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		f.call(form, "POST", people, `{"custom_participant_id":"u","preset_name":"teacher"}`).ok(http.StatusCreated)
		refusal := f.call(form, "DELETE", "/presets/"+text(t, made, "id"), "")
		refusal.refused(http.StatusConflict)
		if refusal.header.Get("X-Should-Retry") != "false" {
			t.Error("official clients would repeat this in vain")
		}
	})
}

// A preset of the official product may allow media; clients are not told so,
// for they would ask for the camera.
func TestClientsAreNotOfferedWhatAChatServerHasNot(t *testing.T) {
	f := start(t)
	form := forms()[0]
	f.call(form, "POST", "/presets", `{"name":"full","config":{"view_type":"CHAT"},"ui":{},"permissions":{
		"media":{"audio":{"can_produce":"ALLOWED"},"video":{"can_produce":"CAN_REQUEST"}},"polls":{"can_view":true},
		"can_record":true,"plugins":{"can_start":true},"recorder_type":"RECORDER","kick_participant":true}}`).ok(http.StatusOK)
	people := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
	added := f.call(form, "POST", people, `{"custom_participant_id":"u","preset_name":"full"}`).object(http.StatusCreated)

	r := form.request(f.app, "GET", "/nothing", nil)
	r.URL.Path = "/v2/internals/participant-details"
	r.Header.Set("Authorization", "Bearer "+text(t, added, "token"))
	preset, _ := f.send(r).object(http.StatusOK)["preset"].(map[string]any)
	for path, want := range map[string]any{
		"config view_type": "GROUP_CALL", "permissions media audio can_produce": "NOT_ALLOWED", "permissions media video can_produce": "NOT_ALLOWED",
		"permissions polls can_view": false, "permissions can_record": false, "permissions plugins can_start": false,
		"permissions recorder_type": "NONE", "permissions kick_participant": true,
	} {
		if got := dig(t, preset, strings.Fields(path)...); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// dig follows keys into an object.
func dig(t testing.TB, object map[string]any, keys ...string) any {
	t.Helper()
	var value any = object
	for _, key := range keys {
		inner, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("there is no %s in %v", strings.Join(keys, "."), object)
		}
		value = inner[key]
	}
	return value
}
