// Package transport carries WebSocket messages (RFC 6455) over a hijacked HTTP
// connection. Limits, control frames, deadlines and close codes are decided
// here; what the messages say is not known here. It hides the WebSocket
// library, so that another one can take its place.
package transport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"golang.org/x/time/rate"
)

// Config bounds a connection. All fields but Poller must be set.
type Config struct {
	// MaxMessage is the longest message that is read, in bytes.
	MaxMessage int
	// Idle is how long a peer may take to begin a message; control frames are
	// none.
	Idle time.Duration
	// Message is how long one message may take to arrive, and each 128 KiB of
	// a write to go out.
	Message time.Duration
	// Poller watches the connection, if it can. It may be nil.
	Poller *Poller
}

// Frames a peer may send that bring nothing, control frames and empty
// fragments: a second, and at once.
const (
	controlRate  = 10
	controlBurst = 100
)

const (
	// readerBytes is what an idle connection keeps for reading. What does not
	// fit is read past it.
	readerBytes = 1 << 10
	// sharedBytes is the same where it is kept only while something comes.
	sharedBytes = 4 << 10
	// pieceBytes is how much must go out in the time for a message: who reads
	// more slowly does not read.
	pieceBytes = 128 << 10
	// unsentBytes is how much the kernel may hold of what was written; Linux
	// doubles it for its own needs.
	unsentBytes = 128 << 10
	// closeTimeout is what a writer is left with when the connection is to be
	// closed, and how long the close frame may take.
	closeTimeout = time.Second
	// lingerBytes is how much more is taken from a peer that has broken the
	// rules, so that it hears why the connection ends.
	lingerBytes = 1 << 20
)

// Kind tells text from binary messages.
type Kind byte

// The kinds of message.
const (
	Text   Kind = Kind(ws.OpText)
	Binary Kind = Kind(ws.OpBinary)
)

// Close codes of RFC 6455, section 7.4.1, that this package uses or meets.
const (
	CloseNormal    uint16 = 1000
	CloseGoingAway uint16 = 1001
	CloseProtocol  uint16 = 1002
	// CloseNoCode stands for a close frame without a code.
	CloseNoCode uint16 = 1005
	CloseData   uint16 = 1007
	ClosePolicy uint16 = 1008
	CloseTooBig uint16 = 1009
)

// CloseError is the end of a connection, by the peer's close frame or by a
// breach of the protocol.
type CloseError struct {
	// Code is the peer's, or the one that the breach earns.
	Code uint16
	// Peer says that the peer closed.
	Peer   bool
	Reason string
	// Limit names the limit that was reached, as docs/limits.md has it, "" where
	// it is none.
	Limit string
}

func (e *CloseError) Error() string {
	if e.Peer {
		return fmt.Sprintf("closed by the peer with %d", e.Code)
	}
	return fmt.Sprintf("closing with %d: %s", e.Code, e.Reason)
}

// stream is what a connection is carried by.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Conn is one connection. One goroutine may read, and any may write.
type Conn struct {
	config  Config
	conn    stream
	watched *watched      // conn, or nil where nobody watches it
	reader  *bufio.Reader // nil while it is parked
	control *rate.Limiter

	write sync.Mutex
	// Guarded by write:
	closed bool
	code   uint16 // with which it was closed
	torn   bool   // the last frame went out in part
	failed bool   // a write has failed, and nothing may follow
	direct direct

	keep sync.Mutex  // whoever holds it only tries to get write
	kept net.Buffers // what Offer has not got rid of; guarded by keep

	pace sync.Mutex
	// Guarded by pace:
	closing bool      // writes get no more time
	given   time.Time // when the write deadline was last set

	interrupted atomic.Bool // nothing more is read
}

// ErrInterrupted is what Read gives after Interrupt.
var ErrInterrupted = errors.New("reading was ended")

// Interrupt ends the reading: what the peer still sends is not read. Writing
// goes on.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.conn.SetReadDeadline(time.Now())
}

// readBy sets the deadline for reading, unless that was interrupted.
func (c *Conn) readBy(deadline time.Time) error {
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if c.interrupted.Load() {
		return ErrInterrupted
	}
	return nil
}

