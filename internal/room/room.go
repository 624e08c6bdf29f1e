// Package room is the live side of meetings on this node: who is here, and
// what goes out to them in which order. It is told of committed entries and
// of peers coming and going; it decides nothing, stores nothing itself, and
// does no I/O under its lock. What frames look like is its Codec's business.
//
// A room keeps its recent frames as one log of bytes, and each connection is a
// cursor into it (see Feed): a slow peer is a cursor that lags.
package room

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
)

// Codec makes the bytes that go out. They are complete: what a peer reads is
// their concatenation. Codecs are safe for concurrent use.
type Codec interface {
	// Entry gives the frame that tells of an entry.
	Entry(journal.Entry) []byte
	// Message gives a message as one of those in a history.
	Message(*chat.Message) []byte
	// Joined and Left tell of a peer coming and going; Joined also of one that
	// goes by another name.
	Joined(Info) []byte
	Left(Info) []byte
	// Listed gives a peer's piece of the list of who is here.
	Listed(Info) []byte
	// Count tells how many are here.
	Count(int) []byte
	// Waiting tells who waits to be let in, Admitted a peer that it may come in.
	Waiting([]Info) []byte
	Admitted() []byte
	// Stored gives the frames that tell of a change of stores.
	Stored(kv.Change) []byte
	// Settled gives those that tell whoever wrote items what they are, so that
	// it takes that over.
	Settled(chat.MeetingID, []kv.Item) []byte
	// Kicked tells a peer that it has been sent out, Ended that the session was
	// ended. Ended answers the request named, if it is not "".
	Kicked(Info) []byte
	Ended(i Info, request string) []byte
	// Ping gives the keep-alive.
	Ping() []byte
}

// Info is what is known of a peer. Others may be shown the first part.
type Info struct {
	Peer        chat.PeerID
	Participant chat.ParticipantID
	CustomID    string
	Name        string
	Picture     string
	Preset      chat.PresetID
	PresetName  string

	// Given is the name that the directory has for the participant, whatever
	// the client has proposed.
	Given string
	// Rights are what the participant may do, as far as they were last read.
	Rights chat.Permissions
	// Revision differs when anything of the participant's preset does.
	Revision uint64
}

// Member is a peer that has joined, connected at the moment or not. Its Info is
// exchanged, never changed: its connection may share it.
type Member struct {
	*Info
	// The rest is guarded by the room's lock.
	session chat.SessionID
	feed    *Feed  // nil while the peer is away
	seen    uint64 // the last entry known to have arrived
	unsaved bool   // seen has grown since it was saved
	stores  int64  // the last change of stores known to have arrived
	away    *time.Timer
	told    bool   // the others have been told of it
	listed  []byte // as one of a list, where it is told of
	word    uint64 // the revision that its client knows of, 0 for unknown
}

// Session is the live session of a room's meeting.
type Session struct {
	ID        chat.SessionID
	StartedAt time.Time
}

// Room is the live side of one meeting. The Hub makes it.
type Room struct {
	hub     *Hub
	meeting chat.MeetingID
	loaded  chan struct{} // closed when the room is ready for use
	failed  error         // why loading failed

	mu      sync.Mutex
	line    line
	log     log
	seq     uint64 // the last entry in the log
	session Session
	members map[chat.PeerID]*Member
	people  map[chat.ParticipantID][]*Member
	// owners remembers whose each peer id is, also after the peer has left.
	owners map[chat.PeerID]chat.ParticipantID
	// feeds has the connection of each peer that has one, joined or not;
	// connections has those of each participant.
	feeds       map[chat.PeerID]*Feed
	connections map[chat.ParticipantID][]*Feed
	// filling says that entries are being read that were missed; those told
	// meanwhile wait in held.
	filling bool
	held    []journal.Entry
	// said has what members who are away may have missed, up to seq; up to
	// unread it could not be read.
	said      []said
	saidBytes int
	unread    uint64
	history   history
	// leaving has the peers whose leaving is not recorded yet; each channel is
	// closed when it is.
	leaving map[chat.PeerID]chan struct{}
	signals budget // of what all peers together may signal
	stores  stores
	// out has the peers that were sent out. They do not come back.
	out map[chat.PeerID]expulsion
	// entering counts the peers that are being recorded as having joined.
	entering int
	// forgotten says that the hub has given the room up: another room of the
	// meeting may know better who is here.
	forgotten bool
	presence
	waiting
}

