package rest

import (
	"net/http"
	"slices"
	"strings"
)

const (
	corsMethods = "GET, POST, PUT, OPTIONS, HEAD, PATCH, DELETE"
	// corsHeaders is what official clients send, for those who do not ask.
	corsHeaders = "authorization, content-type, content-encoding, traceparent, tracing-id, x-environment-key, x-realtimekit-version"
	// corsMaxAge is how long a browser may remember a preflight, in seconds.
	corsMaxAge = "7200"
	// maxCORSHeaders and maxCORSHeader bound what is echoed.
	maxCORSHeaders = 32
	maxCORSHeader  = 64
)

// CORS lets pages of any origin call what next serves, and answers preflights
// itself. That is safe because nothing here goes by cookies: whoever calls
// must bring a token. It may be applied twice.
func CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w.Header(), r.Header.Get("Origin"))
		if r.Method == http.MethodOptions {
			allowRequest(w.Header(), r.Header.Get("Access-Control-Request-Headers"))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowOrigin names the origin rather than "*", and says so to caches.
func allowOrigin(h http.Header, origin string) {
	vary(h, "Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "retry-after")
}

func allowRequest(h http.Header, wanted string) {
	vary(h, "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", allowedHeaders(wanted))
	h.Set("Access-Control-Max-Age", corsMaxAge)
}

// allowedHeaders echoes the headers asked for, because "*" does not cover
// authorization. What is no header name, or too many, gets the usual ones.
func allowedHeaders(wanted string) string {
	names := strings.Split(wanted, ",")
	if wanted == "" || len(names) > maxCORSHeaders {
		return corsHeaders
	}
	for i, name := range names {
		names[i] = strings.ToLower(strings.TrimSpace(name))
		if !headerName(names[i]) {
			return corsHeaders
		}
	}
	return strings.Join(names, ", ")
}

func headerName(name string) bool {
	if name == "" || len(name) > maxCORSHeader {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func vary(h http.Header, name string) {
	if !slices.Contains(h.Values("Vary"), name) {
		h.Add("Vary", name)
	}
}
