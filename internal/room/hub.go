package room

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
)

// Journal is what a hub reads.
type Journal interface {
	Position(context.Context, chat.MeetingID) (journal.Head, error)
	Entries(ctx context.Context, meeting chat.MeetingID, after uint64, limit int) ([]journal.Entry, error)
	Recent(context.Context, chat.MeetingID, journal.RecentLimits) (journal.Recent, error)
}

// Sessions is where a hub's members are kept beyond the life of the process.
type Sessions interface {
	// Peers gives the live session of a meeting, if any, and its peers.
	Peers(context.Context, chat.MeetingID) (Session, []Kept, error)
	// Live gives the meetings whose live session has peers.
	Live(context.Context) ([]chat.MeetingID, error)
	// Left records that a peer has left.
	Left(context.Context, chat.SessionID, chat.PeerID) error
	// Seen records how far peers have read.
	Seen(context.Context, []Seen) error
}

// Kept is a peer as it was last recorded. Gone says that it has left, Kicked
// that it was sent out.
type Kept struct {
	Info
	Seen   uint64
	Gone   bool
	Kicked bool
}

// Seen tells how far a peer has read.
type Seen struct {
	Session chat.SessionID
	Peer    chat.PeerID
	Seq     uint64
}

// What a Config that names nothing gets.
const (
	defaultGrace        = 25 * time.Second
	defaultRestartGrace = 60 * time.Second
	defaultKeepalive    = 10 * time.Second
)

// Config tunes a Hub. The zero value takes the defaults.
type Config struct {
	// Grace is how long a peer whose connection broke is waited for. Default 25 s.
	Grace time.Duration
	// RestartGrace is the same for peers who were here when the server last
	// stopped. Default 60 s.
	RestartGrace time.Duration
	// Keepalive is the time between two pings. Default 10 s.
	Keepalive time.Duration
	// Stores is what apps share. Default: nothing.
	Stores Stores
	// HistoryBytes is about how much memory the histories of all rooms may take
	// together. Default 256 MiB.
	HistoryBytes int64
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger. Default: nothing is logged.
	Logger *slog.Logger
	// Faults stops panics in the work of rooms. Default: nobody is told of them.
	Faults *fault.Guard
}

func (c Config) withDefaults() Config {
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.RestartGrace <= 0 {
		c.RestartGrace = defaultRestartGrace
	}
	if c.Keepalive <= 0 {
		c.Keepalive = defaultKeepalive
	}
	if c.HistoryBytes <= 0 {
		c.HistoryBytes = defaultHistories
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Hub holds the rooms of this node. Make it with NewHub; it is safe for
// concurrent use.
type Hub struct {
	config   Config
	codec    Codec
	journal  Journal
	sessions Sessions

	mu    sync.Mutex
	rooms map[chat.MeetingID]*Room

	found time.Time // when peers without a room were last looked for; of Run

	counts Counters

	draining atomic.Bool // whoever connects is to come back

	histories histories

	closing chan struct{} // closed when nothing is to be tried again

	ctx  context.Context // ends when the work in the background has to end
	stop context.CancelFunc
	work sync.WaitGroup
}

// NewHub makes a hub without rooms. Start its Run.
func NewHub(config Config, codec Codec, j Journal, sessions Sessions) *Hub {
	ctx, stop := context.WithCancel(context.Background())
	return &Hub{
		config: config.withDefaults(), codec: codec, journal: j, sessions: sessions,
		rooms: make(map[chat.MeetingID]*Room), found: time.Now(), closing: make(chan struct{}), ctx: ctx, stop: stop,
	}
}

// SetJournal gives the hub its journal, for those who must make the hub first.
func (h *Hub) SetJournal(j Journal) { h.journal = j }

// Room gives the room of a meeting. The first to ask loads it, and all who
// ask meanwhile wait for that.
func (h *Hub) Room(ctx context.Context, meeting chat.MeetingID) (*Room, error) {
	h.mu.Lock()
	r := h.rooms[meeting]
	if r == nil {
		r = &Room{
			hub: h, meeting: meeting, loaded: make(chan struct{}), filling: true,
			members: make(map[chat.PeerID]*Member), people: make(map[chat.ParticipantID][]*Member),
			owners: make(map[chat.PeerID]chat.ParticipantID), feeds: make(map[chat.PeerID]*Feed),
			connections: make(map[chat.ParticipantID][]*Feed), leaving: make(map[chat.PeerID]chan struct{}),
			waiting: waiting{waiters: make(map[chat.PeerID]*waiter), letIn: make(map[chat.ParticipantID]chat.SessionID)},
			out:     make(map[chat.PeerID]expulsion),
		}
		h.rooms[meeting] = r
		h.goOn(func() { h.load(r) })
	}
	h.mu.Unlock()
	select {
	case <-r.loaded:
		return r, r.failed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Restore loads the rooms of all sessions that were live when the server last
// stopped, so that those of their peers who do not come back leave in time. A
// room that cannot be loaded is tried again when somebody comes.
func (h *Hub) Restore(ctx context.Context) error {
	meetings, err := h.sessions.Live(ctx)
	if err != nil {
		return fmt.Errorf("reading the live sessions: %w", err)
	}
	for _, id := range meetings {
		_, err := h.Room(ctx, id)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			h.config.Logger.Error("a live session could not be restored", "meeting", id, "err", err)
		}
	}
	return nil
}

// Open gives the rooms that are loaded, or loading, on this node.
func (h *Hub) Open() []chat.MeetingID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.rooms))
}