// Errors of connecting.
var (
	// ErrForeignPeer says that the peer id belongs to another participant.
	ErrForeignPeer = chat.Refuse(chat.Forbidden, "this peer id belongs to another participant")
	// ErrTooManyPeers says that the participant has too many connections.
	ErrTooManyPeers = &chat.Error{Code: chat.Limited, Message: "too many connections of this participant", RetryAfter: 10 * time.Second, Limit: "connections"}
)

// MaxPeersPerParticipant is how many connections one participant may hold in
// a meeting.
const MaxPeersPerParticipant = 20

// admits tells whether connect would take a peer.
func (r *Room) admits(peer chat.PeerID, participant chat.ParticipantID) error {
	if owner, ok := r.owners[peer]; ok {
		if owner != participant {
			return ErrForeignPeer
		}
	}
	f := r.feeds[peer]
	if f != nil && f.info.Participant != participant {
		return ErrForeignPeer
	}
	if f == nil && len(r.connections[participant]) >= MaxPeersPerParticipant {
		return ErrTooManyPeers
	}
	return nil
}

// Connection is what Connect gives: the feed of a connection, and its room.
type Connection struct {
	*Feed
	Room *Room
	// Info is the peer as it connected. It must not be changed.
	Info *Info
	// Missed is set for a peer that had joined before and is back: it has to
	// be told what it missed, in the place kept for that.
	Missed *Missed
	// Outdated says that such a peer may not know what it may do now.
	Outdated bool
}

// Missed says what a returning peer has to be told: the entries after After up
// to Slot.Seq, in the place of Slot.
type Missed struct {
	After uint64
	Slot  Slot
	// The same for stores: the changes after one time and up to another.
	stores, storesTo int64
}

// errForgotten says that the hub no longer knows the room.
var errForgotten = errors.New("this room is no longer in use")

// connect takes a new connection of a peer; an older one of the same peer is
// closed. A peer that has joined before and was not gone for too long is a
// member again at once.
func (r *Room) connect(info Info) (*Connection, error) {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return nil, errForgotten
	}
	if err := r.admits(info.Peer, info.Participant); err != nil {
		return nil, err
	}
	if old := r.feeds[info.Peer]; old != nil {
		old.close(ClosedReplaced)
		r.lose(old)
	}
	f := &Feed{room: r, info: &info, slot: uint8(slotOf(info.Peer)), cursor: r.log.end}
	if r.hub.draining.Load() {
		f.close(ClosedRestart)
	}
	r.feeds[info.Peer] = f
	r.connections[info.Participant] = append(r.connections[info.Participant], f)
	if how, ok := r.out[info.Peer]; ok {
		f.expel(how.frame(r, info, ""))
		return &Connection{Feed: f, Room: r, Info: &info}, nil
	}
	if w := r.waiters[info.Peer]; w != nil {
		r.stepBack(w, f)
	}
	m := r.members[info.Peer]
	if m == nil {
		return &Connection{Feed: f, Room: r, Info: &info}, nil
	}
	outdated := m.word != info.Revision
	m.word = info.Revision
	r.revise(m, m.Info.Revised(info))
	r.attach(m, f)
	return &Connection{Feed: f, Room: r, Info: &info, Outdated: outdated, Missed: &Missed{
		After: m.seen, Slot: f.reserve(), stores: m.stores, storesTo: r.storesTo(m),
	}}, nil
}

// attach makes a connection that of a member, from here on.
func (r *Room) attach(m *Member, f *Feed) {
	if m.away != nil {
		m.away.Stop()
		m.away = nil
	}
	m.feed, f.member, f.cursor = f, m, r.log.end
}

// lose forgets a connection, if it is still the one of its peer.
func (r *Room) lose(f *Feed) {
	if r.feeds[f.info.Peer] != f {
		return
	}
	delete(r.feeds, f.info.Peer)
	others := slices.DeleteFunc(r.connections[f.info.Participant], func(o *Feed) bool { return o == f })
	if r.connections[f.info.Participant] = others; len(others) == 0 {
		delete(r.connections, f.info.Participant)
	}
}

