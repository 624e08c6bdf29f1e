package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// meetings checks the journal of each meeting, in a read of its own.
func (v *verifier) meetings(ctx context.Context) error {
	last := int64(-1 << 62)
	for {
		list, err := v.meetingsAfter(ctx, last)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, m := range list {
			if err := v.readable(ctx, "meeting "+string(m.id), func(ctx context.Context, q *look) error {
				return v.meeting(ctx, q, m)
			}); err != nil {
				return err
			}
		}
		last = list[len(list)-1].no
	}
}

// meetingsAfter lists the next meetings.
func (v *verifier) meetingsAfter(ctx context.Context, last int64) ([]meetingName, error) {
	var list []meetingName
	err := v.readable(ctx, "the list of meetings", func(ctx context.Context, q *look) error {
		return each(ctx, q, `SELECT no, id FROM meetings WHERE no > ? ORDER BY no LIMIT 1000`, []any{last}, func(scan scanner) error {
			var m meetingName
			if err := scan(&m.no, &m.id); err != nil {
				return err
			}
			list = append(list, m)
			return nil
		})
	})
	return list, err
}

type meetingName struct {
	no int64
	id chat.MeetingID
}

// journalCheck is the check of one meeting's journal.
type journalCheck struct {
	*verifier
	q       *look
	meeting meetingName
	// The last entry, as far as it could be read.
	seq, pub, at int64
	// mailed counts what has to be in the mailboxes.
	mailed int64
	// session is the last one looked up.
	session sessionRow
}

type sessionRow struct {
	id    string
	first int64
	known bool
}

func (c *journalCheck) foundf(code string, seq int64, format string, args ...any) {
	c.Found(Finding{Code: code, Meeting: c.meeting.id, Seq: seq, Detail: fmt.Sprintf(format, args...)})
}

func (v *verifier) meeting(ctx context.Context, q *look, m meetingName) error {
	v.census.Meetings++
	c := &journalCheck{verifier: v, q: q, meeting: m}
	for _, check := range []func(context.Context) error{c.entries, c.head, c.states, c.mailbox, c.clientIDs} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// entries walks the journal: messages and changes, merged by number.
func (c *journalCheck) entries(ctx context.Context) error {
	messages, err := c.q.QueryContext(ctx, `SELECT `+messageColumns+` FROM messages m WHERE m.meeting = ? ORDER BY m.seq`, c.meeting.no)
	if err != nil {
		return err
	}
	defer messages.Close()
	changes, err := c.q.QueryContext(ctx, `SELECT `+changeColumns+`, m.seq IS NOT NULL, COALESCE(m.audience, '') FROM changes c
		LEFT JOIN messages m ON m.meeting = c.meeting AND m.seq = c.target WHERE c.meeting = ? ORDER BY c.seq`, c.meeting.no)
	if err != nil {
		return err
	}
	defer changes.Close()

	message, err := nextMessage(messages)
	if err != nil {
		return err
	}
	change, err := nextChange(changes)
	if err != nil {
		return err
	}
	for message != nil || change != nil {
		if change == nil || (message != nil && message.seq <= change.seq) {
			if err := c.message(ctx, message); err != nil {
				return err
			}
			message, err = nextMessage(messages)
		} else {
			if err := c.change(ctx, change); err != nil {
				return err
			}
			change, err = nextChange(changes)
		}
		if err != nil {
			return err
		}
		c.tick()
	}
	return nil
}

func nextMessage(rows *sql.Rows) (*messageRow, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	r := new(messageRow)
	return r, rows.Scan(r.dest()...)
}

// targetedChange is a change, and whether its message is there and whose it is.
type targetedChange struct {
	changeRow
	targeted bool
	audience string
}

func nextChange(rows *sql.Rows) (*targetedChange, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	r := new(targetedChange)
	return r, rows.Scan(append(r.dest(), &r.targeted, &r.audience)...)
}

func (c *journalCheck) message(ctx context.Context, r *messageRow) error {
	c.census.Messages++
	if !r.intact() {
		c.foundf(DamagedChecksum, r.seq, "the checksum of the message is wrong")
	}
	if err := c.place(ctx, r.seq, r.pub, r.at, r.audience); err != nil {
		return err
	}
	if ids := splitIDs(r.audience); len(ids) > 0 && !slices.Contains(ids, chat.ParticipantID(r.author)) {
		c.foundf(DamagedMailbox, r.seq, "the author is not among those who may see the message")
	}
	if chat.Kind(r.kind).String() == chat.Kind(-1).String() {
		c.foundf(DamagedState, r.seq, "the message is of an unknown kind, %d", r.kind)
	}
	if err := c.inSession(ctx, r); err != nil {
		return err
	}
	return c.files(ctx, r)
}

// place checks the numbers and the time of an entry, and its place in the
// mailboxes of those who may see it.
func (c *journalCheck) place(ctx context.Context, seq, pub, at int64, audience string) error {
	switch {
	case seq == c.seq:
		c.foundf(DamagedSequence, seq, "two entries have this number")
	case seq == c.seq+2:
		c.foundf(DamagedSequence, c.seq+1, "the entry is missing")
	case seq != c.seq+1:
		c.foundf(DamagedSequence, c.seq+1, "the entries up to %d are missing", seq-1)
	}
	if at <= c.at {
		c.foundf(DamagedTime, seq, "the entry is not younger than the one before")
	}
	c.seq, c.at = seq, at
	if audience == "" {
		if pub != c.pub+1 {
			c.foundf(DamagedCounter, seq, "the public number is %d, the one before was %d", pub, c.pub)
		}
		c.pub = pub
		return nil
	}
	if pub != 0 {
		c.foundf(DamagedCounter, seq, "a private entry has the public number %d", pub)
	}
	ids := splitIDs(audience)
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		c.foundf(DamagedMailbox, seq, "the list of those who may see the message is out of order")
	}
	c.mailed += int64(len(ids))
	for _, id := range ids {
		var own, in int64
		err := c.q.row(ctx, placeQuery, []any{c.meeting.no, string(id), at}, &own, &in)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			c.foundf(DamagedMailbox, seq, "the entry is missing in the mailbox of participant %s", id)
		case err != nil:
			return err
		case in != seq:
			c.foundf(DamagedMailbox, seq, "the mailbox of participant %s says that this is entry %d", id, in)
		}
	}
	return nil
}

