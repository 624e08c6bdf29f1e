package journal

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
)

// Recent is the newest of what is visible in a meeting, as of one moment: what
// answers "the newest messages" for whoever asks.
type Recent struct {
	// Head is the end of the journal at that moment.
	Head Head
	// Public has the newest public messages, oldest first. Whole says that no
	// older one may be seen.
	Public []chat.Message
	Whole  bool
	// Private has the private messages of whomever that were sent by entry
	// PrivateFrom and later ones, oldest first. Older ones may be there.
	Private     []chat.Message
	PrivateFrom uint64
}

// RecentLimits say how much of it is read. Bytes are those of payloads.
type RecentLimits struct {
	// Count and Bytes bound the public messages: reading ends with the one that
	// reaches either.
	Count, Bytes int
	// PrivateBytes bounds the private ones likewise, and PrivateSpan how many
	// entries back from the head they are looked for.
	PrivateBytes, PrivateSpan int
}

// Recent reads the newest of what is visible in a meeting. Deleted messages are
// left out.
func (j *Journal) Recent(ctx context.Context, meeting chat.MeetingID, limits RecentLimits) (Recent, error) {
	recent, err := j.store.Recent(ctx, meeting, limits)
	if err != nil {
		return Recent{}, fmt.Errorf("reading the newest of a journal: %w", err)
	}
	return recent, nil
}