// Accept upgrades a request. When it fails, it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request, config Config) (*Conn, error) {
	// The library looks at the length of the key alone (RFC 6455, 4.2.1).
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		w.Header().Set("Connection", "close")
		http.Error(w, "bad Sec-WebSocket-Key header", http.StatusBadRequest)
		return nil, errors.New("upgrading to a websocket: the key is not 16 bytes in base64")
	}
	conn, rw, _, err := ws.HTTPUpgrader{Timeout: config.Message}.Upgrade(r, w)
	if err != nil {
		if conn != nil { // taken from the HTTP server, which closes it no more
			_ = conn.Close()
		}
		return nil, fmt.Errorf("upgrading to a websocket: %w", err)
	}
	holdLittle(conn)
	own, err := config.Poller.take(conn)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("watching a websocket: %w", err)
	}
	reader := rw.Reader
	switch {
	case own != nil:
		c := newConn(own, nil, config)
		c.watched = own
		if n := reader.Buffered(); n > 0 {
			early, _ := reader.Peek(n) // n are there
			c.reader = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), own), max(n, sharedBytes))
			_, _ = c.reader.Peek(n) // so that they are in it
		}
		return c, nil
	case reader.Buffered() == 0:
		// The HTTP server's is four times as large as most messages.
		reader = bufio.NewReaderSize(conn, readerBytes)
	}
	return newConn(conn, reader, config), nil
}

// Park has fn called, by a goroutine of its own, when there is something to
// Read: a message, the beginning of one, or an error. It is false, and fn is not
// called, where there is something already and where nobody watches the
// connection, which has Read wait then. It is for the goroutine that reads.
func (c *Conn) Park(fn func()) bool {
	if c.watched == nil || c.reader != nil && c.reader.Buffered() > 0 {
		return false
	}
	if c.readBy(time.Now().Add(c.config.Idle)) != nil {
		return false // Read tells why
	}
	// Before it is parked, for somebody else may read after.
	reader := c.reader
	c.reader = nil
	if !c.watched.park(fn) {
		c.reader = reader
		return false
	}
	if reader != nil {
		reader.Reset(nil)
		readers.Put(reader)
	}
	return true
}

// readers are those of connections where something comes.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, sharedBytes) }}

// holdLittle keeps the kernel from taking megabytes for a peer that does not
// read, as it would by itself: what waits for a peer is bounded elsewhere, and
// this would come on top.
func holdLittle(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if buffered, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = buffered.SetWriteBuffer(unsentBytes) // a wish, and nothing depends on it
	}
}

func newConn(conn stream, reader *bufio.Reader, config Config) *Conn {
	c := &Conn{config: config, conn: conn, reader: reader, control: rate.NewLimiter(controlRate, controlBurst)}
	c.direct.open(conn)
	return c
}

// Read gives the next message, whole. The data is valid until the next Read
// with the same buf. Pings are answered meanwhile. The error is a *CloseError
// where there is a close code to say or to hear.
func (c *Conn) Read(buf []byte) (Kind, []byte, error) {
	if err := c.readBy(time.Now().Add(c.config.Idle)); err != nil {
		return 0, nil, err
	}
	if c.reader == nil {
		c.reader = readers.Get().(*bufio.Reader) //nolint:forcetypeassert // nothing else is put there
		c.reader.Reset(c.conn)
	}
	buf = buf[:0]
	var kind Kind
	for {
		h, err := c.header(kind != 0)
		if err != nil {
			return 0, nil, err
		}
		if h.OpCode.IsControl() {
			if err := c.answer(h); err != nil {
				return 0, nil, err
			}
			continue
		}
		if kind == 0 {
			kind = Kind(h.OpCode)
		}
		if h.Length == 0 && !h.Fin && !c.control.Allow() {
			return 0, nil, &CloseError{Code: ClosePolicy, Reason: "too many empty fragments", Limit: "control_frames"}
		}
		if h.Length > int64(c.config.MaxMessage-len(buf)) {
			return 0, nil, &CloseError{Code: CloseTooBig, Reason: "the message is too long", Limit: "frame_size"}
		}
		if buf, err = c.payload(h, buf); err != nil {
			return 0, nil, err
		}
		if !h.Fin {
			continue
		}
		if kind == Text && !utf8.Valid(buf) {
			return 0, nil, &CloseError{Code: CloseData, Reason: "text is not UTF-8"}
		}
		return kind, buf, nil
	}
}

