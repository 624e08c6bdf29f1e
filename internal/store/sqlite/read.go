package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// This file reads journals for package journal.

// Position implements journal.Store.
func (db *DB) Position(ctx context.Context, meeting chat.MeetingID) (journal.Head, error) {
	var h head
	_, err := h.scan(meeting, func(dest ...any) (bool, error) {
		return true, db.queryRow(ctx, headQuery, []any{string(meeting)}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Head{}, journal.ErrNoMeeting
	}
	if err != nil {
		return journal.Head{}, classify(err)
	}
	return h.Head, nil
}

// Entries implements journal.Store: a merge of messages and changes by number,
// up to the head as it was at the beginning, because the two are read one after
// the other while the journal grows. Damage ends it with an error: a reader
// must not mistake a hole for silence.
func (db *DB) Entries(ctx context.Context, meeting chat.MeetingID, after uint64, limit int) ([]journal.Entry, error) {
	h, err := db.Position(ctx, meeting)
	if err != nil {
		return nil, err
	}
	if after >= h.Seq || limit <= 0 {
		return nil, nil
	}
	want := min(h.Seq-after, uint64(limit))
	sent, err := db.sent(ctx, h, after, after+want)
	if err != nil {
		return nil, classify(err)
	}
	changed, err := db.changed(ctx, h, after, after+want)
	if err != nil {
		return nil, classify(err)
	}
	entries := slices.Concat(sent, changed)
	slices.SortFunc(entries, func(a, b journal.Entry) int { return int(int64(a.Seq) - int64(b.Seq)) })
	for i := range want {
		if seq := after + 1 + i; i >= uint64(len(entries)) || entries[i].Seq != seq {
			return nil, db.found(h.No, int64(seq))
		}
		if err := db.numberOwn(ctx, h.No, &entries[i]); err != nil {
			return nil, err
		}
	}
	return entries[:want], nil
}

// sent reads the entries of messages sent, after one number and up to another.
func (db *DB) sent(ctx context.Context, h journal.Head, after, last uint64) ([]journal.Entry, error) {
	rows, err := db.query(ctx, `SELECT `+messageColumns+` FROM messages m
		WHERE m.meeting = ? AND m.seq > ? AND m.seq <= ? ORDER BY m.seq`, h.No, int64(after), int64(last))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []journal.Entry
	for rows.Next() {
		var r messageRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		if !r.intact() {
			return nil, db.found(r.meeting, r.seq)
		}
		m := r.message(h.Meeting)
		entries = append(entries, journal.Entry{
			Meeting: h.Meeting, Seq: m.Seq, Pub: uint64(r.pub), At: r.at,
			Event: chat.Event{Kind: chat.MessageSent, Message: m, Actor: m.Author, Peer: m.Peer},
		})
	}
	return entries, rows.Err()
}

// changed reads the other entries, after one number and up to another.
func (db *DB) changed(ctx context.Context, h journal.Head, after, last uint64) ([]journal.Entry, error) {
	rows, err := db.query(ctx, `SELECT `+changeColumns+`, `+messageColumns+` FROM changes c
		JOIN messages m ON m.meeting = c.meeting AND m.seq = c.target
		WHERE c.meeting = ? AND c.seq > ? AND c.seq <= ? ORDER BY c.seq`, h.No, int64(after), int64(last))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []journal.Entry
	for rows.Next() {
		var c changeRow
		var r messageRow
		if err := rows.Scan(append(c.dest(), r.dest()...)...); err != nil {
			return nil, err
		}
		if !c.intact() {
			return nil, db.found(c.meeting, c.seq)
		}
		if !r.intact() {
			return nil, db.found(r.meeting, r.seq)
		}
		m := r.message(h.Meeting)
		entries = append(entries, journal.Entry{
			Meeting: h.Meeting, Seq: uint64(c.seq), Pub: uint64(c.pub), At: c.at,
			Event: chat.Event{
				Kind: chat.EventKind(c.kind), Message: m, Actor: chat.ParticipantID(c.actor), Peer: chat.PeerID(c.peer),
				Before: chat.Content{Kind: m.Content.Kind, Payload: c.before},
			},
		})
	}
	return entries, rows.Err()
}

// placeQuery finds an entry in somebody's mailbox by its time. Left to itself,
// SQLite goes through the whole mailbox instead.
const placeQuery = `SELECT own, seq FROM mailbox INDEXED BY mailbox_by_time WHERE meeting = ? AND participant = ? AND at = ?`

// numberOwn looks up the private numbers of a private entry.
func (db *DB) numberOwn(ctx context.Context, meeting int64, e *journal.Entry) error {
	if e.Pub > 0 {
		return nil
	}
	e.Own = make(map[chat.ParticipantID]uint64, len(e.Event.Message.Audience))
	for _, id := range e.Event.Message.Audience {
		var own, seq uint64
		err := db.queryRow(ctx, placeQuery, []any{meeting, string(id), e.At}, &own, &seq)
		if errors.Is(err, sql.ErrNoRows) {
			return db.found(meeting, int64(e.Seq))
		}
		if err != nil {
			return fmt.Errorf("reading the private number of entry %d: %w", e.Seq, classify(err))
		}
		e.Own[id] = own
	}
	return nil
}

// Page implements journal.Store. It walks the public messages and the
// viewer's mailbox by index, both in the order asked for, and merges them. A
// damaged row is left out and reported. Both end at the head as it was at the
// beginning: the second walk must not see what is younger than the first saw.
func (db *DB) Page(ctx context.Context, q journal.Query) (journal.Page, error) {
	q = q.Normalise()
	h, err := db.Position(ctx, q.Meeting)
	if err != nil {
		return journal.Page{}, err
	}
	q.Before = min(q.Before, h.Seq+1)
	first, err := db.visibleSince(ctx, h)
	if err != nil {
		return journal.Page{}, classify(err)
	}
	last := q.Time
	if !q.Backward {
		first, last = max(first, q.Time), math.MaxInt64
	}
	bounds := []any{first, last, int64(h.VisibleFrom), int64(q.Before)}
	want := q.Limit + 1
	var public, private []chat.Message
	if q.Filter != journal.Conversation {
		if public, err = db.walk(ctx, h, q, publicWalk(q), append([]any{h.No}, bounds...), want); err != nil {
			return journal.Page{}, classify(err)
		}
	}
	if q.Filter != journal.PublicOnly {
		if private, err = db.walk(ctx, h, q, privateWalk(q), append([]any{h.No, string(q.Viewer)}, bounds...), want); err != nil {
			return journal.Page{}, classify(err)
		}
	}
	messages := slices.Concat(public, private)
	slices.SortFunc(messages, func(a, b chat.Message) int {
		if q.Backward {
			a, b = b, a
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	more := len(messages) > q.Limit
	return journal.Page{Messages: messages[:min(q.Limit, len(messages))], More: more}, nil
}

// visibleSince gives the time of the first message that may be seen, so that a
// walk does not go through all that was said in earlier sessions.
func (db *DB) visibleSince(ctx context.Context, h journal.Head) (int64, error) {
	if h.VisibleFrom <= 1 {
		return math.MinInt64, nil
	}
	var r messageRow
	err := db.queryRow(ctx, `SELECT `+messageColumns+` FROM messages m WHERE m.meeting = ? AND m.seq >= ? ORDER BY m.seq LIMIT 1`,
		[]any{h.No, int64(h.VisibleFrom)}, r.dest()...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return math.MaxInt64, nil
	case err != nil:
		return 0, err
	case !r.intact(): // its time is worth nothing
		return math.MinInt64, nil
	}
	return r.at, nil
}

func order(q journal.Query) string {
	if q.Backward {
		return "DESC"
	}
	return "ASC"
}

func publicWalk(q journal.Query) string {
	index, which := `messages_public`, `m.pub > 0 AND m.deleted_at = 0`
	if q.Filter == journal.PinnedOnly {
		index, which = `messages_pinned`, `m.pinned = 1 AND m.pub > 0`
	}
	return `SELECT ` + messageColumns + ` FROM messages m INDEXED BY ` + index + ` WHERE m.meeting = ? AND ` + which +
		` AND m.at >= ? AND m.at <= ? AND m.seq >= ? AND m.seq < ? ORDER BY m.at ` + order(q)
}

func privateWalk(q journal.Query) string {
	return `SELECT ` + messageColumns + ` FROM mailbox b JOIN messages m ON m.meeting = b.meeting AND m.seq = b.seq
		WHERE b.meeting = ? AND b.participant = ? AND b.at >= ? AND b.at <= ? AND m.seq >= ? AND m.seq < ?
		ORDER BY b.at ` + order(q)
}

// walk reads on until it has as many messages of the page as are wanted.
func (db *DB) walk(ctx context.Context, h journal.Head, q journal.Query, text string, args []any, want int) ([]chat.Message, error) {
	rows, err := db.query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var messages []chat.Message
	for len(messages) < want && rows.Next() {
		var r messageRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		if !r.intact() {
			_ = db.found(r.meeting, r.seq)
			continue
		}
		if m := r.message(h.Meeting); q.Shows(&m) {
			messages = append(messages, m)
		}
	}
	return messages, rows.Err()
}
