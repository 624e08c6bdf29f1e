package sqlite

import (
	"context"
)

// mailbox checks that everybody's private entries are numbered without a gap, in
// the order of the journal, and that there are no others than belong there.
func (c *journalCheck) mailbox(ctx context.Context) error {
	var participant string
	var own, seq, at, rows int64
	err := each(ctx, c.q, `SELECT participant, own, seq, at FROM mailbox WHERE meeting = ? ORDER BY participant, own`,
		[]any{c.meeting.no}, func(scan scanner) error {
			var id string
			var o, s, t int64
			if err := scan(&id, &o, &s, &t); err != nil {
				return err
			}
			rows++
			if id != participant {
				participant, own, seq, at = id, 0, 0, 0
			}
			switch {
			case o != own+1:
				c.foundf(DamagedCounter, s, "the private number of participant %s is %d, the one before was %d", id, o, own)
			case s <= seq || t <= at:
				c.foundf(DamagedMailbox, s, "the mailbox of participant %s is not in the order of the journal", id)
			}
			own, seq, at = o, s, t
			return nil
		})
	c.census.Mailbox += rows
	if err != nil || rows == c.mailed {
		return err
	}
	return c.surplus(ctx)
}

// surplus finds the rows of mailboxes that belong to no private entry of their
// participant. It is asked only where counting has shown that something is
// wrong.
func (c *journalCheck) surplus(ctx context.Context) error {
	return each(ctx, c.q, `SELECT b.participant, b.seq FROM mailbox b
		LEFT JOIN messages m ON m.meeting = b.meeting AND m.seq = b.seq
		LEFT JOIN changes c ON c.meeting = b.meeting AND c.seq = b.seq
		LEFT JOIN messages t ON t.meeting = b.meeting AND t.seq = c.target
		WHERE b.meeting = ? AND instr(' ' || COALESCE(m.audience, t.audience, '') || ' ', ' ' || b.participant || ' ') = 0`,
		[]any{c.meeting.no}, func(scan scanner) error {
			var participant string
			var seq int64
			if err := scan(&participant, &seq); err != nil {
				return err
			}
			c.foundf(DamagedMailbox, seq, "the mailbox of participant %s has an entry that is not theirs", participant)
			return nil
		})
}

// clientIDs checks that what clients called their messages leads to messages of
// theirs.
func (c *journalCheck) clientIDs(ctx context.Context) error {
	return each(ctx, c.q, `SELECT i.seq, m.seq IS NOT NULL, COALESCE(m.author = i.participant, 0), length(i.digest) FROM client_ids i
		LEFT JOIN messages m ON m.meeting = i.meeting AND m.seq = i.seq WHERE i.meeting = ?`,
		[]any{c.meeting.no}, func(scan scanner) error {
			var seq, digest int64
			var exists, theirs bool
			if err := scan(&seq, &exists, &theirs, &digest); err != nil {
				return err
			}
			c.census.ClientIDs++
			switch {
			case !exists:
				c.foundf(DamagedClientID, seq, "a client's id leads to this message, which does not exist")
			case !theirs:
				c.foundf(DamagedClientID, seq, "a client's id leads to this message, which is another's")
			case digest == 0:
				c.foundf(DamagedClientID, seq, "the client's id of this message has lost its fingerprint")
			}
			return nil
		})
}

// keys checks that what apps called the messages that they sent leads to those.
func (v *verifier) keys(ctx context.Context, q *look) error {
	if there, err := hasTable(ctx, q, "idempotency_keys"); err != nil || !there {
		return err
	}
	return each(ctx, q, `SELECT COALESCE(h.id, ''), k.seq, COALESCE(h.app = k.app, 0), COALESCE(m.at = k.at, 0), length(k.digest) FROM idempotency_keys k
		LEFT JOIN meetings h ON h.no = k.meeting LEFT JOIN messages m ON m.meeting = k.meeting AND m.seq = k.seq`,
		nil, func(scan scanner) error {
			f := Finding{Code: DamagedKey}
			var theirs, fits bool
			var digest int64
			if err := scan(&f.Meeting, &f.Seq, &theirs, &fits, &digest); err != nil {
				return err
			}
			v.census.Keys++
			switch {
			case !theirs:
				f.Detail = "an idempotency key leads to a meeting that is not the app's"
			case !fits:
				f.Detail = "an idempotency key leads to this message, which does not exist or was not sent with it"
			case digest == 0:
				f.Detail = "the idempotency key of this message has lost its fingerprint"
			default:
				return nil
			}
			v.Found(f)
			return nil
		})
}

// hasTable tells whether a database has a table: older ones have not all.
func hasTable(ctx context.Context, q *look, name string) (bool, error) {
	var n int
	err := q.row(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, []any{name}, &n)
	return n > 0, err
}
