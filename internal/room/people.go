package room

import (
	"slices"

	"github.com/parley-chat/parley/internal/chat"
)

// This file follows what the directory says of people while they are here.

// Person is a participant who is here: by a connection, joined or not, or as a
// member who is away.
type Person struct {
	Participant chat.ParticipantID
	Preset      chat.PresetID
}

// People gives the participants who are here.
func (r *Room) People() []Person {
	r.mu.Lock()
	defer r.unlock()
	people := make([]Person, 0, len(r.people))
	for id, members := range r.people {
		people = append(people, Person{id, members[0].Preset})
	}
	for id, feeds := range r.connections {
		if len(r.people[id]) == 0 {
			people = append(people, Person{id, feeds[0].info.Preset})
		}
	}
	for _, w := range r.queue {
		if w.feed == nil {
			people = append(people, Person{w.Participant, w.Preset})
		}
	}
	return people
}

// Expel sends a participant out: all its connections hear the farewell, and are
// closed with 1000 if they do not close by themselves. Its members leave.
func (r *Room) Expel(id chat.ParticipantID, word []byte) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return
	}
	for _, w := range slices.Clone(r.queue) {
		if w.Participant == id {
			r.forgetWaiter(w)
		}
	}
	delete(r.letIn, id)
	for _, f := range r.connections[id] {
		if f.expelled == nil {
			f.expel(word)
		}
	}
	for _, m := range slices.Clone(r.people[id]) {
		m.feed = nil
		r.leave(m)
	}
}

// Dismiss expels everybody.
func (r *Room) Dismiss(word []byte) {
	for _, p := range r.People() {
		r.Expel(p.Participant, word)
	}
}

// Revise makes the room know of a participant what fresh says; its Peer means
// nothing. The participant's own connections are given word, where anything has
// changed that it may tell of.
func (r *Room) Revise(fresh Info, word []byte) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return
	}
	for _, f := range r.connections[fresh.Participant] {
		known := f.known()
		if known.Revision != fresh.Revision {
			f.push(&item{frame: word, ready: true})
		}
		f.info = new(f.info.Revised(fresh))
	}
	for _, m := range r.people[fresh.Participant] {
		if m.feed != nil {
			m.word = fresh.Revision
		}
		r.revise(m, m.Info.Revised(fresh))
	}
	for _, w := range r.queue {
		if w.Participant == fresh.Participant {
			w.Info = w.Info.Revised(fresh)
			r.callAcceptors()
		}
	}
	if rights := fresh.Rights; rights.Waiting == chat.WaitSkip || rights.AcceptWaiting || rights.Waiting == chat.WaitForHost && r.acceptors > 0 {
		r.letGo(func(w *waiter) bool { return w.Participant == fresh.Participant }, r.hub.codec.Admitted(), true)
	}
}

// known gives what the room knows of the connection's peer.
func (f *Feed) known() Info {
	switch {
	case f.member != nil:
		return *f.member.Info
	case f.waiter != nil:
		return f.waiter.Info
	}
	return *f.info
}

// shared gives an info, as the one that the connection has where they are equal.
func (f *Feed) shared(info Info) *Info {
	if info == *f.info {
		return f.info
	}
	return new(info)
}

// Self gives what the room knows of the connection's peer at this moment.
func (f *Feed) Self() Info {
	f.room.mu.Lock()
	defer f.room.unlock()
	return f.known()
}

// Revised gives the same peer as fresh describes its participant. A name that
// the client has proposed stays, unless the participant has been given another.
func (i Info) Revised(fresh Info) Info {
	if i.Given == fresh.Given {
		fresh.Name = i.Name
	}
	fresh.Peer = i.Peer
	return fresh
}

// revise makes a member what info says, and tells the others what they may
// know of that.
func (r *Room) revise(m *Member, info Info) {
	before := *m.Info
	if before == info {
		return
	}
	r.uncount(m)
	if before.Rights.Hidden != info.Rights.Hidden {
		if info.Rights.Hidden {
			r.vanish(m)
		}
		m.Info = new(info)
		r.count(m)
		if before.Rights.Hidden {
			r.appear(m)
		}
	} else {
		r.exchange(m, info)
		r.count(m)
	}
	if before.Rights.SeePeers != info.Rights.SeePeers {
		r.show(m)
	}
}

// exchange makes a member another, without moving it in the list.
func (r *Room) exchange(m *Member, info Info) {
	before := *m.Info
	m.Info = new(info)
	if !m.told {
		return
	}
	m.listed = r.hub.codec.Listed(info)
	r.everybody, r.hosts = nil, nil
	if before.Rights.Host() != info.Rights.Host() {
		r.hostsListed += map[bool]int{true: 1, false: -1}[info.Rights.Host()]
		r.reveal(m)
	}
	if before.public() != info.public() {
		r.speak(r.hub.codec.Joined(info), info.Rights.Host())
		r.rouse()
	}
}

// public gives the part of an info that others are shown.
func (i Info) public() Info {
	i.Given, i.Rights, i.Revision = "", chat.Permissions{}, 0
	return i
}

// count counts a member in by what it may do.
func (r *Room) count(m *Member) {
	if m.Rights.Watches {
		r.watchers++
	}
	if m.Rights.AcceptWaiting {
		r.acceptors++
		r.hostCame()
	}
}

func (r *Room) uncount(m *Member) {
	if m.Rights.Watches {
		r.watchers--
	}
	if m.Rights.AcceptWaiting {
		r.acceptors--
	}
}