// Opened gives the room of a meeting once it has been loaded, or nil where
// nobody has asked for it.
func (h *Hub) Opened(ctx context.Context, meeting chat.MeetingID) (*Room, error) {
	h.mu.Lock()
	r := h.rooms[meeting]
	h.mu.Unlock()
	if r == nil {
		return nil, nil
	}
	select {
	case <-r.loaded:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.failed != nil {
		r = nil // whoever comes next reads everything anew
	}
	return r, nil
}

// Admits tells whether Connect would take a peer.
func (h *Hub) Admits(ctx context.Context, meeting chat.MeetingID, peer chat.PeerID, participant chat.ParticipantID) error {
	r, err := h.Room(ctx, meeting)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.unlock()
	return r.admits(peer, participant)
}

// Connect takes a new connection of a peer into the room of its meeting; see
// Connection. It must be given to Disconnect in the end.
func (h *Hub) Connect(ctx context.Context, meeting chat.MeetingID, info Info) (*Connection, error) {
	for {
		r, err := h.Room(ctx, meeting)
		if err != nil {
			return nil, err
		}
		c, err := r.connect(info)
		if !errors.Is(err, errForgotten) {
			return c, err
		}
	}
}

// load reads where the journal stands and who was here. The room is known to
// the hub before the reading starts, so what is committed meanwhile is held,
// not lost.
func (h *Hub) load(r *Room) {
	err := errFault
	defer func() {
		if err != nil {
			r.failed = fmt.Errorf("loading a room: %w", err)
			h.forget(r)
		}
		close(r.loaded)
	}()
	err = h.read(r)
}

func (h *Hub) read(r *Room) error {
	head, err := h.journal.Position(h.ctx, r.meeting)
	if err != nil {
		return err
	}
	session, peers, err := h.sessions.Peers(h.ctx, r.meeting)
	if err != nil {
		return err
	}
	said, err := h.readSaid(h.ctx, head, peers)
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	r.mu.Lock()
	defer r.unlock()
	if err != nil { // those who need it are sent away, and nobody else
		h.config.Logger.Error("what peers have missed cannot be read", "meeting", r.meeting, "err", err)
		r.unread = head.Seq
	}
	for _, e := range said {
		r.remember(e)
	}
	r.seq, r.session = head.Seq, session
	for _, k := range peers {
		r.owners[k.Peer] = k.Participant
		if k.Kicked {
			r.out[k.Peer] = sentOut
		}
		// Who was sent out while this was read is in out, too.
		if _, gone := r.out[k.Peer]; !k.Gone && !gone {
			m := &Member{Info: new(k.Info), session: session.ID, seen: k.Seen, stores: unsureStores}
			r.add(m)
			r.expect(m, h.config.RestartGrace)
		}
	}
	if r.filling = !r.release(); r.filling {
		h.fill(r)
	}
	return nil
}

func (h *Hub) forget(r *Room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[r.meeting] == r {
		delete(h.rooms, r.meeting)
	}
}

// Observe takes the entries of a commit, in order, and brings each to its
// room. It is the journal's observer.
func (h *Hub) Observe(entries []journal.Entry) {
	for most := pumpMost; len(entries) > 0; {
		meeting := entries[0].Meeting
		n := 1
		for n < len(entries) && entries[n].Meeting == meeting {
			n++
		}
		h.mu.Lock()
		r := h.rooms[meeting]
		h.mu.Unlock()
		if r != nil {
			h.config.Faults.Do(fault.Room, func() { most -= r.tell(entries[:n], most) })
		}
		entries = entries[n:]
	}
}

// fillPage is how many missed entries are read at once.
const fillPage = 500

// errHole says that the journal does not have what it was said to have.
var errHole = errors.New("the journal ends before an entry that was told")

// fill reads the entries that a room was not told of. It is called under the
// room's lock and returns at once.
func (h *Hub) fill(r *Room) {
	h.counts.Gaps.Add(1)
	h.goOn(func() {
		for {
			r.mu.Lock()
			after := r.seq
			r.mu.Unlock()
			entries, err := h.journal.Entries(h.ctx, r.meeting, after, fillPage)
			if err == nil && len(entries) == 0 {
				err = errHole
			}
			if err != nil {
				h.config.Logger.Error("a room cannot read what it missed", "meeting", r.meeting, "err", err)
				h.abandon(r)
				return
			}
			if h.filled(r, entries) {
				return
			}
		}
	})
}

// filled takes over what was read, and true when nothing is missing any more.
func (h *Hub) filled(r *Room, entries []journal.Entry) bool {
	r.mu.Lock()
	defer r.unlock()
	r.follow(entries)
	r.filling = !r.release()
	return !r.filling
}

// abandon closes a room that cannot go on: its peers come back and load it
// anew.
func (h *Hub) abandon(r *Room) {
	h.forget(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collapse()
}

// stopTimers ends what is to happen in a room later.
func (r *Room) stopTimers() {
	for _, m := range r.members {
		if m.away != nil {
			m.away.Stop()
		}
	}
	for _, w := range r.waiters {
		if w.away != nil {
			w.away.Stop()
		}
	}
	for _, t := range []*time.Timer{r.due, r.call} {
		if t != nil {
			t.Stop()
		}
	}
}

// left records in the background that a peer has left, and closes recorded
// when that is done. It is called under the room's lock.
func (h *Hub) left(r *Room, session chat.SessionID, peer chat.PeerID, recorded chan struct{}) {
	h.goOn(func() {
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.leaving[peer] == recorded {
				delete(r.leaving, peer)
			}
			close(recorded)
		}()
		h.recordLeft(r, session, peer)
	})
}

// The time between two tries to record that a peer has left.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// recordLeft tries until it succeeds or the hub is closed: a peer recorded as
// present keeps its session from ending.
func (h *Hub) recordLeft(r *Room, session chat.SessionID, peer chat.PeerID) {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := h.sessions.Left(h.ctx, session, peer)
		if err == nil {
			return
		}
		h.config.Logger.Error("a peer's leaving could not be recorded", "meeting", r.meeting, "err", err)
		select {
		case <-time.After(pause):
		case <-h.closing:
			return
		}
	}
}

