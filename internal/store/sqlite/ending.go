package sqlite

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// This file is how peers are taken out of a session, and how it ends.

// How a peer was kicked, in peers.kicked.
const (
	kickedAlone   = 1
	kickedWithAll = 2
)

// Kicked implements journal.Tx.
func (tx *Tx) Kicked(h *journal.Head, peer chat.PeerID) (bool, error) {
	kind, err := tx.kickedHow(h, peer)
	return kind != 0, err
}

// kickedHow asks the rows only in meetings where somebody was kicked.
func (tx *Tx) kickedHow(h *journal.Head, peer chat.PeerID) (int, error) {
	if tx.heads[string(h.Meeting)].kicks == 0 {
		return 0, nil
	}
	kind := 0
	_, err := tx.row(`SELECT p.kicked FROM peers p INDEXED BY peers_kicked JOIN sessions s ON s.id = p.session
		WHERE p.id = ? AND p.kicked > 0 AND s.meeting = ? LIMIT 1`, []any{string(peer), h.No}, &kind)
	return kind, err
}

// Kick implements session.Store.
func (db *DB) Kick(ctx context.Context, k session.Kick, now time.Time) (session.Gone, error) {
	var gone session.Gone
	err := db.update(ctx, func(tx *Tx) (err error) {
		gone, err = tx.kick(k, now.UnixMilli())
		aboutEach(tx, "participant", gone.Participants())
		return err
	})
	if err != nil {
		return session.Gone{}, err
	}
	return gone, nil
}

func (tx *Tx) kick(k session.Kick, now int64) (session.Gone, error) {
	h, err := tx.kickable(k.Meeting, k.By)
	if err != nil {
		return session.Gone{}, err
	}
	gone := session.Gone{Session: h.Session}
	if gone.Peers, err = tx.named(h, k); err != nil || len(gone.Peers) == 0 {
		return gone, err
	}
	id := string(h.Session)
	for _, p := range gone.Peers {
		s, err := tx.stay(id, p.ID)
		if err != nil {
			return gone, err
		}
		if err := tx.depart(id, p.ID, s, session.Kicked, now); err != nil {
			return gone, err
		}
		if _, err := tx.exec(`DELETE FROM admissions WHERE session = ? AND participant = ?`, id, string(p.Participant)); err != nil {
			return gone, err
		}
	}
	if err := tx.countKicks(h, len(gone.Peers)); err != nil {
		return gone, err
	}
	return gone, tx.armEnd(id, now)
}

// kickable finds the head of a meeting where by, nil for the operator, may
// take peers out.
func (tx *Tx) kickable(meeting chat.MeetingID, by *chat.Actor) (*journal.Head, error) {
	h, err := tx.Head(meeting)
	if errors.Is(err, journal.ErrNoMeeting) {
		return nil, chat.Refuse(chat.NotFound, "there is no such meeting")
	}
	if err != nil {
		return nil, err
	}
	if by != nil {
		if !h.Active { // whoever is there is sent out anyway
			return nil, chat.Refuse(chat.Forbidden, "the meeting is closed")
		}
		p, err := tx.Participant(meeting, by.Participant)
		if err != nil {
			return nil, err
		}
		kicked, err := tx.Kicked(h, by.Peer)
		if err != nil {
			return nil, err
		}
		if err := chat.MayKick(p, kicked); err != nil {
			return nil, err
		}
	}
	if h.Session == "" {
		return nil, session.ErrNoSession
	}
	return h, nil
}

