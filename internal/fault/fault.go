// Package fault keeps mistakes of the server's own from ending the process.
// Whoever starts work that others do not depend on does it inside a Guard: a
// panic there is counted, logged if it is the first of its place in the code,
// and ends that work alone. A Guard is no
// substitute for an error: what is wrong in the input, the network or the store
// is told as one.
//
// A panic may leave anything half done. So whoever guards work says what
// becomes of the state that it had in hands: a request fails, a connection is
// closed, a room is dropped and loaded anew, a transaction is undone.
package fault

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/parley-chat/parley/internal/tally"
)

// Where a panic was stopped, as logs and metrics name it.
const (
	// Request is a request of a peer; it was answered with an error.
	Request = "request"
	// Connection is a connection's own work; it was closed.
	Connection = "connection"
	// Frame is the making of a frame; it shows a stand-in, or was left out.
	Frame = "frame"
	// Room is the work of a room; its peers had to come back to a new one.
	Room = "room"
	// Answer is what follows a commit; the commit stands.
	Answer = "answer"
	// Commit is a job in a transaction; it was undone and refused.
	Commit = "commit"
	// HTTP is a request by HTTP; it was answered with 500, or cut off.
	HTTP = "http"
	// Connectivity is a connectivity check; it was not answered.
	Connectivity = "connectivity"
	// Background is work that was begun again.
	Background = "background"
)

var places = []string{Request, Connection, Frame, Room, Answer, Commit, HTTP, Connectivity, Background}

// Guard stops panics. A nil *Guard stops them, too, and tells nobody. All
// methods may be called concurrently.
type Guard struct {
	log    *slog.Logger
	caught *tally.Words

	mu    sync.Mutex
	known map[[depth]uintptr]bool // where the logged ones came from
}

// depth is how many callers tell two panics apart, and maxKnown how many are
// told of.
const (
	depth    = 16
	maxKnown = 256
)

// New makes a guard that tells a log.
func New(log *slog.Logger) *Guard {
	return &Guard{log: log, caught: tally.NewWords(places...), known: make(map[[depth]uintptr]bool)}
}

// Caught counts the panics by where they were stopped.
func (g *Guard) Caught() *tally.Words {
	if g == nil {
		return nil
	}
	return g.caught
}

// Do runs fn and tells whether it came to its end; else it has panicked.
func (g *Guard) Do(where string, fn func()) (done bool) {
	defer func() {
		if !done {
			done = !g.Stopped(where, recover())
		}
	}()
	fn()
	return true
}

// Stopped takes what recover gave, and tells whether that was a panic.
func (g *Guard) Stopped(where string, recovered any) bool {
	if recovered == nil {
		return false
	}
	if g != nil {
		g.caught.Add(where)
		if g.first() {
			g.log.Error("a panic was stopped; this is a mistake in the program (the same again is only counted)",
				"where", where, "panic", describe(recovered), "stack", string(debug.Stack()))
		}
	}
	return true
}

// first tells whether the panic at hand is the first that came this way. What
// one request can cause, a thousand can, and each stack is long.
func (g *Guard) first() bool {
	var way [depth]uintptr
	runtime.Callers(3, way[:])
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known[way] || len(g.known) >= maxKnown {
		return false
	}
	g.known[way] = true
	return true
}

// describe tells of a panic what cannot hold what people said: those of the
// runtime in full, of all others the type.
func describe(recovered any) string {
	if err, ok := recovered.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", recovered)
}
