package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/groupcommit"
	"github.com/parley-chat/parley/internal/tally"
)

// This file tells operators how the store is.

// State is how the store is at a moment.
type State struct {
	// Failed is why the store has stopped for good, nil if it has not.
	Failed error
	// Full says that a transaction has found no room on the disk, and none that
	// went well since has found RoomAgain of it free.
	Full bool
	// Waiting is how many jobs wait for a transaction.
	Waiting int
	// Committing is for how long the transaction under way has been so, 0 when
	// there is none.
	Committing time.Duration
}

// State looks at what the store does.
func (db *DB) State() State {
	return State{Failed: db.Health(), Full: db.full.Load(), Waiting: db.writer.Waiting(), Committing: db.writer.Under()}
}

// Commits counts the transactions.
func (db *DB) Commits() groupcommit.Counters { return db.writer.Counters() }

// Failures counts the transactions that failed, by the reason.
func (db *DB) Failures() *tally.Words { return db.failures }

// Space is how much of the disk there is, in bytes.
type Space struct {
	// Database is the size of the database and WAL that of its log.
	Database, WAL int64
	// Free is what this process may still write to the disk that they lie on,
	// of Total.
	Free, Total int64
}

// Space looks at the files and the disk.
func (db *DB) Space() (Space, error) {
	var s Space
	for name, size := range map[string]*int64{"parley.db": &s.Database, "parley.db-wal": &s.WAL} {
		switch info, err := os.Stat(filepath.Join(db.config.Dir, name)); {
		case err == nil:
			*size = info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return s, fmt.Errorf("looking at the database: %w", err)
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(db.config.Dir, &disk); err != nil {
		return s, fmt.Errorf("looking at the disk: %w", err)
	}
	block := int64(disk.Bsize) //nolint:unconvert // of other types on other systems
	s.Free, s.Total = int64(disk.Bavail)*block, int64(disk.Blocks)*block
	return s, nil
}

// LiveSessions counts the sessions that have not ended.
func (db *DB) LiveSessions(ctx context.Context) (int, error) {
	var n int
	err := db.queryRow(ctx, `SELECT count(*) FROM sessions WHERE ended_at IS NULL`, nil, &n)
	return n, err
}

// Backlog is what happened and is still to be told.
type Backlog struct {
	// Deliveries wait for the webhooks that are enabled, and Overdue is for how
	// long the one has been due that has been so longest.
	Deliveries int
	Overdue    time.Duration
	// Sessions have ended, and their chat is not ready yet.
	Sessions int
}

// Backlog looks at what waits.
func (db *DB) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	now := db.config.Now()
	due := now.UnixMilli()
	err := db.queryRow(ctx, `SELECT count(d.no), min(COALESCE(min(d.due_at), ?1), ?1), (SELECT count(*) FROM ended_sessions)
		FROM webhooks w JOIN deliveries d ON d.webhook = w.id WHERE w.enabled AND d.due_at IS NOT NULL`, []any{due}, &b.Deliveries, &due, &b.Sessions)
	b.Overdue = now.Sub(fromMilli(due)).Truncate(time.Millisecond)
	return b, classify(err)
}

// reported remembers which damaged rows have been told of, so that the log
// tells of each once and not each time it is asked for.
type reported struct {
	mu   sync.Mutex
	rows map[[2]int64]bool
}

// maxReported bounds the memory. Whoever has so many damaged rows knows.
const maxReported = 10000

// first tells whether a row is to be told of.
func (r *reported) first(meeting, seq int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := [2]int64{meeting, seq}
	if r.rows[row] || len(r.rows) >= maxReported {
		return false
	}
	if r.rows == nil {
		r.rows = make(map[[2]int64]bool)
	}
	r.rows[row] = true
	return true
}
