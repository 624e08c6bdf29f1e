package upload_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/upload"
)

func TestBothFormsOfTheRequestGiveLinks(t *testing.T) {
	p := open(t, nil)
	body := fmt.Sprintf(`{"roomUUID":%q,"filename":"a b.pdf","viewType":"GROUP_CALL"}`, p.meeting.ID)
	newer := p.linksOf(p.askFor(p.tokenOf(p.alice), body))

	r := p.do("POST", p.url+"/v1/meetings/genPreSignedUploadUrl", strings.NewReader(body), "Authorization", "Bearer "+p.tokenOf(p.alice))
	var older struct {
		Success bool
		Data    map[string]string
	}
	if err := json.Unmarshal([]byte(r.body), &older); err != nil || r.StatusCode != 200 || !older.Success || len(older.Data) != 2 {
		t.Fatalf("the older form gives %d %s", r.StatusCode, r.body)
	}
	for _, l := range []links{newer, {Get: older.Data["getLocation"], Put: older.Data["putLocation"]}} {
		wantStatus(t, p.put(l, "content"), 200)
		if r := p.get(l.Get); r.body != "content" {
			t.Errorf("what was put is read as %d %q", r.StatusCode, r.body)
		}
		if !strings.Contains(l.Get, "/a%20b.pdf?") {
			t.Errorf("the link %s does not show the name", l.Get)
		}
	}
}

func TestLinksForReadingAreTheSameForAnHourAndGoodForAWeek(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "content")
	id := p.idOf(l)
	first := p.Link(p.meeting.ID, id, "a")
	p.clock.advance(39 * time.Minute) // it was twenty past
	if again := p.Link(p.meeting.ID, id, "a"); again != first {
		t.Errorf("within an hour the link changes from %s to %s", first, again)
	}
	p.clock.advance(2 * time.Minute)
	if again := p.Link(p.meeting.ID, id, "a"); again == first {
		t.Error("the link of another hour is the same")
	}
	p.clock.advance(upload.ReadFor - 41*time.Minute)
	p.clock.advance(time.Hour) // a room may have kept it so long before it gave it out
	wantStatus(t, p.get(first), 200)
	p.clock.advance(time.Hour)
	wantStatus(t, p.get(first), 403)
}

func TestAClientMayShortenTheLinkForWriting(t *testing.T) {
	p := open(t, nil)
	for expiry, life := range map[string]time.Duration{
		`,"expiry":60`: time.Minute, `,"expiry":1e12`: upload.PutFor, `,"expiry":null`: upload.PutFor, ``: upload.PutFor,
	} {
		l := p.linksOf(p.askFor(p.tokenOf(p.alice), fmt.Sprintf(`{"roomUUID":%q,"filename":"a"%s}`, p.meeting.ID, expiry)))
		u, err := p.store.FindUpload(t.Context(), p.idOf(l))
		if err != nil {
			t.Fatal(err)
		}
		if got := u.ExpiresAt.Sub(p.clock.Now()); got < life || got > life+time.Second {
			t.Errorf("with %q the link is good for %v, want %v", expiry, got, life)
		}
	}
}

