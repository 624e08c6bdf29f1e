package room

import (
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/fault"
)

// This file is about mistakes of the server's own in the work of a room. What a
// panic under the room's lock has left half done nobody knows. So the room is
// dropped, at once and by whoever holds the lock: its peers are sent away, come
// back to a new one that is read from the store, and are told what they missed.
// No other room is concerned, and no entry is lost, for they are all stored
// before rooms hear of them. The panic itself goes on to whoever guards the
// work; see package fault.

// errFault is why a room could not be loaded where the loading panicked.
var errFault = errors.New("a mistake in the program")

// unlock gives the room's lock free. It must be deferred itself, for it drops
// the room on the way of a panic.
func (r *Room) unlock() {
	if panicked := recover(); panicked != nil {
		r.drop(panicked)
	}
	r.mu.Unlock()
}

// drop gives the lock free and goes on with a panic, once the room is given up.
func (r *Room) drop(panicked any) {
	r.collapse()
	if r.line.length > 0 {
		r.line.staff(r) // those in line have to hear of it, too
	}
	r.mu.Unlock()
	r.hub.forget(r)
	r.hub.counts.Dropped.Add(1)
	panic(panicked)
}

// collapse ends everything in a room that cannot go on. It is called under the
// room's lock.
func (r *Room) collapse() {
	r.forgotten = true
	r.dropHistory()
	for _, f := range r.feeds {
		f.close(ClosedFault)
	}
	r.stopTimers()
}

// after does work of the room later, which may not panic beyond it.
func (r *Room) after(d time.Duration, work func()) *time.Timer {
	return time.AfterFunc(d, func() { r.hub.config.Faults.Do(fault.Room, work) })
}

// goOn does work in the background, which Close waits for.
func (h *Hub) goOn(work func()) {
	h.work.Go(func() { h.config.Faults.Do(fault.Room, work) })
}
