package room

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
)

// The history of a room is a reader with a cursor like any other: it is read
// once, by the first who asks, and then follows what the room is told. So it
// stands at every moment exactly where the room stands, and in a storm of
// clients that all ask for the newest messages the store is read once for each
// meeting.

// Reader is who asks for a history.
type Reader struct {
	Participant chat.ParticipantID
	// Receives is the right to see whispers of others.
	Receives bool
	// Meeting tells versions of the meeting's settings apart: what is kept for
	// one is not given to readers who know another.
	Meeting int64
}

// History is an answer from memory.
type History struct {
	// Slot is the place kept for it.
	Slot Slot
	// Messages is what Codec.Message gave for each, oldest first, as of that
	// place. The bytes are shared; they must not be changed.
	Messages [][]byte
	// Known is false where memory does not reach back far enough for this
	// reader: the answer has to be read, into the same place.
	Known bool
}

// HistoryCounts tells what became of those who asked for a history.
type HistoryCounts struct {
	// Hits were answered from memory, Misses caused a reading, Coalesced waited
	// for one under way, and Beyond needed more than is kept.
	Hits, Misses, Coalesced, Beyond uint64
	// Bytes is what all histories of the node hold now.
	Bytes int64
}

// HistoryCounts gives the counts since the start.
func (h *Hub) HistoryCounts() HistoryCounts {
	return HistoryCounts{
		Hits: h.histories.hits.Load(), Misses: h.histories.misses.Load(), Coalesced: h.histories.coalesced.Load(),
		Beyond: h.histories.beyond.Load(), Bytes: h.histories.bytes.Load(),
	}
}

// history is the part of a room that keeps its window. It is guarded by the
// room's lock.
type history struct {
	window  *window // nil when there is none
	of      edition
	made    time.Time
	used    time.Time
	counted int // bytes of it that the hub has counted
	loading *loading
}

// edition is what a window is good for.
type edition struct {
	session chat.SessionID
	meeting int64
}

// loading is a reading of the window that is under way.
type loading struct {
	of      edition
	made    time.Time
	done    chan struct{} // closed when the room has the window, or err is set
	err     error
	window  *window         // nil until it has been read
	head    journal.Head    // as of the reading
	pending []journal.Entry // told since the reading began
}

// histories are what the hub knows of all windows together.
type histories struct {
	hits, misses, coalesced, beyond atomic.Uint64
	bytes                           atomic.Int64
	evicting                        atomic.Bool
}

const (
	// historyAge is how long a window with links is kept: a link is rendered
	// when the window is made, and has to be good for long when it is given out.
	historyAge = time.Hour
	// historyIdle is how long a window is kept that nobody asks for.
	historyIdle = 5 * time.Minute
	// defaultHistories is about how much all windows may take together.
	defaultHistories = 256 << 20
	// maxPending is how many entries may be told while a window is read.
	maxPending = 4096
	// historyTries is how often somebody waits for a window that is of another
	// session by the time it is there.
	historyTries = 3
)

var errOvertaken = errors.New("the room has been told too much while its history was read")

// History keeps a place in the feed for the newest messages that a reader may
// see, and gives them as of that place. When there is an error, no place is
// kept; else the place must be filled.
func (r *Room) History(ctx context.Context, f *Feed, reader Reader) (History, error) {
	for range historyTries {
		found, l := r.recall(f, reader)
		if l == nil {
			return r.collect(found), nil
		}
		select {
		case <-l.done:
			if l.err != nil {
				return History{}, l.err
			}
		case <-ctx.Done():
			return History{}, context.Cause(ctx)
		}
	}
	r.hub.histories.beyond.Add(1)
	return History{Slot: f.Reserve()}, nil
}

// recalled is a view, and the place it was taken at.
type recalled struct {
	view view
	slot Slot
	from *window
}

// recall takes a view of the window and keeps the place for it, or gives the
// reading to wait for.
func (r *Room) recall(f *Feed, reader Reader) (recalled, *loading) {
	r.mu.Lock()
	defer r.unlock()
	h := &r.history
	now := r.hub.config.Now()
	of := edition{r.session.ID, reader.Meeting}
	if h.window != nil && (h.of != of || h.window.links && now.Sub(h.made) >= historyAge) {
		r.dropHistory()
	}
	if h.window != nil {
		h.used = now
		return recalled{h.window.of(reader.Participant, reader.Receives), f.reserve(), h.window}, nil
	}
	if h.loading != nil && h.loading.of == of {
		r.hub.histories.coalesced.Add(1)
		return recalled{}, h.loading
	}
	r.hub.histories.misses.Add(1)
	l := &loading{of: of, made: now, done: make(chan struct{})}
	if h.loading != nil { // of another session: those who wait try again
		close(h.loading.done)
	}
	h.loading = l
	r.hub.goOn(func() { r.hub.readHistory(r, l) })
	return recalled{}, l
}