// header reads and checks a frame's header. The time for the message begins
// with its first frame.
func (c *Conn) header(fragmented bool) (ws.Header, error) {
	start, _ := c.reader.Peek(2) // what is wrong, ReadHeader finds too
	wide := len(start) == 2 && start[1]&0x7f == 126
	widest := len(start) == 2 && start[1]&0x7f == 127
	h, err := ws.ReadHeader(c.reader)
	if errors.Is(err, ws.ErrHeaderLengthMSB) {
		return h, &CloseError{Code: CloseProtocol, Reason: "the frame breaks the protocol"}
	}
	if err != nil {
		limit := "idle"
		if fragmented {
			limit = "slow_message"
		}
		return h, c.broken(err, limit)
	}
	if !fragmented && !h.OpCode.IsControl() {
		if err := c.readBy(time.Now().Add(c.config.Message)); err != nil {
			return h, err
		}
	}
	state := ws.StateServerSide
	if fragmented {
		state = state.Set(ws.StateFragmented)
	}
	// A length has to be written in the fewest bytes (RFC 6455, 5.2); the
	// library takes any.
	padded := wide && h.Length < 126 || widest && h.Length <= 0xffff
	if err := ws.CheckHeader(h, state); err != nil || padded {
		return h, &CloseError{Code: CloseProtocol, Reason: "the frame breaks the protocol"}
	}
	return h, nil
}

func (c *Conn) payload(h ws.Header, buf []byte) ([]byte, error) {
	start, end := len(buf), len(buf)+int(h.Length)
	if cap(buf) < end {
		grown := make([]byte, start, max(end, min(2*cap(buf), c.config.MaxMessage)))
		copy(grown, buf)
		buf = grown
	}
	buf = buf[:end]
	if _, err := io.ReadFull(c.reader, buf[start:]); err != nil {
		return nil, c.broken(err, "slow_message")
	}
	ws.Cipher(buf[start:], h.Mask, 0)
	return buf, nil
}

// broken makes an end of the stream in the middle of a frame what it is.
func (c *Conn) broken(err error, limit string) error {
	if c.interrupted.Load() {
		return ErrInterrupted
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &CloseError{Code: ClosePolicy, Reason: "nothing came in time", Limit: limit}
	}
	return fmt.Errorf("reading from the peer: %w", err)
}

// answer deals with a control frame.
func (c *Conn) answer(h ws.Header) error {
	body, err := c.payload(h, make([]byte, 0, ws.MaxControlFramePayloadSize))
	if err != nil {
		return err
	}
	if h.OpCode == ws.OpClose {
		return goodbye(body)
	}
	if !c.control.Allow() {
		return &CloseError{Code: ClosePolicy, Reason: "too many pings and pongs", Limit: "control_frames"}
	}
	if h.OpCode == ws.OpPong {
		return nil
	}
	return c.Write(net.Buffers{ws.MustCompileFrame(ws.NewPongFrame(body))})
}

// goodbye reads the body of a close frame.
func goodbye(body []byte) *CloseError {
	code, reason := ws.ParseCloseFrameData(body)
	switch {
	case len(body) == 0:
		return &CloseError{Code: CloseNoCode, Peer: true}
	case !mayBeSaid(uint16(code)):
		return &CloseError{Code: CloseProtocol, Reason: "no such close code"}
	case !utf8.ValidString(reason):
		return &CloseError{Code: CloseData, Reason: "the reason is not UTF-8"}
	}
	return &CloseError{Code: uint16(code), Peer: true}
}

// mayBeSaid tells whether a close frame may carry the code: one that is
// registered with IANA, of a library or of an application (RFC 6455, 7.4).
func mayBeSaid(code uint16) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
}

// Write sends ready frames, all or none of which are the peer's to see: after
// an error the connection is of no more use. It may change the slice.
func (c *Conn) Write(frames net.Buffers) error {
	c.write.Lock()
	defer c.write.Unlock()
	if c.closed || c.failed {
		return net.ErrClosed
	}
	err := c.send(append(c.takeKept(), frames...))
	c.failed = err != nil
	return err
}

// takeKept takes what Offer has kept.
func (c *Conn) takeKept() net.Buffers {
	c.keep.Lock()
	defer c.keep.Unlock()
	kept := c.kept
	c.kept = nil
	return kept
}

