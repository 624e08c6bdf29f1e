package sessiontest

import (
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// keepAlive is how long sessions outlive their last peer here.
const keepAlive = 90 * time.Second

// The presets of the suite: a host may kick.
const (
	host  = "group_call_host"
	guest = "group_call_participant"
)

// world is an engine with an app and a meeting, and a clock that tests set.
type world struct {
	*testing.T
	whole   *testing.T // what the storage lasts for
	storage Storage
	engine  Engine
	journal *journal.Journal
	clock   atomic.Int64 // unix milliseconds
	ids     atomic.Int64
	app     chat.AppID
	meeting chat.MeetingID
}

func newWorld(t *testing.T, factory Factory) *world {
	t.Helper()
	w := &world{T: t, whole: t}
	w.clock.Store(1_800_000_000_000)
	w.storage = factory(t, w.now)
	w.open()
	t.Cleanup(func() { w.must(w.engine.Close()) })
	app, err := w.directory().CreateApp(t.Context(), "account", "app")
	w.must(err)
	w.app = app.ID
	w.meeting = w.newMeeting("Standup")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time          { return time.UnixMilli(w.clock.Load()).UTC() }
func (w *world) advance(d time.Duration) { w.clock.Add(d.Milliseconds()) }
func (w *world) id(what string) string   { return fmt.Sprintf("%s-%d", what, w.ids.Add(1)) }

func (w *world) directory() *directory.Service { return directory.New(w.engine, w.now) }

func (w *world) open() {
	w.Helper()
	w.engine = w.storage.Open(w.whole)
	w.journal = journal.New(w.engine, w.now, journal.Limits{Rate: -1}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
}

// crash kills the engine and starts another on what it leaves.
func (w *world) crash() {
	w.Helper()
	w.storage.Crash(w.whole)
	w.open()
}

func (w *world) newMeeting(title string) chat.MeetingID {
	w.Helper()
	m, err := w.directory().CreateMeeting(w.Context(), w.app, directory.NewMeeting{Title: title, KeepAlive: keepAlive})
	w.must(err)
	return m.ID
}

// add makes a participant of the meeting, with a peer id for the first tab.
func (w *world) add(name, preset string) chat.Actor { return w.addTo(w.meeting, name, preset) }

func (w *world) addTo(meeting chat.MeetingID, name, preset string) chat.Actor {
	w.Helper()
	p, err := w.directory().AddParticipant(w.Context(), w.app, meeting, directory.NewParticipant{
		CustomID: "custom-" + name, Name: name, PresetName: preset,
	})
	w.must(err)
	return chat.Actor{Meeting: meeting, Participant: p.ID, Peer: chat.PeerID(w.id("peer")), DisplayName: name}
}

// tab is the same participant by a new peer.
func (w *world) tab(a chat.Actor) chat.Actor {
	a.Peer = chat.PeerID(w.id("peer"))
	return a
}

func (w *world) tryEnter(a chat.Actor) (session.Session, error) {
	return w.engine.Enter(w.Context(), session.Arrival{
		Meeting: a.Meeting, Peer: a.Peer, Participant: a.Participant, DisplayName: a.DisplayName,
	}, chat.SessionID(w.id("session")), w.now())
}

func (w *world) enter(a chat.Actor) session.Session {
	w.Helper()
	s, err := w.tryEnter(a)
	w.must(err)
	return s
}

// come makes a participant and lets it enter.
func (w *world) come(name, preset string) chat.Actor {
	w.Helper()
	a := w.add(name, preset)
	w.enter(a)
	return a
}

func (w *world) leave(s session.Session, a chat.Actor) {
	w.Helper()
	w.must(w.engine.Left(w.Context(), s.ID, a.Peer))
}

// kick takes out whoever is named, by the operator.
func (w *world) kick(k session.Kick) (session.Gone, error) {
	if k.Meeting == "" {
		k.Meeting = w.meeting
	}
	return w.engine.Kick(w.Context(), k, w.now())
}

func (w *world) kickAll(by *chat.Actor) (session.Gone, error) {
	return w.engine.KickAll(w.Context(), w.meeting, by, w.now())
}

// end ends what is due.
func (w *world) end() int {
	w.Helper()
	n, err := w.engine.End(w.Context(), w.now())
	w.must(err)
	return n
}

func (w *world) record(s session.Session) session.Record {
	w.Helper()
	r, err := w.engine.Session(w.Context(), w.app, s.ID)
	w.must(err)
	return r
}

func (w *world) peer(s session.Session, a chat.Actor) session.Peer {
	w.Helper()
	p, err := w.engine.SessionPeer(w.Context(), w.app, s.ID, a.Peer)
	w.must(err)
	return p
}

func (w *world) wantEnded(s session.Session, at time.Time) {
	w.Helper()
	if r := w.record(s); !r.EndedAt.Equal(at) {
		w.Fatalf("the session ended at %v, want %v", r.EndedAt, at)
	}
}

func (w *world) wantLive(s session.Session) {
	w.Helper()
	if r := w.record(s); r.Status() != session.Live {
		w.Fatalf("the session ended at %v, want it live", r.EndedAt)
	}
	active, err := w.engine.Active(w.Context(), w.app, w.meeting)
	w.must(err)
	if active.ID != s.ID {
		w.Fatalf("the live session is %s, want %s", active.ID, s.ID)
	}
}

func (w *world) wantRefused(err error, want chat.Code) {
	w.Helper()
	if chat.CodeOf(err) != want {
		w.Fatalf("got %v, want it refused: %s", err, want)
	}
}

func (w *world) wantGone(gone session.Gone, want ...chat.Actor) {
	w.Helper()
	got := make(map[chat.PeerID]chat.ParticipantID)
	for _, p := range gone.Peers {
		got[p.ID] = p.Participant
	}
	wanted := make(map[chat.PeerID]chat.ParticipantID)
	for _, a := range want {
		wanted[a.Peer] = a.Participant
	}
	if !reflect.DeepEqual(got, wanted) || len(got) != len(gone.Peers) {
		w.Fatalf("gone are %v, want %v", gone.Peers, wanted)
	}
}

// say wishes a text said.
func (w *world) say(a chat.Actor, text string) chat.SendMessage {
	return chat.SendMessage{Actor: a, ID: chat.MessageID(w.id("message")), Content: chat.Content{Kind: chat.Text, Payload: text}}
}

func (w *world) append(cmd chat.Command) chat.Message {
	w.Helper()
	e, err := w.journal.Append(w.Context(), cmd)
	w.must(err)
	return e.Event.Message
}
