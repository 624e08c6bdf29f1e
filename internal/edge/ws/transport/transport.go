// Package transport carries WebSocket messages (RFC 6455) over a hijacked HTTP
// connection. Limits, control frames, deadlines and close codes are decided
// here; what the messages say is not known here. It hides the WebSocket
// library, so that another one can take its place.
package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"golang.org/x/time/rate"
)

// Config bounds a connection. All fields must be set.
type Config struct {
	// MaxMessage is the longest message that is read, in bytes.
	MaxMessage int
	// Idle is how long a peer may send nothing at all.
	Idle time.Duration
	// Message is how long one message may take to arrive, and one write to go
	// out.
	Message time.Duration
}

// Control frames a peer may send: a second, and at once.
const (
	controlRate  = 10
	controlBurst = 100
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
	CloseData      uint16 = 1007
	ClosePolicy    uint16 = 1008
	CloseTooBig    uint16 = 1009
)

// CloseError is the end of a connection, by the peer's close frame or by a
// breach of the protocol.
type CloseError struct {
	// Code is the peer's, or the one that the breach earns.
	Code uint16
	// Peer says that the peer closed.
	Peer   bool
	Reason string
}

func (e *CloseError) Error() string {
	if e.Peer {
		return fmt.Sprintf("closed by the peer with %d", e.Code)
	}
	return fmt.Sprintf("closing with %d: %s", e.Code, e.Reason)
}

// Conn is one connection. One goroutine may read, and any may write.
type Conn struct {
	config  Config
	conn    net.Conn
	reader  *bufio.Reader
	control *rate.Limiter

	write  sync.Mutex
	closed bool // guarded by write
}

// Accept upgrades a request. When it fails, it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request, config Config) (*Conn, error) {
	conn, rw, _, err := ws.HTTPUpgrader{Timeout: config.Message}.Upgrade(r, w)
	if err != nil {
		return nil, fmt.Errorf("upgrading to a websocket: %w", err)
	}
	return &Conn{
		config: config, conn: conn, reader: rw.Reader,
		control: rate.NewLimiter(controlRate, controlBurst),
	}, nil
}

// Read gives the next message, whole. The data is valid until the next Read
// with the same buf. Pings are answered meanwhile. The error is a *CloseError
// where there is a close code to say or to hear.
func (c *Conn) Read(buf []byte) (Kind, []byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.config.Idle)); err != nil {
		return 0, nil, fmt.Errorf("setting a deadline: %w", err)
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
		if h.Length > int64(c.config.MaxMessage-len(buf)) {
			return 0, nil, &CloseError{Code: CloseTooBig, Reason: "the message is too long"}
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
	h, err := ws.ReadHeader(c.reader)
	if err != nil {
		return h, c.broken(err)
	}
	if !fragmented && !h.OpCode.IsControl() {
		if err := c.conn.SetReadDeadline(time.Now().Add(c.config.Message)); err != nil {
			return h, fmt.Errorf("setting a deadline: %w", err)
		}
	}
	state := ws.StateServerSide
	if fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
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
		return nil, c.broken(err)
	}
	ws.Cipher(buf[start:], h.Mask, 0)
	return buf, nil
}

// broken makes an end of the stream in the middle of a frame what it is.
func (c *Conn) broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &CloseError{Code: ClosePolicy, Reason: "nothing came in time"}
	}
	return fmt.Errorf("reading from the peer: %w", err)
}

// answer deals with a control frame.
func (c *Conn) answer(h ws.Header) error {
	body, err := c.payload(h, make([]byte, 0, ws.MaxControlFramePayloadSize))
	if err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(body)
		if len(body) == 0 {
			code = ws.StatusNoStatusRcvd
		}
		return &CloseError{Code: uint16(code), Peer: true}
	case ws.OpPing:
		if !c.control.Allow() {
			return &CloseError{Code: ClosePolicy, Reason: "too many pings"}
		}
		return c.Write(net.Buffers{ws.MustCompileFrame(ws.NewPongFrame(body))})
	case ws.OpPong:
		if !c.control.Allow() {
			return &CloseError{Code: ClosePolicy, Reason: "too many pongs"}
		}
	}
	return nil
}

// Write sends ready frames, all or none of which are the peer's to see: after
// an error the connection is of no more use. It may change the slice.
func (c *Conn) Write(frames net.Buffers) error {
	c.write.Lock()
	defer c.write.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return c.send(frames)
}

func (c *Conn) send(frames net.Buffers) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.config.Message)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := frames.WriteTo(c.conn); err != nil {
		return fmt.Errorf("writing to the peer: %w", err)
	}
	return nil
}

// Close says goodbye with a code, if it is one that may be said, and closes
// the connection. Further calls do nothing.
func (c *Conn) Close(code uint16, reason string) {
	// A writer that is stuck must not keep the connection open.
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	c.write.Lock()
	defer c.write.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	status := ws.StatusCode(code)
	if !status.Empty() && !status.IsNotUsed() && status != ws.StatusNoStatusRcvd && status != ws.StatusAbnormalClosure {
		body := ws.NewCloseFrameBody(status, reason)
		_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.conn.Write(ws.MustCompileFrame(ws.NewCloseFrame(body)))
	}
	_ = c.conn.Close()
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