func (c *journalCheck) change(ctx context.Context, r *targetedChange) error {
	c.census.Changes++
	if !r.intact() {
		c.foundf(DamagedChecksum, r.seq, "the checksum of the change is wrong")
	}
	if !r.targeted {
		c.foundf(DamagedReference, r.seq, "it changes message %d, which does not exist", r.target)
		// Whether it is public is told by nothing but itself.
		if r.pub == 0 {
			r.audience = "unknown"
		}
		return c.placeOnly(r)
	}
	if r.target >= r.seq {
		c.foundf(DamagedReference, r.seq, "it changes message %d, which is younger", r.target)
	}
	return c.place(ctx, r.seq, r.pub, r.at, r.audience)
}

// placeOnly is place for a change whose audience nobody knows.
func (c *journalCheck) placeOnly(r *targetedChange) error {
	pub := c.pub
	if r.pub > 0 {
		pub = r.pub
	}
	c.seq, c.at, c.pub = r.seq, r.at, pub
	return nil
}

// inSession checks that a message belongs to a session of its meeting that had
// begun.
func (c *journalCheck) inSession(ctx context.Context, r *messageRow) error {
	if c.session.id != r.session || !c.session.known {
		c.session = sessionRow{id: r.session}
		err := c.q.row(ctx, `SELECT first_seq FROM sessions WHERE id = ? AND meeting = ?`,
			[]any{r.session, c.meeting.no}, &c.session.first)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		c.session.known = err == nil
	}
	switch {
	case !c.session.known:
		c.foundf(DamagedSession, r.seq, "the message is of a session that the meeting does not have")
	case r.seq < c.session.first:
		c.foundf(DamagedSession, r.seq, "the message is of a session that began later, with entry %d", c.session.first)
	}
	return nil
}

// files checks that the files a message refers to are there, in its meeting.
func (c *journalCheck) files(ctx context.Context, r *messageRow) error {
	if c.References == nil || r.payload == "" || chat.Kind(r.kind) == chat.Text {
		return nil
	}
	for _, id := range c.References(chat.Kind(r.kind), r.payload) {
		var complete, attached bool
		err := c.q.row(ctx, `SELECT blob IS NOT NULL, attached_at IS NOT NULL FROM uploads WHERE id = ? AND meeting = ?`,
			[]any{string(id), c.meeting.no}, &complete, &attached)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			c.foundf(DamagedUpload, r.seq, "the message refers to upload %s, which the meeting does not have", id)
		case err != nil:
			return err
		case !complete:
			c.foundf(DamagedUpload, r.seq, "the message refers to upload %s, which has no bytes", id)
		case !attached:
			c.foundf(DamagedUpload, r.seq, "the message refers to upload %s, which is marked as unused", id)
		}
	}
	return nil
}

// head checks that the meeting's head is that of its last entry.
func (c *journalCheck) head(ctx context.Context) error {
	var seq, pub, at int64
	var epoch string
	if err := c.q.row(ctx, `SELECT last_seq, last_pub, last_at, epoch FROM meetings WHERE no = ?`,
		[]any{c.meeting.no}, &seq, &pub, &at, &epoch); err != nil {
		return err
	}
	switch {
	case seq == c.seq+1:
		c.foundf(DamagedSequence, seq, "the entry, the newest, is missing")
	case seq > c.seq:
		c.foundf(DamagedSequence, c.seq+1, "the entries up to %d, the newest, are missing", seq)
	case seq < c.seq:
		c.foundf(DamagedHead, c.seq, "the head says that entry %d is the newest", seq)
	case pub != c.pub:
		c.foundf(DamagedHead, c.seq, "the head says that %d entries are public, it is %d", pub, c.pub)
	case at != c.at:
		c.foundf(DamagedHead, c.seq, "the time in the head is not that of the newest entry")
	}
	if strings.TrimSpace(epoch) == "" {
		c.foundf(DamagedHead, 0, "the meeting has no epoch")
	}
	return nil
}
