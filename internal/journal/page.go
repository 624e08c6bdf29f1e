package journal

import (
	"context"
	"fmt"
	"math"

	"github.com/parley-chat/parley/internal/chat"
)

// Limits of reading.
const (
	// DefaultPage is the size of a page for a reader who names none.
	DefaultPage = 50
	// MaxPage is the largest page.
	MaxPage = 1000
)

// Filter chooses which messages a page shows.
type Filter int

// The filters.
const (
	// PublicOnly shows the public messages.
	PublicOnly Filter = iota
	// Conversation shows the private messages between the viewer and With.
	Conversation
	// PinnedOnly shows the pinned messages that the viewer may see.
	PinnedOnly
	// Everything shows all that the viewer may see.
	Everything
)

// Query asks for a page of messages as they stand now. Deleted messages and
// those of sessions no longer visible are never on it.
type Query struct {
	Meeting chat.MeetingID
	// Viewer is who reads.
	Viewer chat.ParticipantID
	// Receives is the viewer's right to see private messages of others.
	Receives bool
	Filter   Filter
	// With is the other side of a Conversation.
	With chat.ParticipantID
	// Time is the inclusive bound in unix milliseconds. With Backward the page
	// holds messages up to that time, newest first; without, messages from
	// that time on, oldest first.
	Time     int64
	Backward bool
	// Limit is the size of the page; it is brought into 1..MaxPage, 0 means
	// DefaultPage.
	Limit int
	// Before, if not 0, leaves out messages sent by that entry and later ones:
	// what a reader will be told live must not be on the page already.
	Before uint64
}

// Normalise brings the limits into their range.
func (q Query) Normalise() Query {
	if q.Limit <= 0 {
		q.Limit = DefaultPage
	}
	q.Limit = min(q.Limit, MaxPage)
	if q.Before == 0 || q.Before > math.MaxInt64 {
		q.Before = math.MaxInt64
	}
	return q
}

// Shows tells whether a message belongs on the page, whatever its time. Engines
// narrow by index what they can; this is the rule.
func (q Query) Shows(m *chat.Message) bool {
	if m.DeletedAt != 0 || m.Seq >= q.Before || !m.VisibleTo(q.Viewer) {
		return false
	}
	if !m.Public() && m.Author != q.Viewer && !q.Receives {
		return false
	}
	switch q.Filter {
	case PublicOnly:
		return m.Public()
	case Conversation:
		return !m.Public() && m.VisibleTo(q.With) && (m.Author == q.Viewer || m.Author == q.With)
	case PinnedOnly:
		return m.Pinned
	case Everything:
		return true
	}
	return false
}

// Page is an answer to a Query.
type Page struct {
	// Messages are ordered as the query says.
	Messages []chat.Message
	// More tells whether further messages lie beyond the page.
	More bool
}

// Newest gives the newest messages the viewer may see, at most limit, oldest
// first: what a client shows when it joins.
func (j *Journal) Newest(ctx context.Context, q Query) ([]chat.Message, error) {
	q.Filter, q.Backward, q.Time = Everything, true, math.MaxInt64
	page, err := j.Page(ctx, q)
	if err != nil {
		return nil, err
	}
	m := page.Messages
	for i, k := 0, len(m)-1; i < k; i, k = i+1, k-1 {
		m[i], m[k] = m[k], m[i]
	}
	return m, nil
}

// Page reads messages as they stand now. A backward page asked for with a
// time in the future means "from the end", because the time of a busy meeting
// may run ahead of the clock; unless the time is that of a message, or beside
// it, for then it is the cursor of a reader who has that message already.
func (j *Journal) Page(ctx context.Context, q Query) (Page, error) {
	if q.Backward && q.Time < math.MaxInt64 && q.Time >= j.now().UnixMilli() {
		cursor, err := j.isCursor(ctx, q)
		if err != nil {
			return Page{}, err
		}
		if !cursor {
			q.Time = math.MaxInt64
		}
	}
	page, err := j.store.Page(ctx, q.Normalise())
	if err != nil {
		return Page{}, fmt.Errorf("reading a page of messages: %w", err)
	}
	return page, nil
}

// isCursor tells whether the time of a query is that of a message the viewer
// may see, or one before or after it.
func (j *Journal) isCursor(ctx context.Context, q Query) (bool, error) {
	near := q
	near.Filter, near.Time, near.Backward, near.Limit, near.Before = Everything, q.Time+1, true, 1, 0
	page, err := j.store.Page(ctx, near.Normalise())
	if err != nil {
		return false, fmt.Errorf("looking for the message of a cursor: %w", err)
	}
	return len(page.Messages) == 1 && page.Messages[0].SentAt >= q.Time-1, nil
}

// Position gives the committed head of a meeting's journal.
func (j *Journal) Position(ctx context.Context, meeting chat.MeetingID) (Head, error) {
	head, err := j.store.Position(ctx, meeting)
	if err != nil {
		return Head{}, fmt.Errorf("reading the head of a journal: %w", err)
	}
	return head, nil
}

// Entries reads the journal on from after, at most limit entries, in order.
func (j *Journal) Entries(ctx context.Context, meeting chat.MeetingID, after uint64, limit int) ([]Entry, error) {
	entries, err := j.store.Entries(ctx, meeting, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading a journal: %w", err)
	}
	return entries, nil
}
