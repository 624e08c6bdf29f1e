package room

import (
	"context"
	"fmt"
)

// Feed is what goes out on one connection: the room's log from a cursor on,
// and in between, each at its place, what is for this connection alone:
// answers, private messages, pings. After Start the room writes it to an Outlet;
// without that, one goroutine reads it by Next. The other methods may be called by
// any.
type Feed struct {
	room *Room
	wake chan struct{} // of who calls Next
	slot uint8         // when it is pinged

	// The rest is guarded by room.mu.
	info    *Info   // as it connected, kept up to date; exchanged, never changed
	member  *Member // nil until the peer has joined
	waiter  *waiter // nil unless the peer waits to be let in
	cursor  uint64
	queue   []*item
	private int // what the private frames that wait cost
	answers int // what the answers that wait cost
	signals int // what the signals that wait cost
	drained chan struct{}
	// expelled is set once the peer is sent out: it hears no more of the log.
	expelled *farewell
	pings    []mark  // what had been sent before each unanswered ping
	ending   *Closed // to be closed with when all has gone out
	closed   *Closed

	outlet Outlet // nil where somebody calls Next
	next   *Feed  // in the line
	lined  bool   // it is in the line
	busy   bool   // it is being written to
	again  bool   // it has been roused meanwhile
	over   bool   // nothing more is written to it
}

// item is a frame for one connection, with its place in the room's log.
type item struct {
	at     uint64
	frame  []byte
	more   [][]byte // what follows on the frame, uncopied
	ready  bool
	answer bool
	signal bool
}

// Bounds of a feed, in bytes of memory.
const (
	// maxPrivate is how much of private frames may wait for a peer.
	maxPrivate = 1 << 20
	// maxAnswers is how much of answers may wait before further requests of
	// the peer are left unread.
	maxAnswers = 1 << 20
	// batchBytes ends a batch of Next, with the chunk or item that reaches it.
	batchBytes = 256 << 10
	// itemBytes is about what an item costs besides its frame.
	itemBytes = 96
)

// Closed is the end of a feed: the close code and reason the peer is to see.
type Closed struct {
	Code   uint16
	Reason string
}

func (c *Closed) Error() string { return fmt.Sprintf("closed with %d: %s", c.Code, c.Reason) }

// The ends of a feed. After 1000 clients stay away; after any other they come
// back.
var (
	// ClosedForGood tells that the peer is not to come back.
	ClosedForGood = &Closed{1000, "the meeting is over for you"}

	// ClosedRestart tells that the server goes down and comes back.
	ClosedRestart = &Closed{1012, "the server restarts"}
	// ClosedBehind tells that the peer did not read fast enough.
	ClosedBehind = &Closed{4008, "too far behind"}
	// ClosedReplaced tells that the peer has connected anew.
	ClosedReplaced = &Closed{4009, "replaced by a newer connection"}
	// ClosedSilent tells that the peer has not answered pings.
	ClosedSilent = &Closed{4010, "no answer to keep-alive"}
	// ClosedFault tells that the server could not read what it had to send.
	ClosedFault = &Closed{1011, "the server cannot catch up now"}
)

// Answer queues a frame for this connection, after all that the room has said
// so far and before all that it says from now on.
func (f *Feed) Answer(frame []byte) {
	f.room.mu.Lock()
	f.room.line.inline = true
	defer f.room.pumpSelf(pumpMost)
	f.push(&item{frame: frame, ready: true, answer: true})
}

// push queues an item at the end of the log. It is called under room.mu.
func (f *Feed) push(i *item) {
	if f.closed != nil {
		return
	}
	i.at = f.room.log.end
	f.queue = append(f.queue, i)
	f.account(i, itemBytes+len(i.frame))
	if !i.answer {
		f.room.hub.counts.Deliveries.Add(1)
	}
	if f.private > maxPrivate {
		f.close(ClosedBehind)
	}
	f.rouse()
}

func (f *Feed) account(i *item, bytes int) {
	switch {
	case i.answer:
		f.answers += bytes
	case i.signal:
		f.signals += bytes
	default:
		f.private += bytes
	}
}

// Slot is a place kept in a feed for an answer that still has to be made. It
// holds back everything the room says after it, so fill it soon, always.
type Slot struct {
	// Seq is the last entry the peer will have been told of when it gets the
	// answer; the answer must not tell of later ones.
	Seq  uint64
	feed *Feed
	item *item
}

// Reserve keeps a place at the end of what the room has said so far.
func (f *Feed) Reserve() Slot {
	f.room.mu.Lock()
	defer f.room.unlock()
	return f.reserve()
}

func (f *Feed) reserve() Slot {
	i := &item{answer: true}
	f.push(i)
	return Slot{Seq: f.room.seq, feed: f, item: i}
}

// Fill puts the frames of the answer, which may be none, into the place. What
// is in more follows on frame without a copy; it must not change any more.
func (s Slot) Fill(frame []byte, more ...[]byte) {
	s.feed.room.mu.Lock()
	s.feed.room.line.inline = true
	defer s.feed.room.pumpSelf(pumpMost)
	s.item.frame, s.item.more, s.item.ready = frame, more, true
	s.feed.account(s.item, s.item.size())
	s.feed.rouse()
}

