package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
)

// This file is who comes and goes. The counts of a session change with its
// peers, in the same transaction.

// Enter implements session.Store.
func (db *DB) Enter(ctx context.Context, a session.Arrival, fresh chat.SessionID, now time.Time) (session.Session, error) {
	var entered session.Session
	err := db.update(ctx, func(tx *Tx) (err error) {
		entered, err = tx.enter(a, fresh, now.UnixMilli())
		return err
	})
	if err != nil {
		// entered is not to be looked at: the job may still be running.
		return session.Session{}, err
	}
	return entered, nil
}

// enter checks all that may refuse before it writes.
func (tx *Tx) enter(a session.Arrival, fresh chat.SessionID, now int64) (session.Session, error) {
	h, p, err := tx.admit(a)
	if err != nil {
		return session.Session{}, err
	}
	live, err := tx.liveSession(h, now)
	if err != nil {
		return session.Session{}, err
	}
	waits, err := tx.mustWait(live.id, a, p)
	if err != nil {
		return session.Session{}, err
	}
	if waits {
		return session.Session{}, &session.Waits{For: p.Permissions.Waiting}
	}
	s, err := tx.stay(live.id, a.Peer)
	if err != nil {
		return session.Session{}, err
	}
	if s != nil && s.participant != string(a.Participant) {
		return session.Session{}, room.ErrForeignPeer
	}
	if live.id == "" {
		if live, err = tx.startSession(h, live, fresh, now); err != nil {
			return session.Session{}, err
		}
	}
	if err := tx.letIn(chat.SessionID(live.id), p); err != nil {
		return session.Session{}, err
	}
	entered := session.Session{ID: chat.SessionID(live.id), Meeting: a.Meeting, StartedAt: time.UnixMilli(live.started)}
	return entered, tx.arrive(live.id, s, a, now)
}

// admit finds the meeting of an arrival and who it is, if it may be entered.
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
	switch kind, err := tx.kickedHow(h, a.Peer); {
	case err != nil:
		return nil, nil, err
	case kind == kickedAlone:
		return nil, nil, chat.ErrKicked
	case kind == kickedWithAll:
		return nil, nil, chat.ErrEnded
	}
	return h, p, nil
}

// liveRow is the live session of a meeting. overdue is the one whose end was
// due before now, which nobody has ended yet; then id is "".
type liveRow struct {
	id      string
	started int64
	overdue *dueSession
}

func (tx *Tx) liveSession(h *journal.Head, now int64) (liveRow, error) {
	live := liveRow{id: string(h.Session)}
	if live.id == "" {
		return live, nil
	}
	var ends *int64
	if _, err := tx.row(`SELECT started_at, ends_at FROM sessions WHERE id = ?`, []any{live.id}, &live.started, &ends); err != nil {
		return live, err
	}
	if ends != nil && *ends <= now {
		return liveRow{overdue: &dueSession{id: live.id, meeting: h.Meeting, at: *ends}}, nil
	}
	return live, nil
}

func (tx *Tx) startSession(h *journal.Head, before liveRow, id chat.SessionID, now int64) (liveRow, error) {
	meeting := h.Meeting
	if before.overdue != nil {
		if err := tx.endSession(*before.overdue); err != nil {
			return liveRow{}, err
		}
	}
	if _, err := tx.exec(`INSERT INTO sessions (id, meeting, app, first_seq, started_at)
		SELECT ?, no, app, ?, ? FROM meetings WHERE no = ?`, string(id), int64(h.Seq+1), now, h.No); err != nil {
		return liveRow{}, err
	}
	if _, err := tx.exec(`UPDATE meetings SET session = ? WHERE id = ?`, string(id), string(meeting)); err != nil {
		return liveRow{}, err
	}
	if err := tx.forgetHead(meeting); err != nil {
		return liveRow{}, err
	}
	return liveRow{id: string(id), started: now}, tx.tellStarted(string(id), now)
}

// stayRow is what a peer's coming and going changes of its row.
type stayRow struct {
	participant, name, preset string
	since, events             int64
	here                      bool
}

// stay reads the row of a peer, nil if it was never there.
func (tx *Tx) stay(session string, peer chat.PeerID) (*stayRow, error) {
	s := new(stayRow)
	found, err := tx.row(`SELECT participant, display_name, preset_name, since, events, left_at IS NULL
		FROM peers WHERE session = ? AND id = ?`, []any{session, string(peer)},
		&s.participant, &s.name, &s.preset, &s.since, &s.events, &s.here)
	if err != nil || !found {
		return nil, err
	}
	return s, nil
}

// arrive records that a peer is there; s is its row, nil if it has none.
func (tx *Tx) arrive(id string, s *stayRow, a session.Arrival, now int64) error {
	if s != nil && s.here {
		if s.name == a.DisplayName {
			return nil
		}
		_, err := tx.exec(`UPDATE peers SET display_name = ? WHERE session = ? AND id = ?`, a.DisplayName, id, string(a.Peer))
		return err
	}
	var custom, preset string
	if _, err := tx.row(`SELECT p.custom_id, r.name FROM participants p JOIN presets r ON r.id = p.preset WHERE p.id = ?`,
		[]any{string(a.Participant)}, &custom, &preset); err != nil {
		return err
	}
	var events int64 = 1
	if s != nil {
		events = s.events + 1
		if _, err := tx.exec(`UPDATE peers SET display_name = ?, preset_name = ?, since = ?, left_at = NULL, events = ?
			WHERE session = ? AND id = ?`, a.DisplayName, preset, now, events, id, string(a.Peer)); err != nil {
			return err
		}
	} else if _, err := tx.exec(`INSERT INTO peers
		(session, id, participant, custom_id, display_name, preset_name, joined_at, since, events, seen_seq)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, m.last_seq FROM meetings m WHERE m.id = ?`,
		id, string(a.Peer), string(a.Participant), custom, a.DisplayName, preset, now, now, events, string(a.Meeting)); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE sessions SET ends_at = NULL, peers = peers + ?, live = live + 1, since = since + ?,
		most = MAX(most, live + 1) WHERE id = ?`, s == nil, now, id); err != nil {
		return err
	}
	if err := tx.putPeerEvent(id, a.Peer, events, session.Joined, now, a.DisplayName, preset); err != nil {
		return err
	}
	return tx.tellPeer(id, a.Peer, webhook.ParticipantJoined, now)
}

func (tx *Tx) putPeerEvent(id string, peer chat.PeerID, no int64, kind session.EventKind, at int64, name, preset string) error {
	_, err := tx.exec(`INSERT INTO peer_events (session, peer, no, kind, at, display_name, preset_name) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		id, string(peer), no, int64(kind), at, name, preset)
	return err
}

