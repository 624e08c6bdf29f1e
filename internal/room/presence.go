package room

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// This file tells the members who is here, at a cost that does not grow with
// the square of their number.
//
// Each member has been told of the same peers: those listed, in the order in
// which they were told. In a room of up to Announced visible peers that is
// everybody, at once. In a larger one it is the first Announced to have come,
// and the hosts; what changes about that, and the number of all, is told at
// most once in flushEvery, and within that time. Whoever joins gets the list as
// it is; what is told afterwards leads on from there.
//
// A hidden peer is not told of, listed or counted. A member who may not see who
// is here is told of hosts alone, and gets no count: frames about others lie in
// the log too, but are passed over when such a member reads.

const (
	// Announced is how many visible peers a room may have for everybody to be
	// told of everybody, and how many besides the hosts are listed in a larger.
	Announced = 300
	// maxHosts bounds the hosts that are listed besides those: a meeting where
	// everybody is a host is like any other.
	maxHosts = 100
	// flushEvery is the time between two times that a large room is told of
	// changes.
	flushEvery = time.Second
	// crowded is how many visible peers a room has where telling all costs more
	// than many joins do: it is told a while after something has changed, so that
	// those who come together are told of once.
	crowded = 1000
)

// presence is what a room has told of who is here. It is guarded by the room's
// lock.
type presence struct {
	visible []*Member // by arrival
	listed  []*Member // those told of, by the time of telling
	gone    []*Member // were listed, have left, and that is still to be told
	// everybody and hosts are the list as it goes out, nil when out of date. They
	// are appended to and not changed: who has been given one goes on reading it.
	everybody, hosts []byte
	hostsListed      int
	watchers         int // members who count the viewers
	counted          int // the number last told
	due              *time.Timer
	flushed          time.Time
}

// appear makes a member known to the others.
func (r *Room) appear(m *Member) {
	if m.Rights.Hidden {
		return
	}
	r.visible = append(r.visible, m)
	if len(r.visible) <= Announced || m.Rights.Host() && r.hostsListed < maxHosts {
		r.announce(m)
		r.rouse()
	}
	r.owe()
}

// vanish undoes appear.
func (r *Room) vanish(m *Member) {
	r.visible = without(r.visible, m)
	if m.told {
		m.told, m.listed = false, nil
		r.listed = without(r.listed, m)
		r.everybody, r.hosts = nil, nil
		if m.Rights.Host() {
			r.hostsListed--
		}
		if r.gone = append(r.gone, m); len(r.visible) < Announced {
			r.settle()
			r.rouse()
		}
	}
	r.owe()
}

// without takes one out of a list, in place.
func without(list []*Member, m *Member) []*Member {
	return slices.DeleteFunc(list, func(o *Member) bool { return o == m })
}

// announce lists a member and tells all.
func (r *Room) announce(m *Member) {
	r.settle()
	m.told, m.listed = true, r.hub.codec.Listed(*m.Info)
	r.listed = append(r.listed, m)
	if r.everybody != nil {
		r.everybody = append(r.everybody, m.listed...)
	}
	if m.Rights.Host() {
		r.hostsListed++
		if r.hosts != nil {
			r.hosts = append(r.hosts, m.listed...)
		}
	}
	r.speak(r.hub.codec.Joined(*m.Info), m.Rights.Host())
}

// settle tells of those who have left.
func (r *Room) settle() {
	for _, m := range r.gone {
		r.speak(r.hub.codec.Left(*m.Info), m.Rights.Host())
	}
	r.gone = nil
}

// speak appends a frame about who is here to the log. Frames about others than
// hosts are not for everybody. Whoever speaks rouses the readers afterwards.
func (r *Room) speak(frame []byte, host bool) {
	if host {
		r.log.append(frame)
	} else {
		r.log.whisper(frame)
	}
}

// large tells whether not everybody is listed.
func (r *Room) large() bool { return len(r.visible) > Announced }

// counts tells whether the members are told how many they are.
func (r *Room) counts() bool { return r.large() || r.watchers > 0 || r.counted > Announced }

// owe makes sure that the members are told of what has changed, soon.
func (r *Room) owe() {
	if r.due != nil || !r.counts() && len(r.gone) == 0 && len(r.listed) >= len(r.visible) {
		return
	}
	wait := max(0, flushEvery-time.Since(r.flushed))
	if len(r.visible) > crowded {
		wait = flushEvery
	}
	r.due = r.after(wait, r.flush)
}

