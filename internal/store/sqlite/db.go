// Package sqlite is the embedded store: one SQLite database in one data
// directory, used by one process. It implements what journal, directory,
// session and upload declare; the rules are theirs.
//
// Everything is written by one goroutine in shared transactions (see
// writer.go), and read by a pool of connections of its own. The database is in
// WAL mode with synchronous=FULL, so that a transaction is on disk before
// anybody hears of it.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/groupcommit"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/tally"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config tells how to open a store. Only Dir is needed.
type Config struct {
	// Dir is the data directory. It is made if it does not exist.
	Dir string
	// Beside opens the store of a directory that another process may be using,
	// for a short job: it takes no lock and brings nothing up to date, and so
	// refuses data that are not there or of another version.
	Beside bool
	// Synchronous is SQLite's setting of that name. Default FULL. NORMAL is
	// faster and loses acknowledged messages when the power fails: it is there
	// for the test that proves so.
	Synchronous string
	// Now is the clock for what the store dates itself. Default time.Now.
	Now func() time.Time
	// Commit tunes the group commit.
	Commit groupcommit.Config
	// Logger gets what someone must act on. Default: nothing is logged.
	Logger *slog.Logger
	// Faults stops the panics of jobs. Default: nobody is told of them.
	Faults *fault.Guard
}

// DB is an open store. Make it with Open; it is safe for concurrent use.
type DB struct {
	config Config
	log    *slog.Logger
	lock   *os.File
	read   *sql.DB
	pool   *sql.DB // holds the one connection that writes
	conn   *sql.Conn
	writer *groupcommit.Committer[*job]
	flush  atomic.Pointer[func()]

	told    chan []*job // committed batches on their way to those who wait
	stop    context.CancelFunc
	stopped sync.WaitGroup

	failure  atomic.Pointer[error]
	full     atomic.Bool // see State.Full
	failures *tally.Words
	damaged  atomic.Uint64
	reported reported

	rights rights
	access accessCache
	kept   kept
	looked atomic.Uint64 // see Reads
	reads  statements    // of the read pool
	writes statements    // of the writing connection
}

// Open opens the store in the directory, brings its schema up to date and
// starts the writer. It refuses a directory that another process uses, that
// cannot be written, or that a newer version has written.
func Open(ctx context.Context, config Config) (*DB, error) {
	if config.Synchronous == "" {
		config.Synchronous = "FULL"
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := take(config)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(RestoringPath(config.Dir)); err == nil {
		_ = lock.Close() // one that is nil says so, and no more
		return nil, fmt.Errorf("a restore into %s was not finished: empty the directory and restore again", config.Dir)
	}
	db := &DB{
		config: config, log: config.Logger, lock: lock, told: make(chan []*job, 4),
		failures: tally.NewWords(failedFull, failedDisk, failedDamaged, failedOther),
	}
	db.OnFlush(func() {})
	if err := db.open(ctx); err != nil {
		_ = db.release() // what is to be told is why it could not be opened
		return nil, fmt.Errorf("opening the database in %s: %w", config.Dir, classify(err))
	}
	db.start()
	return db, nil
}

// take makes the directory and takes it for this process, unless the store is
// opened beside another: then nothing is locked.
func take(config Config) (*os.File, error) {
	if config.Beside {
		if _, err := os.Stat(filepath.Join(config.Dir, "parley.db")); err != nil {
			return nil, fmt.Errorf("there is no data in %s: %w", config.Dir, err)
		}
		return nil, nil
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory %s: %w", config.Dir, err)
	}
	return lockDir(config.Dir)
}

// lockDir takes the directory for this process. The lock goes with the
// process, so a crash leaves none behind.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "parley.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is not writable: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s is in use by another parley process", dir)
		}
		return nil, fmt.Errorf("locking the data directory %s: %w", dir, err)
	}
	return f, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := ownFile(DatabasePath(db.config.Dir)); err != nil {
		return err
	}
	var err error
	if db.pool, err = sql.Open("sqlite", db.dsn("immediate", false)); err != nil {
		return err
	}
	db.pool.SetMaxOpenConns(1)
	if err := migrate(ctx, db.pool, db.config.Beside); err != nil {
		return err
	}
	if db.conn, err = db.pool.Conn(ctx); err != nil {
		return err
	}
	if db.read, err = sql.Open("sqlite", db.dsn("deferred", true)); err != nil {
		return err
	}
	// Whoever held a lease was a process that has ended.
	if !db.config.Beside {
		for _, held := range []string{
			`UPDATE deliveries SET leased_until = 0 WHERE leased_until > 0`,
			`UPDATE ended_sessions SET leased_until = 0 WHERE leased_until > 0`,
		} {
			if _, err := db.conn.ExecContext(ctx, held); err != nil {
				return err
			}
		}
	}
	db.read.SetMaxOpenConns(4)
	db.read.SetMaxIdleConns(4)
	db.reads.prepare = db.read.PrepareContext
	db.writes.prepare = db.conn.PrepareContext
	return db.read.PingContext(ctx)
}

