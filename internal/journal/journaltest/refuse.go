package journaltest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
)

func refusedCommandLeavesNoTrace(t *testing.T, w *world) {
	a, b, c := w.three()
	silent := w.joined(a.Meeting, mute)[0]
	stranger := w.joined(w.meeting(true), allowed)[0]
	elsewhere := stranger
	elsewhere.Meeting = a.Meeting

	public := w.append(called("first", a.say("public"))).Event.Message.ID
	private := w.append(a.say("private", b)).Event.Message.ID
	gone := w.append(a.say("gone")).Event.Message.ID
	w.append(a.delete(gone))
	foreign := w.append(stranger.say("in another meeting")).Event.Message.ID
	head, before := w.position(a.Meeting), w.entries(a.Meeting)
	page := w.everything(b)

	crowd := a.say("to a crowd", b)
	for len(crowd.Recipients) <= chat.MaxRecipients {
		crowd.Recipients = append(crowd.Recipients, b.Participant)
	}
	for _, refusal := range []struct {
		name string
		want chat.Code
		cmd  chat.Command
	}{
		{"a stranger's message", chat.Unauthorized, elsewhere.say("let me in")},
		{"a message without the right to send", chat.Forbidden, silent.say("hm")},
		{"a private message to nobody who exists", chat.NotFound, a.say("psst", stranger)},
		{"a private message to oneself", chat.NotFound, a.say("psst", a)},
		{"a private message to too many", chat.Limited, crowd},
		{"a client id used for something else", chat.Conflict, called("first", a.say("another"))},
		{"an edit of another's message", chat.Forbidden, b.edit(public, "mine")},
		{"an edit of a message not seen", chat.NotFound, c.edit(private, "mine")},
		{"an edit of a deleted message", chat.NotFound, a.edit(gone, "back")},
		{"an edit of an unknown message", chat.NotFound, a.edit("unknown", "new")},
		{"an edit of another meeting's message", chat.NotFound, a.edit(foreign, "mine")},
		{"a deletion of another's message", chat.Forbidden, b.delete(public)},
		{"a deletion of a message not seen", chat.NotFound, c.delete(private)},
		{"a second deletion", chat.NotFound, a.delete(gone)},
		{"a pin of an unknown message", chat.NotFound, a.pin("unknown", true)},
		{"a pin of a message not seen", chat.NotFound, c.pin(private, true)},
		{"a pin without the right to send", chat.Forbidden, silent.pin(public, true)},
	} {
		w.refused(refusal.want, refusal.cmd)
		if got := w.position(a.Meeting); got != head {
			t.Errorf("%s moved the head from %+v to %+v", refusal.name, head, got)
		}
	}
	wantSame(t, "after the refusals", w.entries(a.Meeting), before)
	wantTexts(t, "after the refusals", w.everything(b), texts(page)...)
	// The private counters too: the next private entry follows on the last.
	w.append(a.say("private again", b))
	w.entries(a.Meeting)
}

// everything reads all that a person may see, oldest first.
func (w *world) everything(p person) []chat.Message {
	w.t.Helper()
	messages, err := w.journal.Newest(w.ctx, journal.Query{
		Meeting: p.Meeting, Viewer: p.Participant, Receives: true, Limit: journal.MaxPage,
	})
	w.must(err)
	return messages
}

// blocker keeps the engine busy until it is told to go on, so that what is
// handed in meanwhile waits and may share one transaction.
type blocker struct {
	started, goOn chan struct{}
	done          chan error
}

func (w *world) block() *blocker {
	w.t.Helper()
	b := &blocker{started: make(chan struct{}), goOn: make(chan struct{}), done: make(chan error, 1)}
	start := sync.OnceFunc(func() { close(b.started) })
	w.must(w.engine.Update(func(journal.Tx) error {
		start()
		<-b.goOn
		return nil
	}, func(err error) { b.done <- err }))
	w.await(b.started)
	return b
}

func (w *world) await(done <-chan struct{}) {
	w.t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		w.t.Fatal("waited too long")
	}
}

