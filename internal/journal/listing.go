package journal

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/parley-chat/parley/internal/chat"
)

// Limits of listing.
const (
	// MaxListed is the longest page of a listing, DefaultListed that of a reader
	// who names none.
	MaxListed     = 200
	DefaultListed = 50
	// MaxLooked is how many messages a page looks at for those that its filters
	// want. A page that ends there may be short, or empty, and there may be more.
	MaxLooked = 5000
)

// Listing asks for messages of a meeting, of all its sessions, as those see
// them who run it: nothing is left out but what the listing leaves out. It goes
// by times, which are unique in a meeting and increase with the order of its
// messages, so a page begins where another ended, whatever was said, edited or
// deleted in between.
type Listing struct {
	Meeting chat.MeetingID
	// Private and Deleted take in private messages, and what is left of deleted
	// ones.
	Private, Deleted bool

	// Session, Author, Kinds, Pinned and Text choose among them; zero values
	// choose all. Text is looked for in texts, whatever its case.
	Session chat.SessionID
	Author  chat.ParticipantID
	Kinds   []chat.Kind
	Pinned  bool
	Text    string
	// From and To bound the times, both included, in unix milliseconds; a To of
	// 0 is none.
	From, To int64

	// Forward lists the oldest first, otherwise the newest.
	Forward bool
	// Limit is the size of the page; it is brought into 1..MaxListed, 0 means
	// DefaultListed.
	Limit int
}

// Normalise brings the limits into their range.
func (l Listing) Normalise() Listing {
	if l.Limit <= 0 {
		l.Limit = DefaultListed
	}
	l.Limit = min(l.Limit, MaxListed)
	if l.To == 0 {
		l.To = math.MaxInt64
	}
	return l
}

// Shows tells whether a message belongs on the page. Engines narrow by index
// what they can; this is the rule. The listing must have been made by
// Normalise.
func (l Listing) Shows(m *chat.Message) bool {
	switch {
	case m.SentAt < l.From || m.SentAt > l.To,
		!l.Private && !m.Public(),
		!l.Deleted && m.DeletedAt != 0,
		l.Session != "" && m.Session != l.Session,
		l.Author != "" && m.Author != l.Author,
		l.Pinned && !m.Pinned:
		return false
	}
	if len(l.Kinds) > 0 {
		wanted := false
		for _, k := range l.Kinds {
			wanted = wanted || k == m.Content.Kind
		}
		if !wanted {
			return false
		}
	}
	return l.Text == "" || (m.Content.Kind == chat.Text && strings.Contains(Fold(m.Content.Payload), Fold(l.Text)))
}

// Listed is one page of a listing.
type Listed struct {
	// Messages are ordered as the listing says.
	Messages []chat.Message
	// First and Last are the times of the first and of the last message that was
	// looked at, on the page or not; both 0 where none was.
	First, Last int64
	// More tells whether there may be further ones.
	More bool
}

// Change is what became of a message after it was sent.
type Change struct {
	Kind  chat.EventKind
	Actor chat.ParticipantID
	// At is in unix milliseconds.
	At int64
	// Before is the content that an edit or a deletion replaced.
	Before chat.Content
}

// List reads a page of a meeting's messages. ErrNoMeeting says that there is no
// such meeting.
func (j *Journal) List(ctx context.Context, l Listing) (Listed, error) {
	page, err := j.store.List(ctx, l.Normalise())
	if err != nil {
		return Listed{}, fmt.Errorf("listing messages: %w", err)
	}
	return page, nil
}

// Message gives a message of a meeting as it stands now, private, deleted and
// of whatever session; nil where the meeting has none of this id.
func (j *Journal) Message(ctx context.Context, meeting chat.MeetingID, id chat.MessageID) (*chat.Message, error) {
	m, err := j.store.MessageOf(ctx, meeting, id)
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return m, nil
}

// Changes reads what became of a message after a time, in order, at most limit
// changes.
func (j *Journal) Changes(ctx context.Context, m *chat.Message, after int64, limit int) ([]Change, error) {
	changes, err := j.store.ChangesOf(ctx, m, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the changes of a message: %w", err)
	}
	return changes, nil
}

// Fold makes texts equal that differ in case alone: each letter becomes the
// first of those that Unicode holds for the same.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		first := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			first = min(first, next)
		}
		return first
	}, s)
}
