package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/store/sqlite"
)

// health is what /healthz and /readyz tell beyond the store.
type health struct {
	restored atomic.Bool // the live sessions are back
	stopping atomic.Bool
}

// A transaction that takes so long is stuck. stuckCommit makes the server not
// ready; after hopelessCommit it is called ill, so that whoever supervises it
// may start it anew.
const (
	stuckCommit    = 10 * time.Second
	hopelessCommit = 2 * time.Minute
)

// unready tells why messages are not stored at the moment; nothing means that
// they are.
func (s *Server) unready() []string {
	switch {
	case s.health.stopping.Load():
		return []string{"the server is stopping"}
	case !s.health.restored.Load():
		return []string{"the server is starting"}
	}
	return ailments(s.store.State(), s.hasRoom)
}

// ailments tells why a store does not store. hasRoom is asked where it was full.
func ailments(state sqlite.State, hasRoom func() bool) []string {
	var reasons []string
	if state.Failed != nil {
		reasons = append(reasons, "the store has failed; see the log")
	}
	if state.Full && !hasRoom() {
		reasons = append(reasons, "the disk is full")
	}
	if state.Committing > stuckCommit {
		reasons = append(reasons, "the disk does not answer")
	}
	return reasons
}

// hasRoom tells whether a disk that was full has as much room as the store asks
// for before it says so, which nobody finds out by writing when nobody is sent
// here any more.
func (s *Server) hasRoom() bool {
	space, err := s.store.Space()
	return err == nil && space.Free >= sqlite.RoomAgain
}

// Ready tells whether messages are stored at the moment.
func (s *Server) Ready() bool { return len(s.unready()) == 0 }

// readyz answers whether messages are stored: 200 and "ok", or 503 and why not.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) { tell(w, "not ready", s.unready()) }

// healthz answers whether the process does its work, as far as starting it anew
// could help: 200 and "ok", or 503 and why not.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	tell(w, "ill", hopeless(s.store.State()))
}

func hopeless(state sqlite.State) []string {
	if state.Committing <= hopelessCommit {
		return nil
	}
	return []string{fmt.Sprintf("a transaction has been under way for %v", state.Committing.Round(time.Second))}
}

// tell answers in one line.
func tell(w http.ResponseWriter, verdict string, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) == 0 {
		_, _ = fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintf(w, "%s: %s\n", verdict, strings.Join(reasons, "; "))
}
