package room

import (
	"runtime"

	"github.com/parley-chat/parley/internal/fault"
)

// This file brings to connections what their room has to say. A room that has
// something to say lines up the feeds it concerns; a pump takes them, a batch at
// a time, and writes to each what it has not had yet, as far as that goes out
// without waiting. One call of the kernel is what a delivery costs then, nobody
// has to be woken for it, and what is said while a pump is busy with others goes
// along: whoever is in line twice is written to once.
//
// A connection that does not take everything at once gets a goroutine of its own
// until it has caught up, and keeps nobody waiting.

// Outlet is the connection that a feed goes out on. It is used by one goroutine
// at a time.
type Outlet interface {
	// Offer takes frames and writes what goes out at once. Where waits is true,
	// the rest is kept for Flush.
	Offer(frames [][]byte) (waits bool, err error)
	// Flush writes what is kept, as long as that takes.
	Flush() error
	// End ends the connection, for a *Closed or for what Offer or Flush gave. It
	// is called once, by a goroutine of its own, unless the feed is given to
	// Disconnect before.
	End(err error)
}

const (
	// pumpBatch is how many feeds are taken from the line at once.
	pumpBatch = 64
	// pumpShare is how many feeds in line are worth another pump.
	pumpShare = 1024
)

// line has the feeds that wait to be written to, in the order in which they
// came. It is guarded by the lock of the room.
type line struct {
	first, last *Feed
	length      int
	pumps       int
	// inline says that whoever holds the lock will pump by itself.
	inline bool
}

// pushFirst puts a feed at the front of the line.
func (l *line) pushFirst(f *Feed) {
	if f.next = l.first; l.first == nil {
		l.last = f
	}
	l.first = f
	l.length++
}

// push puts a feed at the end of the line.
func (l *line) push(f *Feed) {
	if l.last == nil {
		l.first = f
	} else {
		l.last.next = f
	}
	l.last = f
	l.length++
}

func (l *line) pop() *Feed {
	f := l.first
	if f == nil {
		return nil
	}
	l.first, f.next = f.next, nil
	if l.first == nil {
		l.last = nil
	}
	l.length--
	return f
}

// Start has the room write to the connection from now on; Next is not to be
// called any more.
func (f *Feed) Start(o Outlet) {
	f.room.mu.Lock()
	defer f.room.unlock()
	f.outlet = o
	f.rouse()
}

// rouse sees to it that what the feed has goes out. It is called under the
// room's lock.
func (f *Feed) rouse() {
	switch {
	case f.outlet == nil:
		select {
		case f.wake <- struct{}{}:
		default:
		}
	case f.over:
	case f.busy:
		f.again = true
	case !f.lined:
		f.lined = true
		f.room.line.push(f)
		f.room.line.staff(f.room)
	}
}

// hasten is rouse for who waits for it most: the one who has said something, who
// takes it for the acknowledgement. It goes before all others.
func (f *Feed) hasten() {
	if f.outlet == nil || f.over || f.busy || f.lined {
		f.rouse()
		return
	}
	f.lined = true
	f.room.line.pushFirst(f)
	f.room.line.staff(f.room)
}

// staff starts pumps where there are too few.
func (l *line) staff(r *Room) {
	if l.inline && l.pumps == 0 {
		return
	}
	for l.pumps == 0 || l.length > l.pumps*pumpShare && l.pumps < runtime.GOMAXPROCS(0) {
		l.pumps++
		go r.pump(-1)
	}
}

// errand is a feed that is written to, and what.
type errand struct {
	feed *Feed
	bufs [][]byte
	end  error
	slow bool
}

// pump writes to the feeds in line until none is left, or so many have been
// written to, then leaves the rest to another.
func (r *Room) pump(most int) {
	errands := make([]errand, 0, pumpBatch)
	if !r.hub.config.Faults.Do(fault.Room, func() { r.pumpAll(&errands, most) }) {
		r.pumpFailed(errands)
	}
}

func (r *Room) pumpAll(errands *[]errand, most int) {
	for r.takeTurn(errands, most) {
		most -= len(*errands)
		for i := range *errands {
			if e := &(*errands)[i]; e.end == nil {
				e.slow, e.end = r.offer(e.feed, e.bufs)
			}
		}
	}
}

