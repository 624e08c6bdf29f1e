package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/store/sqlite"
)

// ask gives the answer of a handler to a GET.
func ask(h http.Handler, path string) (status int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	text, _ := io.ReadAll(w.Body)
	return w.Code, string(text)
}

// newServer makes a server that nobody runs yet.
func newServer(t *testing.T, config Config) *Server {
	t.Helper()
	config.Dir, config.PublicURL, config.ICEAddr = t.TempDir(), "https://api.localhost", "127.0.0.1:0"
	s, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadyOnceRestoredAndUntilStopping(t *testing.T) {
	s := newServer(t, Config{})
	want := func(when, line string, status int) {
		t.Helper()
		for _, h := range []http.Handler{s.Handler(), s.Operations()} {
			if got, body := ask(h, "/readyz"); got != status || body != line+"\n" {
				t.Errorf("%s it answers %d %q, want %d %q", when, got, body, status, line)
			}
			if got, body := ask(h, "/healthz"); got != http.StatusOK || body != "ok\n" {
				t.Errorf("%s its health is %d %q", when, got, body)
			}
		}
	}
	want("before it runs", "not ready: the server is starting", http.StatusServiceUnavailable)
	finish, err := s.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want("while it runs", "ok", http.StatusOK)
	s.drain(t.Context())
	want("while it stops", "not ready: the server is stopping", http.StatusServiceUnavailable)
	if err := finish(); err != nil {
		t.Error(err)
	}
}

func TestAStopWhileItStartsIsNoFailure(t *testing.T) {
	s := newServer(t, Config{})
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(stopped); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestWhatMakesAStoreUnready(t *testing.T) {
	room := func() bool { return true }
	none := func() bool { return false }
	for name, test := range map[string]struct {
		state   sqlite.State
		hasRoom func() bool
		want    []string
		ill     bool
	}{
		"well":               {sqlite.State{Committing: stuckCommit, Waiting: 1000}, none, nil, false},
		"failed":             {sqlite.State{Failed: errors.New("page 17 of /var/lib/parley")}, none, []string{"failed"}, false},
		"full":               {sqlite.State{Full: true}, none, []string{"disk is full"}, false},
		"full, but was":      {sqlite.State{Full: true}, room, nil, false},
		"stuck":              {sqlite.State{Committing: stuckCommit + time.Second}, none, []string{"does not answer"}, false},
		"stuck for too long": {sqlite.State{Committing: hopelessCommit + time.Second}, none, []string{"does not answer"}, true},
		"everything":         {sqlite.State{Failed: errors.New("x"), Full: true, Committing: time.Hour}, none, []string{"failed", "full", "answer"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := ailments(test.state, test.hasRoom)
			if len(got) != len(test.want) {
				t.Fatalf("told %q, want %q", got, test.want)
			}
			for i, words := range test.want {
				if !strings.Contains(got[i], words) || strings.Contains(got[i], "/var") {
					t.Errorf("told %q, want %q", got[i], words)
				}
			}
			if ill := hopeless(test.state); (len(ill) > 0) != test.ill {
				t.Errorf("as to its health: %q", ill)
			}
		})
	}
}

func TestTellingIsOneLine(t *testing.T) {
	w := httptest.NewRecorder()
	tell(w, "not ready", []string{"one", "two"})
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: one; two\n" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if !slices.Equal(w.Header()["Cache-Control"], []string{"no-store"}) {
		t.Errorf("headers %v", w.Header())
	}
}
