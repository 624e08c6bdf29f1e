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
	defer r.mu.Unlock()
	people := make([]Person, 0, len(r.people))
	for id, members := range r.people {
		people = append(people, Person{id, members[0].Preset})
	}
	for id, feeds := range r.connections {
		if len(r.people[id]) == 0 {
			people = append(people, Person{id, feeds[0].info.Preset})
		}
	}
	return people
}

// Expel ends all connections of a participant, who hears the farewell and is
// closed with 1000, so as not to come back. Its members leave.
func (r *Room) Expel(id chat.ParticipantID, farewell []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.forgotten {
		r.expel(id, farewell)
	}
}

// Dismiss expels everybody.
func (r *Room) Dismiss(farewell []byte) {
	for _, p := range r.People() {
		r.Expel(p.Participant, farewell)
	}
}

func (r *Room) expel(id chat.ParticipantID, farewell []byte) {
	for _, m := range slices.Clone(r.people[id]) {
		if m.feed != nil {
			m.feed.member = nil
			m.feed = nil
		}
		r.leave(m)
	}
	for _, f := range slices.Clone(r.connections[id]) {
		f.push(&item{frame: farewell, ready: true, answer: true})
		f.last = true
		f.finish(ClosedForGood)
		r.drop(f)
	}
}
