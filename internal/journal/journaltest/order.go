package journaltest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// chatter is a few meetings in which many write at once. What was acknowledged
// is collected.
type chatter struct {
	w        *world
	meetings [][]person

	mu    sync.Mutex
	acked map[chat.MeetingID][]journal.Entry
	fault error
}

func newChatter(w *world, meetings int) *chatter {
	c := &chatter{w: w, acked: make(map[chat.MeetingID][]journal.Entry)}
	for range meetings {
		c.meetings = append(c.meetings, w.joined(w.meeting(true), allowed, allowed, allowed, allowed, allowed))
	}
	return c
}

// write lets so many writers append n commands each, and returns when all are
// acknowledged.
func (c *chatter) write(writers, n int, deletes bool) {
	c.w.t.Helper()
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if err := c.writeOne(i, n, deletes); err != nil {
				c.mu.Lock()
				c.fault = errors.Join(c.fault, err)
				c.mu.Unlock()
			}
		})
	}
	all.Wait()
	c.w.must(c.fault)
}

func (c *chatter) writeOne(writer, n int, deletes bool) error {
	r := rand.New(rand.NewPCG(uint64(writer), 0))
	people := c.meetings[writer%len(c.meetings)]
	me := people[r.IntN(len(people))]
	var mine []chat.MessageID
	for i := range n {
		text := fmt.Sprintf("%d of writer %d", i, writer)
		var cmd chat.Command
		switch choice := r.IntN(10); {
		case choice < 5 || len(mine) == 0:
			cmd = me.say(text)
		case choice < 7:
			cmd = me.say(text, people[r.IntN(len(people)-1)], people[len(people)-1], me)
		case choice < 8:
			cmd = me.edit(mine[r.IntN(len(mine))], text)
		case choice < 9 || !deletes:
			cmd = me.pin(mine[r.IntN(len(mine))], r.IntN(2) == 0)
		default:
			last := len(mine) - 1
			cmd, mine = me.delete(mine[last]), mine[:last]
		}
		entry, err := c.w.journal.Append(c.w.ctx, cmd)
		if chat.CodeOf(err) == chat.NotFound {
			continue // a private message of me to me alone
		}
		if err != nil {
			return fmt.Errorf("writer %d: %T: %w", writer, cmd, err)
		}
		if entry.Event.Kind == chat.MessageSent {
			mine = append(mine, entry.Event.Message.ID)
		}
		c.mu.Lock()
		c.acked[me.Meeting] = append(c.acked[me.Meeting], entry)
		c.mu.Unlock()
	}
	return nil
}

// Seq, times and both counters, as the observer is told them and as they are
// read: without a gap and in one order, exactly what was acknowledged.
func orderUnderConcurrentWriters(t *testing.T, w *world) {
	c := newChatter(w, 5)
	c.write(64, 25, true)
	for _, people := range c.meetings {
		meeting := people[0].Meeting
		acked := c.acked[meeting]
		told := w.tape.of(t, meeting, len(acked))
		wantNumbered(t, told)
		inOrder := make([]journal.Entry, len(acked))
		for _, e := range acked {
			if e.Seq > uint64(len(acked)) || inOrder[e.Seq-1].Seq != 0 {
				t.Fatalf("entry %d was acknowledged twice, or is beyond the %d acknowledged", e.Seq, len(acked))
			}
			inOrder[e.Seq-1] = e
		}
		wantSame(t, "what the observer was told against what was acknowledged", told, inOrder)
		wantSame(t, "what is read against what the observer was told", w.entries(meeting), told)
	}
}

// A reader who comes at any moment meets no hole, nor what is not there yet.
// Few write here, so that there are many transactions to come in between.
func followersWhileOthersWrite(t *testing.T, w *world) {
	c := newChatter(w, 1)
	meeting := c.meetings[0][0].Meeting
	written := make(chan struct{})
	var followers sync.WaitGroup
	for range 2 {
		followers.Go(func() {
			seen, err := w.follow(meeting, written)
			if err != nil {
				t.Errorf("a follower: %v", err)
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if seen != len(c.acked[meeting]) {
				t.Errorf("a follower has seen %d entries, %d were acknowledged", seen, len(c.acked[meeting]))
			}
		})
	}
	c.write(4, 100, true)
	close(written)
	followers.Wait()
}

// follow reads the end of a journal again and again as it grows, and tells how
// many entries it has when all is written.
func (w *world) follow(meeting chat.MeetingID, written <-chan struct{}) (int, error) {
	for cursor, last := uint64(0), false; ; {
		select {
		case <-written:
			last = true
		default:
		}
		after := cursor - min(cursor, 5)
		entries, err := w.journal.Entries(w.ctx, meeting, after, 1000)
		if err != nil {
			return 0, fmt.Errorf("after %d: %w", after, err)
		}
		for i, e := range entries {
			if e.Seq != after+1+uint64(i) {
				return 0, fmt.Errorf("after %d, entry %d is number %d", after, i, e.Seq)
			}
		}
		if after+uint64(len(entries)) < cursor {
			return 0, fmt.Errorf("after %d: %d entries, and there were more before", after, len(entries))
		}
		cursor = after + uint64(len(entries))
		if last {
			return int(cursor), nil
		}
	}
}

// A page is a moment: if it shows a message, it shows all earlier ones.
func pagesWhileOthersWrite(t *testing.T, w *world) {
	c := newChatter(w, 1)
	viewer := c.meetings[0][0]
	written := make(chan struct{})
	var pages []journal.Page
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			page, err := w.journal.Page(w.ctx, journal.Query{
				Meeting: viewer.Meeting, Viewer: viewer.Participant, Receives: true,
				Filter: journal.Everything, Time: math.MaxInt64, Backward: true, Limit: 20,
			})
			if err != nil {
				t.Errorf("reading a page: %v", err)
				return
			}
			pages = append(pages, page)
			select {
			case <-written:
				return
			default:
			}
		}
	})
	c.write(4, 100, false)
	close(written)
	reader.Wait()

	var visible []uint64
	for _, e := range w.entries(viewer.Meeting) {
		if e.Event.Kind == chat.MessageSent && e.Event.Message.VisibleTo(viewer.Participant) {
			visible = append(visible, e.Seq)
		}
	}
	for _, page := range pages {
		messages := reversed(page.Messages)
		if len(messages) == 0 {
			continue
		}
		last, found := slices.BinarySearch(visible, messages[len(messages)-1].Seq)
		if !found || last+1 < len(messages) {
			t.Fatalf("a page shows %v, which is not what was said", outline(messages))
		}
		for i, want := range visible[last+1-len(messages) : last+1] {
			if messages[i].Seq != want {
				t.Fatalf("a page that shows message %d does not show message %d", visible[last], want)
			}
		}
	}
}

