package room

import (
	"context"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// This file is how peers are sent out. That is decided and recorded elsewhere,
// before the room hears of it; the room tells those who are here.

// expulsion says how a peer was sent out.
type expulsion int

const (
	sentOut expulsion = iota
	sentOutWithAll
)

func (e expulsion) frame(r *Room, info Info, request string) []byte {
	if e == sentOutWithAll {
		return r.hub.codec.Ended(info, request)
	}
	return r.hub.codec.Kicked(info)
}

func (e expulsion) reason() error {
	if e == sentOutWithAll {
		return chat.ErrEnded
	}
	return chat.ErrKicked
}

// Kicked takes out peers that were kicked, here or away. The others are told
// that they have left. A peer that is about to join does not become a member.
func (h *Hub) Kicked(meeting chat.MeetingID, peers []chat.PeerID) {
	if r := h.known(meeting); r != nil {
		r.sendOut(peers, sentOut, "", "")
	}
}

// Ended takes out the peers that were there when the session was ended for
// everybody. by, if it is not "", has asked for that by the request named.
func (h *Hub) Ended(meeting chat.MeetingID, peers []chat.PeerID, by chat.PeerID, request string) {
	if r := h.known(meeting); r != nil {
		r.sendOut(peers, sentOutWithAll, by, request)
	}
}

// known gives the room of a meeting if there is one, loaded or not: one that is
// made later reads what has been recorded.
func (h *Hub) known(meeting chat.MeetingID) *Room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rooms[meeting]
}

// sendOut tells first, so that those who go do not hear of each other.
func (r *Room) sendOut(peers []chat.PeerID, how expulsion, by chat.PeerID, request string) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return
	}
	var gone []*Member
	for _, id := range peers {
		r.out[id] = how
		if f := r.feeds[id]; f != nil {
			settles := ""
			if id == by {
				settles = request
			}
			f.expel(how.frame(r, *f.info, settles))
		}
		if m := r.members[id]; m != nil {
			m.feed = nil
			gone = append(gone, m)
		}
	}
	for _, m := range gone {
		delete(r.letIn, m.Participant) // whoever had to wait has to wait again
		r.remove(m)
	}
}

// begin takes over the live session. Whose peer ids were whose is of no concern
// to a later one, but for those who are here.
func (r *Room) begin(s Session) {
	if r.session.ID != s.ID {
		clear(r.letIn)
		clear(r.owners)
		for _, m := range r.members {
			r.owners[m.Peer] = m.Participant
		}
	}
	r.session = s
}

// Enter holds the room while record runs, which records that a peer joins;
// Join follows in it. Without that, a room that nobody is in could be given up
// in between, and the peer would be recorded as present for ever.
func (r *Room) Enter(record func() error) error {
	r.mu.Lock()
	r.entering++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.entering--
		r.mu.Unlock()
	}()
	return record()
}

// expelGrace is how long a peer that was sent out may take to close by itself.
// Official clients do so when they have worked off the news; one whose
// connection ends before that counts it as lost, and tells its app so as well.
const expelGrace = 5 * time.Second

// farewell is the end of what a connection may hear of the log, and whether it
// may see who is here.
type farewell struct {
	at   uint64
	sees bool
}

// expel tells the connection that its peer is sent out, after all that was said
// before, and nothing after it. It is called under room.mu.
func (f *Feed) expel(frame []byte) {
	if f.closed != nil {
		return
	}
	if f.expelled == nil {
		f.expelled = &farewell{at: f.cursor}
		if f.member != nil {
			*f.expelled = farewell{at: f.room.log.end, sees: f.member.Rights.SeePeers}
		}
		f.member = nil
		f.room.after(expelGrace, func() { f.Close(ClosedForGood) })
	}
	f.push(&item{frame: frame, ready: true, answer: true})
}

// SendOut ends a connection as if its peer had just been kicked, or sent out with
// everybody: it was, before, and does not know.
func (r *Room) SendOut(f *Feed, withAll bool) {
	r.mu.Lock()
	defer r.unlock()
	how := sentOut
	if withAll {
		how = sentOutWithAll
	}
	if f.expelled == nil {
		f.expel(how.frame(r, *f.info, ""))
	}
}

// findEvery is the time between two looks for peers that are recorded as
// present in meetings without a room.
const findEvery = time.Minute

// findLost loads the rooms of sessions that have peers and no room, such as
// after a fault of the store, so that the peers leave in time.
func (h *Hub) findLost(ctx context.Context) {
	if time.Since(h.found) < findEvery {
		return
	}
	h.found = time.Now()
	h.goOn(func() {
		if err := h.Restore(ctx); err != nil && ctx.Err() == nil {
			h.config.Logger.Error("sessions without a room could not be looked for", "err", err)
		}
	})
}
