package sqlite_test

import (
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/groupcommit"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// hold keeps the writer busy until the function it gives is called. What is
// handed in meanwhile shares the next transaction.
func (tk *talk) hold() (release func()) {
	tk.tb.Helper()
	started, goOn := make(chan struct{}), make(chan struct{})
	tk.must(tk.Update(func(journal.Tx) error {
		close(started)
		<-goOn
		return nil
	}, func(error) {}))
	<-started
	return func() { close(goOn) }
}

// waiting waits until so many jobs wait for the writer.
func (tk *talk) waiting(n int) {
	tk.tb.Helper()
	for deadline := time.Now().Add(time.Minute); tk.Waiting() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			tk.tb.Fatalf("%d jobs wait, want %d", tk.Waiting(), n)
		}
	}
}

// submit hands in a command and gives the channel of its outcome.
func (tk *talk) submit(cmd chat.Command) <-chan error {
	outcome := make(chan error, 1)
	tk.journal.Submit(cmd, "", func(_ journal.Entry, err error) { outcome <- err })
	return outcome
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.close()
	var err error
	tk.DB, err = sqlite.Open(t.Context(), sqlite.Config{Dir: tk.dir, Now: tk.now, Commit: groupcommit.Config{Queue: 3}})
	tk.must(err)
	tk.journal = journal.New(tk.DB, tk.now, journal.Limits{}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
	release := tk.hold()
	var waiting []<-chan error
	for range 3 {
		waiting = append(waiting, tk.submit(tk.say(tk.a, "in time")))
	}
	refusal, ok := errors.AsType[*chat.Error](<-tk.submit(tk.say(tk.a, "one too many")))
	if !ok || refusal.Code != chat.Unavailable || refusal.RetryAfter <= 0 {
		t.Errorf("a full queue gave %#v, want it unavailable, and when to try again", refusal)
	}
	if _, err := tk.Enter(t.Context(), tk.arrival(tk.a), "s", tk.now()); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("entering gave %v, want ErrBusy", err)
	}
	release()
	for _, outcome := range waiting {
		tk.must(<-outcome)
	}
	tk.append(tk.say(tk.a, "later"))
	tk.wantTexts("in time", "in time", "in time", "later")
}

// A row that the schema does not take costs only whoever brought it.
func TestRefusedRowDoesNotHurtItsBatch(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	taken := tk.say(tk.a, "first")
	tk.append(taken)
	release := tk.hold()
	before := tk.submit(tk.say(tk.a, "before"))
	twice := tk.say(tk.a, "an id that is taken")
	twice.ID = taken.ID
	refused := tk.submit(twice)
	after := tk.submit(tk.say(tk.a, "after"))
	added := make(chan error, 1)
	go func() {
		_, err := tk.PutParticipant(t.Context(), tk.app, directory.Participant{
			ID: tk.a.Participant, Meeting: tk.meeting, PresetName: "group_call_host",
		})
		added <- err
	}()
	tk.waiting(4)
	last := tk.submit(tk.say(tk.b, "last"))
	release()
	for _, outcome := range []<-chan error{before, after, last} {
		tk.must(<-outcome)
	}
	if err := <-refused; chat.CodeOf(err) != chat.Unavailable {
		t.Errorf("a message with an id that is taken: %v, want it unavailable", err)
	}
	if err := <-added; err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("a participant with an id that is taken: %v", err)
	}
	if err := tk.Health(); err != nil {
		t.Errorf("the store is ill: %v", err)
	}
	tk.wantTexts("first", "before", "after", "last")
	if entries, err := tk.readAll(); err != nil || len(entries) != 4 {
		t.Errorf("%d entries, %v; want 4", len(entries), err)
	}
}

// A session ends, and the next begins, in one transaction, and in between
// somebody talks: what is said before the end is of the first session, what is
// said between the two is refused, and the numbers go on.
func TestMessagesAroundTheEndOfTheSession(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "first"))
	tk.must(tk.Left(t.Context(), tk.session, tk.a.Peer))
	tk.must(tk.Left(t.Context(), tk.session, tk.b.Peer))
	tk.advance(directory.DefaultKeepAlive)

	release := tk.hold()
	inTime := tk.submit(tk.say(tk.a, "just in time"))
	ended := make(chan error, 1)
	tk.must(tk.SubmitEnd(tk.now(), func(err error) { ended <- err }))
	late := tk.submit(tk.say(tk.a, "too late"))
	entered := make(chan error, 1)
	go func() {
		_, err := tk.Enter(t.Context(), tk.arrival(tk.a), "the next session", tk.now())
		entered <- err
	}()
	tk.waiting(4)
	again := tk.submit(tk.say(tk.a, "again"))
	release()
	for _, outcome := range []<-chan error{inTime, ended, entered, again} {
		tk.must(<-outcome)
	}
	if err := <-late; chat.CodeOf(err) != chat.Forbidden {
		t.Errorf("after the end: %v, want %s", err, chat.Forbidden)
	}
	entries, err := tk.readAll()
	tk.must(err)
	if len(entries) != 3 {
		t.Fatalf("%d entries, want 3", len(entries))
	}
	for i, want := range []chat.SessionID{tk.session, tk.session, "the next session"} {
		if got := entries[i].Event.Message.Session; got != want {
			t.Errorf("entry %d is of session %s, want %s", i+1, got, want)
		}
	}
}

// A preset that cannot be read stops those who have it, and nobody else.
func TestPresetThatCannotBeRead(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.close() // what it has read it would believe to be so still
	rawExec(t, tk.dir, `INSERT INTO presets SELECT 'broken', app, 'broken', '{', 0, 0 FROM presets LIMIT 1`)
	rawExec(t, tk.dir, `UPDATE participants SET preset = 'broken' WHERE id = ?`, string(tk.b.Participant))
	tk.open()
	tk.wantUnavailable(tk.say(tk.b, "hello"))
	tk.append(tk.say(tk.a, "hello"))
	if err := tk.Health(); err != nil {
		t.Errorf("the store is ill: %v", err)
	}
	tk.wantTexts("hello")
}