// Offer is Write without waiting: what does not go out at once is kept, waits
// says so, and goes out by Flush or before what is written next. The slice may be
// used again, what is in it not. A connection that is encrypted keeps all.
func (c *Conn) Offer(frames [][]byte) (waits bool, err error) {
	c.keep.Lock()
	defer c.keep.Unlock()
	if c.kept == nil && c.write.TryLock() {
		defer c.write.Unlock()
		if c.closed || c.failed {
			return false, net.ErrClosed
		}
		rest, err := c.direct.write(frames)
		if err != nil {
			c.torn, c.failed = true, true
			return false, fmt.Errorf("writing to the peer: %w", err)
		}
		if len(rest) == 0 {
			return false, nil
		}
		c.torn = len(rest) < len(frames) || len(rest[0]) < len(frames[0])
		frames = rest
	}
	c.kept = append(c.kept, frames...)
	return true, nil
}

// Flush writes what Offer has kept.
func (c *Conn) Flush() error { return c.Write(nil) }

// send writes piece by piece: what is long may take long, as long as it goes
// on. It is called under the write lock.
func (c *Conn) send(frames net.Buffers) error {
	for len(frames) > 0 {
		if err := c.giveTime(); err != nil {
			return err
		}
		c.torn = true
		var piece net.Buffers
		piece, frames = split(frames, pieceBytes)
		if _, err := piece.WriteTo(c.conn); err != nil {
			return fmt.Errorf("writing to the peer: %w", err)
		}
	}
	c.torn = false
	return nil
}

// giveTime gives the next write its time, more or less: to set a deadline for
// each would cost a tenth of sending a short message.
func (c *Conn) giveTime() error {
	c.pace.Lock()
	defer c.pace.Unlock()
	now := time.Now()
	switch {
	case c.closing:
		return net.ErrClosed
	case now.Sub(c.given) < c.config.Message/10:
		return nil
	}
	if err := c.conn.SetWriteDeadline(now.Add(c.config.Message)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	c.given = now
	return nil
}

// split parts frames after n bytes.
func split(frames net.Buffers, n int) (before, after net.Buffers) {
	for i, b := range frames {
		if len(b) > n {
			before = append(append(before, frames[:i]...), b[:n])
			frames[i] = b[n:]
			return before, frames[i:]
		}
		n -= len(b)
	}
	return frames, nil
}

// Close says goodbye with a code, if it is one that may be said, and closes
// the connection. CloseNoCode says goodbye without one. Further calls do
// nothing.
func (c *Conn) Close(code uint16, reason string) {
	c.hurry()
	if c.farewell(code, reason) && breach(code) {
		c.linger()
	}
}

// Code gives the code with which the connection was closed, 0 if it was not.
func (c *Conn) Code() uint16 {
	c.write.Lock()
	defer c.write.Unlock()
	return c.code
}

// farewell says goodbye, and hangs up but where Close still has to linger. It
// is false where somebody else has done so.
func (c *Conn) farewell(code uint16, reason string) bool {
	c.write.Lock()
	defer c.write.Unlock()
	if c.closed {
		return false
	}
	c.closed, c.code = true, code
	if !c.torn { // else the peer would take this for the rest of a message
		c.sayGoodbye(code, reason)
	}
	if !breach(code) {
		_ = c.conn.Close()
	}
	return true
}

// breach tells whether a code is for a peer that breaks the rules, which may
// well be in the middle of sending more.
func breach(code uint16) bool {
	switch code {
	case CloseProtocol, CloseData, ClosePolicy, CloseTooBig:
		return true
	}
	return false
}

// linger hangs up, but not before the peer has had a moment to take note: a
// connection that is closed while bytes lie unread is reset, and what was said
// last is lost on the way.
func (c *Conn) linger() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		_ = c.conn.SetReadDeadline(time.Now().Add(closeTimeout))
		_, _ = io.CopyN(io.Discard, c.conn, lingerBytes)
	}
	_ = c.conn.Close()
}

// hurry keeps a writer that is stuck from keeping the connection open.
func (c *Conn) hurry() {
	c.pace.Lock()
	defer c.pace.Unlock()
	c.closing = true
	_ = c.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
}

func (c *Conn) sayGoodbye(code uint16, reason string) {
	var body []byte
	switch {
	case mayBeSaid(code):
		body = ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	case code != CloseNoCode:
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	_, _ = c.conn.Write(ws.MustCompileFrame(ws.NewCloseFrame(body)))
}

// Header gives the header of a frame that the server sends, for a message of
// this length.
func Header(buf []byte, kind Kind, length int) []byte {
	buf = append(buf, 0x80|byte(kind))
	switch {
	case length < 126:
		return append(buf, byte(length))
	case length <= 0xffff:
		return append(buf, 126, byte(length>>8), byte(length))
	}
	n := uint64(length)
	return append(buf, 127, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
