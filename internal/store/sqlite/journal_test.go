package sqlite_test

import (
	"os"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/journal/journaltest"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

func TestJournal(t *testing.T) {
	journaltest.Run(t, func(t testing.TB, now func() time.Time) journaltest.Storage {
		return &storage{dir: t.TempDir(), now: now}
	})
}

// storage is a data directory under journaltest.
type storage struct {
	dir  string
	now  func() time.Time
	open *sqlite.DB
}

func (s *storage) Open(tb testing.TB) journaltest.Engine {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), sqlite.Config{Dir: s.dir, Now: s.now})
	if err != nil {
		tb.Fatal(err)
	}
	s.open = db
	return verified{db, tb, s.dir}
}

// verified is an engine whose data must be sound whenever it is closed.
type verified struct {
	*sqlite.DB

	tb  testing.TB
	dir string
}

func (v verified) Close() error {
	wantPlans(v.tb, v.DB)
	err := v.DB.Close()
	wantClean(v.tb, v.dir)
	return err
}

// Crash goes on with a copy of the directory as it is now. What a process has
// written is in its files, whether it lives or not.
func (s *storage) Crash(tb testing.TB) {
	tb.Helper()
	abandoned := s.open
	tb.Cleanup(func() {
		if err := abandoned.Close(); err != nil {
			tb.Errorf("closing an abandoned engine: %v", err)
		}
	})
	copied := tb.TempDir()
	if err := os.CopyFS(copied, os.DirFS(s.dir)); err != nil {
		tb.Fatal(err)
	}
	s.dir = copied
}
