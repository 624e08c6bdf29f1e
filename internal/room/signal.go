package room

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/chat"
)

// Signal is a frame that is said once, to those who are here, and kept
// nowhere: it has no number, no row and no place in the history. It is told
// after all that the room has said so far, but whoever does not keep up goes
// without it. What must arrive is an entry of the journal.
type Signal []byte

// Bounds of signals.
const (
	// maxSignals is how much of signals may wait for a peer, in bytes of
	// memory; further ones pass it by.
	maxSignals = 256 << 10
	// What a room takes of signals from all its peers together.
	signalRate, signalBurst           = 100, 300
	signalByteRate, signalBytesAtOnce = 128 << 10, 512 << 10
)

var (
	errTooManySignals = &chat.Error{
		Code: chat.Limited, Message: "this meeting takes no more broadcasts at the moment", RetryAfter: time.Second, Limit: "meeting_broadcast_rate",
	}
	errNobodyNamed = chat.Refuse(chat.NotFound, "none of those you name is here")
)

// Signal tells everybody who is here. To the one that it comes from, which is
// a member, it is the answer, and so is not left out.
func (r *Room) Signal(from *Feed, s Signal) error {
	r.mu.Lock()
	defer r.unlock()
	if !r.signals.take(len(s)) {
		return errTooManySignals
	}
	i := signalItem(s)
	for _, m := range r.members {
		r.pass(m, i, from)
	}
	return nil
}

// SignalTo tells the peers named, as far as they are here, and nobody else.
// If the one that it comes from is among them, it is the answer as well.
func (r *Room) SignalTo(from *Feed, s Signal, peers []chat.PeerID) error {
	r.mu.Lock()
	defer r.unlock()
	if !r.signals.take(len(s)) {
		return errTooManySignals
	}
	i, told := signalItem(s), make(map[*Member]bool, len(peers))
	for _, id := range peers {
		if m := r.members[id]; m != nil && !told[m] {
			told[m] = true
			r.pass(m, i, from)
		}
	}
	if len(told) == 0 {
		return errNobodyNamed
	}
	return nil
}

// signalItem is one item for all feeds: its place in the log is the same.
func signalItem(s Signal) *item { return &item{frame: s, ready: true, signal: true} }

func (r *Room) pass(m *Member, i *item, from *Feed) {
	switch {
	case m.feed == nil:
	case m.feed == from:
		m.feed.push(&item{frame: i.frame, ready: true, answer: true})
	case m.feed.signals+itemBytes+len(i.frame) <= maxSignals:
		m.feed.push(i)
	default:
		r.hub.counts.Lost.Add(1)
	}
}

// budget bounds how often something may happen in a room and how many bytes
// it may bring there. The zero value takes the bounds of signals.
type budget struct{ count, bytes *rate.Limiter }

func (b *budget) take(bytes int) bool {
	if b.count == nil {
		b.count, b.bytes = rate.NewLimiter(signalRate, signalBurst), rate.NewLimiter(signalByteRate, signalBytesAtOnce)
	}
	now := time.Now()
	return b.count.AllowN(now, 1) && b.bytes.AllowN(now, bytes)
}
