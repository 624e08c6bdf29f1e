package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

// acts are what each operation that changes something is called with, by its id:
// the parameters of the path are filled in from what is there. What is left of an
// answer is not looked at.
var acts = map[string]string{
	"create-meeting": `{"title":"SECRET"}`, "update-meeting": `{"title":"SECRET"}`, "replace-meeting": `{"title":"SECRET"}`,
	"add-participant":    `{"custom_participant_id":"SECRET","preset_name":"group_call_host"}`,
	"update-participant": `{"name":"SECRET"}`, "refresh-token": ``, "delete-participant": ``,
	"create-preset": auditPreset, "update-preset": `{"permissions":{}}`, "replace-preset": auditPreset, "delete-preset": ``,
	"kick": `{"custom_participant_ids":["Alice"]}`, "kick-all": ``,
	"create-webhook": auditWebhook, "update-webhook": `{"enabled":false}`, "replace-webhook": auditWebhook, "delete-webhook": ``,
	"create-app": `{"name":"SECRET"}`, "create-api-key": `{"name":"SECRET","scopes":["read"]}`, "revoke-api-key": ``,
	"send-message": `{"text":"SECRET"}`, "edit-message": `{"text":"SECRET too"}`, "delete-message": ``, "pin-message": ``, "unpin-message": ``,
}

const (
	auditPreset  = `{"name":"SECRET %s","config":{"view_type":"GROUP_CALL","max_video_streams":{"mobile":1,"desktop":1},"max_screenshare_count":1,"media":{"video":{"quality":"vga","frame_rate":30},"screenshare":{"quality":"hd","frame_rate":5}}},"permissions":{},"ui":{"design_tokens":{}}}`
	auditWebhook = `{"name":"SECRET","url":"https://x.example/","events":["meeting.started"]}`
)

// rows are those of the log for one action.
func (f *fixture) auditLog(key, query string) []map[string]any {
	f.Helper()
	var rows []map[string]any
	for _, row := range f.own(key, "GET", "/v1/audit?"+query, "").rows() {
		rows = append(rows, row.(map[string]any))
	}
	return rows
}

func TestEveryOperationThatChangesSomethingIsLogged(t *testing.T) {
	tk := newTalk(t)
	all := tk.key("", auth.Scopes()...)
	var doc struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	tk.must(json.Unmarshal(tk.own("", "GET", "/openapi.json", "").raw, &doc))
	done := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if method == "get" {
				continue
			}
			action := strings.TrimSuffix(op.OperationID, "-v2")
			body, known := acts[action]
			if !known {
				t.Errorf("%s %s: nobody has said how to call %s, to see that it is logged", method, path, action)
				continue
			}
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, newID(t))
			}
			before := len(tk.auditLog(all, "limit=200&action="+action))
			tk.auditCall(all, strings.ToUpper(method), path, body)
			rows := tk.auditLog(all, "limit=200&action="+action)
			if len(rows) != before+1 {
				t.Errorf("%s %s: %d rows of %s, want %d", method, path, len(rows), action, before+1)
				continue
			}
			row := rows[0]
			if row["route"] != strings.ToUpper(method)+" "+path || row["object"].(map[string]any)["id"] == nil || row["actor"].(map[string]any)["type"] != "api_key" {
				t.Errorf("%s %s: logged as %v", method, path, row)
			}
			done++
		}
	}
	if done < len(acts) {
		t.Errorf("%d operations were called, there are %d", done, len(acts))
	}
	if whole := tk.own(all, "GET", "/v1/audit?limit=200", ""); strings.Contains(string(whole.raw), "SECRET") {
		t.Errorf("the log tells what was written: %s", whole.raw)
	}
}

// auditCall makes a call by a path of the OpenAPI document, on new things.
func (tk *talk) auditCall(key, method, path, body string) {
	tk.Helper()
	there := tk.fixture.talk()
	alice := there.enter("Alice", "group_call_host")
	create := func(what, body string) string {
		r := forms()[0].request(tenant{App: tk.app.App, token: key}, "POST", what, strings.NewReader(body))
		status := http.StatusCreated
		if what == "/presets" {
			status = http.StatusOK
		}
		return text(tk, tk.fixture.send(r).object(status), "id")
	}
	target := path
	for name, id := range map[string]func() string{
		"account_id": func() string { return account }, "app_id": func() string { return string(tk.app.ID) },
		"meeting_id": func() string { return string(there.meeting) }, "participant_id": func() string { return string(alice.Participant) },
		"message_id": func() string {
			return text(tk, there.send(key, "", `{"text":"said"}`).object(http.StatusCreated), "id")
		},
		"preset_id":  func() string { return create("/presets", fmt.Sprintf(auditPreset, newID(tk))) },
		"webhook_id": func() string { return create("/webhooks", auditWebhook) },
		"key_id": func() string {
			k, _, err := tk.keys.Create(tk.Context(), auth.NewAPIKey{App: tk.app.ID, Name: "k", Scopes: []auth.Scope{auth.Read}})
			tk.must(err)
			return k.ID
		},
	} {
		if strings.Contains(target, "{"+name+"}") {
			target = strings.ReplaceAll(target, "{"+name+"}", id())
		}
	}
	var got reply
	if strings.HasPrefix(path, "/v2/") {
		of := tenant{App: tk.app.App, token: key}
		got = tk.fixture.send(forms()[1].request(of, method, strings.TrimPrefix(target, "/v2"), reader(body)))
	} else {
		got = tk.own(key, method, target, body)
	}
	if got.status >= 300 {
		tk.Fatalf("%s %s: %d %s", method, path, got.status, got.raw)
	}
}

