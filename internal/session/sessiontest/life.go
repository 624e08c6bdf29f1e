package sessiontest

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

func endIsTheLastLeavingAndTheKeepAlive(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	w.enter(b)
	w.advance(time.Hour)
	w.leave(s, a)
	w.advance(time.Minute)
	w.leave(s, b)
	last := w.now()
	w.advance(keepAlive - time.Millisecond)
	if n := w.end(); n != 0 {
		t.Fatalf("%d sessions ended before their time", n)
	}
	w.wantLive(s)
	w.advance(time.Hour) // nobody has looked for a while
	if n := w.end(); n != 1 {
		t.Fatalf("%d sessions ended, want 1", n)
	}
	w.wantEnded(s, last.Add(keepAlive))
	if _, err := w.engine.Active(t.Context(), w.app, w.meeting); err == nil {
		t.Error("there is a live session after the end")
	}
}

// Whoever comes after the time of the end, before anybody has looked, does not
// come into the session that is over.
func endThatFellDueWhileNobodyLooked(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.leave(s, a)
	due := w.now().Add(keepAlive)
	w.advance(keepAlive)
	next := w.enter(a)
	if next.ID == s.ID || !next.StartedAt.Equal(w.now()) {
		t.Fatalf("who came late is in session %+v, want a new one", next)
	}
	w.wantEnded(s, due)
	w.wantLive(next)
	if r := w.record(next); r.Peers != 1 || r.Live != 1 {
		t.Errorf("the new session has %d peers, %d there; want Ann alone", r.Peers, r.Live)
	}
}

func endThatFellDueWhileTheServerWasDown(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.leave(s, a)
	due := w.now().Add(keepAlive)
	w.crash()
	w.advance(24 * time.Hour)
	if n := w.end(); n != 1 {
		t.Fatalf("%d sessions ended, want 1", n)
	}
	w.wantEnded(s, due)
	w.crash()
	w.wantEnded(s, due)
}

// A clock that is put back by hours while a session waits for its end must not
// make it wait for hours.
func clockPutBackDoesNotKeepASession(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.leave(s, a)
	w.advance(-5 * time.Hour)
	if n := w.end(); n != 0 {
		t.Fatalf("%d sessions ended at the step of the clock", n)
	}
	w.advance(keepAlive)
	if n := w.end(); n != 1 {
		t.Fatalf("%d sessions ended one keep-alive after the step, want 1", n)
	}
	if r := w.record(s); r.EndedAt.Before(r.StartedAt) {
		t.Errorf("the session ended at %v, before it began at %v", r.EndedAt, r.StartedAt)
	}
}

func clockPutBackDuringAStay(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.advance(-time.Hour)
	if p := w.peer(s, a); p.Spent != 0 {
		t.Errorf("a stay under a clock put back took %v, want nothing", p.Spent)
	}
	w.leave(s, a)
	if p := w.peer(s, a); p.LeftAt.Before(p.JoinedAt) || p.Spent != 0 {
		t.Errorf("left at %v after joining at %v, having spent %v", p.LeftAt, p.JoinedAt, p.Spent)
	}
	if r := w.record(s); r.Spent != 0 || r.Live != 0 {
		t.Errorf("the session counts %v and %d there, want nothing and nobody", r.Spent, r.Live)
	}
}

// Who was there when the server died is there until somebody says otherwise.
func presentAtACrashIsStillPresent(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	w.crash()
	w.advance(24 * time.Hour)
	if n := w.end(); n != 0 {
		t.Fatalf("%d sessions ended, with Ann still there", n)
	}
	w.wantLive(s)
	if again := w.enter(a); again.ID != s.ID {
		t.Errorf("Ann came back to session %s, want %s", again.ID, s.ID)
	}
	if p := w.peer(s, a); len(p.Events) != 1 {
		t.Errorf("coming back after a crash left the events %+v, want one join", p.Events)
	}
	w.leave(s, a)
	w.advance(keepAlive)
	if n := w.end(); n != 1 {
		t.Errorf("%d sessions ended, want 1", n)
	}
}

func closedMeetingsAreFound(t *testing.T, w *world) {
	want := func(when string, want ...chat.MeetingID) {
		t.Helper()
		got, err := w.engine.Closed(t.Context())
		w.must(err)
		if !slices.Equal(got, want) {
			t.Fatalf("%s, meetings to be ended are %v, want %v", when, got, want)
		}
	}
	a := w.add("Ann", host)
	s := w.enter(a)
	want("while it is open")
	_, err := w.engine.ChangeMeeting(t.Context(), w.app, w.meeting, func(m *directory.Meeting) error { m.Active = false; return nil })
	w.must(err)
	want("once it is closed", w.meeting)
	w.crash()
	want("after a crash", w.meeting)
	_, err = w.kickAll(nil)
	w.must(err)
	want("once it is ended")
	w.wantEnded(s, w.now())
	_, err = w.tryEnter(w.tab(a))
	w.wantRefused(err, chat.Forbidden)
	if _, err := w.kickAll(nil); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("ending it again: %v, want %v", err, session.ErrNoSession)
	}
}
