package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// send sends a message under a key; "" for none.
func (tk *talk) send(token, key, body string) reply {
	tk.Helper()
	r := httptest.NewRequest("POST", tk.path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return tk.fixture.send(r)
}

// admin is the key of the fixture's app.
func (tk *talk) admin() string { return tk.app.token }

func quoted(actors ...chat.Actor) string {
	ids := make([]string, len(actors))
	for i, a := range actors {
		ids[i] = `"` + string(a.Participant) + `"`
	}
	return strings.Join(ids, ",")
}

func TestAnAppSendsInItsOwnName(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	for body, shown := range map[string]map[string]any{
		`{"text":"Welcome"}`: {"type": "text", "text": "Welcome"},
		`{"type":"image","link":"https://x.example/a.png"}`:                       {"type": "image", "link": "https://x.example/a.png"},
		`{"type":"file","link":"https://x.example/b","name":"ü \"b\"","size":7}`:  {"type": "file", "link": "https://x.example/b", "name": `ü "b"`, "size": 7.0},
		`{"type":"file","link":"https://x.example/c","size":0}`:                   {"type": "file", "name": "file", "size": 0.0},
		`{"type":"custom","custom":{"message":"hi","poll":[1,2]},"unknown":true}`: {"type": "custom"},
	} {
		got := tk.send(tk.admin(), "", body).object(http.StatusCreated)
		for key, value := range shown {
			if got[key] != value {
				t.Errorf("%s: %s is %v, want %v", body, key, got[key], value)
			}
		}
		sender, _ := got["sender"].(map[string]any)
		if sender["type"] != "app" || sender["participant_id"] != nil || sender["name"] != "app" || got["private"] != false || got["session_id"] != string(tk.session) {
			t.Errorf("%s: %v", body, got)
		}
		if again := tk.as(tk.reader, "GET", "/"+text(t, got, "id"), "").object(http.StatusOK); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%s: answered %v, then read %v", body, got, again)
		}
	}
	got := tk.send(tk.admin(), "", `{"text":"hi","sender_name":"Bot 🤖","recipients":[`+quoted(alice, alice)+`]}`).object(http.StatusCreated)
	if got["sender"].(map[string]any)["name"] != "Bot 🤖" || got["private"] != true || fmt.Sprint(got["recipients"]) != "["+string(alice.Participant)+"]" {
		t.Errorf("a private message is %v", got)
	}
}

func TestAnAppSendsForAParticipantWithItsRights(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_participant")
	got := tk.send(tk.admin(), "", `{"text":"hi","participant_id":`+quoted(bob)+`}`).object(http.StatusCreated)
	if sender := got["sender"].(map[string]any); sender["participant_id"] != string(bob.Participant) || sender["name"] != "Bob" {
		t.Errorf("sent by %v", sender)
	}
	_, err := tk.directory.UpdateMeeting(t.Context(), tk.app.ID, tk.meeting, directory.MeetingChange{
		Rules: func(r *chat.Rules) { *r = chat.Rules{Mode: chat.ModeHosts} },
	})
	tk.must(err)
	tk.send(tk.admin(), "", `{"text":"hi","participant_id":`+quoted(bob)+`}`).refused(http.StatusForbidden)
	tk.send(tk.admin(), "", `{"text":"hi","participant_id":`+quoted(alice)+`}`).ok(http.StatusCreated)
	tk.send(tk.admin(), "", `{"text":"above the rules"}`).ok(http.StatusCreated)

	hers := "/" + string(tk.say(alice, "hers"))
	tk.as(tk.admin(), "PATCH", hers, `{"text":"x","participant_id":`+quoted(bob)+`}`).refused(http.StatusForbidden)
	tk.as(tk.admin(), "DELETE", hers+"?participant_id="+string(bob.Participant), "").refused(http.StatusForbidden)
	tk.as(tk.admin(), "PATCH", hers, `{"text":"x"}`).refused(http.StatusForbidden)
	edited := tk.as(tk.admin(), "PATCH", hers, `{"text":"better","participant_id":`+quoted(alice)+`}`).object(http.StatusOK)
	if edited["text"] != "better" || edited["edited_at"] == nil {
		t.Errorf("edited to %v", edited)
	}
}

