package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Each message that is measured carries a stamp: when it was sent and by which
// line, in hexadecimal digits. What else a server puts around it is not looked
// at, so that the load costs the same whatever the server speaks.
const (
	stampMark   = "~#stamp:"
	stampDigits = 16 + 8
	stampBytes  = len(stampMark) + stampDigits
)

// TextBytes is how long the text of a message is, in bytes.
const TextBytes = 200

// NewText gives a text that has room for a stamp, of so many bytes, at least
// stampBytes.
func NewText(size int) string {
	text := append([]byte(stampMark), bytes.Repeat([]byte{'0'}, stampDigits)...)
	text = append(text, ' ')
	for len(text) < size {
		text = append(text, "all work and no play "[len(text)%21])
	}
	return string(text[:max(size, stampBytes)])
}

// Line is one connection that sends and hears. What it sends is made once; only
// its stamp and its number change.
type Line struct {
	Conn net.Conn
	// Message is what is written for one message, with a text of NewText in it.
	Message []byte
	// Count is where in Message eight digits count the messages, -1 for nowhere.
	Count int
	// Mark is what tells one delivery. Default: the mark of a stamp.
	Mark string
	// Pong answers Ping, where a read begins or ends with Ping.
	Ping, Pong []byte

	mu    sync.Mutex // of what follows, and of Message
	stamp int        // where in Message the digits of the stamp are
	own   [8]byte
	n     uint32

	number int // among all lines
}

// prepare makes the line ready, as the one of that number.
func (l *Line) prepare(number int) error {
	at := bytes.Index(l.Message, []byte(stampMark))
	if at < 0 {
		return errors.New("the message of a line has no stamp")
	}
	l.number, l.stamp = number, at+len(stampMark)
	putHex(l.own[:], uint64(number), 8)
	copy(l.Message[l.stamp+16:], l.own[:])
	if l.Mark == "" {
		l.Mark = stampMark
	}
	return nil
}

func putHex(to []byte, value uint64, digits int) {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], value)
	var text [16]byte
	hex.Encode(text[:], raw[:])
	copy(to, text[16-digits:])
}

// Send sends a message.
func (l *Line) Send() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if l.Count >= 0 {
		putHex(l.Message[l.Count:], uint64(l.n), 8)
	}
	putHex(l.Message[l.stamp:], uint64(time.Now().UnixNano()), 16)
	_, err := l.Conn.Write(l.Message)
	return err
}

// Heard is what all lines hear together.
type Heard struct {
	deliveries atomic.Int64
	bytes      atomic.Int64
	// each is how many deliveries make one message.
	each int64
	news chan struct{}
	// delays of deliveries, of every one in a certain number, in nanoseconds.
	every  int64
	delays chan int64
}

func newHeard(each int, every int64) *Heard {
	return &Heard{each: int64(each), news: make(chan struct{}, 1), every: every, delays: make(chan int64, 1<<18)}
}

// add counts deliveries, and tells when a message has reached everybody.
func (h *Heard) add(n, size int) {
	h.bytes.Add(int64(size))
	if n == 0 {
		return
	}
	now := h.deliveries.Add(int64(n))
	if now/h.each != (now-int64(n))/h.each {
		select {
		case h.news <- struct{}{}:
		default:
		}
	}
}

// errSilent says that a server has stopped to deliver.
var errSilent = errors.New("nothing has been delivered for ten seconds")

// await waits until so many deliveries were made.
func (h *Heard) await(ctx context.Context, deliveries int64) error {
	silent := time.NewTimer(10 * time.Second)
	defer silent.Stop()
	for last := int64(-1); ; {
		now := h.deliveries.Load()
		if now >= deliveries {
			return nil
		}
		if now > last {
			last = now
			silent.Reset(10 * time.Second)
		}
		select {
		case <-h.news:
		case <-time.After(20 * time.Millisecond):
		case <-silent.C:
			return fmt.Errorf("%w: %d of %d", errSilent, now, deliveries)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ear finds deliveries in what a line reads.
type ear struct {
	line *Line
	// kept is what the last read ended with, where a mark may have begun in it.
	kept []byte
	seen int64
}

// need is how many bytes tell a delivery.
func (l *Line) need() int {
	if l.Mark == stampMark {
		return stampBytes
	}
	return len(l.Mark)
}

// hear takes what was read, which begins with what was kept, and gives how many
// of the deliveries in it were of messages of the line's own.
func (e *ear) hear(h *Heard, data []byte) (own int, err error) {
	l := e.line
	if l.Ping != nil && (bytes.HasSuffix(data, l.Ping) || bytes.HasPrefix(data[len(e.kept):], l.Ping)) {
		if _, err := l.Conn.Write(l.Pong); err != nil {
			return 0, err
		}
	}
	found, at, need := 0, 0, l.need()
	for {
		next := bytes.Index(data[at:], []byte(l.Mark))
		if next < 0 {
			at = max(at, len(data)-len(l.Mark)+1)
			break
		}
		at += next
		if at+need > len(data) {
			break
		}
		found++
		if l.Mark != stampMark {
			own++
		} else {
			digits := data[at+len(stampMark) : at+stampBytes]
			if bytes.Equal(digits[16:], l.own[:]) {
				own++
			}
			if e.seen++; h.every > 0 && e.seen%h.every == 0 {
				h.delayed(digits[:16])
			}
		}
		at += need
	}
	h.add(found, len(data)-len(e.kept))
	e.kept = append(e.kept[:0], data[at:]...)
	return own, nil
}

// delayed notes how late a delivery is.
func (h *Heard) delayed(digits []byte) {
	var raw [8]byte
	if _, err := hex.Decode(raw[:], digits); err != nil {
		return
	}
	select {
	case h.delays <- time.Now().UnixNano() - int64(binary.BigEndian.Uint64(raw[:])):
	default:
	}
}
