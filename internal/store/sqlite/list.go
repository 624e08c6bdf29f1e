package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/journal"
)

// This file lists messages for those who run a meeting.

// List implements journal.Store. It walks an index in the order asked for: that
// of what is pinned, that of what is public and there, or else the journal. A
// damaged row is left out and reported.
func (db *DB) List(ctx context.Context, l journal.Listing) (journal.Listed, error) {
	h, err := db.Position(ctx, l.Meeting)
	if err != nil {
		return journal.Listed{}, err
	}
	if l.Session != "" {
		if l, err = db.withinSession(ctx, h, l); err != nil {
			return journal.Listed{}, err
		}
	}
	if l.From > l.To {
		return journal.Listed{}, nil
	}
	text, args, err := db.listWalk(ctx, h, l)
	if err != nil {
		return journal.Listed{}, err
	}
	rows, err := db.query(ctx, text, args...)
	if err != nil {
		return journal.Listed{}, classify(err)
	}
	defer rows.Close()
	var page journal.Listed
	for looked := 0; rows.Next(); looked++ {
		if looked == journal.MaxLooked {
			page.More = true
			break
		}
		var r messageRow
		if err := rows.Scan(r.dest()...); err != nil {
			return journal.Listed{}, classify(err)
		}
		if !r.intact() {
			_ = db.found(r.meeting, r.seq)
			continue
		}
		m := r.message(h.Meeting)
		shown := l.Shows(&m)
		if shown && len(page.Messages) == l.Limit {
			page.More = true
			break
		}
		if page.Last = m.SentAt; page.First == 0 {
			page.First = m.SentAt
		}
		if shown {
			page.Messages = append(page.Messages, m)
		}
	}
	return page, classify(rows.Err())
}

// withinSession narrows a listing to the times of its session. One that the
// meeting does not have leaves nothing.
func (db *DB) withinSession(ctx context.Context, h journal.Head, l journal.Listing) (journal.Listing, error) {
	s, err := db.span(ctx, l.Session)
	if errors.Is(err, export.ErrNotFound) || (err == nil && s.no != h.No) {
		l.From, l.To = 1, 0
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("finding a session: %w", err)
	}
	first, err := db.timeAt(ctx, h.No, s.first, math.MaxInt64)
	if err != nil {
		return l, err
	}
	next, err := db.timeAt(ctx, h.No, s.last+1, math.MaxInt64)
	if err != nil {
		return l, err
	}
	l.From, l.To = max(l.From, first), min(l.To, next-1)
	return l, nil
}

// timeAt gives the time of the first message sent by an entry or a later one,
// or none where there is no such message.
func (db *DB) timeAt(ctx context.Context, meeting, seq, none int64) (int64, error) {
	var at int64
	err := db.queryRow(ctx, `SELECT at FROM messages WHERE meeting = ? AND seq >= ? ORDER BY seq LIMIT 1`, []any{meeting, seq}, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return none, nil
	}
	return at, classify(err)
}

// seqAt gives the first entry whose message was sent at a time or later, by
// halving the journal: its times have no index of their own.
func (db *DB) seqAt(ctx context.Context, h journal.Head, at int64) (int64, error) {
	low, high := int64(1), int64(h.Seq)+1
	for low < high {
		middle := low + (high-low)/2
		there, err := db.timeAt(ctx, h.No, middle, math.MaxInt64)
		if err != nil {
			return 0, err
		}
		if there >= at {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// listWalk gives the query that a listing walks.
func (db *DB) listWalk(ctx context.Context, h journal.Head, l journal.Listing) (text string, args []any, err error) {
	index, which, column := "", "", "at"
	switch {
	case l.Pinned:
		index, which = " INDEXED BY messages_pinned", " AND m.pinned = 1"
	case !l.Private && !l.Deleted:
		index = " INDEXED BY messages_public"
	default:
		column = "seq"
	}
	if !l.Private {
		which += " AND m.pub > 0"
	}
	if !l.Deleted {
		which += " AND m.deleted_at = 0"
	}
	first, last := l.From, l.To
	if column == "seq" {
		if first, err = db.seqAt(ctx, h, l.From); err != nil {
			return "", nil, err
		}
		if last = math.MaxInt64; l.To < math.MaxInt64 {
			if last, err = db.seqAt(ctx, h, l.To+1); err != nil {
				return "", nil, err
			}
			last--
		}
	}
	direction := " DESC"
	if l.Forward {
		direction = ""
	}
	return `SELECT ` + messageColumns + ` FROM messages m` + index + ` WHERE m.meeting = ?` + which +
		` AND m.` + column + ` >= ? AND m.` + column + ` <= ? ORDER BY m.` + column + direction, []any{h.No, first, last}, nil
}

// MessageOf implements journal.Store.
func (db *DB) MessageOf(ctx context.Context, meeting chat.MeetingID, id chat.MessageID) (*chat.Message, error) {
	var r messageRow
	err := db.queryRow(ctx, `SELECT `+messageColumns+` FROM messages m JOIN meetings g ON g.no = m.meeting
		WHERE m.id = ? AND g.id = ?`, []any{string(id), string(meeting)}, r.dest()...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, classify(err)
	case !r.intact():
		return nil, db.found(r.meeting, r.seq)
	}
	m := r.message(meeting)
	return &m, nil
}

// ChangesOf implements journal.Store.
func (db *DB) ChangesOf(ctx context.Context, m *chat.Message, after int64, limit int) ([]journal.Change, error) {
	rows, err := db.query(ctx, `SELECT `+changeColumns+` FROM changes c INDEXED BY changes_by_message
		WHERE c.meeting = (SELECT no FROM meetings WHERE id = ?) AND c.target = ? AND c.at > ? ORDER BY c.at LIMIT ?`,
		string(m.Meeting), int64(m.Seq), after, limit)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	changes := slices.Grow([]journal.Change(nil), 1)
	for rows.Next() {
		var c changeRow
		if err := rows.Scan(c.dest()...); err != nil {
			return nil, classify(err)
		}
		if !c.intact() {
			return nil, db.found(c.meeting, c.seq)
		}
		changes = append(changes, journal.Change{
			Kind: chat.EventKind(c.kind), Actor: chat.ParticipantID(c.actor), At: c.at,
			Before: chat.Content{Kind: m.Content.Kind, Payload: c.before},
		})
	}
	return changes, classify(rows.Err())
}