func TestARepeatedSendIsTheFirst(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	first := tk.send(tk.admin(), "k-1", `{"text":"once"}`)
	again := tk.send(tk.key(tk.app.ID, auth.Admin), "k-1", ` { "type": "text", "text": "once" } `)
	if string(first.raw) != string(again.raw) || first.status != http.StatusCreated || again.status != http.StatusCreated {
		t.Errorf("first %s, then %s", first.raw, again.raw)
	}
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replayed: %v, %v", first.header, again.header)
	}
	for _, body := range []string{
		`{"text":"twice"}`, `{"text":"once","sender_name":"Bot"}`, `{"text":"once","participant_id":` + quoted(alice) + `}`,
		`{"text":"once","recipients":[` + quoted(alice) + `]}`,
	} {
		if got := tk.send(tk.admin(), "k-1", body); got.status != http.StatusConflict || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: %d %s", body, got.status, got.raw)
		}
	}
	elsewhere := tk.fixture.talk()
	elsewhere.enter("Carol", "group_call_host")
	elsewhere.send(tk.admin(), "k-1", `{"text":"once"}`).refused(http.StatusConflict)
	foreign := tk.tenant("other")
	m, err := tk.directory.CreateMeeting(t.Context(), foreign.ID, directory.NewMeeting{})
	tk.must(err)
	other := &talk{fixture: tk.fixture, meeting: m.ID, path: fmt.Sprintf("/v1/apps/%s/meetings/%s/messages", foreign.ID, m.ID)}
	if got := other.send(foreign.token, "k-1", `{"text":"theirs"}`); strings.Contains(got.refused(http.StatusConflict), "Key") {
		t.Errorf("apps know each other's keys: %s", got.raw)
	}

	tk.end()
	if late := tk.send(tk.admin(), "k-1", `{"text":"once"}`); string(late.raw) != string(first.raw) {
		t.Errorf("after the session: %s", late.raw)
	}
	for _, key := range []string{strings.Repeat("k", 256), "ü", "a\tb"} {
		if message := tk.send(tk.admin(), key, `{"text":"x"}`).refused(http.StatusBadRequest); !strings.Contains(message, "Idempotency-Key") {
			t.Errorf("key %q: %s", key, message)
		}
	}
}

func TestMessagesAreEditedDeletedAndPinned(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	path := "/" + text(t, tk.send(tk.admin(), "", `{"text":"one"}`).object(http.StatusCreated), "id")
	if got := tk.as(tk.admin(), "PATCH", path, `{"text":"two"}`).object(http.StatusOK); got["text"] != "two" || got["edited_at"] == nil {
		t.Errorf("edited %v", got)
	}
	tk.as(tk.admin(), "PATCH", path, `{"type":"custom","custom":{}}`).refused(http.StatusBadRequest)
	if got := tk.as(tk.admin(), "PUT", path+"/pin", "").object(http.StatusOK); got["pinned"] != true {
		t.Errorf("pinned %v", got)
	}
	if got := tk.as(tk.admin(), "DELETE", path+"/pin?participant_id="+string(alice.Participant), "").object(http.StatusOK); got["pinned"] != false {
		t.Errorf("unpinned %v", got)
	}
	hers := "/" + string(tk.say(alice, "rude"))
	if got := tk.as(tk.admin(), "DELETE", hers, "").object(http.StatusOK); got["deleted_at"] == nil || got["text"] != nil {
		t.Errorf("deleted %v", got)
	}
	tk.as(tk.admin(), "DELETE", hers, "").refused(http.StatusNotFound)
	tk.as(tk.admin(), "PUT", hers+"/pin", "").refused(http.StatusNotFound)
	by := tk.as(tk.compliance, "GET", hers+"/history", "").rows()[0].(map[string]any)["by"].(map[string]any)
	if by["type"] != "app" || by["participant_id"] != nil {
		t.Errorf("deleted by %v", by)
	}
	tk.as(tk.reader, "DELETE", path, "").refused(http.StatusForbidden)
	tk.send(tk.reader, "", `{"text":"x"}`).refused(http.StatusForbidden)
}

