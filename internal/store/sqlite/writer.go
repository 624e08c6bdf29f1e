package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/groupcommit"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/tally"
)

// The writer. One goroutine takes all jobs that wait and runs them in one
// transaction with one fsync; a second one tells those who wait, in the order
// of commit, while the first is at the next transaction already.
//
// A job that refuses before it has written costs the others nothing. A job
// that fails after it has written cannot be taken out of the transaction, so
// the transaction is undone and the others run again without it. When the
// engine itself fails, all fail.

// job is one function to run in a transaction.
type job struct {
	run  func(*Tx) error
	done func(error)
	err  error
}

func (db *DB) start() {
	db.writer = groupcommit.New(db.config.Commit, db.commit)
	ctx, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.stopped.Go(func() {
		db.writer.Run(ctx)
		close(db.told)
	})
	db.stopped.Go(db.tell)
}

func (db *DB) tell() {
	for batch := range db.told {
		for _, j := range batch {
			db.config.Faults.Do(fault.Answer, func() { j.done(j.err) })
		}
		db.config.Faults.Do(fault.Answer, *db.flush.Load())
	}
}

// OnFlush implements journal.Store.
func (db *DB) OnFlush(f func()) { db.flush.Store(&f) }

// Update implements journal.Store.
func (db *DB) Update(fn func(journal.Tx) error, done func(error)) error {
	return db.submit(db.writer.Submit, func(tx *Tx) error { return fn(tx) }, done)
}

// update runs fn in the next transaction and waits for the commit. When ctx
// ends first, fn may still be carried out.
func (db *DB) update(ctx context.Context, fn func(*Tx) error) error {
	return db.wait(ctx, db.writer.Submit, audited(ctx, fn))
}

// updateBehind is update for background work.
func (db *DB) updateBehind(ctx context.Context, fn func(*Tx) error) error {
	return db.wait(ctx, db.writer.SubmitBehind, fn)
}

func (db *DB) wait(ctx context.Context, submit func(*job) error, fn func(*Tx) error) error {
	result := make(chan error, 1)
	if err := db.submit(submit, fn, func(err error) { result <- err }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a commit: %w", context.Cause(ctx))
	}
}

func (db *DB) submit(submit func(*job) error, fn func(*Tx) error, done func(error)) error {
	if err := db.Health(); err != nil {
		return err
	}
	switch err := submit(&job{run: fn, done: done}); {
	case errors.Is(err, groupcommit.ErrFull):
		return journal.ErrBusy
	case err != nil:
		return fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	return nil
}

// commit carries out one batch. Each job has its outcome in err afterwards.
func (db *DB) commit(batch []*job) {
	batch = append([]*job(nil), batch...)
	left := batch
	for len(left) > 0 {
		again, err := db.transact(left)
		if err == nil && again == nil {
			db.stores()
			break
		}
		if err != nil {
			err = classify(err)
			db.fails(err)
			for _, j := range left {
				j.err = err
			}
			break
		}
		left = again
	}
	db.told <- batch
}

// transact runs the jobs in one transaction. It gives the jobs that have to
// run again because one of them failed halfway, or the failure of the engine.
func (db *DB) transact(jobs []*job) (again []*job, err error) {
	if err := db.Health(); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := db.prepared(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	tx := newTx(db)
	for i, j := range jobs {
		tx.wrote = false
		if !db.config.Faults.Do(fault.Commit, func() { j.err = j.run(tx) }) {
			j.err, tx.wrote = errFault, true // whatever it has done is undone
		}
		if tx.failure != nil {
			db.rollback(ctx)
			return nil, tx.failure
		}
		if j.err != nil && tx.wrote {
			db.rollback(ctx)
			return append(append([]*job{}, jobs[:i]...), jobs[i+1:]...), nil
		}
	}
	if err := tx.saveHeads(); err != nil {
		db.rollback(ctx)
		return nil, err
	}
	if err := db.prepared(ctx, "COMMIT"); err != nil {
		db.rollback(ctx)
		return nil, fmt.Errorf("committing: %w", err)
	}
	if !tx.directory.none() {
		db.access.changed(tx.directory)
	}
	db.kept.keep(tx)
	return nil, nil
}

// prepared carries out a statement that each transaction needs.
func (db *DB) prepared(ctx context.Context, text string) error {
	stmt, err := db.writes.get(ctx, text)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx)
	return err
}

// rollback undoes the transaction. It fails where SQLite has undone it by
// itself, which it does for some errors.
func (db *DB) rollback(ctx context.Context) {
	if _, err := db.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		db.log.Debug("nothing to roll back", "err", err)
	}
}

