package sqlite

import (
	"context"
	"database/sql"

	"github.com/parley-chat/parley/internal/chat"
)

// fold is what the changes of one message make of it.
type fold struct {
	pinned, editedAt, deletedAt int64
}

// states checks that each message is what its changes made of it. Both are read
// in the order of messages: for the changes this is another order than their
// own, in which SQLite sorts them.
func (c *journalCheck) states(ctx context.Context) error {
	changes, err := c.q.QueryContext(ctx, `SELECT seq, at, kind, target FROM changes WHERE meeting = ? ORDER BY target, seq`, c.meeting.no)
	if err != nil {
		return err
	}
	defer changes.Close()
	next, err := nextStep(changes)
	if err != nil {
		return err
	}
	return each(ctx, c.q, `SELECT seq, payload = '', pinned, edited_at, deleted_at FROM messages WHERE meeting = ? ORDER BY seq`,
		[]any{c.meeting.no}, func(scan scanner) error {
			var seq int64
			var empty bool
			var is fold
			if err := scan(&seq, &empty, &is.pinned, &is.editedAt, &is.deletedAt); err != nil {
				return err
			}
			var made fold
			for next != nil && next.target <= seq {
				// Those of messages that do not exist have been told of.
				if next.target == seq {
					c.apply(&made, next)
				}
				if next, err = nextStep(changes); err != nil {
					return err
				}
			}
			c.compare(seq, is, made, empty)
			return nil
		})
}

// nextStep reads as much of a change as states needs, nil at the end.
func nextStep(rows *sql.Rows) (*changeRow, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	r := new(changeRow)
	return r, rows.Scan(&r.seq, &r.at, &r.kind, &r.target)
}

// apply does one change.
func (c *journalCheck) apply(f *fold, r *changeRow) {
	if f.deletedAt != 0 {
		c.foundf(DamagedState, r.seq, "it changes message %d, which had been deleted", r.target)
	}
	switch chat.EventKind(r.kind) {
	case chat.MessageEdited:
		f.editedAt = r.at
	case chat.MessageDeleted:
		f.deletedAt, f.pinned = r.at, 0
	case chat.MessagePinned:
		f.pinned = 1
	case chat.MessageUnpinned:
		f.pinned = 0
	case chat.MessageSent:
		fallthrough
	default:
		c.foundf(DamagedState, r.seq, "the change is of an unknown kind, %d", r.kind)
	}
}

// compare tells where a message is not what was made of it.
func (c *journalCheck) compare(seq int64, is, made fold, empty bool) {
	if is.deletedAt != made.deletedAt {
		c.foundf(DamagedState, seq, "whether and when the message was deleted is not what its changes say")
	}
	if is.editedAt != made.editedAt {
		c.foundf(DamagedState, seq, "whether and when the message was edited is not what its changes say")
	}
	if is.pinned != made.pinned {
		c.foundf(DamagedState, seq, "whether the message is pinned is not what its changes say")
	}
	if is.deletedAt != 0 && !empty {
		c.foundf(DamagedState, seq, "the message was deleted and still has content")
	}
}
