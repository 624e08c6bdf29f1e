package journaltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// patience bounds every wait for something that a correct engine does soon.
const patience = time.Minute

// keepAlive is how long sessions outlive their last peer here.
const keepAlive = 10 * time.Second

// The presets of the suite.
const (
	allowed    = "allowed" // everything
	mute       = "mute"    // receives, and says nothing
	deaf       = "deaf"    // says everything, and gets no private messages
	hostPreset = "host"    // moderates the chat
)

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// tape records what the observer of the journal was told.
type tape struct {
	mu      sync.Mutex
	entries map[chat.MeetingID][]journal.Entry
	told    *sync.Cond
}

func newTape() *tape {
	t := &tape{entries: make(map[chat.MeetingID][]journal.Entry)}
	t.told = sync.NewCond(&t.mu)
	return t
}

func (t *tape) observe(entries []journal.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range entries {
		t.entries[e.Meeting] = append(t.entries[e.Meeting], e)
	}
	t.told.Broadcast()
}

// of gives the entries of a meeting once the observer was told of n.
func (t *tape) of(tb testing.TB, meeting chat.MeetingID, n int) []journal.Entry {
	tb.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		late = true
		t.told.Broadcast()
	})
	defer timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.entries[meeting]) < n && !late {
		t.told.Wait()
	}
	if len(t.entries[meeting]) < n {
		tb.Fatalf("the observer was told of %d entries, want %d", len(t.entries[meeting]), n)
	}
	return slices.Clone(t.entries[meeting])
}

// world is an engine under test with a journal on it, and what the tests need
// around them.
type world struct {
	t       *testing.T
	ctx     context.Context
	clock   *clock
	storage Storage
	engine  Engine
	journal *journal.Journal
	tape    *tape
	app     chat.AppID
	allowed chat.PresetID // of the preset of that name
	ids     struct {
		mu   sync.Mutex
		last int
	}
}

func newWorld(t *testing.T, factory Factory) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, clock: &clock{now: time.UnixMilli(1_800_000_000_000)}, tape: newTape()}
	w.storage = factory(t, w.clock.Now)
	w.open()
	t.Cleanup(func() { w.close() })
	w.app = chat.AppID(w.id())
	var presets []directory.Preset
	for _, name := range []string{allowed, mute, deaf, hostPreset} {
		presets = append(presets, w.preset(name))
	}
	w.allowed = presets[0].ID
	app := directory.App{ID: w.app, Account: "account", Name: "app", CreatedAt: w.clock.Now()}
	w.must(w.engine.PutApp(w.ctx, app, presets))
	return w
}

