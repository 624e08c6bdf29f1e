package sqlite_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// talk is a store with a meeting of two people in it, and a clock that the
// test sets.
type talk struct {
	*sqlite.DB
	tb      testing.TB
	dir     string
	clock   atomic.Int64 // unix milliseconds
	journal *journal.Journal
	app     chat.AppID
	meeting chat.MeetingID
	session chat.SessionID
	a, b    chat.Actor
	ids     atomic.Int64
	faults  *fault.Guard
	log     said
}

// said is a log that a test reads.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(line)
}

// lines counts the lines that hold some words.
func (s *said) lines(words string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for line := range strings.Lines(s.text.String()) {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}

func newTalk(tb testing.TB, dir string) *talk {
	tb.Helper()
	tk := &talk{tb: tb, dir: dir}
	tk.clock.Store(1_800_000_000_000)
	tk.open()
	tb.Cleanup(tk.close)
	app, err := tk.directory().CreateApp(tb.Context(), "account", "app")
	tk.must(err)
	tk.app = app.ID
	tk.meeting = tk.newMeeting(directory.NewMeeting{PersistChat: true})
	tk.a, tk.b = tk.add(tk.meeting, "Ann"), tk.add(tk.meeting, "Bob")
	tk.session = tk.enter(tk.a).ID
	tk.enter(tk.b)
	return tk
}

func (tk *talk) must(err error) {
	tk.tb.Helper()
	if err != nil {
		tk.tb.Fatal(err)
	}
}

func (tk *talk) now() time.Time { return time.UnixMilli(tk.clock.Load()) }

func (tk *talk) advance(d time.Duration) { tk.clock.Add(d.Milliseconds()) }

func (tk *talk) directory() *directory.Service { return directory.New(tk.DB, tk.now) }

func (tk *talk) open() {
	tk.tb.Helper()
	log := slog.New(slog.NewTextHandler(&tk.log, nil))
	tk.faults = fault.New(log)
	db, err := sqlite.Open(tk.tb.Context(), sqlite.Config{Dir: tk.dir, Now: tk.now, Logger: log, Faults: tk.faults})
	tk.must(err)
	tk.DB = db
	tk.journal = journal.New(db, tk.now, journal.Limits{Rate: -1}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
}

func (tk *talk) close() {
	tk.tb.Helper()
	if tk.DB == nil {
		return
	}
	if err := tk.DB.Close(); err != nil {
		tk.tb.Errorf("closing the store: %v", err)
	}
	tk.DB = nil
}

func (tk *talk) reopen() {
	tk.tb.Helper()
	tk.close()
	tk.open()
}

func (tk *talk) newMeeting(wish directory.NewMeeting) chat.MeetingID {
	tk.tb.Helper()
	m, err := tk.directory().CreateMeeting(tk.tb.Context(), tk.app, wish)
	tk.must(err)
	return m.ID
}

// add makes a participant, who has not joined yet.
func (tk *talk) add(meeting chat.MeetingID, name string) chat.Actor {
	tk.tb.Helper()
	p, err := tk.directory().AddParticipant(tk.tb.Context(), tk.app, meeting, directory.NewParticipant{
		CustomID: "custom " + name, Name: name, Picture: "https://example.com/" + name + ".png", PresetName: "group_call_host",
	})
	tk.must(err)
	return chat.Actor{Meeting: meeting, Participant: p.ID, Peer: chat.PeerID("peer of " + name), DisplayName: name}
}

func (tk *talk) arrival(a chat.Actor) session.Arrival {
	return session.Arrival{Meeting: a.Meeting, Peer: a.Peer, Participant: a.Participant, DisplayName: a.DisplayName}
}

func (tk *talk) enter(a chat.Actor) session.Session {
	tk.tb.Helper()
	s, err := tk.Enter(tk.tb.Context(), tk.arrival(a), chat.SessionID(tk.id("session")), tk.now())
	tk.must(err)
	return s
}

func (tk *talk) id(what string) string { return fmt.Sprintf("%s %d", what, tk.ids.Add(1)) }

// say is the wish to send a text, to everybody or to those named.
func (tk *talk) say(who chat.Actor, text string, to ...chat.Actor) chat.SendMessage {
	c := chat.SendMessage{
		Actor: who, ID: chat.MessageID(tk.id("message")), Content: chat.Content{Kind: chat.Text, Payload: text}, Private: len(to) > 0,
	}
	for _, r := range to {
		c.Recipients = append(c.Recipients, r.Participant)
	}
	return c
}

func (tk *talk) append(cmd chat.Command) journal.Entry {
	tk.tb.Helper()
	e, err := tk.journal.Append(tk.tb.Context(), cmd)
	if err != nil {
		tk.tb.Fatalf("%T: %v", cmd, err)
	}
	return e
}

// wantUnavailable demands that the command fails because of the store.
func (tk *talk) wantUnavailable(cmd chat.Command) {
	tk.tb.Helper()
	if e, err := tk.journal.Append(tk.tb.Context(), cmd); chat.CodeOf(err) != chat.Unavailable {
		tk.tb.Fatalf("%T gave entry %d and error %v, want it unavailable", cmd, e.Seq, err)
	}
}

// page is all that a may see, oldest first.
func (tk *talk) page() journal.Page {
	tk.tb.Helper()
	page, err := tk.journal.Page(tk.tb.Context(), journal.Query{
		Meeting: tk.meeting, Viewer: tk.a.Participant, Receives: true, Filter: journal.Everything, Limit: journal.MaxPage,
	})
	tk.must(err)
	return page
}

func (tk *talk) wantTexts(want ...string) {
	tk.tb.Helper()
	got := []string{}
	for _, m := range tk.page().Messages {
		got = append(got, m.Content.Payload)
	}
	if !slices.Equal(got, want) {
		tk.tb.Fatalf("there is %q, want %q", got, want)
	}
}

// readAll is the whole journal.
func (tk *talk) readAll() ([]journal.Entry, error) {
	return tk.journal.Entries(tk.tb.Context(), tk.meeting, 0, math.MaxInt32)
}

// raw is a connection past the store, for what the store would never do.
func raw(tb testing.TB, dir string) *sql.DB {
	tb.Helper()
	path := (&url.URL{Path: filepath.Join(dir, "parley.db")}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// rawExec changes the database behind the back of the store.
func rawExec(tb testing.TB, dir, text string, args ...any) {
	tb.Helper()
	db := raw(tb, dir)
	result, err := db.ExecContext(tb.Context(), text, args...)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		tb.Fatalf("%s: %d rows, %v", text, n, err)
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
}
