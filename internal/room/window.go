package room

import (
	"slices"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// window is the newest of a meeting's chat as it stands at one place of the
// room's log, each message ready to be sent. Public messages lie in blocks of
// bytes that all readers share; whispers lie beside them, for those who may
// read them.
//
//	block 1         block 2           block 3
//	[m][m][m][m]    [m][m][m][m][m]   [m][m].....
//	      ^ whisper                      ^ whisper      merged in by number
//
// Bytes that were given out never change: an edit makes its block anew, and
// what is added lies behind what was given out. The window is guarded by the
// room's lock; what newest gives is not.
type window struct {
	blocks       []block
	count, bytes int  // of public messages
	whole        bool // no older public message may be seen

	whispers     []*whisper // oldest first
	mailboxes    map[chat.ParticipantID][]*whisper
	whisperBytes int
	// whispersFrom says from which entry on all whispers are here; 0 for all
	// that may be seen.
	whispersFrom uint64

	links bool // there may be links, which age
}

// block is a run of messages. The i-th ends at ends[i].
type block struct {
	seqs  []uint64
	ends  []int
	bytes []byte
}

type whisper struct {
	seq      uint64
	author   chat.ParticipantID
	audience []chat.ParticipantID
	bytes    []byte
}

// Bounds of a window and of what is taken from it. Bytes are those of messages
// as sent.
const (
	// HistoryCount and HistoryBytes bound the newest messages that somebody is
	// given.
	HistoryCount = 1000
	HistoryBytes = 4 << 20
	// A window holds more, so that a deletion does not void it.
	slackCount = 128
	slackBytes = 256 << 10
	// whisperLimit bounds the whispers, whisperSpan how far back they are
	// looked for.
	whisperLimit = 1 << 20
	whisperSpan  = 20_000
	// whisperCost is about what a whisper costs besides its bytes.
	whisperCost = 256

	blockCount = 64
	blockBytes = 64 << 10
)

// windowLimits are what a window is read with.
var windowLimits = journal.RecentLimits{
	Count: HistoryCount + slackCount, Bytes: HistoryBytes + slackBytes,
	PrivateBytes: whisperLimit, PrivateSpan: whisperSpan,
}

func newWindow(recent journal.Recent, encode func(*chat.Message) []byte) *window {
	w := &window{whole: recent.Whole, mailboxes: make(map[chat.ParticipantID][]*whisper)}
	if !recent.Whole || recent.PrivateFrom != recent.Head.VisibleFrom {
		w.whispersFrom = recent.PrivateFrom
	}
	for i := range recent.Public {
		w.add(&recent.Public[i], encode)
	}
	for i := range recent.Private {
		w.add(&recent.Private[i], encode)
	}
	w.trim()
	return w
}

// size is about what the window costs.
func (w *window) size() int { return w.bytes + 16*w.count + w.whisperBytes }

// fold brings the window on by one entry.
func (w *window) fold(e *journal.Entry, encode func(*chat.Message) []byte) {
	m := &e.Event.Message
	switch {
	case m.DeletedAt != 0:
		w.change(m, nil)
	case e.Event.Kind == chat.MessageSent:
		w.add(m, encode)
		w.trim()
	default:
		w.change(m, encode(m))
		w.links = w.links || m.Content.Kind != chat.Text
	}
}

// add adds the youngest message.
func (w *window) add(m *chat.Message, encode func(*chat.Message) []byte) {
	w.links = w.links || m.Content.Kind != chat.Text
	bytes := encode(m)
	if !m.Public() {
		whisper := &whisper{m.Seq, m.Author, m.Audience, bytes}
		w.whispers = append(w.whispers, whisper)
		w.whisperBytes += whisperCost + len(bytes)
		for _, id := range m.Audience {
			w.mailboxes[id] = append(w.mailboxes[id], whisper)
		}
		return
	}
	last := len(w.blocks) - 1
	if last < 0 || len(w.blocks[last].seqs) == blockCount || len(w.blocks[last].bytes)+len(bytes) > blockBytes {
		w.blocks = append(w.blocks, block{})
		last++
	}
	w.blocks[last].add(m.Seq, bytes)
	w.count++
	w.bytes += len(bytes)
}

func (b *block) add(seq uint64, bytes []byte) {
	b.bytes = append(b.bytes, bytes...)
	b.seqs = append(b.seqs, seq)
	b.ends = append(b.ends, len(b.bytes))
}

func (b *block) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.ends[i-1]
}

// with gives the block with other bytes for one of its messages, nil for none.
func (b *block) with(seq uint64, bytes []byte) block {
	var other block
	for i, s := range b.seqs {
		switch {
		case s != seq:
			other.add(s, b.bytes[b.start(i):b.ends[i]])
		case bytes != nil:
			other.add(s, bytes)
		}
	}
	return other
}

