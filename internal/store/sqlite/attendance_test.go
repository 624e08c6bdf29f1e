package sqlite_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/session/sessiontest"
)

func TestSessions(t *testing.T) {
	sessiontest.Run(t, func(t testing.TB, now func() time.Time) sessiontest.Storage {
		return sessionStorage{&storage{dir: t.TempDir(), now: now}}
	})
}

// sessionStorage is a data directory under sessiontest.
type sessionStorage struct{ *storage }

func (s sessionStorage) Open(tb testing.TB) sessiontest.Engine {
	tb.Helper()
	s.storage.Open(tb)
	return s.open
}