// collect makes the answer of a view, outside of the lock. A window that does
// not reach back far enough, because of deletions, is read anew by the next.
func (r *Room) collect(found recalled) History {
	runs, ok := found.view.newest()
	if ok {
		r.hub.histories.hits.Add(1)
		return History{Slot: found.slot, Messages: runs, Known: true}
	}
	r.hub.histories.beyond.Add(1)
	r.mu.Lock()
	defer r.unlock()
	if w := r.history.window; w == found.from && w.count < HistoryCount && w.bytes < HistoryBytes && !w.whole {
		r.dropHistory()
	}
	return History{Slot: found.slot}
}

// readHistory reads a window.
func (h *Hub) readHistory(r *Room, l *loading) {
	recent, err := h.journal.Recent(h.ctx, r.meeting, windowLimits)
	var w *window
	if err == nil && !h.config.Faults.Do(fault.Frame, func() { w = newWindow(recent, h.codec.Message) }) {
		err = errFault
	}
	r.mu.Lock()
	defer r.unlock()
	if r.history.loading != l {
		return // somebody else has ended it
	}
	if err != nil {
		r.endLoading(err)
		return
	}
	l.window, l.head = w, recent.Head
	r.settleHistory()
}

// settleHistory makes a window that was read the room's, as soon as the room has been
// told all that the reading saw.
func (r *Room) settleHistory() {
	l := r.history.loading
	if l == nil || l.window == nil || r.seq < l.head.Seq {
		return
	}
	for i := range l.pending {
		if l.pending[i].Seq > l.head.Seq {
			l.window.fold(&l.pending[i], r.hub.codec.Message)
		}
	}
	if l.head.Session == r.session.ID && l.of.session == r.session.ID && !r.forgotten {
		r.dropHistory()
		r.history.window, r.history.of, r.history.made, r.history.used = l.window, l.of, l.made, l.made
		r.countHistory()
	}
	r.endLoading(nil)
}

func (r *Room) endLoading(err error) {
	l := r.history.loading
	r.history.loading = nil
	l.err = err
	close(l.done)
}

// followHistory brings the window on by an entry that the room has been told.
func (r *Room) followHistory(e *journal.Entry) {
	if l := r.history.loading; l != nil {
		if len(l.pending) >= maxPending {
			r.endLoading(errOvertaken)
		} else {
			l.pending = append(l.pending, *e)
			r.settleHistory()
		}
		return // while one is read, there is no window
	}
	if w := r.history.window; w != nil {
		w.fold(e, r.hub.codec.Message)
		r.countHistory()
	}
}

func (r *Room) dropHistory() {
	r.history.window = nil
	r.countHistory()
}

// countHistory tells the hub how much the window costs now.
func (r *Room) countHistory() {
	size := 0
	if r.history.window != nil {
		size = r.history.window.size()
	}
	total := r.hub.histories.bytes.Add(int64(size - r.history.counted))
	grown := size > r.history.counted
	r.history.counted = size
	if grown && total > r.hub.config.HistoryBytes && r.hub.histories.evicting.CompareAndSwap(false, true) {
		r.hub.goOn(r.hub.evictHistories)
	}
}

// evictHistories lets go the windows that were not asked for longest, until
// the others leave some room.
func (h *Hub) evictHistories() {
	defer h.histories.evicting.Store(false)
	type candidate struct {
		room *Room
		used time.Time
	}
	var candidates []candidate
	for _, r := range h.all() {
		r.mu.Lock()
		if r.history.window != nil {
			candidates = append(candidates, candidate{r, r.history.used})
		}
		r.mu.Unlock()
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return a.used.Compare(b.used) })
	for _, c := range candidates {
		if h.histories.bytes.Load() <= h.config.HistoryBytes*3/4 {
			return
		}
		c.room.mu.Lock()
		c.room.dropHistory()
		c.room.mu.Unlock()
	}
}
