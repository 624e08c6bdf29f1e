package room

import (
	"math/rand/v2"
	"time"
)

// Connections are ended one after the other, in no order, so that clients, each
// of which comes back some seconds later, do not all come at the same moment.
// Nothing is read from anybody meanwhile, so it must not take long.
const (
	// drainPace is the time between the ends of two connections.
	drainPace = 200 * time.Microsecond
	// maxDrain is how long it takes at most; with more connections they end
	// faster.
	maxDrain = time.Second
	// drainStep is the shortest time worth waiting for.
	drainStep = 5 * time.Millisecond
)

// Drain closes all connections so that their peers come back, those too that
// are made from now on, and takes the peers' places as they are: none of them
// has left. It returns when all have been told.
func (h *Hub) Drain() {
	h.draining.Store(true)
	feeds := h.feeds()
	rand.Shuffle(len(feeds), func(i, k int) { feeds[i], feeds[k] = feeds[k], feeds[i] }) //nolint:gosec // no secret
	began, takes := time.Now(), min(maxDrain, time.Duration(len(feeds))*drainPace)
	for i, f := range feeds {
		due := takes * time.Duration(i) / time.Duration(len(feeds))
		if early := due - time.Since(began); early >= drainStep {
			<-time.After(early)
		}
		f.room.mu.Lock()
		f.finish(ClosedRestart)
		f.room.mu.Unlock()
	}
}

// feeds gives all connections.
func (h *Hub) feeds() []*Feed {
	var feeds []*Feed
	for _, r := range h.all() {
		r.mu.Lock()
		for _, f := range r.feeds {
			feeds = append(feeds, f)
		}
		r.mu.Unlock()
	}
	return feeds
}
