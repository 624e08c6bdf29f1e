package rest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/edge/rest"
)

const origin = "https://app.example.com"

func TestEveryAnswerAllowsTheOrigin(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		method, host, path string
		status             int
	}{
		{"GET", "api.localhost", "/iceservers", 200},
		{"GET", "api.localhost", "/v2/internals/participant-details", 401},
		{"GET", "api.localhost", "/nothing", 404},
		{"GET", "api.localhost", "/v2/meetings", 401},
		{"POST", "flags.localhost", "/api/v1/identities/", 200},
		{"POST", "da-collector.localhost", "/api/v1/message", 204},
		{"OPTIONS", "location.localhost", "/", 204},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		r.Header.Set("Origin", origin)
		got := f.send(r)
		if got.status != c.status || got.header.Get("Access-Control-Allow-Origin") != origin || !slices.Contains(got.header.Values("Vary"), "Origin") {
			t.Errorf("%s %s%s: status %d, headers %v", c.method, c.host, c.path, got.status, got.header)
		}
		if got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: cookies are allowed", c.method, c.path)
		}
	}
}

func TestPreflightAllowsWhatClientsSend(t *testing.T) {
	f := start(t)
	const usual = "authorization, content-type, content-encoding, traceparent, tracing-id, x-environment-key, x-realtimekit-version"
	for wanted, want := range map[string]string{
		"authorization,TRACEPARENT, tracing-id,x-realtimekit-version": "authorization, traceparent, tracing-id, x-realtimekit-version",
		"x-something-new":       "x-something-new",
		"":                      usual,
		"a,,b":                  usual,
		"a: b":                  usual,
		"ü":                     usual,
		strings.Repeat("a", 65): usual,
		strings.TrimSuffix(strings.Repeat("a,", 33), ","): usual,
	} {
		r := httptest.NewRequest("OPTIONS", "/v2/internals/participant-details", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		if wanted != "" {
			r.Header.Set("Access-Control-Request-Headers", wanted)
		}
		got := f.send(r)
		if headers := got.header.Get("Access-Control-Allow-Headers"); headers != want {
			t.Errorf("%.40q: allowed %q, want %q", wanted, headers, want)
		}
		if got.status != http.StatusNoContent || got.header.Get("Access-Control-Max-Age") == "" {
			t.Errorf("%.40q: status %d, headers %v", wanted, got.status, got.header)
		}
		for _, method := range []string{"GET", "POST", "PUT", "OPTIONS", "HEAD", "PATCH", "DELETE"} {
			if !slices.Contains(strings.Split(got.header.Get("Access-Control-Allow-Methods"), ", "), method) {
				t.Errorf("%s is not allowed", method)
			}
		}
	}
}

func TestCORSMayBeAppliedTwice(t *testing.T) {
	handler := rest.CORS(rest.CORS(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Origin", origin)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if got := w.Header(); len(got.Values("Access-Control-Allow-Origin")) != 1 || len(got.Values("Vary")) != 1 {
		t.Errorf("headers are doubled: %v", got)
	}
}

func TestNoOriginIsAllowedWithoutOneAsked(t *testing.T) {
	f := start(t)
	got := f.send(httptest.NewRequest("GET", "/iceservers", nil))
	if _, found := got.header["Access-Control-Allow-Origin"]; found || !slices.Contains(got.header.Values("Vary"), "Origin") {
		t.Errorf("headers are %v", got.header)
	}
}
