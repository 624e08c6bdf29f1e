package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

// This file reads sessions for package export, and keeps its files.

// ExportSession implements export.Store.
func (db *DB) ExportSession(ctx context.Context, id chat.SessionID) (export.Session, error) {
	s := export.Session{ID: id}
	var started, ended, revision int64
	err := db.queryRow(ctx, `SELECT a.id, a.name, m.id, m.title, s.started_at, COALESCE(s.ended_at, 0), s.revision
		FROM sessions s JOIN meetings m ON m.no = s.meeting JOIN apps a ON a.id = m.app WHERE s.id = ?`,
		[]any{string(id)}, &s.App, &s.AppName, &s.Meeting, &s.Title, &started, &ended, &revision)
	if errors.Is(err, sql.ErrNoRows) {
		return export.Session{}, export.ErrNotFound
	}
	if err != nil {
		return export.Session{}, fmt.Errorf("reading a session: %w", classify(err))
	}
	s.StartedAt, s.Revision = fromMilli(started), uint64(revision)
	if ended > 0 {
		s.EndedAt = fromMilli(ended)
	}
	return s, nil
}

// span is the part of a journal in which the messages of a session lie.
type span struct {
	no          int64
	meeting     chat.MeetingID
	first, last int64 // seqs; last is that of the newest entry for the newest session
}

func (db *DB) span(ctx context.Context, id chat.SessionID) (span, error) {
	var s span
	err := db.queryRow(ctx, `SELECT m.no, m.id, s.first_seq, COALESCE(
			(SELECT MIN(n.first_seq) - 1 FROM sessions n WHERE n.meeting = s.meeting AND n.started_at >= s.started_at AND n.first_seq > s.first_seq),
			m.last_seq)
		FROM sessions s JOIN meetings m ON m.no = s.meeting WHERE s.id = ?`, []any{string(id)}, &s.no, &s.meeting, &s.first, &s.last)
	if errors.Is(err, sql.ErrNoRows) {
		return s, export.ErrNotFound
	}
	return s, classify(err)
}