// Some of those who share a transaction fail after they have written: nothing
// of theirs is kept, and everything of the others.
func failedJobDoesNotHurtItsBatch(t *testing.T, w *world) {
	a, b, _ := w.three()
	other := w.joined(w.meeting(true), allowed)[0]
	w.append(a.say("before"))
	broken := errors.New("broken")
	type outcome struct {
		who string
		err error
	}
	outcomes := make(chan outcome, 16)
	say := func(who string, cmd chat.Command) {
		w.journal.Submit(cmd, "", func(_ journal.Entry, err error) { outcomes <- outcome{who, err} })
	}
	fail := func(who string, p person) {
		entry := journal.Entry{Meeting: p.Meeting, Event: chat.Event{Kind: chat.MessageSent, Actor: p.Participant, Message: chat.Message{
			ID: chat.MessageID(w.id()), Meeting: p.Meeting, Session: "s", Author: p.Participant, Content: chat.Content{Payload: "broken"},
		}}}
		w.must(w.engine.Update(func(tx journal.Tx) error {
			head, err := tx.Head(p.Meeting)
			if err != nil {
				return err
			}
			entry.Seq, entry.Pub, entry.At = head.Seq+1, head.Pub+1, head.At+1
			entry.Event.Message.Seq, entry.Event.Message.SentAt = entry.Seq, entry.At
			if err := tx.Put(head, &entry); err != nil {
				return err
			}
			return broken
		}, func(err error) { outcomes <- outcome{who, err} }))
	}

	gate := w.block()
	say("1", a.say("one"))
	fail("broken 1", a)
	say("2", a.say("two", b))
	say("refused", a.say("nobody", a))
	say("3", other.say("three"))
	fail("broken 2", other)
	say("4", a.say("four"))
	close(gate.goOn)

	// The journal answers its own in order, after the observer; jobs of others
	// are answered as they are.
	var order []string
	for range 7 {
		select {
		case got := <-outcomes:
			switch {
			case got.who == "refused":
				if chat.CodeOf(got.err) != chat.NotFound {
					t.Errorf("the refused command got %v", got.err)
				}
			case len(got.who) > 1:
				if !errors.Is(got.err, broken) {
					t.Errorf("%s got %v, want its own error", got.who, got.err)
				}
				continue
			case got.err != nil:
				t.Errorf("command %s got %v", got.who, got.err)
			}
			order = append(order, got.who)
		case <-time.After(patience):
			t.Fatalf("answers came to %q only", order)
		}
	}
	if want := []string{"1", "2", "refused", "3", "4"}; !slices.Equal(order, want) {
		t.Errorf("answers came in the order %q, want %q", order, want)
	}
	w.entries(a.Meeting)
	wantTexts(t, "the meeting of the first failure", w.everything(b), "before", "one", "two", "four")
	w.entries(other.Meeting)
	wantTexts(t, "the meeting of the second failure", w.everything(other), "three")
	if got := len(w.tape.of(t, a.Meeting, 4)); got != 4 {
		t.Errorf("the observer was told of %d entries, want 4", got)
	}
}

func unknownMeeting(t *testing.T, w *world) {
	a, _, _ := w.three()
	a.Meeting = "unknown"
	w.refused(chat.NotFound, a.say("anybody?"))
	if _, err := w.journal.Position(w.ctx, a.Meeting); !errors.Is(err, journal.ErrNoMeeting) {
		t.Errorf("Position gave %v, want ErrNoMeeting", err)
	}
	if _, err := w.journal.Entries(w.ctx, a.Meeting, 0, 10); !errors.Is(err, journal.ErrNoMeeting) {
		t.Errorf("Entries gave %v, want ErrNoMeeting", err)
	}
	if _, err := w.journal.Page(w.ctx, journal.Query{Meeting: a.Meeting, Viewer: a.Participant}); !errors.Is(err, journal.ErrNoMeeting) {
		t.Errorf("Page gave %v, want ErrNoMeeting", err)
	}

	closed := chat.MeetingID(w.id())
	w.putMeeting(directory.Meeting{ID: closed})
	w.refused(chat.Forbidden, w.add(closed, allowed).say("anybody?"))
	empty := w.meeting(true)
	w.refused(chat.Forbidden, w.add(empty, allowed).say("anybody?"))
	if entries := w.entries(empty); len(entries) != 0 {
		t.Errorf("a meeting in which nothing was said has %d entries", len(entries))
	}
}

// Who may not receive private messages is not in the audience of any, and who
// lost the right sees only what they wrote.
func presetDecidesWhoReceives(t *testing.T, w *world) {
	people := w.joined(w.meeting(true), allowed, allowed, deaf)
	a, b, unhearing := people[0], people[1], people[2]
	w.refused(chat.NotFound, a.say("psst", unhearing))
	e := w.append(a.say("to both", b, unhearing))
	if e.Own[unhearing.Participant] != 0 || e.Event.Message.VisibleTo(unhearing.Participant) {
		t.Errorf("the audience is %v", e.Event.Message.Audience)
	}
	w.append(unhearing.say("I can speak", b))
	wantTexts(t, "to one who may receive", w.everything(b), "to both", "I can speak")
	page, err := w.journal.Page(w.ctx, journal.Query{Meeting: b.Meeting, Viewer: b.Participant, Filter: journal.Everything})
	w.must(err)
	wantTexts(t, "to the same without the right", page.Messages)
	page, err = w.journal.Page(w.ctx, journal.Query{Meeting: b.Meeting, Viewer: unhearing.Participant, Filter: journal.Everything})
	w.must(err)
	wantTexts(t, "to the author without the right", page.Messages, "I can speak")
}
