package replay_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/export/exporttest"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// texts are what CSV, and those who read it, trip over.
var texts = []string{
	"hello", " leading and trailing ", "a,b", `say "hi"`, `"`, "line\nfeed", "carriage\rreturn", "both\r\nof them", "\ufeffwith a mark",
	"\U0001F600 e\u0301 \u202eabc", "=1+1", "+1", "-1", "@SUM(A1)", "\ttab", "<script>alert(1)</script>", "<a href=\"javascript:x\">x</a>", "\u2028",
	strings.Repeat("x", 2000),
}

// synced is what receivers read of meeting.chatSynced.
type synced struct {
	SessionID, MeetingID, Title, ChatDownloadURL, ChatDownloadURLExpiry, CreatedAt, StartedAt, EndedAt string
	OrganizedBy                                                                                        struct{ ID, Name string }
}

// talk says everything there is to be said and gives what the file must hold:
// the rows in order, without ids and times.
func (w *world) talk(ada, bob *peer.Peer) [][]string {
	w.Helper()
	var want [][]string
	row := func(m *rtkwire.ChatMessage, pinned, edited, kind, payload string) {
		want = append(want, []string{m.GetChatId(), m.GetUserId(), m.GetDisplayName(), pinned, edited, kind, payload})
	}
	for _, text := range texts {
		m, err := ada.SendText(w.ctx, text)
		w.must(err)
		row(m, "false", "false", "TEXT_MESSAGE", text)
	}
	edited, err := bob.SendText(w.ctx, "before the edit")
	w.must(err)
	w.must(bob.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{ChatId: edited.GetChatId(), Payload: &texts[7]}, nil))
	row(edited, "false", "true", "TEXT_MESSAGE", texts[7])
	pinned, err := bob.SendText(w.ctx, "pinned")
	w.must(err)
	w.must(ada.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: pinned.GetChatId(), Pinned: true}, nil))
	row(pinned, "true", "false", "TEXT_MESSAGE", "pinned")
	deleted, err := bob.SendText(w.ctx, "deleted")
	w.must(err)
	w.must(bob.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: deleted.GetChatId()}, nil))
	_, err = ada.Whisper(w.ctx, "between us", bob.ID)
	w.must(err)
	var custom rtkwire.OneChatMessage
	w.must(bob.Request(w.ctx, protocol.SendMessageToRoom, &rtkwire.SendToRoom{PayloadType: 3, Payload: `{"type":"custom","message":"a, \"b\""}`}, &custom))
	row(custom.GetMessage(), "false", "false", "CUSTOM_MESSAGE", custom.GetMessage().GetPayload())
	return want
}

// check compares a file with what was said.
func (w *world) check(file string, session string, want [][]string) {
	w.Helper()
	if !strings.HasPrefix(file, export.Header) {
		w.Fatalf("the file begins with %.100q", file)
	}
	rows, err := exporttest.Parse(file)
	w.must(err)
	rows = rows[1:]
	if len(rows) != len(want) {
		w.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows[:min(len(rows), len(want))] {
		if r[2] != session || r[3] != string(w.meeting.ID) || !strings.HasSuffix(r[9], "Z") || !strings.Contains(r[9], "T") {
			w.Errorf("row %d: %q", i, r)
		}
		if got := []string{r[0], r[1], r[4], r[5], r[6], r[7], r[8]}; !slices.Equal(got, want[i]) {
			w.Errorf("row %d:\n got %q\nwant %q", i, got, want[i])
		}
	}
}

func TestEverythingThatWasSaidIsInTheFileThatTheWebhookTellsOf(t *testing.T) {
	w := newWorld(t)
	w.hook("meeting.chatSynced")
	ada, bob := w.join("Ada"), w.join("Bob")
	want := w.talk(ada, bob)

	var active struct{ ID string }
	w.call("GET", "/meetings/"+string(w.meeting.ID)+"/active-session", "", &active)
	var link struct {
		URL string `json:"chat_download_url"`
	}
	w.call("GET", "/sessions/"+active.ID+"/chat", "", &link)
	_, soFar := w.get("GET", link.URL)
	w.check(soFar, active.ID, want)
	more, err := ada.SendText(w.ctx, "one more")
	w.must(err)
	want = append(want, []string{more.GetChatId(), more.GetUserId(), "Ada", "false", "false", "TEXT_MESSAGE", "one more"})
	_, grown := w.get("GET", link.URL)
	w.check(grown, active.ID, want)

	w.call("POST", "/meetings/"+string(w.meeting.ID)+"/active-session/kick-all", "", nil)
	told := w.receiver.wait(w.ctx, t, has("meeting.chatSynced"))
	var body synced
	w.must(json.Unmarshal(told[0].raw, &body))
	if body.SessionID != active.ID || body.MeetingID != string(w.meeting.ID) || body.Title != w.meeting.Title ||
		body.OrganizedBy.ID != string(w.app.ID) || body.OrganizedBy.Name != "Acme" || body.EndedAt == "" || body.StartedAt == "" {
		t.Errorf("told %s", told[0].raw)
	}
	answer, file := w.get("GET", body.ChatDownloadURL, "Origin", "https://app.example.com")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
		answer.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
	w.check(file, active.ID, want)
	w.parts(body.ChatDownloadURL, file)
	w.spoilt(body.ChatDownloadURL)
}

// parts fetches a file by HEAD, in pieces and again.
func (w *world) parts(link, file string) {
	w.Helper()
	head, _ := w.get("HEAD", link)
	if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(file)) {
		w.Errorf("HEAD gives %d and a length of %d, want %d", head.StatusCode, head.ContentLength, len(file))
	}
	piece, body := w.get("GET", link, "Range", "bytes=10-19")
	if piece.StatusCode != http.StatusPartialContent || body != file[10:20] {
		w.Errorf("a range gives %d %q", piece.StatusCode, body)
	}
	same, _ := w.get("GET", link, "If-None-Match", head.Header.Get("ETag"))
	if same.StatusCode != http.StatusNotModified {
		w.Errorf("the same file is given again, with %d", same.StatusCode)
	}
}

