package dev_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/parley-chat/parley/internal/dev"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/test/logs"
)

func newServer(t *testing.T, dir string) *server.Server {
	t.Helper()
	s, err := server.New(t.Context(), server.Config{
		Dir: dir, PublicURL: "https://api.localhost:8443", ICEAddr: "127.0.0.1:0", Logger: logs.Logger("dev"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func prepare(t *testing.T, dir string, s *server.Server) dev.Setup {
	t.Helper()
	setup, err := dev.Prepare(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	logs.Secret(setup.APIToken)
	return setup
}

func TestSecondStartFindsTheSetupAgain(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, dir)
	first := prepare(t, dir, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = newServer(t, dir)
	defer s.Close()
	if again := prepare(t, dir, s); !reflect.DeepEqual(again, first) {
		t.Errorf("set up as %+v, found %+v", first, again)
	}
	if key, err := s.Keys.Check(t.Context(), first.APIToken); err != nil || key.App != first.App {
		t.Errorf("the token is for %q, %v", key.App, err)
	}
}

func TestSetupOfAnotherDatabaseIsToldApart(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	s := newServer(t, dir)
	prepare(t, dir, s)
	defer s.Close()
	foreign := newServer(t, other)
	defer foreign.Close()
	raw, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"foreign": raw, "cut": raw[:len(raw)/2]} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(other, "dev.json"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := dev.Prepare(t.Context(), other, foreign); err == nil {
				t.Error("nothing was said")
			}
		})
	}
}

func TestDemoIsServedToThisMachineOnly(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, dir)
	defer s.Close()
	setup := prepare(t, dir, s)
	h := dev.Handler(s, setup, fstest.MapFS{"index.html": {Data: []byte("demo")}}, slog.New(slog.DiscardHandler))
	get := func(host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = host
		r.Header.Set("Origin", "https://stranger.example")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, host := range []string{"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"} {
		w := get(host, "/demo/session")
		var answer struct {
			Participants []struct{ Name, Token string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || len(answer.Participants) != 2 {
			t.Errorf("%s: status %d, %v", host, w.Code, err)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: pages of strangers may read the tokens", host)
		}
		if w := get(host, "/demo/"); w.Code != http.StatusOK || w.Body.String() != "demo" {
			t.Errorf("%s: the page has status %d", host, w.Code)
		}
	}
	for _, host := range []string{"stranger.example", "localhost.stranger.example:8080", "api.localhost:8443", "192.0.2.1"} {
		if w := get(host, "/demo/session"); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", host, w.Code)
		}
	}
}
