package sqlite

import "time"

// Waiting tells how many jobs wait for the writer.
func (db *DB) Waiting() int { return db.writer.Waiting() }

// SubmitEnd is End for a test that wants its place in the order of what is
// submitted.
func (db *DB) SubmitEnd(now time.Time, done func(error)) error {
	return db.submit(db.writer.Submit, func(tx *Tx) error {
		_, err := tx.end(now)
		return err
	}, done)
}
