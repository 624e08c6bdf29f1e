package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/session"
)

// This file looks back: sessions, and who was there when.

// sessionSpent and peerSpent are the time up to a moment, given once.
const (
	sessionSpent  = `s.spent + MAX(0, s.live * ? - s.since)`
	recordColumns = `s.id, s.app, m.id, m.title, s.started_at, s.ended_at, s.peers, s.live, s.most, ` + sessionSpent + `, s.revision`
	recordTables  = `sessions s JOIN meetings m ON m.no = s.meeting`
	peerSpent     = `p.spent + CASE WHEN p.left_at IS NULL THEN MAX(0, ? - p.since) ELSE 0 END`
)

func scanRecord(scan func(...any) error) (session.Record, error) {
	var r session.Record
	var started, spent int64
	var ended *int64
	if err := scan(&r.ID, &r.App, &r.Meeting, &r.Title, &started, &ended, &r.Peers, &r.Live, &r.Most, &spent, &r.Revision); err != nil {
		return session.Record{}, lookedFor(err)
	}
	r.StartedAt, r.EndedAt, r.Spent = fromMilli(started), maybeMilli(ended), time.Duration(spent)*time.Millisecond
	return r, nil
}

func maybeMilli(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return fromMilli(*ms)
}

func lookedFor(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return session.ErrNotFound
	}
	return classify(err)
}

func (db *DB) nowMilli() int64 { return db.config.Now().UnixMilli() }

// Session implements session.Reader.
func (db *DB) Session(ctx context.Context, app chat.AppID, id chat.SessionID) (session.Record, error) {
	return scanRecord(func(dest ...any) error {
		return db.queryRow(ctx, `SELECT `+recordColumns+` FROM `+recordTables+` WHERE s.id = ? AND s.app = ?`,
			[]any{db.nowMilli(), string(id), string(app)}, dest...)
	})
}

// Active implements session.Reader.
func (db *DB) Active(ctx context.Context, app chat.AppID, meeting chat.MeetingID) (session.Record, error) {
	return scanRecord(func(dest ...any) error {
		return db.queryRow(ctx, `SELECT `+recordColumns+` FROM meetings m JOIN sessions s ON s.id = m.session WHERE m.id = ? AND m.app = ?`,
			[]any{db.nowMilli(), string(meeting), string(app)}, dest...)
	})
}

// Sessions implements session.Reader.
func (db *DB) Sessions(ctx context.Context, app chat.AppID, l session.List) ([]session.Record, int, error) {
	l.Page = l.Page.Normalise()
	w := where{}.and(`s.app = ?`, string(app))
	if l.Meeting != "" {
		// The sessions of one meeting are few beside those of the app.
		w = where{}.and(`s.meeting = (SELECT no FROM meetings WHERE id = ?)`, string(l.Meeting)).and(`+s.app = ?`, string(app))
	}
	kept := []keptCount{{"sessions", string(app), 1}}
	switch l.Status {
	case session.Live:
		w = w.and(`s.ended_at IS NULL`)
		kept = []keptCount{{"live sessions", string(app), 1}}
	case session.Ended:
		w = w.and(`s.ended_at IS NOT NULL`)
		kept = append(kept, keptCount{"live sessions", string(app), -1})
	}
	if l.Meeting != "" || !l.From.IsZero() || !l.To.IsZero() || l.Least > 0 || l.Most > 0 || l.Search != "" {
		kept = nil
	}
	if !l.From.IsZero() {
		w = w.and(`s.started_at >= ?`, l.From.UnixMilli())
	}
	if !l.To.IsZero() {
		w = w.and(`s.started_at <= ?`, l.To.UnixMilli())
	}
	if l.Least > 0 {
		w = w.and(`s.peers >= ?`, l.Least)
	}
	if l.Most > 0 {
		w = w.and(`s.peers <= ?`, l.Most)
	}
	w = w.lookFor(l.Search, `m.title`, `m.id`, `s.id`)
	d := direction(l.Page)
	if l.Order == session.BySpent {
		return lookBack(ctx, db, scanRecord, db.bySpent(w, l.Page), recordTables, w, l.Page, kept...)
	}
	return lookBack(ctx, db, scanRecord, db.page(recordColumns, recordTables, w, `s.started_at`+d+`, s.id`+d, l.Page), recordTables, w, l.Page, kept...)
}