// slots is how many groups the peers are pinged in, one after the other, so
// that not all are pinged at once.
const slots = 10

// Run pings the peers, saves how far they have read, and forgets empty rooms,
// until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	tick := time.NewTicker(h.config.Keepalive / slots)
	defer tick.Stop()
	for slot := 0; ; slot = (slot + 1) % slots {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rooms := h.all()
		for _, r := range rooms {
			h.config.Faults.Do(fault.Room, func() { h.pingSlot(r, slot) })
		}
		if slot == 0 {
			h.save(rooms)
			h.sweep(rooms)
			h.tidy(rooms)
			h.findLost(ctx)
		}
	}
}

func (h *Hub) all() []*Room {
	h.mu.Lock()
	defer h.mu.Unlock()
	rooms := make([]*Room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

func (h *Hub) pingSlot(r *Room, slot int) {
	r.mu.Lock()
	defer r.unlock()
	for _, f := range r.feeds {
		if int(f.slot) == slot {
			f.ping(h.codec.Ping())
		}
	}
}

func slotOf(peer chat.PeerID) int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(peer))
	return int(sum.Sum32() % slots)
}

// save records how far the peers have read, in one write for all.
func (h *Hub) save(rooms []*Room) {
	var seen []Seen
	for _, r := range rooms {
		r.mu.Lock()
		for _, m := range r.members {
			if m.unsaved {
				seen = append(seen, Seen{m.session, m.Peer, m.seen})
				m.unsaved = false
			}
		}
		r.mu.Unlock()
	}
	if len(seen) == 0 {
		return
	}
	h.goOn(func() {
		if err := h.sessions.Seen(h.ctx, seen); err != nil && h.ctx.Err() == nil {
			h.config.Logger.Warn("how far peers have read could not be saved; after a restart they are told more again", "err", err)
		}
	})
}

// sweep forgets rooms where nobody is and nobody is expected.
func (h *Hub) sweep(rooms []*Room) {
	for _, r := range rooms {
		select {
		case <-r.loaded:
		default:
			continue
		}
		if r.retire() {
			h.forget(r)
		}
	}
}

// tidy lets go what rooms keep and nobody needs any more.
func (h *Hub) tidy(rooms []*Room) {
	for _, r := range rooms {
		r.tidy(h.config.Now())
	}
}

// Close ends the work in the background, after that which saves. It is called
// once.
func (h *Hub) Close() {
	close(h.closing)
	for _, r := range h.all() {
		r.mu.Lock()
		r.stopTimers()
		r.mu.Unlock()
	}
	h.save(h.all())
	h.work.Wait()
	h.stop()
}
