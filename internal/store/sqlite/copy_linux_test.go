package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// copyOf copies the database of a directory into a new directory.
func copyOf(t *testing.T, dir string) (string, sqlite.Cut) {
	t.Helper()
	f, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to := t.TempDir()
	cut, err := f.Copy(t.Context(), sqlite.DatabasePath(to), nil)
	if err != nil {
		t.Fatal(err)
	}
	return to, cut
}

// While a store is written to, a copy holds all that was acknowledged before it
// was begun, nothing of what was not, and is sound.
func TestCopyWhileOthersWrite(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	stop, acknowledged := make(chan struct{}), make(chan uint64, 1)
	acknowledged <- tk.append(tk.say(tk.a, "first")).Seq
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			e := tk.append(tk.say(tk.a, fmt.Sprintf("message %d", i)))
			<-acknowledged
			acknowledged <- e.Seq
		}
	}()
	for range 5 {
		before := <-acknowledged
		acknowledged <- before
		to, cut := copyOf(t, tk.dir)
		if cut.Entries < int64(before) || cut.Meetings != 1 || cut.Participants != 2 || cut.Sessions != 1 || cut.Version < 1 {
			t.Errorf("the cut says %+v, when entry %d had been acknowledged", cut, before)
		}
		if census := wantClean(t, to); census.Messages != cut.Entries {
			t.Errorf("the copy has %d messages, the cut says %d", census.Messages, cut.Entries)
		}
		if left, err := filepath.Glob(filepath.Join(to, "*")); err != nil || len(left) != 1 {
			t.Errorf("the copy is not one file: %q, %v", left, err)
		}
	}
	close(stop)
	<-finished
}

func TestCopyIsADatabaseToGoOnWith(t *testing.T) {
	tk := busy(t)
	tk.open()
	want := tk.page()
	to, _ := copyOf(t, tk.dir)
	tk.append(tk.say(tk.a, "after the copy"))
	tk.close()
	tk.dir = to
	tk.open()
	if got := tk.page(); len(got.Messages) != len(want.Messages) {
		t.Errorf("the copy shows %d messages, want %d", len(got.Messages), len(want.Messages))
	}
	tk.append(tk.say(tk.a, "on the copy"))
	tk.close()
	wantClean(t, to)
}

func TestCopyEndsWithItsContext(t *testing.T) {
	tk := busy(t)
	f, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(tk.dir))
	tk.must(err)
	defer f.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := f.Copy(ctx, filepath.Join(t.TempDir(), "copy"), nil); !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
		t.Errorf("copying gave %v", err)
	}
}

// A new epoch for each meeting, and the same data otherwise.
func TestRenew(t *testing.T) {
	tk := busy(t)
	tk.open()
	key, err := tk.Key(t.Context(), "links")
	tk.must(err)
	before, err := tk.Position(t.Context(), tk.meeting)
	tk.must(err)
	tk.close()
	epochs := map[string]bool{before.Epoch: true}
	for _, newKeys := range []bool{false, true} {
		tk.must(sqlite.Renew(t.Context(), sqlite.DatabasePath(tk.dir), sqlite.Renewal{NewKeys: newKeys}))
		wantClean(t, tk.dir)
		tk.open()
		after, err := tk.Position(t.Context(), tk.meeting)
		tk.must(err)
		if epochs[after.Epoch] || len(after.Epoch) < 16 {
			t.Errorf("the epoch is %q, before %q", after.Epoch, before.Epoch)
		}
		epochs[after.Epoch] = true
		if after.Epoch = before.Epoch; after != before {
			t.Errorf("the head is %+v, before %+v", after, before)
		}
		again, err := tk.Key(t.Context(), "links")
		tk.must(err)
		if slices.Equal(again, key) == newKeys {
			t.Errorf("with new keys wanted: %v, the key is the same: %v", newKeys, slices.Equal(again, key))
		}
		tk.close()
	}
	var epochsLeft int
	tk.must(raw(t, tk.dir).QueryRowContext(t.Context(), `SELECT count(DISTINCT epoch) FROM meetings`).Scan(&epochsLeft))
	if epochsLeft != 3 {
		t.Errorf("3 meetings have %d epochs", epochsLeft)
	}
}

