package room

import "sync/atomic"

// Counters counts what rooms do, since the start.
type Counters struct {
	// Joins and Leaves are peers that became members and are no longer.
	Joins, Leaves atomic.Uint64
	// Deliveries are frames put before a peer, once for each peer, answers to
	// its own requests aside.
	Deliveries atomic.Uint64
	// Lost are signals that passed by a peer that did not keep up.
	Lost atomic.Uint64
	// Gaps are the times that a room had to read what it was not told of.
	Gaps atomic.Uint64
	// Dropped are rooms given up after a panic.
	Dropped atomic.Uint64
}

// Counters gives the counts, which go on.
func (h *Hub) Counters() *Counters { return &h.counts }

// Survey is how all rooms are at a moment.
type Survey struct {
	// Rooms are those in memory, Connections those of peers, Members the peers
	// that have joined, and Away those of them that are waited for.
	Rooms, Connections, Members, Away int
	// Slowest is how many bytes the peer that lags most is behind, and Behind
	// how many peers are more than each of LagSteps behind.
	Slowest int
	Behind  [len(LagSteps)]int
}

// LagSteps are lags, in bytes: what goes out in one write, half and most of
// what a peer may be behind before it is sent away.
var LagSteps = [...]int{batchBytes, retained / 2, retained * 9 / 10}

// Survey looks at all rooms, one after the other.
func (h *Hub) Survey() Survey {
	var s Survey
	for _, r := range h.all() {
		r.survey(&s)
	}
	return s
}

func (r *Room) survey(s *Survey) {
	r.mu.Lock()
	defer r.unlock()
	s.Rooms++
	s.Connections += len(r.feeds)
	s.Members += len(r.members)
	for _, m := range r.members {
		if m.feed == nil {
			s.Away++
		}
	}
	for _, f := range r.feeds {
		lag := f.private
		if f.member != nil {
			lag += int(r.log.end - f.cursor)
		}
		s.Slowest = max(s.Slowest, lag)
		for i, step := range LagSteps {
			if lag > step {
				s.Behind[i]++
			}
		}
	}
}