func TestAnAppDeletesWhatAnEndedSessionHasSaid(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	gone, stays := "/"+string(tk.say(alice, "rude")), "/"+string(tk.say(alice, "fine"))
	tk.end()
	for _, body := range []string{`{"text":"to nobody"}`, `{"text":"for her","participant_id":` + quoted(alice) + `}`} {
		if message := tk.send(tk.admin(), "", body).refused(http.StatusConflict); !strings.Contains(message, "no live session") {
			t.Errorf("%s: %s", body, message)
		}
	}
	tk.as(tk.admin(), "PUT", stays+"/pin", "").refused(http.StatusConflict)
	tk.as(tk.admin(), "DELETE", gone, "").ok(http.StatusOK)
	tk.join(alice.Participant, "Alice")
	tk.as(tk.admin(), "PUT", stays+"/pin", "").refused(http.StatusConflict)
	tk.as(tk.admin(), "DELETE", stays, "").ok(http.StatusOK)
	want(t, "left", tk.as(tk.reader, "GET", "", "").texts())
}

func TestPrivateMessagesAreTouchedByThoseWhoSeeThem(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	whisper, none := "/"+string(tk.say(alice, "psst", bob)), "/"+newID(t)
	for _, c := range []struct{ method, suffix, body string }{
		{"PATCH", "", `{"text":"x","participant_id":` + quoted(alice) + `}`}, {"PATCH", "", `{"text":"x"}`},
		{"DELETE", "", ""}, {"DELETE", "?participant_id=" + string(alice.Participant), ""},
		{"PUT", "/pin", ""}, {"PUT", "/pin?participant_id=" + string(bob.Participant), ""}, {"DELETE", "/pin", ""},
	} {
		hidden, absent := tk.as(tk.admin(), c.method, whisper+c.suffix, c.body), tk.as(tk.admin(), c.method, none+c.suffix, c.body)
		hidden.refused(http.StatusNotFound)
		if string(hidden.raw) != string(absent.raw) {
			t.Errorf("%s %s: %s differs from what is not there: %s", c.method, c.suffix, hidden.raw, absent.raw)
		}
	}
	sees := tk.key(tk.app.ID, auth.Admin, auth.PrivateRead)
	tk.as(sees, "PUT", whisper+"/pin?participant_id="+string(bob.Participant), "").ok(http.StatusOK)
	tk.as(sees, "DELETE", whisper, "").ok(http.StatusOK)
}

func TestMeetingsOfOtherAppsTakeNoMessages(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	id := "/" + string(tk.say(alice, "secret"))
	spy := tk.tenant("spy")
	theirs := &talk{fixture: tk.fixture, path: fmt.Sprintf("/v1/apps/%s/meetings/%s/messages", spy.ID, tk.meeting)}
	none := &talk{fixture: tk.fixture, path: fmt.Sprintf("/v1/apps/%s/meetings/%s/messages", spy.ID, newID(t))}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "", `{"text":"x"}`}, {"POST", "", `{"text":"x","participant_id":` + quoted(alice) + `}`},
		{"PATCH", id, `{"text":"x"}`}, {"DELETE", id, ""}, {"DELETE", id + "?participant_id=" + string(alice.Participant), ""},
		{"PUT", id + "/pin", ""}, {"DELETE", id + "/pin", ""},
	} {
		a, b := theirs.as(spy.token, c.method, c.path, c.body), none.as(spy.token, c.method, c.path, c.body)
		a.refused(http.StatusNotFound)
		if string(a.raw) != string(b.raw) {
			t.Errorf("%s %s: %s differs from what is not there: %s", c.method, c.path, a.raw, b.raw)
		}
	}
	want(t, "left", tk.as(tk.reader, "GET", "", "").texts(), "secret")
}

