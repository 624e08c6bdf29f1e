package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
)

// lines is a codec whose frames are lines of text, so that tests can read what
// goes out: the text of a message, +peer, -peer, !peer for one that is kicked,
// end with the request that it answers, and ? for a ping.
type lines struct{}

func (lines) Entry(e journal.Entry) []byte { return []byte(e.Event.Message.Content.Payload + "\n") }
func (lines) Joined(i Info) []byte         { return []byte("+" + string(i.Peer) + "\n") }
func (lines) Left(i Info) []byte           { return []byte("-" + string(i.Peer) + "\n") }
func (lines) Ping() []byte                 { return []byte("?\n") }
func (lines) Listed(i Info) []byte         { return []byte(i.Name + ",") }
func (lines) Count(n int) []byte           { return fmt.Appendf(nil, "#%d\n", n) }
func (lines) Admitted() []byte             { return []byte("in\n") }

func (lines) Waiting(list []Info) []byte {
	out := []byte("waiting:")
	for _, i := range list {
		out = append(out, i.Peer...)
		out = append(out, ',')
	}
	return append(out, '\n')
}

// Stored and Settled give key=value by the writer, key=- for a deleted one.
func (lines) Stored(c kv.Change) []byte { return items(c.Items) }
func (lines) Settled(_ chat.MeetingID, list []kv.Item) []byte {
	for i := range list {
		list[i].Peer = "!"
	}
	return items(list)
}

func items(list []kv.Item) []byte {
	var out []byte
	for _, i := range list {
		value := string(i.Value)
		if i.Deleted() {
			value = "-"
		}
		out = fmt.Appendf(out, "%s=%s@%s\n", i.Key, value, i.Peer)
	}
	return out
}

func (lines) Message(m *chat.Message) []byte {
	return []byte("[" + m.Content.Payload + "]")
}

func (lines) Kicked(i Info) []byte { return []byte("!" + string(i.Peer) + "\n") }
func (lines) Ended(_ Info, request string) []byte {
	return []byte("end" + request + "\n")
}

// memory is a journal whose commits and tellings are two acts of the test.
type memory struct {
	mu         sync.Mutex
	entries    map[chat.MeetingID][]journal.Entry
	fault      error         // what reading fails with
	gate       chan struct{} // if set, reading waits until it is closed
	empty      bool          // reading finds nothing
	unreadable bool          // entries cannot be read
	damaged    chat.MeetingID
	reads      int // calls of Entries
	recents    int // calls of Recent
}

func (m *memory) commit(meeting chat.MeetingID, text string, audience ...chat.ParticipantID) journal.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := journal.Entry{
		Meeting: meeting, Seq: uint64(len(m.entries[meeting]) + 1),
		Event: chat.Event{Kind: chat.MessageSent, Message: chat.Message{
			Meeting: meeting, Seq: uint64(len(m.entries[meeting]) + 1), Content: chat.Content{Payload: text}, Audience: audience,
		}},
	}
	m.entries[meeting] = append(m.entries[meeting], e)
	return e
}

func (m *memory) wait(ctx context.Context) {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-ctx.Done():
	}
}