// bySpent reads sessions by the time that was spent. That of sessions where
// nobody is stands in an index, in order; the rest is sorted into its beginning.
func (db *DB) bySpent(w where, p session.Page) query {
	d, now := direction(p), db.nowMilli()
	//nolint:unqueryvet // the columns are named where they are read
	text := `SELECT * FROM (SELECT * FROM (SELECT ` + recordColumns + ` FROM ` + recordTables + w.text() + ` AND s.live = 0
			ORDER BY s.spent` + d + `, s.id` + d + ` LIMIT ?)
		UNION ALL SELECT ` + recordColumns + ` FROM ` + recordTables + w.text() + ` AND s.live > 0)
		ORDER BY 10` + d + `, 1` + d + ` LIMIT ? OFFSET ?`
	return query{text, slices.Concat([]any{now}, w.args, []any{p.Offset() + p.Size, now}, w.args, []any{p.Size, p.Offset()})}
}

// query is a statement with its arguments.
type query struct {
	text string
	args []any
}

// page reads one page. The one argument of the columns is the present time.
func (db *DB) page(columns, tables string, w where, order string, p session.Page) query {
	return query{
		`SELECT ` + columns + ` FROM ` + tables + w.text() + ` ORDER BY ` + order + ` LIMIT ? OFFSET ?`,
		slices.Concat([]any{db.nowMilli()}, w.args, []any{p.Size, p.Offset()}),
	}
}

func direction(p session.Page) string {
	if p.Ascending {
		return ` ASC`
	}
	return ` DESC`
}

