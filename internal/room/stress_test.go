package room

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// crowd is a room under load: writers commit public entries with the texts 1,
// 2, 3 ... and private ones, numbered for each participant.
type crowd struct {
	*world
	mu       sync.Mutex
	moved    *sync.Cond // somebody has read or written on
	done     bool       // all is written
	seq      uint64
	public   int
	publicAt map[uint64]int // the public number of the next entry after a seq
	own      map[chat.ParticipantID]int
	read     map[chat.PeerID]int // how far the faithful have read
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{
		world: newWorld(t), publicAt: make(map[uint64]int),
		own: make(map[chat.ParticipantID]int), read: make(map[chat.PeerID]int),
	}
	c.moved = sync.NewCond(&c.mu)
	return c
}

// write commits one entry as the journal's one goroutine does: in order, and
// tells of it before the next. Some tellings are lost. It waits for the
// faithful, who must not fall behind because this machine is slow.
func (c *crowd) write(rng *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.public-c.slowest() > 300 {
		c.moved.Wait()
	}
	c.publicAt[c.seq] = c.public + 1
	c.seq++
	c.moved.Broadcast()
	if rng.IntN(4) == 0 {
		to := chat.ParticipantID('a' + rune(rng.IntN(6)))
		c.own[to]++
		c.say(fmt.Sprint("(", to, c.own[to]), to)
		return
	}
	c.public++
	e := c.journal.commit(meeting, fmt.Sprint(c.public, ":", strings.Repeat("x", rng.IntN(2000))))
	if rng.IntN(50) > 0 {
		c.hub.Observe([]journal.Entry{e})
	}
}

func (c *crowd) slowest() int {
	n := c.public
	for _, read := range c.read {
		n = min(n, read)
	}
	return n
}

// note takes down how far a faithful peer has read.
func (c *crowd) note(peer chat.PeerID, public int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read[peer] = public
	c.moved.Broadcast()
}

// more waits until more is written than there was, or all is. Those who come and
// go do so beside those who write: by themselves they would keep the room so
// busy, on a slow machine, that nobody else gets on.
func (c *crowd) more(than uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.seq == than && !c.done {
		c.moved.Wait()
	}
	return c.seq
}

// allWritten tells that nothing more is written.
func (c *crowd) allWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	c.moved.Broadcast()
}

// finish says what every reader waits for.
func (c *crowd) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say("end")
}

// next gives the number of the first public entry that a peer which joins now
// would be told.
func (c *crowd) next(r *Room) int {
	r.mu.Lock()
	seq := r.seq
	r.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.publicAt[seq]; ok {
		return n
	}
	return c.public + 1
}

// reader is what one connection has been sent.
type reader struct {
	first, public, own int // numbers of public texts and of the last private one
	ended              bool
}

// follow reads a connection until the end of what is written.
func (c *crowd) follow(ctx context.Context, conn *Connection, note func(public int)) (*reader, error) {
	r := new(reader)
	next := conn.Next
	if conn.info.Peer[1] == '2' { // the others are for tests of Next
		m := newMailbox(conn.info.Peer)
		conn.Start(m)
		next = m.next
	}
	var bufs [][]byte
	for !r.ended {
		var err error
		if bufs, err = next(ctx, bufs); err != nil {
			return r, err
		}
		for line := range bytes.Lines(bytes.Join(bufs, nil)) {
			c.take(r, conn, string(line))
		}
		note(r.public)
	}
	return r, nil
}

// mailbox is an outlet that somebody reads, which now and then does not take
// everything at once.
type mailbox struct {
	mu    sync.Mutex
	rng   *rand.Rand
	kept  []byte
	text  []byte
	err   error
	fresh chan struct{}
}

func newMailbox(peer chat.PeerID) *mailbox {
	return &mailbox{rng: rand.New(rand.NewPCG(uint64(peer[0]), 3)), fresh: make(chan struct{}, 1)}
}

func (m *mailbox) Offer(frames [][]byte) (waits bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) > 0 {
		return false, errors.New("more is offered before the rest was flushed")
	}
	if m.rng.IntN(4) == 0 {
		m.kept = bytes.Join(frames, nil)
		return true, nil
	}
	m.put(bytes.Join(frames, nil))
	return false, nil
}

func (m *mailbox) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(m.kept)
	m.kept = nil
	return nil
}

func (m *mailbox) End(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	m.put(nil)
}

func (m *mailbox) put(text []byte) {
	m.text = append(m.text, text...)
	select {
	case m.fresh <- struct{}{}:
	default:
	}
}