func (i *item) size() int {
	n := len(i.frame)
	for _, b := range i.more {
		n += len(b)
	}
	return n
}

// Next waits until there is something to send and gives it, in order, without
// a copy. The error is a *Closed, or the cause of ctx.
func (f *Feed) Next(ctx context.Context, bufs [][]byte) ([][]byte, error) {
	for {
		bufs, err := f.take(bufs[:0])
		if len(bufs) > 0 || err != nil {
			return bufs, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *Feed) take(bufs [][]byte) ([][]byte, error) {
	f.room.mu.Lock()
	defer f.room.unlock()
	if f.wake == nil {
		f.wake = make(chan struct{}, 1)
	}
	bufs, _, err := f.taken(bufs)
	return bufs, err
}

// taken takes what is to go out next. There is more after it, or may be, where
// more says so.
func (f *Feed) taken(bufs [][]byte) (_ [][]byte, more bool, _ error) {
	size := 0
	for f.closed == nil && size < batchBytes {
		limit := f.room.log.end
		if len(f.queue) > 0 {
			limit = f.queue[0].at
		}
		bufs, size = f.takeLog(bufs, limit, size)
		if f.cursor < limit {
			break
		}
		if len(f.queue) == 0 || !f.queue[0].ready {
			break
		}
		next := f.queue[0]
		f.queue[0] = nil
		f.queue = f.queue[1:]
		bytes := next.size()
		f.account(next, -itemBytes-bytes)
		if bytes > 0 {
			bufs = append(append(bufs, next.frame), next.more...)
			size += itemBytes + bytes
		}
	}
	if f.answers <= maxAnswers && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
	if f.ending != nil && len(bufs) == 0 && len(f.queue) == 0 {
		f.close(f.ending)
	}
	if f.closed != nil {
		return nil, false, f.closed
	}
	return bufs, size >= batchBytes || f.ending != nil && len(bufs) > 0, nil
}

// takeLog adds what the room has said up to limit. A peer that has not joined
// is told nothing.
func (f *Feed) takeLog(bufs [][]byte, limit uint64, size int) ([][]byte, int) {
	var sees bool
	switch {
	case f.expelled != nil && f.cursor < f.expelled.at:
		limit, sees = min(limit, f.expelled.at), f.expelled.sees
	case f.member == nil:
		f.cursor = limit
		return bufs, size
	default:
		sees = f.member.Rights.SeePeers
	}
	if f.cursor < f.room.log.start() {
		f.close(ClosedBehind)
		return bufs, size
	}
	// A position behind the cursor is that of an item from before the join.
	to := max(f.cursor, min(limit, f.room.log.through(f.cursor, batchBytes-size)))
	if sees {
		bufs = f.room.log.read(bufs, f.cursor, to)
	} else {
		bufs = f.room.log.readAloud(bufs, f.cursor, to)
	}
	size += int(to - f.cursor)
	f.cursor = to
	return bufs, size
}

// AwaitRoom holds up a reader whose answers pile up until some have gone out.
// It tells whether it has.
func (f *Feed) AwaitRoom(ctx context.Context) (held bool, err error) {
	f.room.mu.Lock()
	if f.closed != nil || f.answers <= maxAnswers {
		f.room.mu.Unlock()
		return false, nil //nolint:nilerr // closed is a state of the feed, which Next tells
	}
	if f.drained == nil {
		f.drained = make(chan struct{})
	}
	drained := f.drained
	f.room.mu.Unlock()
	select {
	case <-drained:
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// finish ends the feed when everything that waits has gone out.
func (f *Feed) finish(reason *Closed) {
	f.ending = reason
	if f.expelled != nil {
		f.ending = ClosedForGood
	}
	f.rouse()
}

// Close ends the feed; Next gives the reason at once.
func (f *Feed) Close(reason *Closed) {
	f.room.mu.Lock()
	defer f.room.unlock()
	f.close(reason)
}

func (f *Feed) close(reason *Closed) {
	if f.closed == nil {
		f.closed = reason
		f.queue = nil
		if f.drained != nil {
			close(f.drained)
			f.drained = nil
		}
		f.rouse()
	}
}

// mark is a place in what a room has said: the last entry, and the time of the
// last change of stores.
type mark struct {
	seq    uint64
	stores int64
}

// maxSilence is how many pings a peer may leave unanswered.
const maxSilence = 2

// ping queues a keep-alive, or closes a feed that left too many unanswered.
func (f *Feed) ping(frame []byte) {
	if len(f.pings) >= maxSilence {
		f.close(ClosedSilent)
		return
	}
	f.pings = append(f.pings, mark{f.room.seq, f.room.stores.at})
	f.push(&item{frame: frame, ready: true, answer: true})
}

// Ponged takes the answer to the oldest ping: everything sent before that
// ping has arrived.
func (f *Feed) Ponged() {
	f.room.mu.Lock()
	defer f.room.unlock()
	if len(f.pings) == 0 {
		return
	}
	seen := f.pings[0]
	f.pings = append(f.pings[:0], f.pings[1:]...)
	if f.member == nil || f.member.feed != f {
		return
	}
	f.member.stores = max(f.member.stores, seen.stores)
	if seen.seq > f.member.seen {
		f.member.seen, f.member.unsaved = seen.seq, true
	}
}
