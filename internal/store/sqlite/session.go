package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
)

// Enter implements session.Store.
func (db *DB) Enter(ctx context.Context, a session.Arrival, fresh chat.SessionID, now time.Time) (session.Session, error) {
	var entered session.Session
	err := db.update(ctx, func(tx *Tx) error {
		h, p, err := tx.admit(a)
		if err != nil {
			return err
		}
		if h.Session == "" {
			if h, err = tx.startSession(h, fresh, now); err != nil {
				return err
			}
		}
		entered = session.Session{ID: h.Session, Meeting: a.Meeting}
		var started int64
		if _, err := tx.row(`SELECT started_at FROM sessions WHERE id = ?`, []any{string(h.Session)}, &started); err != nil {
			return err
		}
		entered.StartedAt = time.UnixMilli(started)
		if err := tx.letIn(h.Session, p); err != nil {
			return err
		}
		return tx.arrive(h, a, now)
	})
	if err != nil {
		// entered is not to be looked at: the job may still be running.
		return session.Session{}, err
	}
	return entered, nil
}

// admit checks all that may refuse a join, before anything is written.
func (tx *Tx) admit(a session.Arrival) (*journal.Head, *chat.Participant, error) {
	h, err := tx.Head(a.Meeting)
	if errors.Is(err, journal.ErrNoMeeting) {
		return nil, nil, chat.Refuse(chat.NotFound, "there is no such meeting")
	}
	if err != nil {
		return nil, nil, err
	}
	if !h.Active {
		return nil, nil, chat.Refuse(chat.Forbidden, "the meeting is closed")
	}
	p, err := tx.Participant(a.Meeting, a.Participant)
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return nil, nil, chat.Refuse(chat.NotFound, "there is no such participant")
	}
	var owner string
	if _, err := tx.row(`SELECT participant FROM peers WHERE session = ? AND id = ?`,
		[]any{string(h.Session), string(a.Peer)}, &owner); err != nil {
		return nil, nil, err
	}
	if owner != "" && owner != string(a.Participant) {
		return nil, nil, room.ErrForeignPeer
	}
	waits, err := tx.mustWait(h, a, p)
	if err != nil {
		return nil, nil, err
	}
	if waits {
		return nil, nil, &session.Waits{For: p.Permissions.Waiting}
	}
	return h, p, nil
}

func (tx *Tx) startSession(h *journal.Head, id chat.SessionID, now time.Time) (*journal.Head, error) {
	if _, err := tx.exec(`INSERT INTO sessions (id, meeting, first_seq, started_at) VALUES (?, ?, ?, ?)`,
		string(id), h.No, int64(h.Seq+1), now.UnixMilli()); err != nil {
		return nil, err
	}
	if _, err := tx.exec(`UPDATE meetings SET session = ? WHERE no = ?`, string(id), h.No); err != nil {
		return nil, err
	}
	meeting := h.Meeting
	if err := tx.forgetHead(meeting); err != nil {
		return nil, err
	}
	return tx.Head(meeting)
}