func TestBadMessagesAreNamed(t *testing.T) {
	tk := newTalk(t)
	alice, mute := tk.enter("Alice", "group_call_host"), newID(t)
	for body, field := range map[string]string{
		``: "body", `[]`: "", `{"text":`: "", `{}`: "text", `{"text":null}`: "text", `{"text":7}`: "text", `{"text":""}`: "text",
		`{"text":"` + strings.Repeat("x", 2001) + `"}`: "text", `{"text":"a\u0000b"}`: "text", "{\"text\":\"\xff\"}": "UTF-8",
		`{"type":"video","text":"x"}`: "type", `{"type":"image"}`: "link", `{"type":"image","text":"x"}`: "text",
		`{"type":"image","link":"javascript:alert(1)"}`: "link", `{"type":"file","link":"https://x.example/"}`: "size",
		`{"type":"file","link":"https://x.example/","size":-1}`: "size", `{"type":"file","link":"https://x.example/","size":1.5}`: "size",
		`{"type":"custom","custom":[]}`: "custom", `{"type":"custom","custom":null}`: "custom", `{"text":"x","custom":{}}`: "custom",
		`{"type":"custom","custom":{"files":[{}]}}`: "custom", `{"text":"x","link":"https://x.example/"}`: "link",
		`{"text":"x","participant_id":"x"}`: "participant_id", `{"text":"x","participant_id":"` + string(tk.app.ID) + `"}`: "participant_id",
		`{"text":"x","participant_id":` + quoted(alice) + `,"sender_name":"Bob"}`: "sender_name",
		`{"text":"x","sender_name":" "}`:                                          "sender_name", `{"text":"x","sender_name":"a\nb"}`: "sender_name",
		`{"text":"x","sender_name":"` + strings.Repeat("n", 257) + `"}`: "sender_name",
		`{"text":"x","recipients":[]}`:                                  "recipients", `{"text":"x","recipients":["x"]}`: "recipients", `{"text":"x","recipients":"x"}`: "recipients",
		`{"text":"x","recipients":[` + strings.TrimSuffix(strings.Repeat(`"`+mute+`",`, 100), ",") + `]}`: "recipients",
	} {
		got := tk.send(tk.admin(), "", body)
		if message := got.refused(http.StatusBadRequest); !strings.Contains(message, field) {
			t.Errorf("%.60s: %q does not name %q", body, message, field)
		}
	}
	tk.send(tk.admin(), "", `{"text":"x","recipients":["`+mute+`"]}`).refused(http.StatusNotFound)
	tk.send(tk.admin(), "", `{"text":"x","recipients":["`+mute+`",`+quoted(alice)+`]}`).refused(http.StatusNotFound)
	tk.send(tk.admin(), "", `{"text":"x","participant_id":"`+mute+`"}`).refused(http.StatusNotFound)
	tk.send(tk.admin(), "", `{"text":"`+strings.Repeat("x", 70_000)+`"}`).refused(http.StatusRequestEntityTooLarge)
	tk.send(tk.admin(), "", `{"text":"`+strings.Repeat("😀", 1000)+`"}`).ok(http.StatusCreated)
	if texts := tk.as(tk.reader, "GET", "", "").texts(); len(texts) != 1 {
		t.Errorf("what was refused has left %d messages", len(texts)-1)
	}
	got := tk.as(tk.admin(), "PUT", "/"+newID(t), "{}")
	if got.refused(http.StatusMethodNotAllowed); got.header.Get("Allow") != "GET, PATCH, DELETE" {
		t.Errorf("allowed: %q", got.header.Get("Allow"))
	}
}
