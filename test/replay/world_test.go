// Package replay tests what comes after a meeting, on a whole server: webhooks
// that are signed so that receivers of each kind believe them, and the file of
// what was said.
package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

// world is a running server with one app, one meeting and a receiver of
// webhooks.
type world struct {
	*testing.T
	ctx      context.Context
	server   *server.Server
	url      string // of the server
	app      directory.App
	token    string
	meeting  directory.Meeting
	receiver *receiver
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*peer.Timeout)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.url = "http://" + listener.Addr().String()
	w.server, err = server.New(ctx, server.Config{
		Dir: t.TempDir(), PublicURL: w.url, ICEAddr: "127.0.0.1:0", WebhookAllow: server.Loopback(), Logger: logs.Logger("replay"),
	})
	w.must(err)
	web := &http.Server{Handler: w.server.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(listener) }()
	run, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.server.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("the server stopped with: %v", err)
		}
		_ = web.Close()
	})
	w.app, err = w.server.Directory.CreateApp(ctx, server.Account, "Acme")
	w.must(err)
	_, w.token, err = w.server.Keys.Create(ctx, auth.NewAPIKey{App: w.app.ID, Name: "test", Scopes: []auth.Scope{auth.Admin}})
	w.must(err)
	w.meeting, err = w.server.Directory.CreateMeeting(ctx, w.app.ID, directory.NewMeeting{Title: "Weekly <sync> & \u2028 more", KeepAlive: time.Second})
	w.must(err)
	w.receiver = newReceiver(t)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// call makes a REST call in the account form and decodes its data.
func (w *world) call(method, path, body string, data any) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.ctx, method, w.url+"/client/v4/accounts/"+server.Account+"/realtime/kit/"+string(w.app.ID)+path, strings.NewReader(body))
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	w.must(err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	w.must(err)
	if answer.StatusCode > 299 {
		w.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, raw)
	}
	envelope := struct{ Data any }{data}
	w.must(json.Unmarshal(raw, &envelope))
}

// hook makes a webhook that leads to the receiver.
func (w *world) hook(events ...string) string {
	w.Helper()
	body, err := json.Marshal(map[string]any{"name": "test", "url": w.receiver.url, "events": events})
	w.must(err)
	var made struct{ ID string }
	w.call("POST", "/webhooks", string(body), &made)
	return made.ID
}

// person is somebody who may join.
type person struct {
	id    chat.ParticipantID
	token string
}

func (w *world) invite(name string) person {
	w.Helper()
	p, err := w.server.Directory.AddParticipant(w.ctx, w.app.ID, w.meeting.ID, directory.NewParticipant{
		CustomID: "c-" + name, Name: name, PresetName: "group_call_host",
	})
	w.must(err)
	token, err := w.server.Tokens.Mint(auth.Identity{App: w.app.ID, Meeting: w.meeting.ID, Participant: p.ID}, p.Preset)
	w.must(err)
	return person{p.ID, token}
}

func (w *world) join(name string) *peer.Peer {
	w.Helper()
	p, err := peer.Dial(w.ctx, "ws"+strings.TrimPrefix(w.url, "http"), w.invite(name).token, peer.Options{Meeting: string(w.meeting.ID)})
	w.must(err)
	w.Cleanup(p.Cut)
	_, err = p.Join(w.ctx, "")
	w.must(err)
	return p
}

// receiver is a server of the app that notes what webhooks tell it.
type receiver struct {
	url string

	mu    sync.Mutex
	told  []delivery
	grown chan struct{}
	// refuse, if not nil, decides the status of each answer.
	refuse func(delivery) int
}

// delivery is one request of a webhook.
type delivery struct {
	header http.Header
	raw    []byte
	Event  string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{grown: make(chan struct{})}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, err := io.ReadAll(q.Body)
		d := delivery{header: q.Header.Clone(), raw: raw}
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Errorf("a body is no JSON: %v", err)
		}
		if err != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, d)
		close(r.grown)
		r.grown = make(chan struct{})
		if r.refuse != nil {
			w.WriteHeader(r.refuse(d))
		}
	}))
	t.Cleanup(web.Close)
	r.url = web.URL + "/hook?key=value"
	return r
}

// wait waits until enough says so of what was told.
func (r *receiver) wait(ctx context.Context, t *testing.T, enough func([]delivery) bool) []delivery {
	t.Helper()
	for {
		r.mu.Lock()
		told, grown := append([]delivery(nil), r.told...), r.grown
		r.mu.Unlock()
		if enough(told) {
			return told
		}
		select {
		case <-grown:
		case <-ctx.Done():
			t.Fatalf("told only %s", events(told))
		}
	}
}

func events(told []delivery) string {
	names := make([]string, len(told))
	for i, d := range told {
		names[i] = d.Event
	}
	return strings.Join(names, " ")
}

// has tells whether an event was told of.
func has(event string) func([]delivery) bool {
	return func(told []delivery) bool {
		for _, d := range told {
			if d.Event == event {
				return true
			}
		}
		return false
	}
}

// get fetches a URL with some headers, given as name and value by turns.
func (w *world) get(method, url string, headers ...string) (*http.Response, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.ctx, method, url, nil)
	w.must(err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	w.must(err)
	defer answer.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(answer.Body)
	w.must(err)
	return answer, body.String()
}