func TestReadingWhatIsPrivateIsLogged(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	whisper, hello := tk.say(alice, "psst", bob), tk.say(alice, "hello")
	tk.as(tk.compliance, "GET", "", "").ok(http.StatusOK)
	tk.as(tk.compliance, "GET", "/"+string(hello), "").ok(http.StatusOK)
	if rows := tk.auditLog(tk.compliance, ""); len(rows) != 0 {
		t.Errorf("reading what is public is logged: %v", rows)
	}
	tk.as(tk.compliance, "GET", "?include=private", "").ok(http.StatusOK)
	tk.as(tk.compliance, "GET", "?include=deleted", "").ok(http.StatusOK)
	tk.as(tk.compliance, "GET", "/"+string(whisper), "").ok(http.StatusOK)
	tk.as(tk.compliance, "GET", "/"+string(hello)+"/history", "").ok(http.StatusOK)
	var told []string
	for _, row := range tk.auditLog(tk.compliance, "") {
		told = append(told, fmt.Sprint(row["action"], " of it: ", row["object"].(map[string]any)["id"] == string(whisper), " here: ", row["meeting_id"] == string(tk.meeting)))
	}
	want(t, "log", told, "get-message-history of it: false here: true", "get-message of it: true here: true",
		"list-messages of it: false here: true", "list-messages of it: false here: true")
}

func TestAKickTellsWhoWasTakenOut(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	tk.join(bob.Participant, "Bob") // in a second tab
	tk.enter("Cem", "group_call_host")
	kick := func(body string) reply {
		return tk.fixture.call(forms()[0], "POST", "/meetings/"+string(tk.meeting)+"/active-session/kick", body)
	}
	kick(`{"custom_participant_ids":["Alice","nobody"]}`).refused(http.StatusNotFound)
	if rows := tk.auditLog(tk.compliance, "action=kick"); len(rows) != 0 {
		t.Errorf("a refused kick is logged: %v", rows)
	}
	kick(`{"custom_participant_ids":["Alice","Bob"]}`).ok(http.StatusOK)
	var told []string
	for _, row := range tk.auditLog(tk.compliance, "action=kick&meeting_id="+string(tk.meeting)) {
		told = append(told, fmt.Sprint(row["object"]))
	}
	slices.Sort(told)
	who := []string{fmt.Sprint(map[string]any{"type": "participant", "id": string(alice.Participant)}), fmt.Sprint(map[string]any{"type": "participant", "id": string(bob.Participant)})}
	slices.Sort(who)
	want(t, "the log", told, who...)
	if rows := tk.auditLog(tk.compliance, "object_id="+string(bob.Participant)+"&action=kick"); len(rows) != 1 {
		t.Errorf("%d rows tell of Bob, want 1", len(rows))
	}
}

func TestTheLogIsReadByPagesAndByThoseItIsFor(t *testing.T) {
	tk := newTalk(t)
	admin := tk.admin()
	for range 5 {
		tk.fixture.call(forms()[0], "POST", "/meetings", "").ok(http.StatusCreated)
	}
	tk.fixture.call(forms()[0], "POST", "/webhooks", `{}`).refused(http.StatusBadRequest)
	spy := tk.tenant("spy")
	if rows := tk.auditLog(tk.key(spy.ID, auth.Compliance), ""); len(rows) != 0 {
		t.Errorf("another app sees %v", rows)
	}
	tk.own(tk.key(spy.ID, auth.Compliance), "GET", "/v1/audit?app_id="+string(tk.app.ID), "").refused(http.StatusNotFound)
	for _, key := range []string{admin, tk.reader} {
		tk.own(key, "GET", "/v1/audit", "").refused(http.StatusForbidden)
	}
	seen := 0
	for before := ""; ; {
		page := tk.own(tk.compliance, "GET", "/v1/audit?limit=2&before="+before, "")
		seen += len(page.rows())
		if !page.more() {
			break
		}
		before = page.cursor("before")
	}
	if seen != 5 {
		t.Errorf("%d rows by pages, want 5: what is refused is not done", seen)
	}
	for query, n := range map[string]int{
		"action=create-meeting": 5, "action=none": 0, "meeting_id=" + string(tk.meeting): 0, "start_time=2030-01-01": 0, "end_time=2030-01-01": 5,
		"object_id=x": 0, "actor_id=x": 0,
	} {
		if rows := tk.auditLog(tk.compliance, query); len(rows) != n {
			t.Errorf("%s: %d rows, want %d", query, len(rows), n)
		}
	}
	for query, field := range map[string]string{"limit=0": "limit", "limit=201": "limit", "before=x": "before", "app_id=x": "app_id", "start_time=x": "start_time"} {
		if message := tk.own(tk.compliance, "GET", "/v1/audit?"+query, "").refused(http.StatusBadRequest); !strings.Contains(message, field) {
			t.Errorf("%s: %s", query, message)
		}
	}
}

func TestAHostWhoDeletesIsLogged(t *testing.T) {
	tk := newTalk(t)
	host, guest := tk.enter("Hanna", "group_call_host"), tk.enter("Gus", "group_call_participant")
	rude, own := tk.say(guest, "rude"), tk.say(guest, "own")
	tk.do(chat.DeleteMessage{Actor: host, Message: rude})
	tk.do(chat.DeleteMessage{Actor: guest, Message: own})
	rows := tk.auditLog(tk.compliance, "")
	if len(rows) != 1 || rows[0]["actor"].(map[string]any)["id"] != string(host.Participant) || rows[0]["route"] != "socket" ||
		rows[0]["object"].(map[string]any)["id"] != string(rude) {
		t.Errorf("logged %v", rows)
	}
}