// SessionMessages implements export.Source.
func (db *DB) SessionMessages(ctx context.Context, id chat.SessionID, after uint64, limit int, each func(*chat.Message) error) (uint64, error) {
	s, err := db.span(ctx, id)
	if err != nil {
		return 0, err
	}
	from := max(s.first, int64(after)+1)
	to := min(from+int64(limit)-1, s.last)
	if from > to {
		return 0, nil
	}
	rows, err := db.query(ctx, `SELECT `+packedMessage+` FROM messages m
		WHERE m.meeting = ? AND m.seq >= ? AND m.seq <= ? ORDER BY m.seq`, s.no, from, to)
	if err != nil {
		return 0, classify(err)
	}
	defer rows.Close()
	var ( // once for all rows: each would be memory of its own
		packed sql.NullString // NULL where a column is, which none may be
		r      messageRow
		m      chat.Message
		last   = from - 1
	)
	for rows.Next() {
		if err := rows.Scan(&packed); err != nil {
			return 0, classify(err)
		}
		r.meeting = s.no
		if !r.unpack(packed.String) || !r.intact() {
			return 0, db.foundAfter(ctx, s.no, last)
		}
		last = r.seq
		if r.pub == 0 || r.deletedAt != 0 || r.session != string(id) {
			continue
		}
		m = r.message(s.meeting)
		if err := each(&m); err != nil {
			return 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, classify(err)
	}
	if to == s.last {
		return 0, nil
	}
	return uint64(to), nil
}

// foundAfter is found for the first message after a seq.
func (db *DB) foundAfter(ctx context.Context, meeting, last int64) error {
	var seq int64
	if err := db.queryRow(ctx, `SELECT seq FROM messages WHERE meeting = ? AND seq > ? ORDER BY seq LIMIT 1`, []any{meeting, last}, &seq); err != nil {
		return classify(err)
	}
	return db.found(meeting, seq)
}

// HasPublic implements export.Store.
func (db *DB) HasPublic(ctx context.Context, id chat.SessionID) (bool, error) {
	s, err := db.span(ctx, id)
	if err != nil {
		return false, err
	}
	var found bool
	err = db.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM messages m
		WHERE m.meeting = ? AND m.seq >= ? AND m.seq <= ? AND m.pub > 0 AND m.deleted_at = 0 AND m.session = ?)`,
		[]any{s.no, s.first, s.last, string(id)}, &found)
	return found, classify(err)
}

// Dump implements export.Store.
func (db *DB) Dump(ctx context.Context, id chat.SessionID, format export.Format) (export.Dump, bool, error) {
	d := export.Dump{Session: id, Format: format}
	var revision, made int64
	err := db.queryRow(ctx, `SELECT revision, key, size, made_at FROM dumps WHERE session = ? AND format = ?`,
		[]any{string(id), string(format)}, &revision, &d.Key, &d.Size, &made)
	if errors.Is(err, sql.ErrNoRows) {
		return d, false, nil
	}
	d.Revision, d.MadeAt = uint64(revision), fromMilli(made)
	return d, err == nil, classify(err)
}

// How long the bytes of a dump stay: those of one that is being made until it
// must have been finished, and those of one that was replaced for as long as
// somebody may still be reading.
const (
	dumpMadeWithin = 24 * time.Hour
	dumpReadWithin = time.Hour
)

// BeginDump implements export.Store.
func (db *DB) BeginDump(ctx context.Context, key string, at time.Time) error {
	return db.updateBehind(ctx, func(tx *Tx) error { return tx.loosen(key, at.Add(dumpMadeWithin)) })
}

// KeepDump implements export.Store.
func (db *DB) KeepDump(ctx context.Context, d export.Dump) error {
	return db.updateBehind(ctx, func(tx *Tx) error {
		if err := tx.loosenDump(d.Session, d.Format, d.MadeAt.Add(dumpReadWithin)); err != nil {
			return err
		}
		if _, err := tx.exec(`DELETE FROM loose_blobs WHERE key = ?`, d.Key); err != nil {
			return err
		}
		_, err := tx.exec(`INSERT OR REPLACE INTO dumps (session, format, revision, key, size, made_at) VALUES (?, ?, ?, ?, ?, ?)`,
			string(d.Session), string(d.Format), int64(d.Revision), d.Key, d.Size, d.MadeAt.UnixMilli())
		return err
	})
}

// loosenDump has the bytes of a session's dump collected.
func (tx *Tx) loosenDump(id chat.SessionID, format export.Format, due time.Time) error {
	_, err := tx.exec(`INSERT OR REPLACE INTO loose_blobs (key, due_at) SELECT key, ? FROM dumps WHERE session = ? AND format = ?`,
		due.UnixMilli(), string(id), string(format))
	return err
}

// DropDump implements export.Store.
func (db *DB) DropDump(ctx context.Context, d export.Dump) error {
	return db.updateBehind(ctx, func(tx *Tx) error {
		_, err := tx.exec(`DELETE FROM dumps WHERE session = ? AND format = ? AND key = ?`, string(d.Session), string(d.Format), d.Key)
		return err
	})
}

// TakeEnded implements export.Store.
func (db *DB) TakeEnded(ctx context.Context, now, until time.Time, limit int) ([]chat.SessionID, error) {
	var due bool
	if err := db.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM ended_sessions WHERE leased_until <= ?)`, []any{now.UnixMilli()}, &due); err != nil || !due {
		return nil, classify(err)
	}
	return changedBehind(ctx, db, func(tx *Tx) ([]chat.SessionID, error) {
		var ids []chat.SessionID
		err := tx.rowsOf(`SELECT session FROM ended_sessions WHERE leased_until <= ? ORDER BY session LIMIT ?`, []any{now.UnixMilli(), limit},
			func(scan func(...any) error) error {
				var id chat.SessionID
				if err := scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
				return nil
			})
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if _, err := tx.exec(`UPDATE ended_sessions SET leased_until = ? WHERE session = ?`, until.UnixMilli(), string(id)); err != nil {
				return nil, err
			}
		}
		return ids, nil
	})
}

// ToldEnded implements export.Store.
func (db *DB) ToldEnded(ctx context.Context, id chat.SessionID, app chat.AppID, body []byte, now time.Time) error {
	return db.updateBehind(ctx, func(tx *Tx) error {
		listed, err := tx.exec(`DELETE FROM ended_sessions WHERE session = ?`, string(id))
		if err != nil || listed == 0 || body == nil {
			return err
		}
		return tx.tellWebhooks(app, webhook.ChatSynced, now.UnixMilli(), func() ([]byte, error) { return body, nil })
	})
}