// lookFor keeps rows whose name contains the text, or one of whose ids is it.
func (w where) lookFor(text, name string, ids ...string) where {
	if text == "" {
		return w
	}
	exact := text
	if parsed, err := uuid.FromString(text); err == nil {
		exact = parsed.String()
	}
	conditions := []string{name + ` LIKE ? ESCAPE '\'`}
	args := []any{`%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + `%`}
	for _, id := range ids {
		conditions = append(conditions, id+` IN (?, ?)`)
		args = append(args, text, exact)
	}
	return w.and(`(`+strings.Join(conditions, ` OR `)+`)`, args...)
}

// lookBack reads one page, and counts all rows that match.
func lookBack[T any](ctx context.Context, db *DB, scan func(func(...any) error) (T, error),
	q query, tables string, w where, p session.Page, kept ...keptCount,
) ([]T, int, error) {
	if err := p.Check(); err != nil {
		return nil, 0, err
	}
	rows, err := db.query(ctx, q.text, q.args...)
	if err != nil {
		return nil, 0, classify(err)
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, 0, err
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, classify(err)
	}
	total, err := db.count(ctx, kept, tables, w)
	if err != nil {
		return nil, 0, err
	}
	if len(values) > 0 { // some may have come since
		total = max(total, p.Offset()+len(values))
	}
	return values, total, nil
}

const peerColumns = `p.id, p.participant, p.custom_id, p.display_name, p.preset_name, p.joined_at, p.left_at, ` + peerSpent + `, p.kicked > 0`

// consolidated makes one row of all peers of a participant: that of the last
// to join, with what they were together.
const consolidated = `(SELECT p.session, p.participant, p.id, p.custom_id, p.display_name, p.preset_name,
	MIN(p.joined_at) OVER them AS joined_at,
	CASE WHEN COUNT(*) OVER them = COUNT(p.left_at) OVER them THEN MAX(p.left_at) OVER them END AS left_at,
	SUM(p.spent) OVER them AS spent, SUM(CASE WHEN p.left_at IS NULL THEN p.since ELSE 0 END) OVER them AS since,
	COUNT(*) OVER them - COUNT(p.left_at) OVER them AS live, MIN(p.kicked) OVER them AS kicked,
	ROW_NUMBER() OVER (PARTITION BY p.participant ORDER BY p.since DESC, p.id) AS nth
	FROM peers p WHERE p.session = ? WINDOW them AS (PARTITION BY p.participant)) p`

const consolidatedColumns = `p.id, p.participant, p.custom_id, p.display_name, p.preset_name, p.joined_at, p.left_at,
	p.spent + MAX(0, p.live * ? - p.since), p.kicked > 0`

func scanPeer(scan func(...any) error) (session.Peer, error) {
	var p session.Peer
	var joined, spent int64
	var left *int64
	if err := scan(&p.ID, &p.Participant, &p.CustomID, &p.DisplayName, &p.PresetName, &joined, &left, &spent, &p.Kicked); err != nil {
		return session.Peer{}, lookedFor(err)
	}
	p.JoinedAt, p.LeftAt, p.Spent = fromMilli(joined), maybeMilli(left), time.Duration(spent)*time.Millisecond
	return p, nil
}

// SessionPeers implements session.Reader.
func (db *DB) SessionPeers(ctx context.Context, app chat.AppID, id chat.SessionID, l session.PeerList) ([]session.Peer, int, error) {
	l.Page = l.Page.Normalise()
	if _, err := db.Session(ctx, app, id); err != nil {
		return nil, 0, err
	}
	columns, tables, w := peerColumns, `peers p`, where{}.and(`p.session = ?`, string(id))
	if l.Consolidated {
		columns, tables = consolidatedColumns, consolidated
		w = where{args: []any{string(id)}}.and(`p.nth = 1`)
	}
	w = w.lookFor(l.Search, `p.display_name`, `p.id`, `p.participant`, `p.custom_id`)
	order := `p.joined_at`
	if l.Order == session.BySpent {
		order = `8`
	}
	peers, total, err := lookBack(ctx, db, scanPeer, db.page(columns, tables, w, order+direction(l.Page)+`, p.id`, l.Page), tables, w, l.Page)
	if err != nil || !l.Events {
		return peers, total, err
	}
	for i := range peers {
		if peers[i].Events, err = db.peerEvents(ctx, id, &peers[i], l.Consolidated); err != nil {
			return nil, 0, err
		}
	}
	return peers, total, nil
}

// SessionPeer implements session.Reader.
func (db *DB) SessionPeer(ctx context.Context, app chat.AppID, id chat.SessionID, peer chat.PeerID) (session.Peer, error) {
	p, err := scanPeer(func(dest ...any) error {
		return db.queryRow(ctx, `SELECT `+peerColumns+` FROM peers p JOIN sessions s ON s.id = p.session WHERE p.session = ? AND p.id = ? AND s.app = ?`,
			[]any{db.nowMilli(), string(id), string(peer), string(app)}, dest...)
	})
	if err != nil {
		return session.Peer{}, err
	}
	p.Events, err = db.peerEvents(ctx, id, &p, false)
	return p, err
}

// peerEvents reads what a peer did, or all peers of its participant.
func (db *DB) peerEvents(ctx context.Context, id chat.SessionID, p *session.Peer, all bool) ([]session.PeerEvent, error) {
	text, which := `SELECT no, kind, at, display_name, preset_name FROM peer_events WHERE session = ? AND peer = ? ORDER BY no`, string(p.ID)
	if all {
		text = `SELECT e.no, e.kind, e.at, e.display_name, e.preset_name FROM peer_events e JOIN peers p ON p.session = e.session AND p.id = e.peer
			WHERE e.session = ? AND p.participant = ? ORDER BY e.at, e.peer, e.no`
		which = string(p.Participant)
	}
	rows, err := db.query(ctx, text, string(id), which)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var events []session.PeerEvent
	for rows.Next() {
		var e session.PeerEvent
		var at int64
		if err := rows.Scan(&e.No, &e.Kind, &at, &e.DisplayName, &e.PresetName); err != nil {
			return nil, classify(err)
		}
		e.At = fromMilli(at)
		if all {
			e.No = len(events) + 1
		}
		events = append(events, e)
	}
	return events, rows.Err()
}
