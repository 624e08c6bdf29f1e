package sqlite_test

import (
	"errors"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
)

// What a transaction changes counts for whoever comes after in the same one,
// though all of it was read before.
func TestChangeCountsForTheRestOfItsTransaction(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "before"))
	tk.append(tk.say(tk.b, "before"))
	rules := func(r chat.Rules) func(*directory.Meeting) error {
		return func(m *directory.Meeting) error {
			m.Rules = r
			return nil
		}
	}
	release := tk.hold()
	heard := []<-chan error{tk.submit(tk.say(tk.a, "in time"))}
	changed := make(chan error, 3)
	change := func(n int, do func() error) { // the n-th job that waits
		go func() { changed <- do() }()
		tk.waiting(n)
	}
	change(2, func() error {
		_, err := tk.ChangeMeeting(t.Context(), tk.app, tk.meeting, rules(chat.Rules{Mode: chat.ModeOff}))
		return err
	})
	refused := []<-chan error{tk.submit(tk.say(tk.a, "off"))}
	change(4, func() error {
		_, err := tk.ChangeMeeting(t.Context(), tk.app, tk.meeting, rules(chat.Rules{}))
		return err
	})
	heard = append(heard, tk.submit(tk.say(tk.b, "on again")))
	change(6, func() error {
		_, err := tk.DeleteParticipant(t.Context(), tk.app, tk.meeting, tk.b.Participant)
		return err
	})
	refused = append(refused, tk.submit(tk.say(tk.b, "gone")))
	heard = append(heard, tk.submit(tk.say(tk.a, "the last")))
	release()
	for range cap(changed) {
		tk.must(<-changed)
	}
	for _, outcome := range heard {
		tk.must(<-outcome)
	}
	for i, want := range []chat.Code{chat.Forbidden, chat.Unauthorized} {
		if err := <-refused[i]; chat.CodeOf(err) != want {
			t.Errorf("refused with %v, want %s", err, want)
		}
	}
	tk.wantTexts("before", "before", "in time", "on again", "the last")
}

// A change that is undone has never counted: neither for those who share the
// transaction nor for those who come later.
func TestUndoneChangeIsNotKept(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "before"))
	undone := errors.New("undone")
	release := tk.hold()
	first := tk.submit(tk.say(tk.a, "first"))
	failed := make(chan error, 1)
	tk.must(tk.Update(func(tx journal.Tx) error {
		head, err := tx.Head(tk.meeting)
		if err != nil {
			return err
		}
		e := journal.Entry{Meeting: tk.meeting, Seq: head.Seq + 1, Pub: head.Pub + 1, At: head.At + 1, Event: chat.Event{
			Kind: chat.MessageSent, Message: chat.Message{ID: chat.MessageID(tk.id("message")), Seq: head.Seq + 1},
		}}
		if err := tx.Put(head, &e); err != nil {
			return err
		}
		return undone
	}, func(err error) { failed <- err }))
	second := tk.submit(tk.say(tk.a, "second"))
	release()
	tk.must(<-first)
	tk.must(<-second)
	if err := <-failed; !errors.Is(err, undone) {
		t.Errorf("the job that failed: %v", err)
	}
	if e := tk.append(tk.say(tk.a, "third")); e.Seq != 4 {
		t.Errorf("the message after it is entry %d, want 4", e.Seq)
	}
	tk.wantTexts("before", "first", "second", "third")
}
