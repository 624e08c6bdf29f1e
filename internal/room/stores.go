package room

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/kv"
)

// Stores reads what the apps of a meeting share.
type Stores interface {
	Keys(context.Context, chat.MeetingID) (kv.Snapshot, error)
}

// stores is a room's copy of what its session's stores hold, so that those who
// ask, and many ask when a meeting starts or comes back, are answered from
// memory, each exactly as of the place of the answer among the changes. It is
// read when somebody first asks, and follows the changes from then on.
type stores struct {
	session chat.SessionID
	items   map[kv.Name]kv.Item // nil until it has been read
	deleted int
	// at is that of the last change told.
	at int64
	// reading is set while the items are read; changes told meanwhile wait in
	// held.
	reading *reading
	held    []kv.Change
	budget  *budget
}

// reading is one attempt to read the items. err is set before done is closed.
type reading struct {
	done chan struct{}
	err  error
}

// What a room takes of writes to its stores. They go to everybody, and unlike
// signals nobody is spared one.
const (
	storeRate, storeBurst           = 50, 200
	storeByteRate, storeBytesAtOnce = 64 << 10, 384 << 10
)

// AllowsStoreWrite counts a write of so many bytes against what the room takes
// from all its peers together; false if it is too much.
func (r *Room) AllowsStoreWrite(bytes int) bool {
	r.mu.Lock()
	defer r.unlock()
	if r.stores.budget == nil {
		r.stores.budget = &budget{
			count: rate.NewLimiter(storeRate, storeBurst), bytes: rate.NewLimiter(storeByteRate, storeBytesAtOnce),
		}
	}
	return r.stores.budget.take(bytes)
}

// Stored keeps a place in the feed for what a store holds, and gives that, as
// of that place: the items under the keys named, or all of the store where none
// is. It waits until the stores have been read, or ctx ends.
func (r *Room) Stored(ctx context.Context, f *Feed, store string, keys []string) (Slot, []kv.Item, error) {
	if err := r.awaitStores(ctx); err != nil {
		return Slot{}, nil, err
	}
	r.mu.Lock()
	defer r.unlock()
	items := r.stores.pick(r.session.ID, func(i kv.Item) bool {
		return i.Store == store && !i.Deleted() && (len(keys) == 0 || slices.Contains(keys, i.Key))
	})
	return f.reserve(), items, nil
}

// StoredSince gives what a peer that is back has missed of the stores, with
// keys that were deleted, in the order of the changes.
func (r *Room) StoredSince(ctx context.Context, missed Missed) ([]kv.Item, error) {
	if missed.stores == missed.storesTo {
		return nil, nil // as a rule; then a room full of those who are back reads nothing
	}
	if err := r.awaitStores(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.unlock()
	// What changed after the place of the answer will be told live, and is not
	// to be undone by that.
	return r.stores.pick(r.session.ID, func(i kv.Item) bool { return i.At > missed.stores && i.At <= missed.storesTo }), nil
}

// awaitStores waits until the stores of the session have been read.
func (r *Room) awaitStores(ctx context.Context) error {
	r.mu.Lock()
	if r.stores.items != nil && r.stores.session == r.session.ID {
		r.mu.Unlock()
		return nil
	}
	reading := r.readStores()
	r.mu.Unlock()
	select {
	case <-reading.done:
		return reading.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readStores starts to read the stores, if that is not under way.
func (r *Room) readStores() *reading {
	s := &r.stores
	if s.reading == nil {
		read := &reading{done: make(chan struct{})}
		s.reading, s.items, s.held = read, nil, nil
		r.hub.goOn(func() {
			defer close(read.done)
			snapshot, err := r.hub.readStores(r.meeting)
			r.mu.Lock()
			defer r.unlock()
			s.reading = nil
			if err != nil {
				read.err = fmt.Errorf("reading the stores of a meeting: %w", err)
				s.held = nil
				return
			}
			s.fill(snapshot)
		})
	}
	return s.reading
}

func (h *Hub) readStores(meeting chat.MeetingID) (kv.Snapshot, error) {
	if h.config.Stores == nil {
		return kv.Snapshot{}, nil
	}
	return h.config.Stores.Keys(h.ctx, meeting)
}

// fill takes over what was read, and the changes told meanwhile.
func (s *stores) fill(snapshot kv.Snapshot) {
	s.session, s.items, s.deleted = snapshot.Session, make(map[kv.Name]kv.Item, len(snapshot.Items)), 0
	for _, i := range snapshot.Items {
		s.set(i)
	}
	for _, c := range s.held {
		s.apply(c)
	}
	s.held = nil
}

// apply makes a change to the copy. One that was read already changes nothing.
func (s *stores) apply(c kv.Change) {
	switch {
	case s.reading != nil && s.items == nil:
		s.held = append(s.held, c)
	case s.items != nil && s.session == c.Session:
		for _, i := range c.Items {
			s.set(i)
		}
		s.forgetDeleted()
	}
}

func (s *stores) set(i kv.Item) {
	before, known := s.items[i.Name]
	if known && before.At >= i.At {
		return
	}
	if known && before.Deleted() {
		s.deleted--
	}
	if i.Deleted() {
		s.deleted++
	}
	s.items[i.Name] = i
}

// forgetDeleted bounds what is remembered of deleted keys, as the rows do.
func (s *stores) forgetDeleted() {
	if s.deleted <= 2*kv.MaxDeleted {
		return
	}
	gone := s.pick(s.session, kv.Item.Deleted)
	for _, i := range gone[:len(gone)-kv.MaxDeleted] {
		delete(s.items, i.Name)
		s.deleted--
	}
}

// pick gives the items of a session that match likes, oldest first.
func (s *stores) pick(session chat.SessionID, match func(kv.Item) bool) []kv.Item {
	if s.session != session {
		return nil
	}
	var items []kv.Item
	for _, i := range s.items {
		if match(i) {
			items = append(items, i)
		}
	}
	slices.SortFunc(items, func(a, b kv.Item) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Store, b.Store), cmp.Compare(a.Key, b.Key))
	})
	return items
}

// ObserveStores takes a change of stores that has been committed and brings it
// to its room. Changes come in their order. It does not block.
func (h *Hub) ObserveStores(c kv.Change) {
	h.mu.Lock()
	r := h.rooms[c.Meeting]
	h.mu.Unlock()
	if r != nil {
		r.tellStores(c)
	}
}

// tellStores tells everybody of a change, and its writer once more, as one that
// is to be taken over, what it did not write alone: a client takes no notice of
// its own writes, and may since have been told another's that came before.
func (r *Room) tellStores(c kv.Change) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return
	}
	r.stores.apply(c)
	r.stores.at = max(r.stores.at, c.At)
	r.log.append(r.hub.codec.Stored(c))
	r.rouse()
	contested := slices.DeleteFunc(slices.Clone(c.Items), func(i kv.Item) bool { return !i.Contested() })
	if m := r.members[c.Peer]; len(contested) > 0 && m != nil && m.feed != nil {
		m.feed.push(&item{frame: r.hub.codec.Settled(r.meeting, contested), ready: true})
	}
}

// unsureStores stands for the last change known to have arrived at members from
// before a restart: nobody knows.
const unsureStores = -1

// storesTo is up to where a member that is back now is told of what it missed:
// the last change told. Where nobody knows what arrived and nothing has been
// told since, that is whatever there is.
func (r *Room) storesTo(m *Member) int64 {
	if m.stores == unsureStores && r.stores.at == 0 {
		return math.MaxInt64
	}
	return r.stores.at
}
