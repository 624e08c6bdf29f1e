package journaltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// twin is a meeting together with its model. What is done is done to both, and
// they must agree.
type twin struct {
	w       *world
	model   *model
	people  []person
	session session.Session
	here    bool // whether the people are in the session
}

// newTwin makes a meeting of five: the first three may do everything, then one
// who gets no private messages, and one who only listens. All have joined.
func newTwin(w *world, persist bool) *twin {
	w.t.Helper()
	id := w.meeting(persist)
	tw := &twin{w: w, model: newModel(id, persist)}
	for _, preset := range []string{allowed, allowed, allowed, deaf, mute} {
		p := w.add(id, preset)
		tw.people = append(tw.people, p)
		tw.model.presets[p.Participant] = preset
	}
	tw.arrive()
	return tw
}

// arrive lets everybody join.
func (tw *twin) arrive() {
	tw.w.t.Helper()
	for _, p := range tw.people {
		tw.session = p.join()
	}
	tw.model.enter(tw.session.ID)
	tw.here = true
}

// leave lets everybody leave, and the session end.
func (tw *twin) leave() {
	tw.w.t.Helper()
	tw.w.endSession(tw.session, tw.people...)
	tw.model.end()
	tw.here = false
}

// do hands in commands without waiting in between, so that they may share a
// transaction, and compares the answers.
func (tw *twin) do(commands ...chat.Command) {
	tw.w.t.Helper()
	tw.doEach(len(commands), func(i int) chat.Command { return commands[i] }, func() {})
}

// doEach is do for commands that are drawn when those before are done, as far
// as the model knows. submitted is called when all are handed in.
func (tw *twin) doEach(n int, draw func(int) chat.Command, submitted func()) {
	tw.w.t.Helper()
	type answer struct {
		entry journal.Entry
		err   error
	}
	answers := make(chan answer, n)
	commands := make([]chat.Command, n)
	wanted := make([]outcome, n)
	now := tw.w.clock.Now().UnixMilli()
	for i := range n {
		commands[i] = draw(i)
		wanted[i] = tw.model.do(commands[i], now)
		tw.w.journal.Submit(commands[i], "", func(e journal.Entry, err error) { answers <- answer{e, err} })
	}
	submitted()
	for i, cmd := range commands {
		select {
		case got := <-answers:
			if d := wanted[i].differs(got.entry, got.err); d != "" {
				tw.w.t.Fatalf("%d of %d, %T %+v: %s", i+1, n, cmd, cmd, d)
			}
		case <-time.After(patience):
			tw.w.t.Fatalf("%T: no answer", cmd)
		}
	}
}

// wantEntries reads on from a cursor and compares.
func (tw *twin) wantEntries(after uint64, limit int) {
	tw.w.t.Helper()
	got, err := tw.w.engine.Entries(tw.w.ctx, tw.model.meeting, after, limit)
	tw.w.must(err)
	want := tw.model.journal()
	want = want[min(after, uint64(len(want))):]
	want = want[:min(limit, len(want))]
	if len(got) != len(want) {
		tw.w.t.Fatalf("Entries(after %d, limit %d) gave %d entries, want %d", after, limit, len(got), len(want))
	}
	for i := range got {
		if g, w := stored(got[i]), stored(want[i]); !reflect.DeepEqual(g, w) {
			tw.w.t.Fatalf("Entries(after %d, limit %d): entry %d is\n%+v\nwant\n%+v", after, limit, i, g, w)
		}
	}
}

func (tw *twin) wantHead() {
	tw.w.t.Helper()
	m := tw.model
	want := journal.Head{
		Meeting: m.meeting, Epoch: "epoch of " + string(m.meeting), Seq: uint64(len(m.entries)), Pub: m.pub,
		App: tw.w.app, Active: true, Session: m.session, VisibleFrom: m.visibleFrom(),
	}
	if n := len(m.entries); n > 0 {
		want.At = m.entries[n-1].At
	}
	got := tw.w.position(m.meeting)
	if want.VisibleFrom == math.MaxUint64 && got.VisibleFrom == got.Seq+1 {
		want.VisibleFrom = got.VisibleFrom // nothing is visible: two ways to say it
	}
	got.No = 0
	if got != want {
		tw.w.t.Fatalf("the head is\n%+v\nwant\n%+v", got, want)
	}
}

// query is a query of the meeting from its one end.
func (tw *twin) query(viewer person, filter journal.Filter, backward bool) journal.Query {
	q := journal.Query{
		Meeting: tw.model.meeting, Viewer: viewer.Participant, Receives: tw.model.presets[viewer.Participant] != deaf,
		Filter: filter, Backward: backward,
	}
	if backward {
		q.Time = math.MaxInt64
	}
	return q
}