func (tx *Tx) arrive(h *journal.Head, a session.Arrival, now time.Time) error {
	if _, err := tx.exec(`UPDATE sessions SET ends_at = NULL WHERE id = ? AND ends_at IS NOT NULL`, string(h.Session)); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO peers (session, id, participant, display_name, joined_at, seen_seq) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (session, id) DO UPDATE SET display_name = excluded.display_name, left_at = NULL`,
		string(h.Session), string(a.Peer), string(a.Participant), a.DisplayName, now.UnixMilli(), int64(h.Seq))
	return err
}

// End implements session.Store.
func (db *DB) End(ctx context.Context, now time.Time) (int, error) {
	var due int
	if err := db.queryRow(ctx, `SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL AND ends_at <= ?`,
		[]any{now.UnixMilli()}, &due); err != nil || due == 0 {
		return 0, err
	}
	var ended int
	err := db.updateBehind(ctx, func(tx *Tx) (err error) {
		ended, err = tx.end(now)
		return err
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// end ends the sessions that are due.
func (tx *Tx) end(now time.Time) (int, error) {
	sessions, err := tx.due(now)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions {
		if err := tx.forgetHead(s.meeting); err != nil {
			return 0, err
		}
		if _, err := tx.exec(`UPDATE sessions SET ended_at = ends_at WHERE id = ?`, s.id); err != nil {
			return 0, err
		}
		if _, err := tx.exec(`UPDATE meetings SET session = NULL WHERE no = ? AND session = ?`, s.no, s.id); err != nil {
			return 0, err
		}
		if _, err := tx.exec(`DELETE FROM admissions WHERE session = ?`, s.id); err != nil {
			return 0, err
		}
	}
	return len(sessions), nil
}

type dueSession struct {
	id      string
	meeting chat.MeetingID
	no      int64
}

func (tx *Tx) due(now time.Time) ([]dueSession, error) {
	var sessions []dueSession
	err := tx.rowsOf(`SELECT s.id, m.id, m.no FROM sessions s JOIN meetings m ON m.no = s.meeting
		WHERE s.ended_at IS NULL AND s.ends_at <= ? LIMIT 500`, []any{now.UnixMilli()}, func(scan func(...any) error) error {
		var s dueSession
		if err := scan(&s.id, &s.meeting, &s.no); err != nil {
			return err
		}
		sessions = append(sessions, s)
		return nil
	})
	return sessions, err
}

// Left implements room.Sessions. The last to leave sets the time of the end.
func (db *DB) Left(ctx context.Context, id chat.SessionID, peer chat.PeerID) error {
	return db.update(ctx, func(tx *Tx) error {
		now := db.config.Now().UnixMilli()
		if _, err := tx.exec(`UPDATE peers SET left_at = ? WHERE session = ? AND id = ? AND left_at IS NULL`,
			now, string(id), string(peer)); err != nil {
			return err
		}
		_, err := tx.exec(`UPDATE sessions SET ends_at = ? + 1000 * (SELECT keep_alive FROM meetings WHERE no = sessions.meeting)
			WHERE id = ? AND ended_at IS NULL AND ends_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM peers WHERE session = sessions.id AND left_at IS NULL)`, now, string(id))
		return err
	})
}

// Seen implements room.Sessions.
func (db *DB) Seen(ctx context.Context, seen []room.Seen) error {
	return db.updateBehind(ctx, func(tx *Tx) error {
		for _, s := range seen {
			if _, err := tx.exec(`UPDATE peers SET seen_seq = ? WHERE session = ? AND id = ?`,
				int64(s.Seq), string(s.Session), string(s.Peer)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Peers implements room.Sessions.
func (db *DB) Peers(ctx context.Context, meeting chat.MeetingID) (room.Session, []room.Kept, error) {
	rows, err := db.query(ctx, `SELECT s.id, s.started_at, p.id, p.participant, p.display_name, p.seen_seq,
		p.left_at IS NOT NULL OR a.id IS NULL, COALESCE(a.name, ''), COALESCE(a.custom_id, ''), COALESCE(a.picture, ''),
		COALESCE(a.preset, ''), COALESCE(r.name, ''), COALESCE(r.body, '{}'), COALESCE(a.override, '')
		FROM meetings m JOIN sessions s ON s.id = m.session JOIN peers p ON p.session = s.id
		LEFT JOIN participants a ON a.id = p.participant LEFT JOIN presets r ON r.id = a.preset
		WHERE m.id = ? ORDER BY p.joined_at, p.id`, string(meeting))
	if err != nil {
		return room.Session{}, nil, err
	}
	defer rows.Close()
	var s room.Session
	var peers []room.Kept
	for rows.Next() {
		var k room.Kept
		var started int64
		var body, override string
		if err := rows.Scan(&s.ID, &started, &k.Peer, &k.Participant, &k.Name, &k.Seen, &k.Gone, &k.Given,
			&k.CustomID, &k.Picture, &k.Preset, &k.PresetName, &body, &override); err != nil {
			return room.Session{}, nil, err
		}
		s.StartedAt = time.UnixMilli(started)
		if k.Rights, err = db.permissions(string(k.Preset), body, override); err != nil {
			return room.Session{}, nil, err
		}
		peers = append(peers, k)
	}
	return s, peers, rows.Err()
}

// Live implements room.Sessions.
func (db *DB) Live(ctx context.Context) ([]chat.MeetingID, error) {
	rows, err := db.query(ctx, `SELECT m.id FROM sessions s JOIN meetings m ON m.no = s.meeting AND m.session = s.id
		WHERE s.ended_at IS NULL AND s.ends_at IS NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []chat.MeetingID
	for rows.Next() {
		var id chat.MeetingID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