// Commands of one goroutine become entries in its order, and are answered in
// that order, though it waits for none.
func orderOfOneSubmitter(t *testing.T, w *world) {
	a, _, _ := w.three()
	const n = 300
	answers := make(chan string, n)
	for i := range n {
		cmd := a.say(fmt.Sprint(i))
		if i%10 == 3 {
			cmd.Content.Payload, cmd.Private = "to nobody", true // refused
		}
		w.journal.Submit(cmd, "", func(e journal.Entry, err error) {
			if err != nil {
				answers <- "to nobody"
				return
			}
			answers <- e.Event.Message.Content.Payload
		})
	}
	for i := range n {
		want := fmt.Sprint(i)
		if i%10 == 3 {
			want = "to nobody"
		}
		select {
		case got := <-answers:
			if got != want {
				t.Fatalf("answer %d is for %q, want %q", i, got, want)
			}
		case <-time.After(patience):
			t.Fatalf("command %d was not answered", i)
		}
	}
	for i, e := range w.entries(a.Meeting) {
		// Of ten commands the fourth was refused.
		want := i/9*10 + i%9
		if i%9 >= 3 {
			want++
		}
		if got := e.Event.Message.Content.Payload; got != fmt.Sprint(want) {
			t.Fatalf("entry %d is %q, want %d", e.Seq, got, want)
		}
	}
}

func clockStepsBack(t *testing.T, w *world) {
	a, _, _ := w.three()
	start := w.clock.Now()
	at := func(when time.Time) int64 {
		w.clock.set(when)
		return w.append(a.say("tick")).At - start.UnixMilli()
	}
	for i, step := range []struct {
		clock time.Duration
		want  int64
	}{
		{0, 0},
		{0, 1},               // the same millisecond
		{-time.Hour, 2},      // an hour back
		{-time.Hour, 3},      // still
		{time.Second, 1000},  // caught up
		{-time.Minute, 1001}, // and back again
	} {
		if got := at(start.Add(step.clock)); got != step.want {
			t.Errorf("step %d, the clock at %v: the entry's time is %d, want %d", i, step.clock, got, step.want)
		}
	}
	w.entries(a.Meeting)

	w.clock.set(start.Add(-time.Hour))
	other := w.joined(w.meeting(false), allowed)[0]
	if got, want := w.append(other.say("tick")).At, w.clock.Now().UnixMilli(); got != want {
		t.Errorf("the time of another meeting is %d, want %d: the clock's", got, want)
	}
}

// Whoever has an answer may count on it that the observer was told: also who
// learns that a send is the repeat of one in the same transaction.
func toldBeforeAnswered(t *testing.T, w *world) {
	a, b, _ := w.three()
	gate := w.block()
	answers := make(chan string, 3)
	answer := func(what string) func(journal.Entry, error) {
		return func(journal.Entry, error) {
			w.tape.mu.Lock()
			defer w.tape.mu.Unlock()
			answers <- fmt.Sprintf("%s, %d told", what, len(w.tape.entries[a.Meeting]))
		}
	}
	w.journal.Submit(called("one", a.say("hello")), "", answer("first"))
	w.journal.Submit(called("one", a.say("hello")), "", answer("repeat"))
	w.journal.Submit(b.say("hello yourself"), "", answer("last"))
	close(gate.goOn)
	for _, want := range []string{"first, 2 told", "repeat, 2 told", "last, 2 told"} {
		select {
		case got := <-answers:
			if got != want {
				t.Errorf("answer: %s; want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	}
}

func ownEntryIsRecognised(t *testing.T, w *world) {
	a, _, _ := w.three()
	acked := make(chan journal.Entry, 1)
	w.journal.Submit(a.say("hello"), "my own", func(e journal.Entry, err error) {
		if err != nil {
			t.Errorf("saying hello: %v", err)
		}
		acked <- e
	})
	select {
	case e := <-acked:
		if e.Settles != "my own" {
			t.Errorf("the acknowledged entry settles %q", e.Settles)
		}
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	if e := w.tape.of(t, a.Meeting, 1)[0]; e.Settles != "my own" {
		t.Errorf("the entry told to the observer settles %q", e.Settles)
	}
	if e := w.entries(a.Meeting)[0]; e.Settles != "" {
		t.Errorf("the entry read from the store settles %q", e.Settles)
	}
}
