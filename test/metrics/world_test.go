// Package metrics tests what operators are shown of a whole server, and that the
// dashboard and the alert rules of the packaging speak of what there is.
package metrics_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

// world is a running server with one app.
type world struct {
	*testing.T
	ctx        context.Context
	server     *server.Server
	web        *httptest.Server
	operations *httptest.Server
	app        directory.App
	key        string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peer.Timeout*4)
	t.Cleanup(cancel)
	s, err := server.New(ctx, server.Config{
		Dir: t.TempDir(), PublicURL: "https://api.example.com", ICEAddr: "127.0.0.1:0", Logger: logs.Logger("metrics"),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: ctx, server: s, web: httptest.NewServer(s.Handler()), operations: httptest.NewServer(s.Operations())}
	running, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("the server stopped with: %v", err)
		}
		w.web.Close()
		w.operations.Close()
	})
	if w.app, err = s.Directory.CreateApp(ctx, "account", "app"); err != nil {
		t.Fatal(err)
	}
	if _, w.key, err = s.Keys.Create(ctx, auth.NewAPIKey{App: w.app.ID, Name: "test", Scopes: auth.Scopes()}); err != nil {
		t.Fatal(err)
	}
	logs.Secret(w.key)
	return w
}

// person is somebody with a token for a meeting.
type person struct {
	directory.Participant

	meeting directory.Meeting
	token   string
}

// gather makes a meeting with so many people in it, who may do everything.
func (w *world) gather(title string, people int) ([]person, error) {
	m, err := w.server.Directory.CreateMeeting(w.ctx, w.app.ID, directory.NewMeeting{Title: title})
	if err != nil {
		return nil, err
	}
	list := make([]person, people)
	for i := range list {
		name := fmt.Sprintf("%s-person-%d", title, i)
		p, err := w.server.Directory.AddParticipant(w.ctx, w.app.ID, m.ID, directory.NewParticipant{
			CustomID: "custom-" + name, Name: name, PresetName: "group_call_host",
		})
		if err != nil {
			return nil, err
		}
		token, err := w.server.Tokens.Mint(auth.Identity{App: w.app.ID, Meeting: m.ID, Participant: p.ID}, p.Preset)
		if err != nil {
			return nil, err
		}
		logs.Secret(token, name, "custom-"+name)
		list[i] = person{p, m, token}
	}
	return list, nil
}

// dial opens a socket.
func (w *world) dial(p person) (*peer.Peer, error) {
	return peer.Dial(w.ctx, "ws"+strings.TrimPrefix(w.web.URL, "http"), p.token, peer.Options{Meeting: string(p.meeting.ID)})
}

// call makes a request by HTTP and throws the answer away.
func (w *world) call(method, path, key, body string) error {
	r, err := http.NewRequestWithContext(w.ctx, method, w.web.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// scrape is what /metrics gave: the values of series by their names, which are
// as they stand in it, and their labels.
type scrape struct {
	text   string
	values map[string]float64
	series []series
}

type series struct {
	metric string
	labels map[string]string
}

var (
	line  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)$`)
	label = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

// scrape asks for the metrics as Prometheus does.
func (w *world) scrape() (scrape, error) {
	got := scrape{values: make(map[string]float64)}
	r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.operations.URL+"/metrics", nil)
	if err != nil {
		return got, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return got, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return got, fmt.Errorf("scraping gave %d %.200s: %w", answer.StatusCode, text, err)
	}
	got.text = string(text)
	for l := range strings.Lines(got.text) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		m := line.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
		if m == nil {
			return got, fmt.Errorf("this line of a scrape cannot be read: %s", l)
		}
		name := m[1] + m[2]
		if _, twice := got.values[name]; twice {
			return got, fmt.Errorf("%s is there twice", name)
		}
		var value float64
		if _, err := fmt.Sscan(m[4], &value); err != nil {
			return got, fmt.Errorf("%s is no number: %w", l, err)
		}
		got.values[name] = value
		s := series{m[1], make(map[string]string)}
		for _, pair := range label.FindAllStringSubmatch(m[3], -1) {
			s.labels[pair[1]] = pair[2]
		}
		got.series = append(got.series, s)
	}
	return got, nil
}