// change replaces the bytes of a message, or takes it out where they are nil. A
// message that is not here is older than the window, or not to be seen.
func (w *window) change(m *chat.Message, bytes []byte) {
	if !m.Public() {
		w.changeWhisper(m, bytes)
		return
	}
	i, found := slices.BinarySearchFunc(w.blocks, m.Seq, func(b block, seq uint64) int {
		switch {
		case b.seqs[len(b.seqs)-1] < seq:
			return -1
		case b.seqs[0] > seq:
			return 1
		}
		return 0
	})
	if !found {
		return
	}
	old := w.blocks[i]
	if _, found := slices.BinarySearch(old.seqs, m.Seq); !found {
		return
	}
	changed := old.with(m.Seq, bytes)
	w.bytes += len(changed.bytes) - len(old.bytes)
	w.count += len(changed.seqs) - len(old.seqs)
	if len(changed.seqs) == 0 {
		w.blocks = slices.Delete(w.blocks, i, i+1)
		return
	}
	w.blocks[i] = changed
}

func (w *window) changeWhisper(m *chat.Message, bytes []byte) {
	i := slices.IndexFunc(w.whispers, func(o *whisper) bool { return o.seq == m.Seq })
	if i < 0 {
		return
	}
	old := w.whispers[i]
	w.whisperBytes += len(bytes) - len(old.bytes)
	if bytes != nil {
		old.bytes = bytes
		return
	}
	w.whisperBytes -= whisperCost
	w.whispers = slices.Delete(w.whispers, i, i+1)
	w.unfile(old)
}

// unfile takes a whisper out of the mailboxes.
func (w *window) unfile(gone *whisper) {
	for _, id := range gone.audience {
		w.mailboxes[id] = slices.DeleteFunc(w.mailboxes[id], func(o *whisper) bool { return o == gone })
		if len(w.mailboxes[id]) == 0 {
			delete(w.mailboxes, id)
		}
	}
}

// trim lets go what nobody will be given.
func (w *window) trim() {
	for len(w.blocks) > 1 {
		first := w.blocks[0]
		if w.count-len(first.seqs) < windowLimits.Count && w.bytes-len(first.bytes) < windowLimits.Bytes {
			break
		}
		w.count -= len(first.seqs)
		w.bytes -= len(first.bytes)
		w.blocks = slices.Delete(w.blocks, 0, 1)
		w.whole = false
	}
	for len(w.whispers) > 0 {
		oldest := w.whispers[0]
		old := !w.whole && len(w.blocks) > 0 && oldest.seq < w.blocks[0].seqs[0]
		if !old && w.whisperBytes <= whisperLimit {
			break
		}
		w.whispers = slices.Delete(w.whispers, 0, 1)
		w.whisperBytes -= whisperCost + len(oldest.bytes)
		w.whispersFrom = max(w.whispersFrom, oldest.seq+1)
		w.unfile(oldest)
	}
}

// view is a window as one reader sees it at one moment.
type view struct {
	blocks       []block
	mine         []whisper
	whole        bool
	whispersFrom uint64
}

// of gives the view of a reader, who sees whispers of others only with the
// right to receive them.
func (w *window) of(reader chat.ParticipantID, receives bool) view {
	v := view{blocks: slices.Clone(w.blocks), whole: w.whole, whispersFrom: w.whispersFrom}
	for _, m := range w.mailboxes[reader] {
		if receives || m.author == reader {
			v.mine = append(v.mine, *m)
		}
	}
	return v
}

// newest gives the newest messages of the view, oldest first, as runs of
// bytes: as many as the bounds of a history allow. It is false where the window
// does not reach back far enough to tell.
func (v view) newest() (runs [][]byte, ok bool) {
	c := collector{room: HistoryBytes, places: HistoryCount}
	b, i, w := len(v.blocks), 0, len(v.mine)-1
	for c.places > 0 {
		if i == 0 && b > 0 {
			b--
			i = len(v.blocks[b].seqs)
		}
		public, private := i > 0, w >= 0
		switch {
		case !public && !v.whole:
			return nil, false
		case !public && !private:
			return c.runs(), v.whispersFrom == 0
		case public && (!private || v.blocks[b].seqs[i-1] > v.mine[w].seq):
			i--
			block := &v.blocks[b]
			if block.seqs[i] < v.whispersFrom {
				return nil, false
			}
			if !c.take(block.bytes, block.start(i), block.ends[i]) {
				return c.runs(), true
			}
		default:
			if v.mine[w].seq < v.whispersFrom {
				return nil, false
			}
			if !c.take(v.mine[w].bytes, 0, len(v.mine[w].bytes)) {
				return c.runs(), true
			}
			w--
		}
	}
	return c.runs(), true
}

// collector puts runs together, from the youngest message back.
type collector struct {
	room, places int
	found        [][]byte // youngest first
	of           []byte   // what the run at hand is a part of
	start, end   int
}

// take adds a message, unless there is no room for it.
func (c *collector) take(of []byte, start, end int) bool {
	if end-start > c.room {
		return false
	}
	c.room -= end - start
	c.places--
	if len(c.of) > 0 && &c.of[0] == &of[0] && end == c.start {
		c.start = start
		return true
	}
	c.flush()
	c.of, c.start, c.end = of, start, end
	return true
}

func (c *collector) flush() {
	if c.end > c.start {
		c.found = append(c.found, c.of[c.start:c.end:c.end])
	}
}

func (c *collector) runs() [][]byte {
	c.flush()
	c.of, c.start, c.end = nil, 0, 0
	slices.Reverse(c.found)
	return c.found
}
