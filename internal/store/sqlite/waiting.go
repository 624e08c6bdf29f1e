package sqlite

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// Who has to wait before being let in is decided here, in the transaction that
// would let in. Who waits at the moment is the room's concern, and is nobody's
// after a restart: clients ask again then. Who was let in is a row, for as long
// as the session lasts.

// mustWait tells whether an arrival waits. One who may let others in does not,
// nor one who is in the session, or has been let into it.
func (tx *Tx) mustWait(live string, a session.Arrival, p *chat.Participant) (bool, error) {
	switch {
	case p.Permissions.Waiting == chat.WaitSkip || p.Permissions.AcceptWaiting:
		return false, nil
	case live == "":
		return true, nil
	case string(a.LetIn) == live || p.Permissions.Waiting == chat.WaitForHost && a.HostHere:
		return false, nil
	}
	var one int
	in, err := tx.row(`SELECT 1 FROM admissions WHERE session = ? AND participant = ?
		UNION ALL SELECT 1 FROM peers WHERE session = ? AND id = ? AND participant = ? AND left_at IS NULL LIMIT 1`,
		[]any{live, string(a.Participant), live, string(a.Peer), string(a.Participant)}, &one)
	return !in, err
}

// letIn records that a participant has come in from the waiting room.
func (tx *Tx) letIn(s chat.SessionID, p *chat.Participant) error {
	if p.Permissions.Waiting == chat.WaitSkip {
		return nil
	}
	_, err := tx.exec(`INSERT INTO admissions (session, participant) VALUES (?, ?) ON CONFLICT DO NOTHING`, string(s), string(p.ID))
	return err
}

// Admit implements session.Store: those participants of the meeting, of whoever
// is named, may enter its live session.
func (db *DB) Admit(ctx context.Context, meeting chat.MeetingID, ids []chat.ParticipantID) error {
	return db.update(ctx, func(tx *Tx) error {
		h, err := tx.Head(meeting)
		if errors.Is(err, journal.ErrNoMeeting) || (err == nil && h.Session == "") {
			return chat.Refuse(chat.Forbidden, "this meeting has no live session")
		}
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.exec(`INSERT INTO admissions (session, participant) VALUES (?, ?) ON CONFLICT DO NOTHING`,
				string(h.Session), string(id)); err != nil {
				return err
			}
		}
		return nil
	})
}