// ownFile makes the database file, if there is none, so that only its owner
// may read it: SQLite itself would let others. It holds messages and keys.
func ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the database is not writable: %w", err)
	}
	return f.Close()
}

// checkpointAt is how many pages of 4 KiB the write-ahead log may have before it
// is folded back into the database. Each page is then written once, however
// often it changed: with SQLite's own 1000, a commit of a thousand meetings
// folded back all that it had just written. With 4000 the pauses get longer.
const checkpointAt = 2000

func (db *DB) dsn(lock string, queryOnly bool) string {
	q := url.Values{"_txlock": {lock}}
	for _, pragma := range []string{
		"journal_mode(WAL)", "synchronous(" + db.config.Synchronous + ")", "busy_timeout(10000)",
		"foreign_keys(1)", "secure_delete(1)", "cache_size(-16000)", "temp_store(2)",
		"wal_autocheckpoint(" + strconv.Itoa(checkpointAt) + ")",
	} {
		q.Add("_pragma", pragma)
	}
	if queryOnly {
		q.Add("_pragma", "query_only(1)")
	}
	return "file:" + (&url.URL{Path: DatabasePath(db.config.Dir)}).EscapedPath() + "?" + q.Encode()
}

// migrate brings the schema up to date, unless it only looks, and refuses one
// from the future.
func migrate(ctx context.Context, db *sql.DB, look bool) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the data: %w", err)
	}
	if current > newest {
		return fmt.Errorf("the data is of version %d, this parley knows versions up to %d: use a newer parley", current, newest)
	}
	if look {
		if current < newest {
			return fmt.Errorf("the data is of version %d, this parley wants version %d: start the server once", current, newest)
		}
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bringing the data up to date: %w", err)
	}
	return nil
}

// Close commits what waits, stops the writer and gives the directory free.
// Nobody may submit any more when it is called.
func (db *DB) Close() error {
	db.stop()
	db.stopped.Wait()
	return db.release()
}

func (db *DB) release() error {
	var errs []error
	db.reads.close()
	db.writes.close()
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

// Health gives nil, or why the store no longer stores.
func (db *DB) Health() error {
	if err := db.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Damaged tells how often damaged rows have been met since the start.
func (db *DB) Damaged() uint64 { return db.damaged.Load() }

// found reports a row whose checksum is wrong, or that is missing. It is never
// served.
func (db *DB) found(meeting, seq int64) error {
	db.damaged.Add(1)
	if db.reported.first(meeting, seq) {
		db.log.Error("a row of the journal is damaged on disk and is not served", "meeting_no", meeting, "seq", seq)
	}
	return fmt.Errorf("entry %d of meeting number %d: %w", seq, meeting, journal.ErrDamaged)
}

// classify turns what SQLite says into the errors of package journal.
func classify(err error) error {
	e, ok := errors.AsType[*sqlite3.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case sqlitelib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	case sqlitelib.SQLITE_IOERR:
		return fmt.Errorf("%w: %w", journal.ErrFailed, err)
	case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", journal.ErrDamaged, err)
	case sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_PERM:
		return fmt.Errorf("the database is not writable: %w", err)
	}
	return err
}

// isRefused tells whether a constraint of the schema refused a statement. The
// transaction stands as it did before the statement.
func isRefused(err error) bool {
	e, ok := errors.AsType[*sqlite3.Error](err)
	return ok && e.Code()&0xff == sqlitelib.SQLITE_CONSTRAINT
}

// statements keeps prepared statements by their text.
type statements struct {
	prepare func(context.Context, string) (*sql.Stmt, error)
	mu      sync.RWMutex
	byText  map[string]*sql.Stmt
	reaches sync.Map // text to reaches
}

// reaches is how much of the directory and how many heads a statement may
// change.
type reaches struct{ directory, heads reach }

func (s *statements) reach(text string) reaches {
	if known, ok := s.reaches.Load(text); ok {
		return known.(reaches)
	}
	r := reaches{reachOf(text), headsReachedBy(text)}
	s.reaches.Store(text, r)
	return r
}

func (s *statements) get(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.byText[text]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.byText[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.prepare(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, fmt.Errorf("preparing a statement: %w", err)
	}
	if s.byText == nil {
		s.byText = make(map[string]*sql.Stmt)
	}
	s.byText[text] = stmt
	return stmt, nil
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.byText {
		_ = stmt.Close()
	}
	s.byText = nil
}

// Reads tells how often the database has been read since the start, apart from
// what transactions that write read on their way: each query counts, and those
// that are one reading of one moment count as one.
func (db *DB) Reads() uint64 { return db.looked.Load() }

// query reads with a prepared statement of the read pool.
func (db *DB) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	db.looked.Add(1)
	stmt, err := db.reads.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// queryRow reads one row with a prepared statement of the read pool.
func (db *DB) queryRow(ctx context.Context, text string, args []any, into ...any) error {
	db.looked.Add(1)
	stmt, err := db.reads.get(ctx, text)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(into...)
}
