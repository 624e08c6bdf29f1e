package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
)

// This file keeps the stores that apps share, for package kv. The rows go with
// their session: see the trigger in the migration.

// itemRow is a row of store_items.
type itemRow struct {
	session, store, key string
	value               []byte
	peer                string
	at, rival           int64
	crc                 int64
}

const itemColumns = `i.session, i.store, i.key, i.value, i.peer, i.at, i.rival, i.crc`

func (r *itemRow) dest() []any {
	return []any{&r.session, &r.store, &r.key, &r.value, &r.peer, &r.at, &r.rival, &r.crc}
}

// sum is the checksum over all other columns, as in messages and changes; a
// number says whether there is a value.
func (r *itemRow) sum() int64 {
	c := checksum{buf: make([]byte, 0, 256+len(r.value))}
	var there int64
	if r.value != nil {
		there = 1
	}
	return c.text(r.session, r.store, r.key).num(there).text(string(r.value), r.peer).num(r.at, r.rival).sum()
}

func (r *itemRow) item() kv.Item {
	return kv.Item{
		Name: kv.Name{Store: r.store, Key: r.key}, Value: r.value, Peer: chat.PeerID(r.peer), At: r.at, Rival: r.rival,
	}
}

// PutKeys implements kv.Engine.
func (db *DB) PutKeys(w kv.Write, done func(kv.Change, error)) error {
	var change kv.Change
	return db.submit(db.writer.Submit,
		func(tx *Tx) (err error) {
			change, err = tx.putKeys(w)
			return err
		},
		func(err error) {
			if err != nil {
				change = kv.Change{}
			}
			done(change, err)
		})
}

func (tx *Tx) putKeys(w kv.Write) (kv.Change, error) {
	h, err := tx.Head(w.Meeting)
	if err != nil {
		return kv.Change{}, err
	}
	state, err := tx.storeState(h, w)
	if err != nil {
		return kv.Change{}, err
	}
	change, totals, err := kv.Decide(w, state, tx.db.config.Now().UnixMilli())
	if err != nil {
		return kv.Change{}, err
	}
	for _, i := range change.Items {
		if err := tx.putItem(h.Session, i); err != nil {
			return kv.Change{}, err
		}
	}
	if totals, err = tx.forgetDeleted(h.Session, totals); err != nil {
		return kv.Change{}, err
	}
	_, err = tx.exec(`INSERT INTO store_totals (session, keys, bytes, deleted, last_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (session) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes,
			deleted = excluded.deleted, last_at = excluded.last_at`,
		string(h.Session), totals.Keys, totals.Bytes, totals.Deleted, totals.At)
	return change, err
}

// storeState reads what a write is decided on.
func (tx *Tx) storeState(h *journal.Head, w kv.Write) (kv.State, error) {
	s := kv.State{Active: h.Active, Session: h.Session, Before: make(map[string]kv.Item)}
	p, err := tx.Participant(w.Meeting, w.Participant)
	if err != nil {
		return s, err
	}
	kicked, err := tx.Kicked(h, w.Peer)
	if err != nil {
		return s, err
	}
	s.Participant = p != nil && !kicked
	t := &s.Totals
	if _, err := tx.row(`SELECT keys, bytes, deleted, last_at FROM store_totals WHERE session = ?`,
		[]any{string(h.Session)}, &t.Keys, &t.Bytes, &t.Deleted, &t.At); err != nil {
		return s, err
	}
	if len(w.Pairs) > kv.MaxPairs {
		return s, nil // Decide refuses it
	}
	for _, pair := range w.Pairs {
		var r itemRow
		found, err := tx.row(`SELECT `+itemColumns+` FROM store_items i WHERE i.session = ? AND i.store = ? AND i.key = ?`,
			[]any{string(h.Session), w.Store, pair.Key}, r.dest()...)
		if err != nil {
			return s, err
		}
		if found {
			// A damaged one is counted as it is, and written over.
			s.Before[pair.Key] = r.item()
		}
	}
	return s, nil
}

func (tx *Tx) putItem(session chat.SessionID, i kv.Item) error {
	r := itemRow{
		session: string(session), store: i.Store, key: i.Key, value: i.Value, peer: string(i.Peer), at: i.At, rival: i.Rival,
	}
	_, err := tx.exec(`INSERT INTO store_items (session, store, key, value, peer, at, rival, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (session, store, key) DO UPDATE SET value = excluded.value, peer = excluded.peer,
			at = excluded.at, rival = excluded.rival, crc = excluded.crc`,
		r.session, r.store, r.key, r.value, r.peer, r.at, r.rival, r.sum())
	return err
}

// forgetDeleted bounds what is remembered of deleted keys: the oldest go.
func (tx *Tx) forgetDeleted(session chat.SessionID, t kv.Totals) (kv.Totals, error) {
	if t.Deleted <= 2*kv.MaxDeleted {
		return t, nil
	}
	n, err := tx.exec(`DELETE FROM store_items WHERE rowid IN (SELECT rowid FROM store_items INDEXED BY store_items_deleted
		WHERE session = ? AND value IS NULL ORDER BY at LIMIT ?)`, string(session), t.Deleted-kv.MaxDeleted)
	t.Deleted -= int(n)
	return t, err
}

// Keys implements kv.Engine. A damaged item is reported and left out.
func (db *DB) Keys(ctx context.Context, meeting chat.MeetingID) (kv.Snapshot, error) {
	h, err := db.Position(ctx, meeting)
	if errors.Is(err, journal.ErrNoMeeting) || err == nil && h.Session == "" {
		return kv.Snapshot{}, nil
	}
	if err != nil {
		return kv.Snapshot{}, err
	}
	s := kv.Snapshot{Session: h.Session}
	rows, err := db.query(ctx, `SELECT `+itemColumns+` FROM store_items i WHERE i.session = ? ORDER BY i.at`, string(h.Session))
	if err != nil {
		return kv.Snapshot{}, fmt.Errorf("reading the stores of a meeting: %w", classify(err))
	}
	defer rows.Close()
	for rows.Next() {
		var r itemRow
		if err := rows.Scan(r.dest()...); err != nil {
			return kv.Snapshot{}, classify(err)
		}
		if r.crc != r.sum() {
			db.damaged.Add(1)
			db.log.Error("an item of a store is damaged on disk and is not served", "session", r.session, "store", r.store)
			continue
		}
		s.Items = append(s.Items, r.item())
	}
	return s, classify(rows.Err())
}