// named gives the peers that are there of those a kick names, each once.
func (tx *Tx) named(h *journal.Head, k session.Kick) ([]session.GonePeer, error) {
	var peers []session.GonePeer
	taken := make(map[chat.PeerID]bool)
	take := func(p session.GonePeer) {
		if !taken[p.ID] {
			taken[p.ID] = true
			peers = append(peers, p)
		}
	}
	for _, id := range k.Peers {
		s, err := tx.stay(string(h.Session), id)
		switch {
		case err != nil:
			return nil, err
		case s == nil:
			return nil, chat.Refuse(chat.NotFound, "there is no such peer")
		case k.By != nil && id == k.By.Peer:
			return nil, chat.Refuse(chat.Invalid, "to leave the meeting, do not remove yourself")
		case s.here:
			take(session.GonePeer{ID: id, Participant: chat.ParticipantID(s.participant)})
		}
	}
	if len(k.Participants)+len(k.CustomIDs) == 0 {
		return peers, nil
	}
	present, err := tx.present(h)
	if err != nil {
		return nil, err
	}
	for _, id := range k.Participants {
		if err := present.take(id, present.byID, take); err != nil {
			return nil, err
		}
	}
	for _, id := range k.CustomIDs {
		if err := present.take(id, present.byCustomID, take); err != nil {
			return nil, err
		}
	}
	return peers, nil
}

// present are the peers of a session that are there, by all they may be called.
type present struct {
	all              []session.GonePeer
	byID, byCustomID map[string][]session.GonePeer
}

func (tx *Tx) present(h *journal.Head) (*present, error) {
	p := &present{byID: make(map[string][]session.GonePeer), byCustomID: make(map[string][]session.GonePeer)}
	err := tx.rowsOf(`SELECT id, participant, custom_id FROM peers WHERE session = ? AND left_at IS NULL`,
		[]any{string(h.Session)}, func(scan func(...any) error) error {
			var peer session.GonePeer
			var custom string
			if err := scan(&peer.ID, &peer.Participant, &custom); err != nil {
				return err
			}
			p.all = append(p.all, peer)
			p.byID[string(peer.ID)] = append(p.byID[string(peer.ID)], peer)
			if string(peer.Participant) != string(peer.ID) {
				p.byID[string(peer.Participant)] = append(p.byID[string(peer.Participant)], peer)
			}
			p.byCustomID[custom] = append(p.byCustomID[custom], peer)
			return nil
		})
	return p, err
}

func (p *present) take(id string, from map[string][]session.GonePeer, take func(session.GonePeer)) error {
	if len(from[id]) == 0 {
		return chat.Refuse(chat.NotFound, "no user found with id %.64s", id)
	}
	for _, peer := range from[id] {
		take(peer)
	}
	return nil
}

func (tx *Tx) countKicks(h *journal.Head, n int) error {
	if _, err := tx.exec(`UPDATE meetings SET kicks = kicks + ? WHERE id = ?`, n, string(h.Meeting)); err != nil {
		return err
	}
	return tx.forgetHead(h.Meeting)
}

// KickAll implements session.Store.
func (db *DB) KickAll(ctx context.Context, meeting chat.MeetingID, by *chat.Actor, now time.Time) (session.Gone, error) {
	var gone session.Gone
	err := db.update(ctx, func(tx *Tx) (err error) {
		gone, err = tx.kickAll(meeting, by, now.UnixMilli())
		return err
	})
	if err != nil {
		return session.Gone{}, err
	}
	return gone, nil
}

func (tx *Tx) kickAll(meeting chat.MeetingID, by *chat.Actor, now int64) (session.Gone, error) {
	h, err := tx.kickable(meeting, by)
	if err != nil {
		return session.Gone{}, err
	}
	there, err := tx.present(h)
	if err != nil {
		return session.Gone{}, err
	}
	gone, id := session.Gone{Session: h.Session, Peers: there.all}, string(h.Session)
	// One whose time had come before has ended then.
	var at int64
	if _, err := tx.row(`SELECT MAX(started_at, MIN(?, COALESCE(ends_at, ?))) FROM sessions WHERE id = ?`,
		[]any{now, now, id}, &at); err != nil {
		return gone, err
	}
	if err := tx.departAll(id, gone.Peers, now); err != nil {
		return gone, err
	}
	if err := tx.countKicks(h, len(gone.Peers)); err != nil {
		return gone, err
	}
	return gone, tx.endSession(dueSession{id: id, meeting: meeting, at: at, why: webhook.HostEnded})
}