// queries are all queries that differ in more than their bounds.
func (tw *twin) queries() []journal.Query {
	var queries []journal.Query
	for _, viewer := range tw.people {
		for _, backward := range []bool{false, true} {
			for _, filter := range []journal.Filter{journal.PublicOnly, journal.PinnedOnly, journal.Everything} {
				queries = append(queries, tw.query(viewer, filter, backward))
			}
			for _, other := range tw.people {
				if other.Participant != viewer.Participant {
					q := tw.query(viewer, journal.Conversation, backward)
					q.With = other.Participant
					queries = append(queries, q)
				}
			}
		}
	}
	return queries
}

// wantPage reads one page and compares it.
func (tw *twin) wantPage(q journal.Query) journal.Page {
	tw.w.t.Helper()
	page, err := tw.w.engine.Page(tw.w.ctx, q.Normalise())
	tw.w.must(err)
	want := tw.model.shown(q)
	more := len(want) > q.Normalise().Limit
	want = want[:min(len(want), q.Normalise().Limit)]
	same := slices.EqualFunc(page.Messages, want, func(a, b chat.Message) bool { return reflect.DeepEqual(a, b) })
	if !same || page.More != more {
		tw.w.t.Fatalf("%s: the page is %v, more: %v; want %v, more: %v",
			describe(q), outline(page.Messages), page.More, outline(want), more)
	}
	return page
}

// wantPages turns pages from the time of the query on to the last, and demands
// each message once.
func (tw *twin) wantPages(q journal.Query) {
	tw.w.t.Helper()
	want := outline(tw.model.shown(q))
	var got []string
	for {
		page := tw.wantPage(q)
		got = append(got, outline(page.Messages)...)
		if !page.More {
			break
		}
		last := page.Messages[len(page.Messages)-1].SentAt
		q.Time = last + 1
		if q.Backward {
			q.Time = last - 1
		}
	}
	if !slices.Equal(got, want) {
		tw.w.t.Fatalf("%s: all pages together are %v, want %v", describe(q), got, want)
	}
}

func describe(q journal.Query) string {
	filter := [...]string{"public", "conversation", "pinned", "everything"}[q.Filter]
	return fmt.Sprintf("%s of %s with %q (receives: %v), backward: %v, time %d, limit %d, before %d",
		filter, q.Viewer, q.With, q.Receives, q.Backward, q.Time, q.Limit, q.Before)
}

func outline(messages []chat.Message) []string {
	list := make([]string, len(messages))
	for i, m := range messages {
		list[i] = fmt.Sprintf("%d:%s", m.Seq, m.Content.Payload)
	}
	return list
}

// wantAll compares everything: the head, the whole journal, and one page of
// each query that has it all.
func (tw *twin) wantAll() {
	tw.w.t.Helper()
	tw.wantHead()
	tw.wantEntries(0, len(tw.model.entries)+1)
	for _, q := range tw.queries() {
		q.Limit = journal.MaxPage
		tw.wantPage(q)
	}
}

// command draws a command that one of the people might give.
func (tw *twin) command(r *rand.Rand) chat.Command {
	who := tw.people[r.IntN(len(tw.people))]
	if r.IntN(40) == 0 {
		who.Participant = chat.ParticipantID(tw.w.id()) // a stranger
	}
	text := fmt.Sprintf("text %d", r.IntN(1_000_000))
	id := chat.MessageID(tw.w.id())
	if n := len(tw.model.messages); n > 0 && r.IntN(50) > 0 {
		// Mostly one of the newest: those are changed, and changed again.
		id = tw.model.messages[max(0, n-1-r.IntN(1+r.IntN(n)))].ID
	}
	switch choice := r.IntN(100); {
	case choice < 30:
		return tw.maybeCalled(r, who.say(text))
	case choice < 55:
		c := who.say(text)
		c.Private = true
		for range r.IntN(4) {
			c.Recipients = append(c.Recipients, tw.people[r.IntN(len(tw.people))].Participant)
		}
		if r.IntN(10) == 0 {
			c.Recipients = append(c.Recipients, chat.ParticipantID(tw.w.id()))
		}
		return tw.maybeCalled(r, c)
	case choice < 70:
		c := tw.mostlyTheAuthor(r, who, id).edit(id, text)
		if r.IntN(20) == 0 {
			c.Content.Kind = chat.Custom
		}
		return c
	case choice < 80:
		return tw.mostlyTheAuthor(r, who, id).delete(id)
	}
	return who.pin(id, r.IntN(3) > 0)
}

// maybeCalled gives some sends one of a few client ids, and makes some of those
// say the same.
func (tw *twin) maybeCalled(r *rand.Rand, c chat.SendMessage) chat.SendMessage {
	if r.IntN(3) > 0 {
		return c
	}
	if r.IntN(2) == 0 {
		c.Content.Payload = "the same"
	}
	return called(fmt.Sprint(r.IntN(10)), c)
}

func (tw *twin) mostlyTheAuthor(r *rand.Rand, who person, id chat.MessageID) person {
	for _, m := range tw.model.messages {
		if m.ID != id || r.IntN(5) == 0 {
			continue
		}
		for _, p := range tw.people {
			if p.Participant == m.Author {
				return p
			}
		}
	}
	return who
}