// flush tells of what has changed.
func (r *Room) flush() {
	r.mu.Lock()
	defer r.unlock()
	r.due, r.flushed = nil, time.Now()
	if r.forgotten {
		return
	}
	r.settle()
	for _, m := range r.visible[:min(len(r.visible), Announced)] {
		if !m.told {
			r.announce(m)
		}
	}
	if n := len(r.visible); r.counts() && n != r.counted {
		r.counted = n
		r.speak(r.hub.codec.Count(n), false)
	}
	r.rouse()
}

// welcome tells a member who has just come how many are here.
func (r *Room) welcome(m *Member) {
	if m.feed != nil && m.Rights.SeePeers && r.counts() {
		m.feed.push(&item{frame: r.hub.codec.Count(len(r.visible)), ready: true})
	}
}

// Present keeps a place in the feed for the list of who is here, and gives that
// list as of that place: the peers' own pieces of it, one after the other, in
// parts. The bytes are shared; they must not be changed.
func (r *Room) Present(f *Feed) (Slot, [][]byte) {
	r.mu.Lock()
	defer r.unlock()
	m := f.member
	if m == nil {
		return f.reserve(), nil
	}
	parts := [][]byte{r.list(m.Rights.SeePeers)}
	switch {
	case !m.told:
		parts = append(parts, r.hub.codec.Listed(*m.Info))
	case !m.Rights.SeePeers && !m.Rights.Host():
		parts = append(parts, m.listed)
	}
	return f.reserve(), parts
}

func (r *Room) list(everybody bool) []byte {
	list := &r.hosts
	if everybody {
		list = &r.everybody
	}
	if *list == nil {
		all := []byte{}
		for _, m := range r.listed {
			if everybody || m.Rights.Host() {
				all = append(all, m.listed...)
			}
		}
		*list = all
	}
	return *list
}

// Find is Present for one page of those whose name contains a text, in any
// case, in the order in which they came, listed or not.
func (r *Room) Find(f *Feed, text string, offset, limit int) (Slot, []byte) {
	r.mu.Lock()
	slot := f.reserve()
	seen := r.seenBy(f.member)
	r.mu.Unlock()
	text = strings.ToLower(text)
	var page bytes.Buffer
	for _, i := range seen {
		if text != "" && !strings.Contains(strings.ToLower(i.Name), text) {
			continue
		}
		if offset--; offset >= 0 {
			continue
		}
		if limit--; limit < 0 {
			break
		}
		page.Write(r.hub.codec.Listed(*i))
	}
	return slot, page.Bytes()
}

// seenBy gives all whom a member may see, and itself.
func (r *Room) seenBy(viewer *Member) []*Info {
	if viewer == nil {
		return nil
	}
	seen := make([]*Info, 0, len(r.visible)+1)
	if viewer.Rights.Hidden {
		seen = append(seen, viewer.Info)
	}
	for _, m := range r.visible {
		if m.seenBy(viewer) {
			seen = append(seen, m.Info)
		}
	}
	return seen
}

// seenBy tells whether another member may know that this one is here.
func (m *Member) seenBy(viewer *Member) bool {
	return m == viewer || !m.Rights.Hidden && (viewer.Rights.SeePeers || m.Rights.Host())
}

// Seen tells what a connection's member may know of another peer.
func (r *Room) Seen(f *Feed, peer chat.PeerID) (Info, bool) {
	r.mu.Lock()
	defer r.unlock()
	m := r.members[peer]
	if m == nil || f.member == nil || !m.seenBy(f.member) {
		return Info{}, false
	}
	return *m.Info, true
}

// SeenParticipant gives a peer of a participant that a connection's member may
// know of.
func (r *Room) SeenParticipant(f *Feed, id chat.ParticipantID) (Info, bool) {
	r.mu.Lock()
	defer r.unlock()
	for _, m := range r.people[id] {
		if f.member != nil && m.seenBy(f.member) {
			return *m.Info, true
		}
	}
	return Info{}, false
}

// show tells one member of the listed peers it was not told of before, or that
// they are gone, after its right to see them has changed.
func (r *Room) show(viewer *Member) {
	if viewer.feed == nil {
		return
	}
	tell := r.hub.codec.Left
	if viewer.Rights.SeePeers {
		tell = r.hub.codec.Joined
	}
	for _, m := range r.listed {
		if m != viewer && !m.Rights.Host() {
			viewer.feed.push(&item{frame: tell(*m.Info), ready: true})
		}
	}
}

// reveal tells those who see hosts alone that a listed member has become one,
// or is one no longer.
func (r *Room) reveal(m *Member) {
	frame := r.hub.codec.Left(*m.Info)
	if m.Rights.Host() {
		frame = r.hub.codec.Joined(*m.Info)
	}
	for _, viewer := range r.members {
		if viewer.feed != nil && viewer != m && !viewer.Rights.SeePeers {
			viewer.feed.push(&item{frame: frame, ready: true})
		}
	}
}
