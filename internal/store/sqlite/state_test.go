package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
)

// A mistake in one job costs that job: it is undone and refused, and those
// beside it in the same transaction are stored, in order.
func TestPanicInAJobIsItsOwn(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	release := tk.hold()
	first := tk.submit(tk.say(tk.a, "before"))
	panicked := make(chan error, 1)
	tk.must(tk.Update(func(tx journal.Tx) error {
		head, err := tx.Head(tk.meeting)
		if err != nil {
			return err
		}
		e := journal.Entry{Meeting: tk.meeting, Seq: head.Seq + 1, Pub: head.Pub + 1, At: head.At + 1, Event: chat.Event{
			Kind: chat.MessageSent, Message: chat.Message{ID: "half done", Meeting: tk.meeting},
		}}
		if err := tx.Put(head, &e); err != nil {
			return err
		}
		panic("halfway")
	}, func(err error) { panicked <- err }))
	last := tk.submit(tk.say(tk.b, "after"))
	tk.waiting(3)
	release()
	if err := <-panicked; err == nil {
		t.Error("the job that panicked counts as done")
	}
	for _, outcome := range []<-chan error{first, last} {
		if err := <-outcome; err != nil {
			t.Errorf("one beside it got %v", err)
		}
	}
	tk.wantTexts("before", "after")
	if n := tk.faults.Caught().Of(fault.Commit); n != 1 {
		t.Errorf("%d panics were counted", n)
	}
	if err := tk.Health(); err != nil {
		t.Errorf("the store is ill: %v", err)
	}
}

// One who is told of a commit and panics does not keep others from being told.
func TestPanicInAnAnswerIsItsOwn(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	release := tk.hold()
	tk.must(tk.Update(func(journal.Tx) error { return nil }, func(error) { panic("in an answer") }))
	next := tk.submit(tk.say(tk.a, "hello"))
	release()
	if err := <-next; err != nil {
		t.Errorf("the next one got %v", err)
	}
	if n := tk.faults.Caught().Of(fault.Answer); n != 1 {
		t.Errorf("%d panics were counted", n)
	}
}

func TestStateTellsOfAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tk := newTalk(t, t.TempDir())
		synctest.Wait() // who waited for a transaction hears of it before it counts as over
		if s := tk.State(); s.Committing != 0 {
			t.Errorf("at rest a transaction has been under way for %v", s.Committing)
		}
		release := tk.hold()
		waits := tk.submit(tk.say(tk.a, "hello"))
		time.Sleep(time.Minute)
		if s := tk.State(); s.Committing < time.Minute || s.Waiting != 1 {
			t.Errorf("a minute later the state is %+v", s)
		}
		release()
		tk.must(<-waits)
	})
}

func TestSpaceIsThatOfTheFiles(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "hello"))
	space, err := tk.Space()
	tk.must(err)
	for name, got := range map[string]int64{"parley.db": space.Database, "parley.db-wal": space.WAL} {
		info, err := os.Stat(filepath.Join(tk.dir, name))
		tk.must(err)
		if got != info.Size() || got == 0 {
			t.Errorf("%s has %d bytes, not %d", name, info.Size(), got)
		}
	}
	if space.Free <= 0 || space.Total < space.Free {
		t.Errorf("the disk has %d bytes, %d of them free", space.Total, space.Free)
	}
}

func TestLiveSessionsAreThoseThatHaveNotEnded(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	for _, want := range []int{1, 0} {
		if n, err := tk.LiveSessions(t.Context()); err != nil || n != want {
			t.Errorf("%d sessions are live (%v), want %d", n, err, want)
		}
		tk.must(tk.Left(t.Context(), tk.session, tk.a.Peer))
		tk.must(tk.Left(t.Context(), tk.session, tk.b.Peer))
		tk.advance(time.Hour)
		_, err := tk.End(t.Context(), tk.now())
		tk.must(err)
	}
}

func TestCommitsAreCounted(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	before, _, _ := tk.Commits().Jobs.Snapshot()
	tk.append(tk.say(tk.a, "hello"))
	// The transaction is counted after those who wait for it have heard.
	tk.append(tk.say(tk.a, "and again"))
	after, jobs, _ := tk.Commits().Jobs.Snapshot()
	if after <= before || jobs < int64(after) {
		t.Errorf("%d transactions of %d jobs, %d before", after, jobs, before)
	}
}

// A damaged row is asked for again and again; the log tells of it once.
func TestDamageIsLoggedOnce(t *testing.T) {
	tk := damaged(t)
	rawExec(t, tk.dir, `UPDATE messages SET payload = 'something else' WHERE seq = 2`)
	for range 3 {
		tk.wantTexts("before", "for bob", "after all", "last")
	}
	if n := tk.log.lines("damaged on disk"); n != 1 || tk.Damaged() < 3 {
		t.Errorf("%d lines tell of it, and it was met %d times", n, tk.Damaged())
	}
}