// A copy beside the original must not speak in its name.
func TestRenewWithoutWebhooks(t *testing.T) {
	tk := busy(t)
	rawExec(t, tk.dir, `INSERT INTO webhooks (id, app, name, url, events, enabled, created_at, updated_at)
		SELECT 'w', id, 'name', 'https://example.com/', 'meeting.started', 1, 0, 0 FROM apps`)
	rawExec(t, tk.dir, `INSERT INTO deliveries (id, webhook, event, body, created_at, due_at) VALUES ('d', 'w', 'meeting.started', '{}', 0, 1)`)
	for _, without := range []bool{false, true} {
		tk.must(sqlite.Renew(t.Context(), sqlite.DatabasePath(tk.dir), sqlite.Renewal{NoWebhooks: without}))
		wantClean(t, tk.dir)
		var left int
		tk.must(raw(t, tk.dir).QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM webhooks WHERE enabled) +
			(SELECT count(*) FROM deliveries WHERE due_at IS NOT NULL)`).Scan(&left))
		if (left == 0) != without {
			t.Errorf("with no webhooks wanted %v, %d are on or wait", without, left)
		}
	}
}

func TestForgetBytes(t *testing.T) {
	tk := busy(t)
	rawExec(t, tk.dir, `UPDATE uploads SET attached_at = NULL`)
	f, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(tk.dir))
	tk.must(err)
	list := func() (blobs []sqlite.Blob) {
		tk.must(f.Blobs(t.Context(), func(b sqlite.Blob) error { blobs = append(blobs, b); return nil }))
		return blobs
	}
	defer f.Close()
	if got := list(); len(got) != 1 || got[0].Upload != "one" || got[0].Key != "one-1" || got[0].Size != 10 {
		t.Fatalf("the files are %+v", got)
	}
	if known, err := f.KnowsBlob(t.Context(), "one-1"); !known || err != nil {
		t.Errorf("the file is not known, %v", err)
	}
	tk.must(f.Close())
	tk.must(sqlite.ForgetBytes(t.Context(), sqlite.DatabasePath(tk.dir), []string{"one"}))
	f, err = sqlite.OpenFile(t.Context(), sqlite.DatabasePath(tk.dir))
	tk.must(err)
	if got := list(); len(got) != 0 {
		t.Errorf("the files are %+v", got)
	}
	if known, err := f.KnowsBlob(t.Context(), "one-1"); known || err != nil {
		t.Errorf("the file is known still, %v", err)
	}
}

func TestOpenFileSaysWhatIsWrong(t *testing.T) {
	empty := t.TempDir()
	if _, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(empty)); !errors.Is(err, sqlite.ErrNoData) {
		t.Errorf("without a database: %v", err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("looking has made %v, %v", left, err)
	}
	other := t.TempDir()
	if _, err := raw(t, other).ExecContext(t.Context(), `CREATE TABLE messages (a)`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(other)); !errors.Is(err, sqlite.ErrNoData) {
		t.Errorf("on another's database: %v", err)
	}
	tk := busy(t)
	rawExec(t, tk.dir, `UPDATE goose_db_version SET version_id = 9999 WHERE version_id > 0`)
	if _, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(tk.dir)); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("on data of a newer version: %v", err)
	}
}

// Where nothing can be written, a stopped server's data can still be read.
func TestFileOnAReadOnlyDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mountSmall(t, "4m")
	tk := newTalk(t, dir)
	tk.append(tk.say(tk.a, "while it could be written"))
	tk.close()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if census := wantClean(t, dir); census.Messages != 1 {
		t.Errorf("there are %+v", census)
	}
}

// A copy that finds no room says so.
func TestCopyToAFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	tk := busy(t)
	f, err := sqlite.OpenFile(t.Context(), sqlite.DatabasePath(tk.dir))
	tk.must(err)
	defer f.Close()
	if _, err := f.Copy(t.Context(), filepath.Join(mountSmall(t, "64k"), "copy"), nil); !errors.Is(err, journal.ErrFull) {
		t.Errorf("copying gave %v, want ErrFull", err)
	}
}

// A directory into which a restore was not finished is not opened.
func TestHalfRestoredDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(sqlite.RestoringPath(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "was not finished")
}
