package gate

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Times of a request. Handlers of long bodies and long answers set their own,
// by http.ResponseController.
const (
	// bodyTimeout is how long a body may take to arrive, also one that nobody
	// wants: the server reads a little of those before it answers.
	bodyTimeout = 20 * time.Second
	// answerTimeout is how long an answer may take from the request on.
	answerTimeout = time.Minute
)

// Handler watches over the requests for a handler.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, refused := g.request(r)
		if refused {
			w.Header().Set("Retry-After", "5")
			w.Header().Set("Connection", "close")
			http.Error(w, "there are too many requests from your address, wait a little", http.StatusTooManyRequests)
			return
		}
		defer leave()
		connection := http.NewResponseController(w)
		_ = connection.SetWriteDeadline(time.Now().Add(answerTimeout)) // a recorder in a test knows none
		c, _ := r.Context().Value(connKey{}).(*conn)
		if r.ContentLength == 0 {
			g.busy(c)
			next.ServeHTTP(w, r)
			return
		}
		// While its body has not come, a connection still waits.
		_ = connection.SetReadDeadline(time.Now().Add(bodyTimeout))
		arrived := func() {
			_ = connection.SetReadDeadline(time.Time{})
			g.busy(c)
		}
		incoming := &body{ReadCloser: r.Body, arrived: arrived, late: func() { g.slow(c) }}
		r.Body = incoming
		next.ServeHTTP(&patient{ResponseWriter: w, busy: func() {
			incoming.watched.Store(true)
			g.busy(c)
		}}, r)
	})
}

// busy says that it is the server's turn.
func (g *Gate) busy(c *conn) {
	if c == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.work(c)
}

// request counts a request for the address that a trusted proxy tells. leave
// is called when the request has ended.
func (g *Gate) request(r *http.Request) (leave func(), refused bool) {
	ip, ok := g.forwarded(r)
	if !ok {
		return func() {}, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.addresses.of(ip)
	switch {
	case !a.bucket.Allow():
		g.stats.TooFast++
		return nil, true
	case a.open >= g.config.AddressConnections:
		g.stats.Refused++
		return nil, true
	}
	a.open++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		a.open--
	}, false
}

// body tells when it has arrived, and when it has not in time.
type body struct {
	io.ReadCloser
	arrived, late func()
	watched       atomic.Bool // by the handler, see patient
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.arrived != nil {
		b.arrived()
		b.arrived = nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !b.watched.Load() {
		b.late()
	}
	return n, err
}

// patient is the answer to a request with a body. A handler that sets the time
// for its reading watches over it by itself, so the connection does not have
// to make room for others.
type patient struct {
	http.ResponseWriter
	busy func()
}

// SetReadDeadline is found by http.ResponseController.
func (p *patient) SetReadDeadline(at time.Time) error {
	p.busy()
	return http.NewResponseController(p.ResponseWriter).SetReadDeadline(at)
}

// Unwrap is for http.ResponseController.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
