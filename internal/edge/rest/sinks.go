package rest

import (
	"io"
	"net"
	"net/http"
	"strings"
)

// Official clients send flags requests, statistics and logs to hosts of their
// own, and look up where they are. They go on without answers, but later and
// with noise on the console, and one of them would then ask a third party
// instead. So all are answered, and nothing of what they send is kept.

// maxDropped is how much of a body is read in order to keep the connection.
const maxDropped = 1 << 20

// Sinks answers requests to the telemetry hosts, known by the first label of
// their name, and hands all others on.
func Sinks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch sinkLabel(r.Host) {
		case "flags":
			flags(w, r)
		case "location", "location-legacy":
			nowhere(w, r)
		case "da-collector", "api-silos":
			swallow(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// sinkLabel gives the first label of a host name that has more than one.
func sinkLabel(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	label, _, found := strings.Cut(host, ".")
	if !found {
		return ""
	}
	return strings.ToLower(label)
}

// flags switches nothing on but what is here and would be off without: the search
// of clients up to 1.2.3.
func flags(w http.ResponseWriter, r *http.Request) {
	drop(r)
	writeFixed(w, `{"flags":[{"feature":{"name":"chat_search"},"enabled":true,"feature_state_value":null}],"traits":[]}`)
}

// nowhere is an answer to "where am I" that tells nothing and has the form
// that clients want.
func nowhere(w http.ResponseWriter, r *http.Request) {
	drop(r)
	writeFixed(w, `{"ip":"0.0.0.0","loc":"0.000,0.000","country":"XX"}`)
}

func swallow(w http.ResponseWriter, r *http.Request) {
	drop(r)
	w.WriteHeader(http.StatusNoContent)
}

func writeFixed(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

// drop reads a body that nobody wants. What lies beyond the bound is left to
// the server, which ends the connection.
func drop(r *http.Request) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDropped))
	}
}