// offer writes to one connection, whose panics are its own.
func (r *Room) offer(f *Feed, bufs [][]byte) (slow bool, err error) {
	err = ClosedFault
	r.hub.config.Faults.Do(fault.Connection, func() { slow, err = f.outlet.Offer(bufs) })
	return slow, err
}

// takeTurn takes leave of the feeds that were written to and takes the next.
func (r *Room) takeTurn(errands *[]errand, most int) bool {
	r.mu.Lock()
	defer r.unlock()
	for i := range *errands {
		e := &(*errands)[i]
		switch {
		case e.slow:
			go r.catchUp(e.feed)
		case e.end != nil:
			e.feed.end(e.end)
		default:
			e.feed.rest()
		}
		e.feed = nil
	}
	*errands = (*errands)[:0]
	for r.line.length > 0 && len(*errands) < pumpBatch && most != 0 {
		most--
		f := r.line.pop()
		f.lined = false
		n := len(*errands)
		*errands = (*errands)[:n+1]
		e := &(*errands)[n]
		e.feed, e.slow = f, false
		if e.bufs, e.end = f.takeBusy(e.bufs[:0]); len(e.bufs) == 0 && e.end == nil {
			e.feed, *errands = nil, (*errands)[:n]
			f.rest()
		}
	}
	if len(*errands) > 0 {
		return true
	}
	r.line.pumps--
	if r.line.length > 0 {
		r.line.staff(r)
	}
	return false
}

// takeBusy takes what is to be written and marks the feed as being written to.
func (f *Feed) takeBusy(bufs [][]byte) ([][]byte, error) {
	f.busy, f.again = true, false
	bufs, more, err := f.taken(bufs)
	f.again = f.again || more
	return bufs, err
}

// rest ends the writing to a feed for now.
func (f *Feed) rest() {
	f.busy = false
	if f.again {
		f.again = false
		f.rouse()
	}
}

// end has a connection ended, once.
func (f *Feed) end(err error) {
	f.busy = false
	if f.over {
		return
	}
	f.over = true
	f.close(ClosedBehind) // whoever waits for room in it waits no more
	go f.room.hub.config.Faults.Do(fault.Connection, func() { f.outlet.End(err) })
}

// catchUp writes to a connection that does not take everything at once, until it
// has.
func (r *Room) catchUp(f *Feed) {
	err := error(ClosedFault)
	r.hub.config.Faults.Do(fault.Connection, func() { err = f.flushAll() })
	r.mu.Lock()
	defer r.unlock()
	if err != nil {
		f.end(err)
	}
}

// flushAll writes until nothing is left, and leaves the feed at rest then.
func (f *Feed) flushAll() error {
	var bufs [][]byte
	for waits := true; ; {
		var err error
		if waits {
			if err = f.outlet.Flush(); err != nil {
				return err
			}
		}
		if bufs, err = f.takeMore(bufs[:0]); err != nil || len(bufs) == 0 {
			return err
		}
		if waits, err = f.outlet.Offer(bufs); err != nil {
			return err
		}
	}
}

// takeMore takes the next that is to be written to a feed that is being written
// to; where there is nothing, it rests.
func (f *Feed) takeMore(bufs [][]byte) ([][]byte, error) {
	f.room.mu.Lock()
	defer f.room.unlock()
	for {
		bufs, err := f.takeBusy(bufs)
		switch {
		case err != nil || len(bufs) > 0:
			return bufs, err
		case !f.again:
			f.rest()
			return nil, nil
		}
	}
}

// pumpFailed sends away those who were being written to when a pump panicked:
// nobody knows what they have had.
func (r *Room) pumpFailed(errands []errand) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range errands {
		if e.feed != nil {
			e.feed.end(ClosedFault)
		}
	}
	r.line.pumps--
	if r.line.length > 0 {
		r.line.staff(r)
	}
}

// pumpMost is how many feeds are written to by whoever has something to say,
// before others are left to do the rest.
const pumpMost = 32

// pumpSelf gives the room's lock free and writes to feeds in line, where nobody
// does so already: up to so many, the rest is left to others. It must be deferred
// itself, as unlock, by who has set line.inline.
func (r *Room) pumpSelf(most int) {
	if panicked := recover(); panicked != nil {
		r.line.inline = false
		r.drop(panicked)
	}
	r.line.inline = false
	pumps := most > 0 && r.line.length > 0 && r.line.pumps == 0
	if pumps {
		r.line.pumps++
	}
	r.mu.Unlock()
	if pumps {
		r.pump(most)
	}
}
