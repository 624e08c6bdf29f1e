package sqlite

import (
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/session"
)

// This file tells webhooks of what becomes of sessions, in the transaction that
// makes it so.

// sessionToTell is a session whose app has webhooks.
type sessionToTell struct {
	webhook.Session
	app chat.AppID
}

// toTell gives what webhooks are told of a session, nil if the app has none:
// then there is nothing to be done.
func (tx *Tx) toTell(id string) (*sessionToTell, error) {
	var s sessionToTell
	var started, ended int64
	found, err := tx.row(`SELECT s.id, m.id, m.title, s.started_at, COALESCE(s.ended_at, 0), a.id, a.name
		FROM sessions s JOIN meetings m ON m.no = s.meeting JOIN apps a ON a.id = m.app
		WHERE s.id = ? AND EXISTS (SELECT 1 FROM webhooks w WHERE w.app = a.id AND w.enabled)`, []any{id},
		&s.ID, &s.Meeting, &s.Title, &started, &ended, &s.AppID, &s.AppName)
	if err != nil || !found {
		return nil, err
	}
	s.StartedAt, s.app = fromMilli(started), chat.AppID(s.AppID)
	if ended > 0 {
		s.EndedAt = fromMilli(ended)
	}
	return &s, nil
}

// tellStarted tells that a session has begun.
func (tx *Tx) tellStarted(id string, now int64) error {
	s, err := tx.toTell(id)
	if s == nil || err != nil {
		return err
	}
	return tx.tellWebhooks(s.app, webhook.MeetingStarted, now, func() ([]byte, error) { return webhook.StartedBody(s.Session) })
}

// tellEnded tells that a session has ended, and has its chat made ready.
func (tx *Tx) tellEnded(id string, why webhook.Reason, now int64) error {
	if _, err := tx.exec(`INSERT OR IGNORE INTO ended_sessions (session) VALUES (?)`, id); err != nil {
		return err
	}
	s, err := tx.toTell(id)
	if s == nil || err != nil {
		return err
	}
	return tx.tellWebhooks(s.app, webhook.MeetingEnded, now, func() ([]byte, error) { return webhook.EndedBody(s.Session, why) })
}

// tellPeer tells that a peer has come, or gone.
func (tx *Tx) tellPeer(id string, peer chat.PeerID, event webhook.Event, now int64) error {
	s, err := tx.toTell(id)
	if s == nil || err != nil {
		return err
	}
	return tx.tellOfPeer(s, peer, event, now)
}

// tellLeft tells that several peers have gone at once.
func (tx *Tx) tellLeft(id string, peers []session.GonePeer, now int64) error {
	s, err := tx.toTell(id)
	if s == nil || err != nil {
		return err
	}
	for _, p := range peers {
		if err := tx.tellOfPeer(s, p.ID, webhook.ParticipantLeft, now); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) tellOfPeer(s *sessionToTell, peer chat.PeerID, event webhook.Event, now int64) error {
	return tx.tellWebhooks(s.app, event, now, func() ([]byte, error) {
		p := webhook.Peer{ID: string(peer)}
		var joined, left int64
		if _, err := tx.row(`SELECT display_name, custom_id, since, COALESCE(left_at, 0) FROM peers WHERE session = ? AND id = ?`,
			[]any{s.ID, string(peer)}, &p.DisplayName, &p.CustomID, &joined, &left); err != nil {
			return nil, err
		}
		p.JoinedAt = fromMilli(joined)
		if event == webhook.ParticipantLeft {
			p.LeftAt = fromMilli(left)
		}
		return webhook.PeerBody(s.Session, p)
	})
}