// departAll is depart for everybody who is there.
func (tx *Tx) departAll(id string, there []session.GonePeer, now int64) error {
	if _, err := tx.exec(`INSERT INTO peer_events SELECT session, id, events + 1, ?1, MAX(?2, since), display_name, preset_name
		FROM peers WHERE session = ?3 AND left_at IS NULL`, int64(session.Kicked), now, id); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE peers SET left_at = MAX(?1, since), spent = spent + MAX(?1, since) - since, events = events + 1,
		kicked = ?2 WHERE session = ?3 AND left_at IS NULL`, now, kickedWithAll, id); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE sessions SET live = 0, since = 0,
		spent = (SELECT COALESCE(SUM(spent), 0) FROM peers WHERE session = sessions.id) WHERE id = ?`, id); err != nil {
		return err
	}
	return tx.tellLeft(id, there, now)
}

// Closed implements session.Store.
func (db *DB) Closed(ctx context.Context) ([]chat.MeetingID, error) {
	return db.meetingIDs(ctx, `SELECT id FROM meetings INDEXED BY meetings_closed WHERE active = 0 AND session IS NOT NULL`)
}

// End implements session.Store.
func (db *DB) End(ctx context.Context, now time.Time) (int, error) {
	var due int
	if err := db.queryRow(ctx, `SELECT COUNT(*) FROM sessions s JOIN meetings m ON m.no = s.meeting
		WHERE s.ended_at IS NULL AND s.ends_at IS NOT NULL AND (s.ends_at <= ?1 OR s.ends_at > ?1 + 1000 * m.keep_alive)`,
		[]any{now.UnixMilli()}, &due); err != nil || due == 0 {
		return 0, classify(err)
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

// end ends the sessions that are due, and sets those anew that are due later
// than can be: the clock was put back.
func (tx *Tx) end(now time.Time) (int, error) {
	sessions, err := tx.due(now)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions {
		if err := tx.endSession(s); err != nil {
			return 0, err
		}
	}
	_, err = tx.exec(`UPDATE sessions SET ends_at = ?1 + 1000 * (SELECT keep_alive FROM meetings WHERE no = sessions.meeting)
		WHERE ended_at IS NULL AND ends_at > ?1 + 1000 * (SELECT keep_alive FROM meetings WHERE no = sessions.meeting)`, now.UnixMilli())
	return len(sessions), err
}

// dueSession is a session to be ended, and when it has ended.
type dueSession struct {
	id      string
	meeting chat.MeetingID
	at      int64
	why     webhook.Reason // AllLeft if it is ""
}

func (tx *Tx) endSession(s dueSession) error {
	if err := tx.forgetHead(s.meeting); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE sessions SET ended_at = MAX(?, started_at), ends_at = NULL WHERE id = ?`, s.at, s.id); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE meetings SET session = NULL WHERE session = ? AND id = ?`, s.id, string(s.meeting)); err != nil {
		return err
	}
	return tx.tellEnded(s.id, cmp.Or(s.why, webhook.AllLeft), s.at)
}

func (tx *Tx) due(now time.Time) ([]dueSession, error) {
	var sessions []dueSession
	err := tx.rowsOf(`SELECT s.id, m.id, s.ends_at FROM sessions s JOIN meetings m ON m.no = s.meeting
		WHERE s.ended_at IS NULL AND s.ends_at <= ? LIMIT 500`, []any{now.UnixMilli()}, func(scan func(...any) error) error {
		var s dueSession
		if err := scan(&s.id, &s.meeting, &s.at); err != nil {
			return err
		}
		sessions = append(sessions, s)
		return nil
	})
	return sessions, err
}
