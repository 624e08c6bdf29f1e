package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// wantRefused demands that the directory cannot be opened, for a reason that
// names the directory and says these words.
func wantRefused(t *testing.T, dir string, words ...string) error {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err == nil {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		t.Fatalf("%s was opened", dir)
	}
	for _, word := range append(words, dir) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	return err
}

func TestDirectoryInUse(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	wantRefused(t, tk.dir, "in use by another parley process")
	tk.append(tk.say(tk.a, "undisturbed"))
	tk.reopen()
	tk.wantTexts("undisturbed")
}

func TestFileInPlaceOfTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, file, "making the data directory")
	wantRefused(t, filepath.Join(file, "data"), "making the data directory")
	if content, err := os.ReadFile(file); err != nil || string(content) != "mine" {
		t.Errorf("the file is now %q, %v", content, err)
	}
}

func TestDirectoryInPlaceOfTheDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "parley.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "parley.db")
}

func TestNewerDataIsRefused(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "of today"))
	tk.close()
	rawExec(t, tk.dir, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	for range 2 { // the refusal does not keep the directory locked
		wantRefused(t, tk.dir, "9999", "use a newer parley")
	}
	rawExec(t, tk.dir, `DELETE FROM goose_db_version WHERE version_id = 9999`)
	tk.open()
	tk.wantTexts("of today")
}

func TestForeignFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "parley.db")
	poem := strings.Repeat("this is not a database\n", 1000)
	if err := os.WriteFile(path, []byte(poem), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wantRefused(t, dir); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("opening gave %v, want ErrDamaged", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != poem {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestOddDirectories(t *testing.T) {
	parent := t.TempDir()
	t.Chdir(parent)
	for _, dir := range []string{
		filepath.Join(parent, "with space"), filepath.Join(parent, "100%"), filepath.Join(parent, "what?_pragma=query_only(1)"),
		filepath.Join(parent, "#1"), filepath.Join(parent, "a&b=c;d"), filepath.Join(parent, "%41%00"), filepath.Join(parent, "größe 尺寸"),
		filepath.Join(parent, "new\nline"), filepath.Join(parent, `back\slash'"`), filepath.Join(parent, "file:x"), filepath.Join(parent, "deep", "er"),
		"relative", "./relative too", "re:lative", "-", "\xff not UTF-8",
	} {
		t.Run(dir, func(t *testing.T) {
			tk := newTalk(t, dir)
			tk.append(tk.say(tk.a, "here"))
			tk.reopen()
			tk.wantTexts("here")
			tk.close()
			files, err := os.ReadDir(dir)
			tk.must(err)
			var names []string
			for _, f := range files {
				names = append(names, f.Name())
			}
			if got := fmt.Sprint(names); got != "[parley.db parley.lock]" {
				t.Errorf("the directory holds %s", got)
			}
		})
	}
}

// What the store holds is nobody else's to read.
func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	tk := newTalk(t, dir)
	for name, want := range map[string]os.FileMode{"": 0o700, "parley.db": 0o600, "parley.db-wal": 0o600, "parley.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		tk.must(err)
		if mode := info.Mode().Perm(); mode != want {
			t.Errorf("%q in the data directory has mode %o, want %o", name, mode, want)
		}
	}
}

// What was handed in before Close is stored and answered.
func TestCloseFinishesWhatWaits(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	const n = 500
	answers := make(chan error, n)
	for range n {
		tk.journal.Submit(tk.say(tk.a, "in time"), "", func(_ journal.Entry, err error) { answers <- err })
	}
	tk.close()
	if len(answers) != n {
		t.Fatalf("%d of %d commands were answered when Close returned", len(answers), n)
	}
	for range n {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	tk.open()
	if got := len(tk.page().Messages); got != n {
		t.Errorf("%d messages were stored, want %d", got, n)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	db, j := tk.DB, tk.journal
	tk.close()
	if _, err := j.Append(t.Context(), tk.say(tk.a, "too late")); chat.CodeOf(err) != chat.Unavailable {
		t.Errorf("appending gave %v, want it unavailable", err)
	}
	if _, err := db.Enter(t.Context(), tk.arrival(tk.a), "s", tk.now()); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("entering gave %v, want ErrFailed", err)
	}
}

// Who stops waiting for the outcome gets the reason, and may find the thing
// done.
func TestWaitingEndsWithTheContext(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	started, goOn := make(chan struct{}), make(chan struct{})
	tk.must(tk.Update(func(journal.Tx) error {
		close(started)
		<-goOn
		return nil
	}, func(error) {}))
	<-started
	ctx, cancel := context.WithCancelCause(t.Context())
	impatient := errors.New("impatient")
	cancel(impatient)
	_, appended := tk.journal.Append(ctx, tk.say(tk.a, "stored all the same"))
	_, entered := tk.Enter(ctx, tk.arrival(tk.a), "s", tk.now())
	close(goOn)
	for _, err := range []error{appended, entered} {
		if !errors.Is(err, impatient) {
			t.Errorf("waiting ended with %v", err)
		}
	}
	tk.append(tk.say(tk.a, "next"))
	tk.wantTexts("stored all the same", "next")
}
