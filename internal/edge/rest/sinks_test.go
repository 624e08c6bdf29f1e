package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTelemetryIsAnsweredAndDropped(t *testing.T) {
	f := start(t)
	const place = `{"ip":"0.0.0.0","loc":"0.000,0.000","country":"XX"}`
	const flags = `{"flags":[{"feature":{"name":"chat_search"},"enabled":true,"feature_state_value":null}],"traits":[]}`
	for _, c := range []struct {
		method, host, path string
		status             int
		body               string
	}{
		{"POST", "flags.localhost:8443", "/api/v1/identities/", 200, flags},
		{"POST", "api.localhost", "/api/v1/identities/", 200, flags},
		{"GET", "location.localhost:8443", "/", 200, place},
		{"GET", "Location-Legacy.example.com", "/", 200, place},
		{"POST", "da-collector.localhost:8443", "/api/v1/message", 204, ""},
		{"POST", "localhost", "/api/v1/message", 204, ""},
		{"POST", "api-silos.localhost:8443", "/otel/logs", 204, ""},
		{"POST", "localhost", "/otel/logs", 204, ""},
		{"POST", "localhost", "/logs/otel/logs", 204, ""},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(`{"a":1}`))
		r.Host = c.host
		if got := f.send(r); got.status != c.status || string(got.raw) != c.body {
			t.Errorf("%s %s%s: %d %s, want %d %s", c.method, c.host, c.path, got.status, got.raw, c.status, c.body)
		}
	}
}

func TestOnlyTheFirstLabelMakesATelemetryHost(t *testing.T) {
	f := start(t)
	for _, name := range []string{"location", "flags", "api.flags.example.com", "flagship.example.com", "[::1]:8443", "127.0.0.1:8443", ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = name
		f.send(r).refused(http.StatusNotFound)
	}
}

// endless is a body without an end; it tells how much was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestTelemetryIsReadOnlySoFar(t *testing.T) {
	f := start(t)
	body := new(endless)
	r := httptest.NewRequest("POST", "/otel/logs", io.NopCloser(body))
	if got := f.send(r); got.status != http.StatusNoContent || body.read < 1<<20 || body.read > 2<<20 {
		t.Errorf("status %d after %d bytes, want 204 after about 1 MiB", got.status, body.read)
	}
}