// Join makes a connected peer a member and announces it to the others; one
// that is a member already is not announced again. The answer goes to the peer
// right where its view of the room begins. A peer whose connection has ended
// meanwhile has joined all the same, for that is what is recorded: it is a
// member by the connection that replaced this one, or else waited for.
//
// A peer that was sent out after it had been recorded, and before it got here,
// does not join; the error says so.
func (r *Room) Join(f *Feed, info Info, session Session, answer []byte) error {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten {
		return nil
	}
	if how, ok := r.out[info.Peer]; ok {
		if f.expelled == nil {
			f.expel(how.frame(r, info, ""))
		}
		return how.reason()
	}
	r.begin(session)
	if w := r.waiters[info.Peer]; w != nil {
		r.forgetWaiter(w)
	}
	delete(r.letIn, info.Participant)
	m := r.enrol(f.shared(info))
	f.push(&item{frame: answer, ready: true, answer: true})
	r.welcome(m)
	return nil
}

// Rejoin answers a peer that joins again while it is a member by this very
// connection: nothing changes, and nothing has to be recorded. It is false, and
// nobody is answered, for any other.
func (r *Room) Rejoin(f *Feed, answer []byte) bool {
	r.mu.Lock()
	defer r.unlock()
	if r.forgotten || f.member == nil || f.member.feed != f {
		return false
	}
	f.push(&item{frame: answer, ready: true, answer: true})
	r.welcome(f.member)
	return true
}

// enrol makes a peer a member, if it is none.
func (r *Room) enrol(info *Info) *Member {
	m := r.members[info.Peer]
	if m == nil {
		m = &Member{Info: info, session: r.session.ID, seen: r.seq, stores: r.stores.at, word: info.Revision}
		r.add(m)
	} else {
		r.revise(m, *info)
	}
	if m.feed != nil {
		return m
	}
	if f := r.feeds[info.Peer]; f != nil {
		r.attach(m, f)
	} else {
		r.expect(m, r.hub.config.Grace)
	}
	return m
}

func (r *Room) add(m *Member) {
	r.members[m.Peer] = m
	r.people[m.Participant] = append(r.people[m.Participant], m)
	r.owners[m.Peer] = m.Participant
	r.count(m)
	r.appear(m)
	r.hub.counts.Joins.Add(1)
}

// Disconnect ends a connection. A peer that said goodbye has left; any other
// is waited for.
func (r *Room) Disconnect(f *Feed, goodbye bool) {
	r.mu.Lock()
	defer r.unlock()
	f.over = true
	f.close(ClosedReplaced)
	r.lose(f)
	if f.waiter != nil && f.waiter.feed == f {
		r.stepOut(f.waiter, goodbye)
	}
	m := f.member
	if m == nil || m.feed != f || r.forgotten {
		return
	}
	m.feed = nil
	if goodbye {
		r.leave(m)
		return
	}
	r.expect(m, r.hub.config.Grace)
}

// expect gives an absent member time to come back.
func (r *Room) expect(m *Member, grace time.Duration) {
	if m.away != nil {
		m.away.Stop()
	}
	m.away = r.after(grace, func() {
		r.mu.Lock()
		defer r.unlock()
		if m.feed == nil && r.members[m.Peer] == m && !r.forgotten {
			r.leave(m)
		}
	})
}

// leave takes a member out and tells the others. The row is the hub's concern.
func (r *Room) leave(m *Member) {
	r.remove(m)
	recorded := make(chan struct{})
	r.leaving[m.Peer] = recorded
	r.hub.left(r, m.session, m.Peer, recorded)
}

// remove takes a member out of the lists.
func (r *Room) remove(m *Member) {
	if m.away != nil {
		m.away.Stop()
	}
	r.hub.counts.Leaves.Add(1)
	delete(r.members, m.Peer)
	r.people[m.Participant] = slices.DeleteFunc(r.people[m.Participant], func(o *Member) bool { return o == m })
	if len(r.people[m.Participant]) == 0 {
		delete(r.people, m.Participant)
	}
	r.uncount(m)
	if !m.Rights.Hidden {
		r.vanish(m)
	}
}