// preset makes a preset of the suite in the official shape.
func (w *world) preset(name string) directory.Preset {
	type rights map[string]bool
	says, receives := name != mute, name != deaf
	body, err := json.Marshal(map[string]any{"permissions": map[string]any{"chat": map[string]any{
		"moderate": name == hostPreset,
		"public":   rights{"can_send": says, "text": says, "files": says},
		"private":  rights{"can_send": says, "can_receive": receives, "text": says, "files": says},
	}}})
	w.must(err)
	return directory.Preset{
		ID: chat.PresetID(w.id()), App: w.app, Name: name, Body: body,
		CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now(),
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// id makes an id that is nowhere else in this world.
func (w *world) id() string {
	w.ids.mu.Lock()
	defer w.ids.mu.Unlock()
	w.ids.last++
	return fmt.Sprintf("00000000-0000-7000-8000-%012d", w.ids.last)
}

func (w *world) open() {
	w.engine = w.storage.Open(w.t)
	w.journal = journal.New(w.engine, w.clock.Now, journal.Limits{Rate: -1}, w.tape.observe, slog.New(slog.DiscardHandler))
}

func (w *world) close() {
	if w.engine != nil {
		w.must(w.engine.Close())
	}
	w.engine = nil
}

func (w *world) crash() {
	w.storage.Crash(w.t)
	w.engine = nil
}

// meeting makes a meeting.
func (w *world) meeting(persist bool) chat.MeetingID {
	w.t.Helper()
	id := chat.MeetingID(w.id())
	w.putMeeting(directory.Meeting{ID: id, Active: true, PersistChat: persist})
	return id
}

func (w *world) putMeeting(m directory.Meeting) {
	w.t.Helper()
	m.App, m.KeepAlive, m.CreatedAt, m.UpdatedAt = w.app, keepAlive, w.clock.Now(), w.clock.Now()
	w.must(w.engine.PutMeeting(w.ctx, m, "epoch of "+string(m.ID)))
}

// person is a participant with one peer.
type person struct {
	w *world
	chat.Actor
}

// add makes a participant of the meeting, who has not joined yet.
func (w *world) add(meeting chat.MeetingID, preset string) person {
	w.t.Helper()
	p := person{w, chat.Actor{
		Meeting: meeting, Participant: chat.ParticipantID(w.id()), Peer: chat.PeerID(w.id()), DisplayName: "Zoë",
	}}
	_, err := w.engine.PutParticipant(w.ctx, w.app, directory.Participant{
		ID: p.Participant, Meeting: meeting, Name: p.DisplayName, PresetName: preset,
		CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now(),
	})
	w.must(err)
	return p
}

// join brings the peer into the live session, or starts one.
func (p person) join() session.Session {
	p.w.t.Helper()
	a := session.Arrival{Meeting: p.Meeting, Peer: p.Peer, Participant: p.Participant, DisplayName: p.DisplayName}
	s, err := p.w.engine.Enter(p.w.ctx, a, chat.SessionID(p.w.id()), p.w.clock.Now())
	p.w.must(err)
	return s
}

// joined makes participants of one meeting, all of them there.
func (w *world) joined(meeting chat.MeetingID, presets ...string) []person {
	w.t.Helper()
	people := make([]person, len(presets))
	for i, preset := range presets {
		people[i] = w.add(meeting, preset)
		people[i].join()
	}
	return people
}

// three makes a meeting that keeps its chat, with three people in it.
func (w *world) three() (a, b, c person) {
	w.t.Helper()
	people := w.joined(w.meeting(true), allowed, allowed, allowed)
	return people[0], people[1], people[2]
}

// endSession lets everybody leave and the session end.
func (w *world) endSession(s session.Session, people ...person) {
	w.t.Helper()
	for _, p := range people {
		w.must(w.engine.Left(w.ctx, s.ID, p.Peer))
	}
	w.clock.advance(keepAlive)
	_, err := w.engine.End(w.ctx, w.clock.Now())
	w.must(err)
}

// say wishes a text said: to everybody, or to those named.
func (p person) say(text string, to ...person) chat.SendMessage {
	c := chat.SendMessage{
		Actor: p.Actor, ID: chat.MessageID(p.w.id()), Content: chat.Content{Kind: chat.Text, Payload: text}, Private: len(to) > 0,
	}
	for _, r := range to {
		c.Recipients = append(c.Recipients, r.Participant)
	}
	return c
}

// called gives a send the client id.
func called(clientID string, c chat.SendMessage) chat.SendMessage {
	c.ClientID = clientID
	return c
}

func (p person) edit(id chat.MessageID, text string) chat.EditMessage {
	return chat.EditMessage{Actor: p.Actor, Message: id, Content: chat.Content{Kind: chat.Text, Payload: text}}
}

func (p person) delete(id chat.MessageID) chat.DeleteMessage {
	return chat.DeleteMessage{Actor: p.Actor, Message: id}
}

func (p person) pin(id chat.MessageID, pinned bool) chat.PinMessage {
	return chat.PinMessage{Actor: p.Actor, Message: id, Pinned: pinned}
}

// append carries out a command that must succeed.
func (w *world) append(cmd chat.Command) journal.Entry {
	w.t.Helper()
	e, err := w.journal.Append(w.ctx, cmd)
	if err != nil {
		w.t.Fatalf("%T: %v", cmd, err)
	}
	return e
}

// refused carries out a command that must be refused with this code.
func (w *world) refused(want chat.Code, cmd chat.Command) {
	w.t.Helper()
	e, err := w.journal.Append(w.ctx, cmd)
	if err == nil {
		w.t.Fatalf("%T became entry %d, want it refused: %s", cmd, e.Seq, want)
	}
	if got := chat.CodeOf(err); got != want {
		w.t.Fatalf("%T was refused as %s (%v), want %s", cmd, got, err, want)
	}
}

// repeated carries out a send that must be known as an earlier one, and gives
// that.
func (w *world) repeated(cmd chat.SendMessage) chat.Message {
	w.t.Helper()
	e, err := w.journal.Append(w.ctx, cmd)
	again, ok := errors.AsType[*chat.Repeated](err)
	if !ok {
		w.t.Fatalf("a repeated send gave entry %d and error %v, want *chat.Repeated", e.Seq, err)
	}
	return again.Message
}

// entries reads the whole journal of a meeting and checks its numbers.
func (w *world) entries(meeting chat.MeetingID) []journal.Entry {
	w.t.Helper()
	head := w.position(meeting)
	entries, err := w.journal.Entries(w.ctx, meeting, 0, int(head.Seq)+1)
	w.must(err)
	wantNumbered(w.t, entries)
	if n := len(entries); uint64(n) != head.Seq {
		w.t.Fatalf("there are %d entries, and the head is %+v", n, head)
	}
	if n := len(entries); n > 0 {
		last := entries[n-1]
		public := slices.IndexFunc(reversed(entries), func(e journal.Entry) bool { return e.Pub > 0 })
		if head.At != last.At || public >= 0 && head.Pub != entries[n-1-public].Pub || public < 0 && head.Pub != 0 {
			w.t.Fatalf("the head is %+v, and the last entry is %+v", head, last)
		}
	}
	return entries
}

func (w *world) position(meeting chat.MeetingID) journal.Head {
	w.t.Helper()
	head, err := w.journal.Position(w.ctx, meeting)
	w.must(err)
	return head
}

// wantNumbered checks a journal from its first entry on: Seq and both counters
// without a gap, times increasing, and no entry both public and private.
func wantNumbered(tb testing.TB, entries []journal.Entry) {
	tb.Helper()
	var pub uint64
	var at int64
	own := make(map[chat.ParticipantID]uint64)
	for i, e := range entries {
		if e.Seq != uint64(i)+1 {
			tb.Fatalf("entry %d of the journal has Seq %d", i+1, e.Seq)
		}
		if e.At <= at {
			tb.Fatalf("entry %d happened at %d, the one before at %d", e.Seq, e.At, at)
		}
		at = e.At
		if e.Event.Message.Public() {
			pub++
			if e.Pub != pub || e.Own != nil {
				tb.Fatalf("public entry %d has Pub %d and Own %v, want Pub %d", e.Seq, e.Pub, e.Own, pub)
			}
			continue
		}
		if e.Pub != 0 || len(e.Own) != len(e.Event.Message.Audience) {
			tb.Fatalf("private entry %d has Pub %d and Own %v for %v", e.Seq, e.Pub, e.Own, e.Event.Message.Audience)
		}
		for _, id := range e.Event.Message.Audience {
			own[id]++
			if e.Own[id] != own[id] {
				tb.Fatalf("private entry %d has Own %d for %s, want %d", e.Seq, e.Own[id], id, own[id])
			}
		}
	}
}

// facts is what stays of an entry for ever, however its message changes
// afterwards, and whether it was told live or read.
func facts(e journal.Entry) journal.Entry {
	m := e.Event.Message
	before := e.Event.Before.Payload
	return journal.Entry{
		Meeting: e.Meeting, Seq: e.Seq, Pub: e.Pub, Own: e.Own, At: e.At,
		Event: chat.Event{
			Kind: e.Event.Kind, Actor: e.Event.Actor, Peer: e.Event.Peer, Before: chat.Content{Payload: before},
			Message: chat.Message{
				ID: m.ID, Meeting: m.Meeting, Session: m.Session, Seq: m.Seq, Author: m.Author, Peer: m.Peer,
				DisplayName: m.DisplayName, Audience: m.Audience, SentAt: m.SentAt,
			},
		},
	}
}

// wantSame demands the same entries, as far as facts go.
func wantSame(tb testing.TB, what string, got, want []journal.Entry) {
	tb.Helper()
	for i := range min(len(got), len(want)) {
		if g, w := facts(got[i]), facts(want[i]); !reflect.DeepEqual(g, w) {
			tb.Fatalf("%s: entry %d is\n%+v\nwant\n%+v", what, i+1, g, w)
		}
	}
	if len(got) != len(want) {
		tb.Fatalf("%s: %d entries, want %d", what, len(got), len(want))
	}
}

func reversed[E any](list []E) []E {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// texts are the payloads of messages.
func texts(messages []chat.Message) []string {
	list := make([]string, len(messages))
	for i, m := range messages {
		list[i] = m.Content.Payload
	}
	return list
}

func wantTexts(tb testing.TB, what string, messages []chat.Message, want ...string) {
	tb.Helper()
	if got := texts(messages); !slices.Equal(got, want) {
		tb.Fatalf("%s: %q, want %q", what, got, want)
	}
}