// errFault is what becomes of a job that panicked.
var errFault = errors.New("a mistake in the program")

// Why the store does not store, as counted.
const (
	failedFull    = "full"
	failedDisk    = "disk"
	failedDamaged = "damaged"
	failedOther   = tally.Other
)

// fails takes the failure of a transaction. It is logged when things change
// for the worse, not for each message that cannot be stored.
func (db *DB) fails(err error) {
	switch {
	case errors.Is(err, journal.ErrFull):
		db.failures.Add(failedFull)
		if !db.full.Swap(true) {
			db.log.Error("the disk has no room; nothing is stored until it has", "err", err)
		}
		return
	case errors.Is(err, journal.ErrFailed):
		db.failures.Add(failedDisk)
	case errors.Is(err, journal.ErrDamaged):
		db.failures.Add(failedDamaged)
	default:
		db.failures.Add(failedOther)
		db.log.Error("a transaction failed", "err", err)
	}
	db.poison(err)
}

// RoomAgain is how much must be free, in bytes, on a disk that was full before
// the store counts it as having room. Short messages fit now and then on a disk
// that has none for long ones, and the log would tell of both by turns.
const RoomAgain = 1 << 20

// stores takes that a transaction has gone well.
func (db *DB) stores() {
	if !db.full.Load() {
		return
	}
	if space, err := db.Space(); err != nil || space.Free < RoomAgain {
		return
	}
	db.full.Store(false)
	db.log.Info("the disk has room again; messages are stored")
}

// poison stops the store for good where it can no longer tell what is on disk:
// after a failed fsync the kernel may have dropped the pages it could not
// write, and a second, successful fsync proves nothing.
func (db *DB) poison(err error) {
	if !errors.Is(err, journal.ErrFailed) && !errors.Is(err, journal.ErrDamaged) {
		return
	}
	if db.failure.CompareAndSwap(nil, &err) {
		db.log.Error("the store has failed and stores nothing until it is started again", "err", err)
	}
}

// Tx is one transaction. It implements journal.Tx; the other parts of this
// package add what they need.
type Tx struct {
	db    *DB
	heads map[string]*head
	order []*head
	// people and rows are what the transaction has read already.
	people map[accessKey]*person
	rows   map[string]*messageRow
	// revised counts the changes to the public messages of each session.
	revised map[chat.SessionID]int64
	// wrote says that the job at hand has written; failure that the engine
	// has failed, and with it the whole transaction.
	wrote   bool
	failure error
	// objectKind and objects are what the job at hand is done to, see about.
	objectKind string
	objects    []string
	objectApp  chat.AppID
	// directory says what of that which Access has found may have changed, and
	// changedHeads which heads may have otherwise than by saveHead.
	directory, changedHeads touched
}

func newTx(db *DB) *Tx {
	return &Tx{db: db, heads: make(map[string]*head), people: make(map[accessKey]*person), rows: make(map[string]*messageRow), revised: make(map[chat.SessionID]int64)}
}

// exec writes.
func (tx *Tx) exec(text string, args ...any) (int64, error) {
	ctx := context.Background()
	tx.wrote = true
	stmt, err := tx.db.writes.get(ctx, text)
	if err != nil {
		return 0, tx.fail(err)
	}
	tx.touches(tx.db.writes.reach(text), args)
	result, err := stmt.ExecContext(ctx, args...)
	if isRefused(err) {
		return 0, err
	}
	if err != nil {
		return 0, tx.fail(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, tx.fail(err)
	}
	return n, nil
}

// touches notes what a statement may change.
func (tx *Tx) touches(r reaches, args []any) {
	if r.directory != nothing {
		tx.directory.add(r.directory, args)
		clear(tx.people)
	}
	if r.heads != nothing {
		tx.changedHeads.add(r.heads, args)
	}
}

// row reads one row into dest; false when there is none.
func (tx *Tx) row(text string, args []any, dest ...any) (bool, error) {
	ctx := context.Background()
	stmt, err := tx.db.writes.get(ctx, text)
	if err != nil {
		return false, tx.fail(err)
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, tx.fail(err)
	}
	return true, nil
}

// rowsOf reads rows and gives each to one.
func (tx *Tx) rowsOf(text string, args []any, one func(scan func(...any) error) error) error {
	ctx := context.Background()
	stmt, err := tx.db.writes.get(ctx, text)
	if err != nil {
		return tx.fail(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return tx.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return tx.fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return tx.fail(err)
	}
	return nil
}

// fail marks the whole transaction as failed.
func (tx *Tx) fail(err error) error {
	if tx.failure == nil {
		tx.failure = err
	}
	return err
}
