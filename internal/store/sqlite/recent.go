package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

const (
	recentPublic = `SELECT ` + messageColumns + ` FROM messages m INDEXED BY messages_public
		WHERE m.meeting = ? AND m.pub > 0 AND m.deleted_at = 0 ORDER BY m.at DESC`
	recentPrivate = `SELECT ` + messageColumns + ` FROM messages m
		WHERE m.meeting = ? AND m.seq >= ? AND m.pub = 0 AND m.deleted_at = 0 ORDER BY m.seq DESC`
)

// Recent implements journal.Store, by one reading of one moment. Damaged rows
// are left out and reported.
func (db *DB) Recent(ctx context.Context, meeting chat.MeetingID, limits journal.RecentLimits) (journal.Recent, error) {
	db.looked.Add(1)
	// Preparing takes a connection. Whoever has one already and waits for
	// another to prepare with waits for ever, when all do so.
	at := moment{db: db}
	for text, stmt := range map[string]**sql.Stmt{headQuery: &at.head, recentPublic: &at.public, recentPrivate: &at.private} {
		var err error
		if *stmt, err = db.reads.get(ctx, text); err != nil {
			return journal.Recent{}, classify(err)
		}
	}
	tx, err := db.read.BeginTx(ctx, nil)
	if err != nil {
		return journal.Recent{}, classify(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	at.tx = tx
	recent, err := at.recent(ctx, meeting, limits)
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Recent{}, journal.ErrNoMeeting
	}
	if err != nil {
		return journal.Recent{}, classify(err)
	}
	return recent, nil
}

// moment reads the database as it stood when its first query was run.
type moment struct {
	db                    *DB
	tx                    *sql.Tx
	head, public, private *sql.Stmt
}

func (m moment) recent(ctx context.Context, meeting chat.MeetingID, limits journal.RecentLimits) (journal.Recent, error) {
	var h head
	_, err := h.scan(meeting, func(dest ...any) (bool, error) {
		return true, m.tx.StmtContext(ctx, m.head).QueryRowContext(ctx, string(meeting)).Scan(dest...)
	})
	if err != nil {
		return journal.Recent{}, err
	}
	r := journal.Recent{Head: h.Head, Whole: true}
	bytes := 0
	err = m.walk(ctx, h.Head, func(message chat.Message) bool {
		if message.Seq < h.VisibleFrom {
			return false
		}
		if len(r.Public) >= limits.Count || bytes >= limits.Bytes {
			r.Whole = false
			return false
		}
		r.Public = append(r.Public, message)
		bytes += len(message.Content.Payload)
		return true
	}, m.public, h.No)
	if err != nil {
		return journal.Recent{}, err
	}
	slices.Reverse(r.Public)
	r.PrivateFrom = h.VisibleFrom
	if !r.Whole && len(r.Public) > 0 {
		r.PrivateFrom = r.Public[0].Seq
	}
	if h.Seq == h.Pub { // nobody has whispered in this meeting
		return r, nil
	}
	return r, m.whispers(ctx, &r, limits)
}

// whispers reads the private messages.
func (m moment) whispers(ctx context.Context, r *journal.Recent, limits journal.RecentLimits) error {
	if span := uint64(limits.PrivateSpan); r.Head.Seq > span {
		r.PrivateFrom = max(r.PrivateFrom, r.Head.Seq-span+1)
	}
	bytes := 0
	err := m.walk(ctx, r.Head, func(message chat.Message) bool {
		if bytes >= limits.PrivateBytes {
			r.PrivateFrom = message.Seq + 1
			return false
		}
		r.Private = append(r.Private, message)
		bytes += len(message.Content.Payload)
		return true
	}, m.private, r.Head.No, int64(r.PrivateFrom))
	slices.Reverse(r.Private)
	return err
}

// walk gives the messages of a query to visit, until that wants no more.
func (m moment) walk(ctx context.Context, h journal.Head, visit func(chat.Message) bool, stmt *sql.Stmt, args ...any) error {
	rows, err := m.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r messageRow
		if err := rows.Scan(r.dest()...); err != nil {
			return err
		}
		if !r.intact() {
			_ = m.db.found(r.meeting, r.seq)
			continue
		}
		if !visit(r.message(h.Meeting)) {
			return nil
		}
	}
	return rows.Err()
}