// next waits until there is something and gives it.
func (m *mailbox) next(ctx context.Context, bufs [][]byte) ([][]byte, error) {
	for {
		select {
		case <-m.fresh:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		m.mu.Lock()
		text, err := m.text, m.err
		m.text = nil
		if len(text) > 0 {
			m.put(nil) // the end may be there, too
		}
		m.mu.Unlock()
		if len(text) > 0 {
			return append(bufs[:0], text), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// take checks one line: public texts come one after the other, and private
// ones are the reader's own and come so too.
func (c *crowd) take(r *reader, conn *Connection, line string) {
	var n int
	switch {
	case line == "?\n":
		conn.Ponged()
	case line == "end\n":
		r.ended = true
	case strings.HasPrefix(line, "("):
		format := "(" + string(conn.info.Participant) + "%d\n"
		if _, err := fmt.Sscanf(line, format, &n); err != nil || r.own != 0 && n != r.own+1 {
			c.Errorf("%s got %q after %d", conn.info.Peer, line, r.own)
		}
		r.own = n
	case line[0] >= '0' && line[0] <= '9':
		if _, err := fmt.Sscanf(line, "%d:", &n); err != nil || r.public != 0 && n != r.public+1 {
			c.Errorf("%s got %.10q after %d", conn.info.Peer, line, r.public)
		}
		if r.public == 0 {
			r.first = n
		}
		r.public = n
	case line != "welcome\n" && line[0] != '+' && line[0] != '-':
		c.Errorf("%s got %.10q", conn.info.Peer, line)
	}
}

// TestEveryPeerSeesEverythingOnceAndInOrder lets peers join, read, lag, cut
// off, come back and leave while others write.
func TestEveryPeerSeesEverythingOnceAndInOrder(t *testing.T) {
	const writers, entries = 4, 700
	c := newCrowd(t)
	running, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); c.hub.Run(running) }()
	var writing, churning, reading sync.WaitGroup

	lags := c.join("z1")
	written := make(chan struct{})
	for n := range writers {
		writing.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for range entries {
				c.write(rng)
			}
		})
	}
	for n := range 6 {
		id := chat.PeerID(fmt.Sprintf("%c", 'a'+n))
		churning.Go(func() { c.churn(id+"1", rand.New(rand.NewPCG(uint64(n), 2)), written) })
		reading.Go(func() { c.faithful(id + "2") })
	}
	writing.Wait()
	close(written)
	c.allWritten()
	churning.Wait()
	c.finish()
	reading.Wait()
	c.wantEnd(lags, ClosedBehind)
	stop()
	<-ran
	c.hub.Close()
}

// faithful joins once and reads everything.
func (c *crowd) faithful(peer chat.PeerID) {
	conn := c.connect(peer)
	before := c.next(conn.Room)
	c.note(peer, before-1) // from here on the writers wait for this one
	conn.Room.Join(conn.Feed, infoOf(peer), session, []byte("welcome\n"))
	after := c.next(conn.Room)
	// What came before the join counts as read: if the writers waited for that,
	// and the room has caught up meanwhile, nobody would go on.
	c.note(peer, after-1)
	r, err := c.follow(c.Context(), conn, func(public int) { c.note(peer, max(public, after-1)) })
	c.note(peer, 1<<30)
	if err != nil {
		c.Errorf("%s: %v", peer, err)
	}
	if r.first < before || r.first > after || r.public != c.public {
		c.Errorf("%s joined before one of %d to %d, and was told %d to %d of %d", peer, before, after, r.first, r.public, c.public)
	}
}

// churn joins, asks a little, and goes in one way or another, until all is
// written. One that was cut off is told what it missed.
func (c *crowd) churn(peer chat.PeerID, rng *rand.Rand, written <-chan struct{}) {
	for seq := uint64(0); ; seq = c.more(seq) {
		select {
		case <-written:
			return
		default:
		}
		conn := c.connect(peer)
		if conn.Missed != nil {
			conn.Missed.Slot.Fill(c.missed(conn))
		} else {
			conn.Room.Join(conn.Feed, infoOf(peer), session, []byte("welcome\n"))
		}
		reading, cut := context.WithCancel(c.Context())
		ended := make(chan error)
		go func() { _, err := c.follow(reading, conn, func(int) {}); ended <- err }()
		for range rng.IntN(20) {
			conn.Answer([]byte("welcome\n"))
			conn.Ponged()
			slot, _ := conn.Room.Present(conn.Feed)
			slot.Fill(nil)
		}
		cut()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, ClosedBehind) {
			c.Errorf("%s: %v", peer, err)
		}
		conn.Room.Disconnect(conn.Feed, rng.IntN(2) == 0)
	}
}

// missed gives the frames of what a returning peer missed.
func (c *crowd) missed(conn *Connection) []byte {
	after := conn.Missed.After
	entries, err := c.journal.Entries(c.Context(), meeting, after, int(conn.Missed.Slot.Seq-after))
	if err != nil {
		c.Error(err)
	}
	var frames []byte
	for _, e := range entries {
		if m := &e.Event.Message; m.VisibleTo(conn.info.Participant) {
			frames = append(frames, lines{}.Entry(e)...)
		}
	}
	return frames
}