// AwaitLeft waits until an earlier leaving of a peer has been recorded, or ctx
// ends. Whoever records that the peer joins must wait for that: recorded
// later, the leaving would undo the join.
func (r *Room) AwaitLeft(ctx context.Context, peer chat.PeerID) error {
	r.mu.Lock()
	recorded := r.leaving[peer]
	r.mu.Unlock()
	if recorded == nil {
		return nil
	}
	select {
	case <-recorded:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave takes out the member of this connection: it has said that it leaves.
func (r *Room) Leave(f *Feed) {
	r.mu.Lock()
	defer r.unlock()
	if m := f.member; m != nil && m.feed == f && !r.forgotten {
		m.feed, f.member = nil, nil
		r.leave(m)
	}
}

// Session gives the live session as last seen.
func (r *Room) Session() Session {
	r.mu.Lock()
	defer r.unlock()
	return r.session
}

// Joined tells whether the connection's peer is a member.
func (r *Room) Joined(f *Feed) bool {
	r.mu.Lock()
	defer r.unlock()
	return f.member != nil
}

// Participants maps the ids of peers that have joined the session, and may
// have left again, to their participants; other ids are left out.
func (r *Room) Participants(peers []string) map[string]chat.ParticipantID {
	r.mu.Lock()
	defer r.unlock()
	found := make(map[string]chat.ParticipantID, len(peers))
	for _, id := range peers {
		if owner, ok := r.owners[chat.PeerID(id)]; ok {
			found[id] = owner
		}
	}
	return found
}

// Member tells what is known of a peer that has joined.
func (r *Room) Member(peer chat.PeerID) (Info, bool) {
	r.mu.Lock()
	defer r.unlock()
	m := r.members[peer]
	if m == nil {
		return Info{}, false
	}
	return *m.Info, true
}

// tell brings committed entries to the peers. Entries come in order; those
// told before are passed over, and when some were not told, all wait until the
// hub has read them. Up to most of them are written to here, the others soon; it
// gives how many there are.
func (r *Room) tell(entries []journal.Entry, most int) (listeners int) {
	r.mu.Lock()
	r.line.inline = most > 0
	defer r.pumpSelf(most)
	if r.filling {
		r.held = append(r.held, entries...)
		return 0
	}
	if n := r.follow(entries); n < len(entries) {
		r.held = append(r.held, entries[n:]...)
		r.filling = true
		r.hub.fill(r)
	}
	r.rouse()
	return r.line.length
}

// follow tells of entries up to the first that does not follow on what has
// been told, and gives how many that were.
func (r *Room) follow(entries []journal.Entry) int {
	n := 0
	for n < len(entries) && entries[n].Seq <= r.seq+1 {
		if entries[n].Seq == r.seq+1 {
			r.tellOne(entries[n])
		}
		n++
	}
	return n
}

// release tells of what is held, as far as that follows, and gives true when
// nothing is held any more.
func (r *Room) release() bool {
	r.held = r.held[r.follow(r.held):]
	if len(r.held) == 0 {
		r.held = nil
	}
	r.rouse()
	return r.held == nil
}

// tellOne puts an entry where it belongs: into the log, or for a private one
// to each connection of its audience.
func (r *Room) tellOne(e journal.Entry) {
	r.seq = e.Seq
	r.remember(e)
	r.followHistory(&e)
	frame := r.hub.codec.Entry(e)
	audience := e.Event.Message.Audience
	if len(audience) == 0 {
		r.log.append(frame)
		if f := r.feeds[e.Event.Peer]; f != nil && f.member != nil {
			f.hasten()
		}
		return
	}
	for _, id := range audience {
		for _, m := range r.people[id] {
			if m.feed != nil && (m.Rights.Receives() || id == e.Event.Message.Author) {
				m.feed.push(&item{frame: frame, ready: true})
			}
		}
	}
}

func (r *Room) rouse() {
	readers := 0
	for _, f := range r.feeds {
		if f.member != nil && f.cursor < r.log.end {
			f.rouse()
			readers++
		}
	}
	if r.log.fresh > 0 {
		r.hub.counts.Deliveries.Add(uint64(r.log.fresh * readers))
		r.log.fresh = 0
	}
}

// retire gives the room up if nobody is, or is expected, here.
func (r *Room) retire() bool {
	r.mu.Lock()
	defer r.unlock()
	busy := len(r.feeds) > 0 || len(r.waiters) > 0 || len(r.members) > 0 || len(r.leaving) > 0 || r.entering > 0 || r.filling
	r.forgotten = r.forgotten || !busy
	if r.forgotten {
		r.dropHistory()
	}
	return r.forgotten
}
