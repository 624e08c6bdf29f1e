package room

import (
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// This file keeps those who wait to be let in. They are connected, are told
// nothing of the room, and nobody but those who may let them in hears of them.

const (
	// MaxWaiting is how many peers may wait in a room to be accepted.
	MaxWaiting = 1000
	// MaxAwaitingHost is how many may wait for a host to come. It is larger:
	// nobody has to look at them one by one.
	MaxAwaitingHost = 10_000
)

// ErrWaitingFull says that too many wait already.
var ErrWaitingFull = &chat.Error{Code: chat.Limited, Message: "the waiting room is full, try again later", RetryAfter: 30 * time.Second, Limit: "waiting_room"}

// waiter is a peer that waits.
type waiter struct {
	Info
	feed *Feed       // nil while the peer is away
	away *time.Timer // then ends the waiting
}

// waiting are those who wait. It is guarded by the room's lock.
type waiting struct {
	waiters map[chat.PeerID]*waiter
	queue   []*waiter // by arrival
	// letIn has those who were let in and have not come in since, and into
	// which session.
	letIn map[chat.ParticipantID]chat.SessionID
	// acceptors counts the members who may let others in.
	acceptors int
	call      *time.Timer // then tells the acceptors who waits
	called    time.Time
}

// Wait makes a connected peer wait, and gives it the answer. It gives false,
// and does nothing, where there is no reason to wait any more: a host has come
// meanwhile, or the participant has been let in. fresh is asked before a peer
// begins to wait that has not waited till now; its error is given on.
func (r *Room) Wait(f *Feed, info Info, answer []byte, fresh func() error) (bool, error) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten || r.feeds[info.Peer] != f {
		return true, nil // the connection is on its way out
	}
	if r.letIn[info.Participant] == r.session.ID && r.session.ID != "" || info.Rights.Waiting == chat.WaitForHost && r.acceptors > 0 {
		return false, nil
	}
	if w := r.waiters[info.Peer]; w != nil {
		w.Info = info
	} else {
		if err := r.queueUp(f, info, fresh); err != nil {
			return false, err
		}
	}
	f.push(&item{frame: answer, ready: true, answer: true})
	r.callAcceptors()
	return true, nil
}

func (r *Room) queueUp(f *Feed, info Info, fresh func() error) error {
	limit, like := MaxWaiting, 0
	if info.Rights.Waiting == chat.WaitForHost {
		limit = MaxAwaitingHost
	}
	for _, w := range r.queue {
		if w.Rights.Waiting == info.Rights.Waiting {
			like++
		}
	}
	if like >= limit {
		return ErrWaitingFull
	}
	if err := fresh(); err != nil {
		return err
	}
	w := &waiter{Info: info, feed: f}
	f.waiter = w
	r.waiters[info.Peer] = w
	r.queue = append(r.queue, w)
	return nil
}

// Waits tells whether the connection's peer waits to be let in.
func (r *Room) Waits(f *Feed) bool {
	r.mu.Lock()
	defer r.unlock()
	return f.waiter != nil
}

// HostHere tells whether somebody is here who may let others in.
func (r *Room) HostHere() bool {
	r.mu.Lock()
	defer r.unlock()
	return r.acceptors > 0
}

// LetIn gives the session into which a participant was let and has not come
// since, "" for none.
func (r *Room) LetIn(id chat.ParticipantID) chat.SessionID {
	r.mu.Lock()
	defer r.unlock()
	return r.letIn[id]
}

// Waiting gives who waits to be accepted, in the order of coming, each
// participant once.
func (r *Room) Waiting() []Info {
	r.mu.Lock()
	defer r.unlock()
	return r.askers()
}

func (r *Room) askers() []Info {
	var list []Info
	seen := make(map[chat.ParticipantID]bool)
	for _, w := range r.queue {
		if !seen[w.Participant] && w.Rights.Waiting == chat.WaitForAccept {
			seen[w.Participant] = true
			list = append(list, w.Info)
		}
	}
	return list
}

// Awaited gives those of the participants named who wait.
func (r *Room) Awaited(ids []chat.ParticipantID) []chat.ParticipantID {
	r.mu.Lock()
	defer r.unlock()
	var found []chat.ParticipantID
	for _, w := range r.queue {
		if slices.Contains(ids, w.Participant) && !slices.Contains(found, w.Participant) {
			found = append(found, w.Participant)
		}
	}
	return found
}

// Answer ends the waiting of participants: word tells them how, and admitted
// that they may come in.
func (r *Room) Answer(ids []chat.ParticipantID, word []byte, admitted bool) {
	r.mu.Lock()
	defer r.unlock()
	for _, id := range ids {
		r.letGo(func(w *waiter) bool { return w.Participant == id }, word, admitted)
	}
}

// letGo ends the waiting of those who match.
func (r *Room) letGo(match func(*waiter) bool, word []byte, admitted bool) {
	stay := make([]*waiter, 0, len(r.queue))
	for _, w := range r.queue {
		if !match(w) {
			stay = append(stay, w)
			continue
		}
		if admitted {
			r.letIn[w.Participant] = r.session.ID
		}
		if w.feed != nil {
			w.feed.push(&item{frame: word, ready: true, answer: true})
		}
		r.dropWaiter(w)
	}
	if len(stay) < len(r.queue) {
		r.queue = stay
		r.callAcceptors()
	}
}

// forgetWaiter takes one out of those who wait.
func (r *Room) forgetWaiter(w *waiter) {
	r.dropWaiter(w)
	r.queue = slices.DeleteFunc(r.queue, func(o *waiter) bool { return o == w })
	r.callAcceptors()
}

func (r *Room) dropWaiter(w *waiter) {
	if w.away != nil {
		w.away.Stop()
	}
	if w.feed != nil {
		w.feed.waiter = nil
	}
	delete(r.waiters, w.Peer)
}

// stepOut takes the connection from a peer that waits. One that said goodbye
// waits no longer, any other is waited for.
func (r *Room) stepOut(w *waiter, goodbye bool) {
	w.feed.waiter = nil
	w.feed = nil
	if goodbye || r.forgotten {
		r.forgetWaiter(w)
		return
	}
	w.away = r.after(r.hub.config.Grace, func() {
		r.mu.Lock()
		defer r.unlock()
		if w.feed == nil && r.waiters[w.Peer] == w {
			r.forgetWaiter(w)
		}
	})
}

// stepBack gives a peer that waits its new connection.
func (r *Room) stepBack(w *waiter, f *Feed) {
	if w.away != nil {
		w.away.Stop()
		w.away = nil
	}
	w.feed, f.waiter = f, w
}

// hostCame lets all in who have waited for a host.
func (r *Room) hostCame() {
	r.letGo(func(w *waiter) bool { return w.Rights.Waiting == chat.WaitForHost }, r.hub.codec.Admitted(), true)
}

// callAcceptors tells those who may let others in who waits, soon, and at most
// once in flushEvery.
func (r *Room) callAcceptors() {
	if r.call == nil && r.acceptors > 0 {
		r.call = r.after(max(0, flushEvery-time.Since(r.called)), r.tellAcceptors)
	}
}

func (r *Room) tellAcceptors() {
	r.mu.Lock()
	defer r.unlock()
	r.call, r.called = nil, time.Now()
	if r.forgotten || r.acceptors == 0 {
		return
	}
	frame := r.hub.codec.Waiting(r.askers())
	for _, m := range r.members {
		if m.feed != nil && m.Rights.AcceptWaiting {
			m.feed.push(&item{frame: frame, ready: true})
		}
	}
}