// spoilt tries links that are not what was signed.
func (w *world) spoilt(link string) {
	w.Helper()
	for what, bad := range map[string]string{
		"another session": strings.Replace(link, "/v1/exports/", "/v1/exports/0", 1), "no signature": link[:strings.Index(link, "&sig=")],
		"a longer life": strings.Replace(link, "exp=1", "exp=2", 1), "another format": strings.Replace(link, "format=csv", "format=safe-csv", 1),
		"an unknown format": strings.Replace(link, "format=csv", "format=pdf", 1),
	} {
		if answer, body := w.get("GET", bad, "Origin", "https://x.example"); answer.StatusCode != http.StatusForbidden ||
			strings.Contains(body, "TEXT_MESSAGE") || answer.Header.Get("Access-Control-Allow-Origin") == "" {
			w.Errorf("%s: %d %.100s", what, answer.StatusCode, body)
		}
	}
	if answer, _ := w.get("POST", link); answer.StatusCode != http.StatusMethodNotAllowed {
		w.Errorf("POST gives %d", answer.StatusCode)
	}
}

func TestTheSpreadsheetFileRunsNothing(t *testing.T) {
	w := newWorld(t)
	ada := w.join("Ada")
	for _, text := range []string{"=1+1", "fine"} {
		_, err := ada.SendText(w.ctx, text)
		w.must(err)
	}
	var active struct{ ID string }
	w.call("GET", "/meetings/"+string(w.meeting.ID)+"/active-session", "", &active)
	var link struct {
		URL string `json:"chat_download_url"`
	}
	w.call("GET", "/sessions/"+active.ID+"/chat?format=safe-csv", "", &link)
	_, file := w.get("GET", link.URL)
	rows, err := exporttest.Parse(file)
	w.must(err)
	if len(rows) != 3 || rows[1][8] != "'=1+1" || rows[2][8] != "fine" {
		t.Errorf("%q", rows)
	}
}

func TestASessionWhereNothingWasSaidHasAnEmptyFileAndTellsNobody(t *testing.T) {
	w := newWorld(t)
	w.hook("meeting.ended", "meeting.chatSynced")
	w.join("Ada")
	var active struct{ ID string }
	w.call("GET", "/meetings/"+string(w.meeting.ID)+"/active-session", "", &active)
	w.call("POST", "/meetings/"+string(w.meeting.ID)+"/active-session/kick-all", "", nil)
	w.receiver.wait(w.ctx, t, has("meeting.ended"))
	var link struct {
		URL string `json:"chat_download_url"`
	}
	w.call("GET", "/sessions/"+active.ID+"/chat", "", &link)
	if _, file := w.get("GET", link.URL); file != export.Header {
		t.Errorf("the file is %q", file)
	}
	// A session that comes after it, and is told of, shows that this one was not.
	ada := w.join("Ada")
	_, err := ada.SendText(w.ctx, "something")
	w.must(err)
	w.call("POST", "/meetings/"+string(w.meeting.ID)+"/active-session/kick-all", "", nil)
	told := w.receiver.wait(w.ctx, t, has("meeting.chatSynced"))
	for _, d := range told {
		if d.Event == "meeting.chatSynced" && strings.Contains(string(d.raw), active.ID) {
			t.Errorf("told %s", d.raw)
		}
	}
}
