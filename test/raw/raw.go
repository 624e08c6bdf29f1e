// Package raw speaks WebSocket byte by byte, for tests that break the rules on
// purpose: it sends whatever it is given, and reads strictly what a server may
// send (RFC 6455). It keeps no rule for the client, answers nothing by itself
// and knows nothing of what messages say. It is not for tests of behaviour,
// which have package peer.
package raw

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Opcode tells what a frame is (RFC 6455, 5.2).
type Opcode byte

// The opcodes in use; 3 to 7 and 11 to 15 are reserved.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

func (o Opcode) control() bool { return o >= 8 }

// Frame is one frame. Its zero value is an unfinished, empty continuation.
type Frame struct {
	Fin      bool
	RSV      byte // the three reserved bits, 0 to 7
	Op       Opcode
	Payload  []byte
	Unmasked bool
	// Mask is the key, which may well be zero.
	Mask [4]byte
}

// Bytes gives the frame as it goes over the wire.
func (f Frame) Bytes() []byte {
	raw := Header(f, uint64(len(f.Payload)))
	start := len(raw)
	raw = append(raw, f.Payload...)
	if !f.Unmasked {
		for i := range f.Payload {
			raw[start+i] ^= f.Mask[i%4]
		}
	}
	return raw
}

// Header gives a frame's header alone, with a length that need not be true.
func Header(f Frame, length uint64) []byte {
	first := byte(f.Op) | f.RSV<<4
	if f.Fin {
		first |= 0x80
	}
	masked := byte(0x80)
	if f.Unmasked {
		masked = 0
	}
	raw := []byte{first}
	switch {
	case length < 126:
		raw = append(raw, masked|byte(length))
	case length <= 0xffff:
		raw = binary.BigEndian.AppendUint16(append(raw, masked|126), uint16(length))
	default:
		raw = binary.BigEndian.AppendUint64(append(raw, masked|127), length)
	}
	if !f.Unmasked {
		raw = append(raw, f.Mask[:]...)
	}
	return raw
}

// Padded gives a frame whose length is written in 2 or 8 bytes even where it
// needs fewer. Its mask is zero.
func Padded(op Opcode, payload []byte, lengthBytes int) []byte {
	raw := []byte{0x80 | byte(op)}
	if lengthBytes == 2 {
		raw = binary.BigEndian.AppendUint16(append(raw, 0x80|126), uint16(len(payload)))
	} else {
		raw = binary.BigEndian.AppendUint64(append(raw, 0x80|127), uint64(len(payload)))
	}
	return append(append(raw, 0, 0, 0, 0), payload...)
}

// Message gives a whole message in one frame.
func Message(op Opcode, payload []byte) []byte {
	return Frame{Fin: true, Op: op, Payload: payload, Mask: [4]byte{0x1f, 0xa2, 0x00, 0xf3}}.Bytes()
}

// Goodbye gives a close frame.
func Goodbye(code uint16, reason string) []byte {
	return Message(Close, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// Code reads a close frame's code, 1005 where there is none.
func (f Frame) Code() uint16 {
	if len(f.Payload) < 2 {
		return 1005
	}
	return binary.BigEndian.Uint16(f.Payload)
}

// Conn is the client's end of a connection. One goroutine may read and one
// write.
type Conn struct {
	net.Conn
	in *bufio.Reader
}

// Upgrade is the request that Dial makes, without its last, empty line.
func Upgrade(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: parley\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
}

// accepted is what the key in Upgrade must be answered with (RFC 6455, 1.3).
const accepted = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// StatusError is an HTTP answer in place of a socket.
type StatusError int

func (s StatusError) Error() string { return fmt.Sprintf("the server answered %d", int(s)) }

// Dial opens a socket on a host and port, at a path with its query. The
// connection ends with ctx's deadline, if it has one.
func Dial(ctx context.Context, addr, path string) (*Conn, error) {
	c, err := Connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := c.Handshake(Upgrade(path) + "\r\n"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Connect opens a connection and says nothing yet.
func Connect(ctx context.Context, addr string) (*Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return On(conn), nil
}

// On speaks on a connection that is open already, such as one of TLS.
func On(conn net.Conn) *Conn { return &Conn{conn, bufio.NewReader(conn)} }

// Handshake sends a request and demands that it opens a socket. Any other
// answer gives a StatusError.
func (c *Conn) Handshake(request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return fmt.Errorf("reading the answer to the upgrade: %w", err)
	}
	h := answer.Header
	switch {
	case answer.StatusCode != http.StatusSwitchingProtocols:
		answer.Body.Close()
		return StatusError(answer.StatusCode)
	case h.Get("Sec-WebSocket-Accept") != accepted:
		return fmt.Errorf("the key was answered with %q", h.Get("Sec-WebSocket-Accept"))
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "upgrade"):
		return fmt.Errorf("the upgrade was answered with %q", h)
	case h.Get("Sec-WebSocket-Extensions") != "", h.Get("Sec-WebSocket-Protocol") != "":
		return fmt.Errorf("the server speaks what was not offered: %q", h)
	}
	return nil
}

// Next reads the next frame. What no server may send is an error: masks,
// reserved bits and opcodes, lengths in more bytes than they need, control
// frames in fragments or of more than 125 bytes, and texts that are not UTF-8.
// io.EOF means that the stream ended between two frames.
func (c *Conn) Next() (Frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Fin: head[0]&0x80 != 0, RSV: head[0] >> 4 & 7, Op: Opcode(head[0] & 15), Unmasked: head[1]&0x80 == 0}
	length, err := c.length(head[1] & 0x7f)
	if err != nil {
		return f, err
	}
	if err := f.check(length); err != nil {
		return f, err
	}
	f.Payload = make([]byte, length)
	if _, err := io.ReadFull(c.in, f.Payload); err != nil {
		return f, io.ErrUnexpectedEOF
	}
	if f.Op == Text && f.Fin && !utf8.Valid(f.Payload) {
		return f, errors.New("the server sent a text that is not UTF-8")
	}
	return f, nil
}

func (c *Conn) length(short byte) (uint64, error) {
	var ext [8]byte
	switch short {
	case 126:
		if _, err := io.ReadFull(c.in, ext[6:]); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
	case 127:
		if _, err := io.ReadFull(c.in, ext[:]); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
	default:
		return uint64(short), nil
	}
	n := binary.BigEndian.Uint64(ext[:])
	if n < 126 || short == 127 && n <= 0xffff {
		return 0, fmt.Errorf("the server wrote the length %d in too many bytes", n)
	}
	return n, nil
}

// longest is more than any test makes a server send in one frame.
const longest = 64 << 20

func (f Frame) check(length uint64) error {
	switch {
	case !f.Unmasked:
		return errors.New("the server sent a masked frame")
	case f.RSV != 0:
		return errors.New("the server set reserved bits")
	case f.Op > Binary && f.Op < Close || f.Op > Pong:
		return fmt.Errorf("the server sent the reserved opcode %d", f.Op)
	case f.Op.control() && (!f.Fin || length > 125):
		return errors.New("the server sent a control frame that is long or in fragments")
	case length > longest:
		return fmt.Errorf("the server sent a frame of %d bytes", length)
	}
	return nil
}