// Left implements room.Sessions. The last to leave sets the time of the end.
func (db *DB) Left(ctx context.Context, id chat.SessionID, peer chat.PeerID) error {
	return db.update(ctx, func(tx *Tx) error {
		s, err := tx.stay(string(id), peer)
		if err != nil || s == nil || !s.here {
			return err
		}
		now := db.config.Now().UnixMilli()
		if err := tx.depart(string(id), peer, s, session.Left, now); err != nil {
			return err
		}
		return tx.armEnd(string(id), now)
	})
}

// depart records that a peer that is there is gone. A clock that was put back
// does not make it leave before it came.
func (tx *Tx) depart(id string, peer chat.PeerID, s *stayRow, kind session.EventKind, now int64) error {
	at := max(now, s.since)
	kicked := 0
	if kind == session.Kicked {
		kicked = kickedAlone
	}
	if _, err := tx.exec(`UPDATE peers SET left_at = ?, spent = spent + ?, events = ?, kicked = ? WHERE session = ? AND id = ?`,
		at, at-s.since, s.events+1, kicked, id, string(peer)); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE sessions SET live = live - 1, since = since - ?, spent = spent + ? WHERE id = ?`,
		s.since, at-s.since, id); err != nil {
		return err
	}
	if err := tx.putPeerEvent(id, peer, s.events+1, kind, at, s.name, s.preset); err != nil {
		return err
	}
	return tx.tellPeer(id, peer, webhook.ParticipantLeft, now)
}

// armEnd sets the time of the end of a session where nobody is any more.
func (tx *Tx) armEnd(id string, now int64) error {
	_, err := tx.exec(`UPDATE sessions SET ends_at = ? + 1000 * (SELECT keep_alive FROM meetings WHERE no = sessions.meeting)
		WHERE id = ? AND live = 0 AND ended_at IS NULL AND ends_at IS NULL`, now, id)
	return err
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

// Peers implements room.Sessions. The bodies of presets are read once each, for
// many peers have the same.
func (db *DB) Peers(ctx context.Context, meeting chat.MeetingID) (room.Session, []room.Kept, error) {
	bodies, err := db.bodies(ctx, meeting)
	if err != nil {
		return room.Session{}, nil, err
	}
	rows, err := db.query(ctx, `SELECT s.id, s.started_at, p.id, p.participant, p.display_name, p.seen_seq,
		p.left_at IS NOT NULL OR a.id IS NULL, p.kicked > 0,
		COALESCE(a.name, ''), COALESCE(a.custom_id, ''), COALESCE(a.picture, ''),
		COALESCE(a.preset, ''), COALESCE(r.name, ''), COALESCE(a.override, '')
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
		var override string
		if err := rows.Scan(&s.ID, &started, &k.Peer, &k.Participant, &k.Name, &k.Seen, &k.Gone, &k.Kicked, &k.Given,
			&k.CustomID, &k.Picture, &k.Preset, &k.PresetName, &override); err != nil {
			return room.Session{}, nil, err
		}
		s.StartedAt = time.UnixMilli(started)
		// A preset given since the bodies were read allows nothing yet: who
		// comes back is looked up anew.
		if body, ok := bodies[k.Preset]; ok {
			if k.Rights, err = db.permissions(string(k.Preset), body, override); err != nil {
				return room.Session{}, nil, err
			}
		}
		peers = append(peers, k)
	}
	return s, peers, rows.Err()
}

// bodies gives those of the presets that a meeting's peers have.
func (db *DB) bodies(ctx context.Context, meeting chat.MeetingID) (map[chat.PresetID]string, error) {
	rows, err := db.query(ctx, `SELECT id, body FROM presets WHERE id IN (SELECT a.preset FROM meetings m
		JOIN peers p ON p.session = m.session JOIN participants a ON a.id = p.participant WHERE m.id = ?)`, string(meeting))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	bodies := make(map[chat.PresetID]string)
	for rows.Next() {
		var id chat.PresetID
		var body string
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		bodies[id] = body
	}
	return bodies, rows.Err()
}

// Live implements room.Sessions.
func (db *DB) Live(ctx context.Context) ([]chat.MeetingID, error) {
	return db.meetingIDs(ctx, `SELECT m.id FROM sessions s JOIN meetings m ON m.no = s.meeting AND m.session = s.id
		WHERE s.ended_at IS NULL AND s.ends_at IS NULL`)
}

func (db *DB) meetingIDs(ctx context.Context, text string) ([]chat.MeetingID, error) {
	rows, err := db.query(ctx, text)
	if err != nil {
		return nil, classify(err)
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
