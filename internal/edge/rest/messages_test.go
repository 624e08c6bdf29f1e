package rest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// talk is a meeting of the fixture's app in which people are.
type talk struct {
	*fixture
	meeting chat.MeetingID
	path    string // of its messages
	session chat.SessionID
	// compliance is a key that may do everything, reader one that reads what is
	// public.
	compliance, reader string
}

func newTalk(t testing.TB) *talk {
	t.Helper()
	f := start(t)
	return f.talk()
}

func (f *fixture) talk() *talk {
	f.Helper()
	m, err := f.directory.CreateMeeting(f.Context(), f.app.ID, directory.NewMeeting{Title: "Standup"})
	if err != nil {
		f.Fatal(err)
	}
	return &talk{
		fixture: f, meeting: m.ID, path: fmt.Sprintf("/v1/apps/%s/meetings/%s/messages", f.app.ID, m.ID),
		compliance: f.key(f.app.ID, auth.Scopes()...), reader: f.key(f.app.ID, auth.Read),
	}
}

func (tk *talk) must(err error) {
	tk.Helper()
	if err != nil {
		tk.Fatal(err)
	}
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// enter adds somebody, who joins.
func (tk *talk) enter(name, preset string) chat.Actor {
	tk.Helper()
	p, err := tk.directory.AddParticipant(tk.Context(), tk.app.ID, tk.meeting, directory.NewParticipant{
		CustomID: name, Name: name, PresetName: preset,
	})
	tk.must(err)
	return tk.join(p.ID, name)
}

func (tk *talk) join(id chat.ParticipantID, name string) chat.Actor {
	tk.Helper()
	actor := chat.Actor{Meeting: tk.meeting, Participant: id, Peer: chat.PeerID(newID(tk)), DisplayName: name}
	s, err := tk.sessions.Enter(tk.Context(), session.Arrival{
		Meeting: tk.meeting, Peer: actor.Peer, Participant: id, DisplayName: name,
	}, chat.SessionID(newID(tk)))
	tk.must(err)
	tk.session = s.ID
	return actor
}

// say has somebody in the meeting say something, to everybody or those named.
func (tk *talk) say(by chat.Actor, text string, to ...chat.Actor) chat.MessageID {
	tk.Helper()
	cmd := chat.SendMessage{
		Actor: by, ID: chat.MessageID(newID(tk)), Content: chat.Content{Kind: chat.Text, Payload: text}, Private: len(to) > 0,
	}
	for _, r := range to {
		cmd.Recipients = append(cmd.Recipients, r.Participant)
	}
	tk.do(cmd)
	return cmd.ID
}

func (tk *talk) do(cmd chat.Command) {
	tk.Helper()
	_, err := tk.journal.Append(tk.Context(), cmd)
	tk.must(err)
}

// end ends the session.
func (tk *talk) end() {
	tk.Helper()
	_, err := tk.sessions.KickAll(tk.Context(), tk.meeting, nil, "")
	tk.must(err)
}

// as makes a call on the messages by a key.
func (tk *talk) as(key, method, path, body string) reply {
	tk.Helper()
	return tk.own(key, method, tk.path+path, body)
}

// texts are those of a page.
func (r reply) texts() []string {
	r.Helper()
	texts := []string{}
	for _, row := range r.rows() {
		said, _ := row.(map[string]any)["text"].(string)
		texts = append(texts, said)
	}
	return texts
}

func (r reply) cursor(name string) string {
	r.Helper()
	paging, _ := r.body["paging"].(map[string]any)
	c, ok := paging[name].(string)
	if !ok || c == "" {
		r.Fatalf("no cursor %q: %s", name, r.raw)
	}
	return c
}

func (r reply) more() bool {
	paging, _ := r.body["paging"].(map[string]any)
	return paging["more"] == true
}

func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestMessagesAreReadAsTheyStand(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_participant")
	id := tk.say(alice, "<b>one</b>\r\n😀")
	tk.do(chat.EditMessage{Actor: alice, Message: id, Content: chat.Content{Payload: "two"}})
	tk.do(chat.PinMessage{Actor: bob, Message: id, Pinned: true})

	got := tk.as(tk.reader, "GET", "/"+string(id), "").object(http.StatusOK)
	if listed := tk.as(tk.reader, "GET", "", "").rows(); len(listed) != 1 || fmt.Sprint(listed[0]) != fmt.Sprint(got) {
		t.Errorf("listed as %v, alone as %v", listed, got)
	}
	for key, value := range map[string]any{
		"id": string(id), "meeting_id": string(tk.meeting), "session_id": string(tk.session), "type": "text", "text": "two",
		"pinned": true, "private": false,
	} {
		if got[key] != value {
			t.Errorf("%s is %v, want %v", key, got[key], value)
		}
	}
	sender, _ := got["sender"].(map[string]any)
	if sender["type"] != "participant" || sender["participant_id"] != string(alice.Participant) || sender["name"] != "Alice" {
		t.Errorf("the sender is %v", sender)
	}
	if got["edited_at"].(string) <= got["created_at"].(string) || got["deleted_at"] != nil {
		t.Errorf("the times are %v", got)
	}
	for _, secret := range []string{"seq", "peer", "pub"} {
		if _, shown := got[secret]; shown {
			t.Errorf("%s is shown", secret)
		}
	}
}

func TestPagesOfMessagesGoBothWays(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	empty := tk.as(tk.reader, "GET", "", "")
	want(t, "nothing said", empty.texts())
	for i := range 7 {
		tk.say(alice, fmt.Sprint(i))
	}
	newest := tk.as(tk.reader, "GET", "?limit=3", "")
	want(t, "newest", newest.texts(), "6", "5", "4")
	older := tk.as(tk.reader, "GET", "?limit=3&before="+newest.cursor("before"), "")
	want(t, "older", older.texts(), "3", "2", "1")
	oldest := tk.as(tk.reader, "GET", "?limit=3&before="+older.cursor("before"), "")
	want(t, "oldest", oldest.texts(), "0")
	if !newest.more() || !older.more() || oldest.more() {
		t.Error("the pages do not tell whether there is more")
	}
	want(t, "older than the oldest", tk.as(tk.reader, "GET", "?before="+oldest.cursor("before"), "").texts())
	want(t, "forth again", tk.as(tk.reader, "GET", "?limit=3&after="+oldest.cursor("after"), "").texts(), "1", "2", "3")
	want(t, "from the beginning", tk.as(tk.reader, "GET", "?order=asc&limit=2", "").texts(), "0", "1")
	want(t, "since nothing was said", tk.as(tk.reader, "GET", "?limit=2&after="+empty.cursor("after"), "").texts(), "0", "1")

	// Who has read all asks again with the same cursor, until there is more.
	end := tk.as(tk.reader, "GET", "?after="+newest.cursor("after"), "")
	want(t, "nothing new", end.texts())
	tk.say(alice, "new")
	want(t, "something new", tk.as(tk.reader, "GET", "?after="+end.cursor("after"), "").texts(), "new")
}

func TestMessagesAreChosen(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	tk.say(alice, "Straße one")
	pinned := tk.say(bob, "STRASSE two")
	tk.do(chat.PinMessage{Actor: alice, Message: pinned, Pinned: true})
	tk.do(chat.SendMessage{Actor: alice, ID: chat.MessageID(newID(t)), Content: chat.Content{Kind: chat.Image, Payload: "https://x.example/a.png"}})
	first := tk.session
	tk.end()
	alice = tk.join(alice.Participant, "Alice")
	tk.say(alice, "three")
	last := tk.as(tk.reader, "GET", "?limit=1", "").rows()[0].(map[string]any)["created_at"].(string)
	for query, texts := range map[string][]string{
		"q=strasse": {"STRASSE two"}, "q=STRAßE": {"Straße one"}, "q=e": {"three", "STRASSE two", "Straße one"}, "q=nothing": {},
		"pinned=true": {"STRASSE two"}, "participant_id=" + string(bob.Participant): {"STRASSE two"}, "type=image": {""},
		"type=image,text&limit=2": {"three", ""}, "type=file": {}, "session_id=" + string(tk.session): {"three"},
		"session_id=" + string(first): {"", "STRASSE two", "Straße one"}, "session_id=" + newID(t): {},
		"participant_id=" + newID(t): {}, "start_time=" + last: {"three"}, "end_time=2020-01-01": {},
		"start_time=" + last + "&end_time=" + last: {"three"},
		"session_id=" + string(first) + "&order=asc&limit=1&participant_id=" + strings.ToUpper(string(bob.Participant)): {"STRASSE two"},
	} {
		q, err := url.ParseQuery(query)
		tk.must(err)
		want(t, query, tk.as(tk.reader, "GET", "?"+q.Encode(), "").texts(), texts...)
	}
}

func TestPrivateMessagesTakeAScope(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	tk.say(alice, "hello")
	whisper := tk.say(alice, "psst", bob)
	tk.do(chat.PinMessage{Actor: bob, Message: whisper, Pinned: true})
	none := newID(t)

	private := tk.key(tk.app.ID, auth.Read, auth.PrivateRead)
	want(t, "with the scope", tk.as(private, "GET", "?include=private", "").texts(), "psst", "hello")
	want(t, "not asked for", tk.as(private, "GET", "", "").texts(), "hello")
	got := tk.as(private, "GET", "/"+string(whisper), "").object(http.StatusOK)
	if got["private"] != true || fmt.Sprint(got["recipients"]) != fmt.Sprintf("[%s]", bob.Participant) {
		t.Errorf("the private message is %v", got)
	}
	for what, key := range map[string]string{
		"reader": tk.reader, "admin": tk.app.token, "compliance": tk.key(tk.app.ID, auth.Read, auth.Compliance),
	} {
		tk.as(key, "GET", "?include=private", "").refused(http.StatusForbidden)
		want(t, what, tk.as(key, "GET", "", "").texts(), "hello")
		want(t, what+" pinned", tk.as(key, "GET", "?pinned=true", "").texts())
		hidden, absent := tk.as(key, "GET", "/"+string(whisper), ""), tk.as(key, "GET", "/"+none, "")
		hidden.refused(http.StatusNotFound)
		if string(hidden.raw) != string(absent.raw) {
			t.Errorf("%s: %s differs from what is not there: %s", what, hidden.raw, absent.raw)
		}
	}
	compliance := tk.key(tk.app.ID, auth.Compliance)
	tk.as(compliance, "GET", "/"+string(whisper)+"/history", "").refused(http.StatusNotFound)
}

func TestWhatWasDeletedTakesAScope(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	gone := tk.say(alice, "one")
	tk.do(chat.EditMessage{Actor: alice, Message: gone, Content: chat.Content{Payload: "two"}})
	tk.do(chat.DeleteMessage{Actor: alice, Message: gone})
	tk.say(alice, "stays")

	want(t, "without", tk.as(tk.compliance, "GET", "", "").texts(), "stays")
	all := tk.as(tk.compliance, "GET", "?include=deleted", "")
	want(t, "with", all.texts(), "stays", "")
	if tomb := all.rows()[1].(map[string]any); tomb["deleted_at"] == nil || strings.Contains(string(all.raw), "two") {
		t.Errorf("what is left is %v", tomb)
	}
	tk.as(tk.reader, "GET", "?include=deleted", "").refused(http.StatusForbidden)
	tk.as(tk.app.token, "GET", "/"+string(gone), "").refused(http.StatusNotFound)
	tk.as(tk.app.token, "GET", "/"+string(gone)+"/history", "").refused(http.StatusForbidden)

	first := tk.as(tk.compliance, "GET", "/"+string(gone)+"/history?limit=1", "")
	second := tk.as(tk.compliance, "GET", "/"+string(gone)+"/history?limit=1&after="+first.cursor("after"), "")
	var told []string
	for _, page := range []reply{first, second} {
		for _, row := range page.rows() {
			c := row.(map[string]any)
			told = append(told, fmt.Sprint(c["event"], " ", c["before"].(map[string]any)["text"], " ", c["by"].(map[string]any)["participant_id"] == string(alice.Participant)))
		}
	}
	want(t, "history", told, "edited one true", "deleted two true")
	if !first.more() || second.more() {
		t.Error("the history does not tell whether there is more")
	}
}

func TestListsInAQueryMayAlsoBeGivenOneByOne(t *testing.T) {
	tk := newTalk(t)
	alice, bob := tk.enter("Alice", "group_call_host"), tk.enter("Bob", "group_call_host")
	tk.do(chat.DeleteMessage{Actor: alice, Message: tk.say(alice, "gone")})
	tk.say(alice, "psst", bob)
	tk.say(alice, "hello")
	for query, texts := range map[string][]string{
		"?include=private,deleted":                   {"hello", "psst", ""},
		"?include=private&include=deleted":           {"hello", "psst", ""},
		"?include=deleted&include=private":           {"hello", "psst", ""},
		"?include=private&include=deleted,private":   {"hello", "psst", ""},
		"?type=image&type=&type=text":                {"hello"},
		"?type=image&type=file":                      {},
		"?type=text,image&type=file&include=private": {"hello", "psst"},
	} {
		want(t, query, tk.as(tk.compliance, "GET", query, "").texts(), texts...)
	}
	tk.as(tk.key(tk.app.ID, auth.Read, auth.PrivateRead), "GET", "?include=private&include=deleted", "").refused(http.StatusForbidden)
	for _, query := range []string{"?include=private&include=all", "?type=text&type=video"} {
		tk.as(tk.compliance, "GET", query, "").refused(http.StatusBadRequest)
	}
}

func TestMessagesOfOtherAppsLookUnknown(t *testing.T) {
	tk := newTalk(t)
	id := string(tk.say(tk.enter("Alice", "group_call_host"), "secret"))
	spy := tk.tenant("spy")
	ofSpy := fmt.Sprintf("/v1/apps/%s/meetings/", spy.ID)
	for _, path := range []string{"/messages", "/messages/" + id, "/messages/" + id + "?x=y"} {
		theirs, none := tk.own(spy.token, "GET", ofSpy+string(tk.meeting)+path, ""), tk.own(spy.token, "GET", ofSpy+newID(t)+path, "")
		theirs.refused(http.StatusNotFound)
		if string(theirs.raw) != string(none.raw) {
			t.Errorf("%s: %s differs from what is not there: %s", path, theirs.raw, none.raw)
		}
		tk.own(spy.token, "GET", fmt.Sprintf("/v1/apps/%s/meetings/%s%s", tk.app.ID, tk.meeting, path), "").refused(http.StatusForbidden)
	}
	want(t, "a key for all apps", tk.own(tk.key("", auth.Read), "GET", tk.path, "").texts(), "secret")
	tk.own("", "GET", tk.path, "").refused(http.StatusUnauthorized)
	other := tk.fixture.talk()
	tk.own(tk.reader, "GET", other.path+"/"+id, "").refused(http.StatusNotFound)
}

func TestBadQueriesForMessagesAreNamed(t *testing.T) {
	tk := newTalk(t)
	id := newID(t)
	for query, field := range map[string]string{
		"?limit=0": "limit", "?limit=-1": "limit", "?limit=201": "limit", "?limit=1000000000": "limit", "?limit=x": "limit",
		"?before=x": "before", "?after=AgA": "after", "?before=AQ": "before", "?after=" + strings.Repeat("A", 65): "after",
		"?before=AQA&after=AQA": "before", "?order=up": "order", "?type=video": "type", "?include=everything": "include",
		"?session_id=x": "session_id", "?participant_id=x": "participant_id", "?start_time=yesterday": "start_time", "?end_time=1": "end_time",
		"?pinned=perhaps": "pinned", "?q=" + strings.Repeat("q", 257): "q",
		"/x": "message_id", "/" + id + "/history?limit=0": "limit", "/" + id + "/history?after=x": "",
	} {
		got := tk.as(tk.compliance, "GET", query, "")
		if field == "" {
			got.refused(http.StatusNotFound) // what is not there is told first
			continue
		}
		if message := got.refused(http.StatusBadRequest); !strings.Contains(message, field) {
			t.Errorf("%s: %q does not name %q", query, message, field)
		}
	}
	tk.as(tk.compliance, "PUT", "", "{}").refused(http.StatusMethodNotAllowed)
	tk.as(tk.compliance, "GET", fmt.Sprint("?limit=", journal.MaxListed), "").ok(http.StatusOK)
	tk.as(tk.compliance, "GET", fmt.Sprint("?limit=", journal.MaxListed+1), "").refused(http.StatusBadRequest)
}

func TestSearchGoesOnWhereItStopped(t *testing.T) {
	tk := newTalk(t)
	alice := tk.enter("Alice", "group_call_host")
	tk.say(alice, "needle")
	const many = 5001
	done := make(chan error, many)
	for i := range many {
		cmd := chat.SendMessage{Actor: alice, ID: chat.MessageID(newID(t)), Content: chat.Content{Payload: fmt.Sprint("hay ", i)}}
		tk.journal.Submit(cmd, "", func(_ journal.Entry, err error) { done <- err })
	}
	var failed error
	for range many {
		failed = errors.Join(failed, <-done)
	}
	tk.must(failed)
	first := tk.as(tk.reader, "GET", "?q=needle", "")
	want(t, "first", first.texts())
	if !first.more() {
		t.Fatal("a search that stopped says that there is no more")
	}
	second := tk.as(tk.reader, "GET", "?q=needle&before="+first.cursor("before"), "")
	want(t, "second", second.texts(), "needle")
	if second.more() {
		t.Error("there is more of nothing")
	}
}

func TestMessagesAreDescribed(t *testing.T) {
	f := start(t)
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(f.own("", "GET", "/openapi.json", "").raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Paths["/v1/apps/{app_id}/meetings/{meeting_id}/messages"]["get"] == nil {
		t.Errorf("the messages are not described: %v", doc.Paths)
	}
	message := doc.Components.Schemas["Message"].Properties
	for _, field := range []string{"text", "custom", "sender", "created_at"} {
		if message[field] == nil {
			t.Errorf("the field %q of a message is not described: %v", field, message)
		}
	}
}