func TestBadRequestsForUploads(t *testing.T) {
	p := open(t, nil)
	alice := p.tokenOf(p.alice)
	good := fmt.Sprintf(`{"roomUUID":%q,"filename":"a"}`, p.meeting.ID)
	other, err := p.directory.CreateMeeting(t.Context(), p.app.ID, directory.NewMeeting{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, token, body string
		status            int
	}{
		{"no token", "", good, 401},
		{"a forged token", alice[:len(alice)-2] + "xx", good, 401},
		{"a participant who is gone", p.token(auth.Identity{App: p.app.ID, Meeting: p.meeting.ID, Participant: "gone"}), good, 404},
		{"a participant of another app", p.token(auth.Identity{App: "other", Meeting: p.meeting.ID, Participant: p.alice.ID}), good, 404},
		{"another meeting", alice, fmt.Sprintf(`{"roomUUID":%q,"filename":"a"}`, other.ID), 403},
		{"no meeting", alice, `{"filename":"a"}`, 400},
		{"an empty body", alice, ``, 400},
		{"no JSON", alice, `roomUUID=x`, 400},
		{"a name that is no string", alice, fmt.Sprintf(`{"roomUUID":%q,"filename":7}`, p.meeting.ID), 400},
		{"invalid UTF-8", alice, fmt.Sprintf(`{"roomUUID":%q,"filename":"`+"\xff"+`"}`, p.meeting.ID), 400},
		{"an expiry of nothing", alice, fmt.Sprintf(`{"roomUUID":%q,"filename":"a","expiry":0}`, p.meeting.ID), 400},
		{"an expiry in the past", alice, fmt.Sprintf(`{"roomUUID":%q,"filename":"a","expiry":-1}`, p.meeting.ID), 400},
		{"a body without end", alice, `{"filename":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantStatus(t, p.askFor(test.token, test.body), test.status)
		})
	}
	t.Run("another method", func(t *testing.T) {
		wantStatus(t, p.do("GET", p.url+"/v2/meetings/chat-upload", nil), 405)
	})
	t.Run("another scheme", func(t *testing.T) {
		r := p.do("POST", p.url+"/v2/meetings/chat-upload", strings.NewReader(good), "Authorization", "Basic "+alice)
		wantStatus(t, r, 401)
	})
}

func TestClosedMeetingsAndReadersTakeNoUploads(t *testing.T) {
	p := open(t, nil)
	app := directory.App{ID: "closed-app", Account: "account", Name: "closed", CreatedAt: p.clock.Now()}
	preset := directory.Preset{ID: "reader", App: app.ID, Name: "reader", Body: json.RawMessage(`{"permissions":{"chat":{"public":{"can_send":true,"text":true}}}}`)}
	host := directory.Preset{ID: "sender", App: app.ID, Name: "sender", Body: json.RawMessage(`{"permissions":{"chat":{"private":{"can_send":true,"files":true}}}}`)}
	if err := p.store.PutApp(t.Context(), app, []directory.Preset{preset, host}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		active bool
		preset string
		status int
	}{
		{"closed", false, "sender", 403},
		{"without files", true, "reader", 403},
		{"with private files only", true, "sender", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := directory.Meeting{ID: chat.MeetingID(test.name), App: app.ID, Active: test.active, CreatedAt: p.clock.Now(), UpdatedAt: p.clock.Now()}
			if err := p.store.PutMeeting(t.Context(), m, "epoch"); err != nil {
				t.Fatal(err)
			}
			who, err := p.directory.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{CustomID: "x", PresetName: test.preset})
			if err != nil {
				t.Fatal(err)
			}
			token := p.token(auth.Identity{App: app.ID, Meeting: m.ID, Participant: who.ID})
			wantStatus(t, p.askFor(token, fmt.Sprintf(`{"roomUUID":%q,"filename":"a"}`, m.ID)), test.status)
		})
	}
}

func TestAParticipantMayAskFortyTimesAMinute(t *testing.T) {
	p := open(t, nil)
	body := fmt.Sprintf(`{"roomUUID":%q,"filename":"a"}`, p.meeting.ID)
	for range upload.PerMinute {
		p.linksOf(p.askFor(p.tokenOf(p.alice), body))
	}
	r := p.askFor(p.tokenOf(p.alice), body)
	wantStatus(t, r, 429)
	if r.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After is %q, want the time for one more, 2 s", r.Header.Get("Retry-After"))
	}
	p.linksOf(p.askFor(p.tokenOf(p.bob), body)) // others are not concerned
	p.clock.advance(2 * time.Second)
	p.linksOf(p.askFor(p.tokenOf(p.alice), body))
}

func TestUnusedUploadsAreLimited(t *testing.T) {
	p := open(t, nil)
	body := fmt.Sprintf(`{"roomUUID":%q,"filename":"a"}`, p.meeting.ID)
	var last links
	for range upload.MaxUnused {
		p.clock.advance(2 * time.Second)
		last = p.linksOf(p.askFor(p.tokenOf(p.alice), body))
	}
	p.clock.advance(2 * time.Second)
	wantStatus(t, p.askFor(p.tokenOf(p.alice), body), 429)
	wantStatus(t, p.put(last, "content"), 200)
	if err := p.attach(p.idOf(last)); err != nil {
		t.Fatal(err)
	}
	p.linksOf(p.askFor(p.tokenOf(p.alice), body)) // one was used
}

func TestHostileNamesBecomeHarmless(t *testing.T) {
	p := open(t, nil)
	for name, want := range map[string]struct{ plain, encoded string }{
		"../../x":                    {"x", ""},
		`..\..\x.txt`:                {"x.txt", ""},
		"a\r\nSet-Cookie: x=1\r\n":   {"aSet-Cookie: x=1", ""},
		`"; filename=evil.html; x="`: {"__ filename=evil.html_ x=_", "%22%3B%20filename%3Devil.html%3B%20x%3D%22"},
		"smile 😀\u202egpj.exe":       {"smile _gpj.exe", "smile%20%F0%9F%98%80gpj.exe"},
		"\x00":                       {"file", ""},
		strings.Repeat("ü", 2000):    {strings.Repeat("_", 127), strings.Repeat("%C3%BC", 127)},
	} {
		l := p.uploaded(name, "content")
		u, err := url.Parse(l.Get)
		if err != nil || strings.Count(u.EscapedPath(), "/") != 4 {
			t.Errorf("%q makes the link %s", name, l.Get)
		}
		r := p.get(l.Get)
		disposition := `attachment; filename="` + want.plain + `"`
		if want.encoded != "" {
			disposition += "; filename*=UTF-8''" + want.encoded
		}
		if got := r.Header.Get("Content-Disposition"); got != disposition {
			t.Errorf("%q is served with %q, want %q", name, got, disposition)
		}
		if r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q sets a cookie", name)
		}
	}
}
