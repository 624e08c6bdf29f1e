package metrics

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/tally"
)

// HTTP counts requests by HTTP. Make it with NewHTTP; it is safe for concurrent
// use.
type HTTP struct {
	counts [len(surfaces)][len(classes)]atomic.Uint64
	// took is how long requests of REST took, in nanoseconds.
	took *tally.Histogram
}

// NewHTTP makes counts that are all zero.
func NewHTTP() *HTTP {
	return &HTTP{took: tally.NewHistogram(500e3, 1e6, 2.5e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9)}
}

// Surface is what a request is for.
type Surface int

// The surfaces.
const (
	REST Surface = iota
	Files
)

var (
	surfaces = [...]string{REST: "rest", Files: "files"}
	classes  = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}
)

// Count counts the requests that a handler answers.
func (h *HTTP) Count(s Surface, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &answer{ResponseWriter: w, status: http.StatusOK}
		begun := time.Now()
		defer func() {
			h.counts[s][min(max(counted.status/100, 1), len(classes))-1].Add(1)
			if s == REST {
				h.took.Observe(int64(time.Since(begun)))
			}
		}()
		next.ServeHTTP(counted, r)
	})
}

func (h *HTTP) each(one func(surface, status string, count uint64)) {
	for s := range h.counts {
		for c := range h.counts[s] {
			if n := h.counts[s][c].Load(); n > 0 {
				one(surfaces[s], classes[c], n)
			}
		}
	}
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
	said   bool
}

func (a *answer) WriteHeader(status int) {
	if !a.said {
		a.status, a.said = status, status >= 200 // 1xx are announcements
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.said = true
	return a.ResponseWriter.Write(p)
}

// ReadFrom lets files go out the fast way, where there is one.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.said = true
	return io.Copy(a.ResponseWriter, r)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