func (m *memory) Position(ctx context.Context, meeting chat.MeetingID) (journal.Head, error) {
	m.wait(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if meeting == m.damaged {
		return journal.Head{}, journal.ErrDamaged
	}
	return journal.Head{Meeting: meeting, Seq: uint64(len(m.entries[meeting]))}, m.fault
}

func (m *memory) Entries(ctx context.Context, meeting chat.MeetingID, after uint64, limit int) ([]journal.Entry, error) {
	m.wait(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.unreadable {
		return nil, journal.ErrDamaged
	}
	if m.fault != nil || m.empty {
		return nil, m.fault
	}
	found := m.entries[meeting][min(after, uint64(len(m.entries[meeting]))):]
	return slices.Clone(found[:min(limit, len(found))]), nil
}

func (m *memory) Recent(ctx context.Context, meeting chat.MeetingID, _ journal.RecentLimits) (journal.Recent, error) {
	m.wait(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recents++
	r := journal.Recent{Head: journal.Head{Meeting: meeting, Seq: uint64(len(m.entries[meeting])), Session: session.ID}, Whole: true}
	for _, e := range m.entries[meeting] {
		if e.Event.Message.Public() {
			r.Public = append(r.Public, e.Event.Message)
		} else {
			r.Private = append(r.Private, e.Event.Message)
		}
	}
	return r, m.fault
}

// rows is what is kept of sessions.
type rows struct {
	mu      sync.Mutex
	session Session
	kept    []Kept
	live    []chat.MeetingID
	left    []chat.PeerID
	seen    map[chat.PeerID]uint64
	saves   int           // calls of Seen
	gate    chan struct{} // if set, recording that a peer left waits until it is closed
	faults  int           // how often Left fails
	// sessionsLeft has what each peer has left.
	sessionsLeft map[chat.PeerID]chat.SessionID
}

func (s *rows) Peers(context.Context, chat.MeetingID) (Session, []Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session, slices.Clone(s.kept), nil
}

func (s *rows) Live(context.Context) ([]chat.MeetingID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.live), nil
}

func (s *rows) Left(_ context.Context, id chat.SessionID, peer chat.PeerID) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults > 0 {
		s.faults--
		return errors.New("no room")
	}
	s.left = append(s.left, peer)
	if s.sessionsLeft == nil {
		s.sessionsLeft = make(map[chat.PeerID]chat.SessionID)
	}
	s.sessionsLeft[peer] = id
	return nil
}

func (s *rows) Seen(_ context.Context, seen []Seen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	for _, one := range seen {
		s.seen[one.Peer] = one.Seq
	}
	return nil
}

func (s *rows) whoLeft() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, p := range s.left {
		names = append(names, string(p))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// world is a hub with one meeting.
type world struct {
	*testing.T
	hub      *Hub
	journal  *memory
	sessions *rows
	stores   *shelf
}

const (
	meeting = chat.MeetingID("m")
	grace   = 25 * time.Second
	restart = 60 * time.Second
)

var session = Session{ID: "s"}

func newWorld(t *testing.T) *world {
	w := &world{
		T:        t,
		journal:  &memory{entries: make(map[chat.MeetingID][]journal.Entry)},
		sessions: &rows{seen: make(map[chat.PeerID]uint64)},
		stores:   &shelf{kept: kv.Snapshot{Session: session.ID}},
	}
	w.hub = NewHub(Config{Stores: w.stores}, lines{}, w.journal, w.sessions)
	return w
}

// run starts the hub's Run and ends it with the test. It is for bubbles.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); w.hub.Run(ctx) }()
	w.Cleanup(func() { cancel(); <-ran; w.hub.Close() })
}

// ofWhom tells whose a peer is in these tests: a1 and a2 are a's, _1 and _2 are
// those of different participants, of whom there may be many.
func ofWhom(peer chat.PeerID) chat.ParticipantID {
	if peer[0] == '_' {
		return chat.ParticipantID(peer)
	}
	return chat.ParticipantID(peer[:1])
}

func infoOf(peer chat.PeerID) Info {
	return Info{Peer: peer, Participant: ofWhom(peer), Name: string(peer), Given: string(peer), Rights: sociable}
}

// sociable are the rights of most peers here: they see others, and hear what
// is whispered to them.
var sociable = chat.Permissions{SeePeers: true, Private: chat.PrivateChat{Receive: true}}

func (w *world) connect(peer chat.PeerID) *Connection {
	w.Helper()
	c, err := w.hub.Connect(w.Context(), meeting, infoOf(peer))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// join connects and joins, and forgets what has come so far.
func (w *world) join(peer chat.PeerID) *Connection {
	w.Helper()
	c := w.connect(peer)
	c.Room.Join(c.Feed, infoOf(peer), session, []byte("welcome\n"))
	w.sent(c)
	return c
}

// say commits and tells.
func (w *world) say(text string, audience ...chat.ParticipantID) {
	w.hub.Observe([]journal.Entry{w.journal.commit(meeting, text, audience...)})
}

// sent gives all that goes out on a connection now, its lines joined by
// spaces; <code> is the end.
func (w *world) sent(c *Connection) string {
	w.Helper()
	var out strings.Builder
	for {
		bufs, err := c.take(nil)
		for _, b := range bufs {
			out.Write(b)
		}
		if closed, ok := errors.AsType[*Closed](err); ok {
			out.WriteString("<" + closed.Reason + ">")
		}
		if len(bufs) == 0 || err != nil {
			return strings.Join(strings.Fields(out.String()), " ")
		}
	}
}

func (w *world) wantSent(c *Connection, want string) {
	w.Helper()
	if got := w.sent(c); got != want {
		w.Errorf("%s was sent %q, want %q", c.info.Peer, got, want)
	}
}

// wantEnd demands that the feed has ended in this way.
func (w *world) wantEnd(c *Connection, want *Closed) {
	w.Helper()
	_, err := c.take(nil)
	if closed, ok := errors.AsType[*Closed](err); want == nil && ok || want != nil && closed != want {
		w.Errorf("the feed of %s ended with %v, want %v", c.info.Peer, err, want)
	}
}

// kept counts the bytes that the room's log holds on to.
func (w *world) kept(c *Connection) int {
	c.Room.mu.Lock()
	defer c.Room.mu.Unlock()
	n := 0
	for _, chunk := range c.Room.log.chunks {
		n += cap(chunk.bytes)
	}
	return n
}
