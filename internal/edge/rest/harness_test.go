package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/rest"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// account is the id of the account that the apps of a fixture belong to.
const account = "0123456789abcdef0123456789abcdef"

// fixture is the edge over a real store, with one app.
type fixture struct {
	testing.TB
	handler   http.Handler
	db        *sqlite.DB
	directory *directory.Service
	tokens    auth.Tokens
	keys      auth.APIKeys
	sessions  *session.Service
	journal   *journal.Journal
	app       tenant

	mu   sync.Mutex
	time time.Time
}

// tenant is an app and what it needs to call.
type tenant struct {
	directory.App
	token string
}

func start(t testing.TB) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	key, err := db.Key(t.Context(), "participant-tokens")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{TB: t, db: db, time: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	f.directory = directory.New(db, f.now)
	f.tokens = auth.Tokens{Key: key, Now: f.now}
	f.keys = auth.APIKeys{Store: db, Now: f.now}
	f.sessions = session.New(db, nobodyHere{}, f.now, slog.New(slog.DiscardHandler))
	f.journal = journal.New(db, f.now, journal.Limits{Rate: -1}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
	f.handler, err = rest.New(f.config())
	if err != nil {
		t.Fatal(err)
	}
	f.app = f.tenant("app")
	return f
}

// config is that of an edge over the fixture's store.
func (f *fixture) config() rest.Config {
	f.Helper()
	blobs, err := disk.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	exports := export.New(export.Config{
		Store: f.db, Blobs: blobs, Render: func(_ chat.MeetingID, c chat.Content) string { return c.Payload },
		Key: make([]byte, 32), BaseURL: "https://api.example.com", Now: f.now,
	})
	return rest.Config{
		Directory: f.directory, Tokens: f.tokens, APIKeys: f.keys, Webhooks: f.webhooks(),
		Sessions: f.db, Kicks: f.sessions, Exports: exports, Journal: f.journal, Audit: f.db,
		Parse: func(_ chat.MeetingID, kind chat.Kind, payload string) (chat.Content, error) {
			return content.Parse(kind, payload, elsewhere{})
		},
		Render: func(_ chat.MeetingID, c chat.Content) string { return c.Payload },
	}
}

// elsewhere takes every link for one to another place.
type elsewhere struct{}

func (elsewhere) Upload(string) (chat.UploadID, bool) { return "", false }
func (elsewhere) External() bool                      { return true }

// nobodyHere is the rooms of a server where nobody is connected.
type nobodyHere struct{}

func (nobodyHere) Kicked(chat.MeetingID, []chat.PeerID)                     {}
func (nobodyHere) Ended(chat.MeetingID, []chat.PeerID, chat.PeerID, string) {}

func (f *fixture) webhooks() *webhook.Service { return &webhook.Service{Store: f.db, Now: f.now} }

// now never gives the same time twice.
func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(250 * time.Millisecond)
	return f.time
}

func (f *fixture) tenant(name string) tenant {
	f.Helper()
	app, err := f.directory.CreateApp(f.Context(), account, name)
	if err != nil {
		f.Fatal(err)
	}
	_, token, err := f.keys.Create(f.Context(), auth.NewAPIKey{App: app.ID, Name: "test", Scopes: []auth.Scope{auth.Admin}})
	if err != nil {
		f.Fatal(err)
	}
	return tenant{App: app, token: token}
}

// form is one of the two ways to write a call.
type form struct {
	name string
	// request makes a request of an app for a path such as "/meetings".
	request func(of tenant, method, path string, body io.Reader) *http.Request
}

func forms() []form {
	return []form{
		{"account", func(of tenant, method, path string, body io.Reader) *http.Request {
			r := httptest.NewRequest(method, "/client/v4/accounts/"+account+"/realtime/kit/"+string(of.ID)+path, body)
			r.Header.Set("Authorization", "Bearer "+of.token)
			return r
		}},
		{"v2", func(of tenant, method, path string, body io.Reader) *http.Request {
			r := httptest.NewRequest(method, "/v2"+path, body)
			r.SetBasicAuth(string(of.ID), of.token)
			return r
		}},
	}
}

// inBothForms runs a test once for each form, over one edge each.
func inBothForms(t *testing.T, test func(t *testing.T, f *fixture, form form)) {
	for _, form := range forms() {
		t.Run(form.name, func(t *testing.T) { test(t, start(t), form) })
	}
}

// reply is an answer, with its body decoded.
type reply struct {
	testing.TB
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (f *fixture) send(r *http.Request) reply {
	f.Helper()
	if r.Body != http.NoBody && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	got := reply{TB: f.TB, status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if len(got.raw) > 0 {
		if ct := got.header.Get("Content-Type"); ct != "application/json" {
			f.Errorf("%s %s: content type %q", r.Method, r.URL.Path, ct)
		}
		dec := json.NewDecoder(bytes.NewReader(got.raw))
		if err := dec.Decode(&got.body); err != nil {
			f.Fatalf("%s %s: the answer %q is no JSON object: %v", r.Method, r.URL.Path, got.raw, err)
		}
	}
	return got
}

// call makes a call of the fixture's own app.
func (f *fixture) call(form form, method, path, body string) reply {
	f.Helper()
	return f.send(form.request(f.app, method, path, reader(body)))
}

func reader(body string) io.Reader {
	if body == "" {
		return nil
	}
	return strings.NewReader(body)
}

// ok wants success with this status, and gives the data.
func (r reply) ok(status int) any {
	r.Helper()
	if r.status != status || r.body["success"] != true {
		r.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	return r.body["data"]
}

func (r reply) object(status int) map[string]any {
	r.Helper()
	data, ok := r.ok(status).(map[string]any)
	if !ok {
		r.Fatalf("the data is no object: %s", r.raw)
	}
	return data
}

func (r reply) rows() []any {
	r.Helper()
	data, ok := r.ok(http.StatusOK).([]any)
	if !ok {
		r.Fatalf("the data is no array: %s", r.raw)
	}
	return data
}

// refused wants a refusal in both forms, and gives its message.
func (r reply) refused(status int) string {
	r.Helper()
	if r.status != status {
		r.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	var body struct {
		Success *bool
		Error   struct {
			Code    int
			Message string
		}
		Errors []struct {
			Code    int
			Message string
		}
		Messages []any
		Result   *json.RawMessage
	}
	body.Result = &json.RawMessage{}
	if err := json.Unmarshal(r.raw, &body); err != nil {
		r.Fatal(err)
	}
	whole := body.Success != nil && !*body.Success && body.Error.Code == status && body.Error.Message != "" &&
		len(body.Errors) == 1 && body.Errors[0].Message == body.Error.Message && body.Errors[0].Code != 0 &&
		body.Messages != nil && body.Result == nil
	if _, told := r.body["result"]; !whole || !told {
		r.Errorf("the refusal has not both forms: %s", r.raw)
	}
	return body.Error.Message
}

func (f *fixture) meeting(form form, body string) map[string]any {
	f.Helper()
	return f.call(form, "POST", "/meetings", body).object(http.StatusCreated)
}

func text(t testing.TB, object map[string]any, key string) string {
	t.Helper()
	s, ok := object[key].(string)
	if !ok {
		t.Fatalf("%s is %v, want a string", key, object[key])
	}
	return s
}
