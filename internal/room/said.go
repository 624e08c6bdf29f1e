package room

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// What a peer missed while it was away is told from memory: the room keeps the
// entries that not all members are known to have received. After a restart it
// reads those that its members still have to be told, once for all of them.

// said is an entry that was told, kept for peers who were away. It does not
// change once it is there.
type said struct {
	entry journal.Entry
	cost  int
}

// Bounds of what is kept for peers who are away: entries, and bytes.
const (
	maxSaid      = 1000
	maxSaidBytes = 768 << 10 // one peer that never reads keeps as much in the room
	saidCost     = 768       // about what an entry costs besides its payload
)

// remember keeps an entry for those who are away. Earlier entries of the same
// message are kept with the message as it stands now, so that nobody is told
// again what has been deleted.
func (r *Room) remember(e journal.Entry) {
	e.Settles, e.Own, e.Event.Before, e.Event.ClientID, e.Event.Digest = "", nil, chat.Content{}, "", nil
	m := e.Event.Message
	if e.Event.Kind != chat.MessageSent {
		for i, s := range r.said {
			if s.entry.Event.Message.Seq == m.Seq {
				now := s.entry
				now.Event.Message = m
				r.said[i] = said{now, saidCost + len(m.Content.Payload)}
				r.saidBytes += r.said[i].cost - s.cost
			}
		}
	}
	s := said{e, saidCost + len(m.Content.Payload)}
	r.said = append(r.said, s)
	r.saidBytes += s.cost
	n := 0
	for n < len(r.said)-1 && (len(r.said)-n > maxSaid || r.saidBytes > maxSaidBytes) {
		r.saidBytes -= r.said[n].cost
		n++
	}
	r.forgetSaid(n)
}

func (r *Room) forgetSaid(n int) {
	if n > 0 {
		clear(r.said[:n])
		r.said = r.said[n:]
	}
	if len(r.said) == 0 {
		r.said = nil
	}
}

// tidy lets go what nobody needs any more: entries that all have received, and
// a window that nobody asks for.
func (r *Room) tidy(now time.Time) {
	r.mu.Lock()
	defer r.unlock()
	if w := r.history.window; w != nil && now.Sub(r.history.used) >= historyIdle {
		r.dropHistory()
	}
	least := r.seq
	for _, m := range r.members {
		least = min(least, m.seen)
	}
	n, _ := slices.BinarySearchFunc(r.said, least+1, func(s said, seq uint64) int { return cmp.Compare(s.entry.Seq, seq) })
	for _, s := range r.said[:n] {
		r.saidBytes -= s.cost
	}
	r.forgetSaid(n)
}

// ErrUnread says that entries a peer missed could not be read.
var ErrUnread = errors.New("what was missed could not be read")

// Said gives the entries after one number up to another that were told, in
// order, with their messages as they stand now. Where that is more than is
// kept, it gives the newest of them.
func (r *Room) Said(after, last uint64) ([]journal.Entry, error) {
	r.mu.Lock()
	defer r.unlock()
	if after < min(r.unread, last) {
		return nil, ErrUnread
	}
	var entries []journal.Entry
	for i := range r.said {
		if e := &r.said[i].entry; e.Seq > after && e.Seq <= last {
			entries = append(entries, *e)
		}
	}
	return entries, nil
}

// readSaid reads what the peers who were here when the server stopped have
// still to be told, as far as is kept.
func (h *Hub) readSaid(ctx context.Context, head journal.Head, peers []Kept) ([]journal.Entry, error) {
	after := head.Seq
	for _, k := range peers {
		if !k.Gone {
			after = min(after, k.Seen)
		}
	}
	if head.Seq > maxSaid {
		after = max(after, head.Seq-maxSaid)
	}
	var entries []journal.Entry
	for after < head.Seq {
		more, err := h.journal.Entries(ctx, head.Meeting, after, int(head.Seq-after))
		if err == nil && len(more) == 0 {
			err = errHole
		}
		if err != nil {
			return nil, fmt.Errorf("reading what peers have missed: %w", err)
		}
		entries = append(entries, more...)
		after = more[len(more)-1].Seq
	}
	return entries, nil
}
