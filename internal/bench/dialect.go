package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Dialect is how a kind of server is spoken to.
type Dialect interface {
	// Name of the server.
	Name() string
	// Start starts one, for rooms of so many.
	Start(ctx context.Context, rooms, people int) (*Process, error)
	// Join makes a line for a person in a room, who hears what is said there from
	// then on.
	Join(ctx context.Context, p *Process, room, person int) (*Line, error)
}

// ClientFrame gives a WebSocket message of a client in one frame. It is masked
// with zeros, so that what is said can be changed in place.
func ClientFrame(kind byte, payload []byte) []byte {
	var frame []byte
	switch n := len(payload); {
	case n <= 125:
		frame = []byte{0x80 | kind, 0x80 | byte(n)}
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16([]byte{0x80 | kind, 0x80 | 126}, uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64([]byte{0x80 | kind, 0x80 | 127}, uint64(n))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// Upgrade opens a WebSocket at a path. What the server has sent behind its answer
// is in the reader.
func Upgrade(ctx context.Context, address, path string) (net.Conn, *bufio.Reader, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	if over, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(over)
	}
	in := bufio.NewReaderSize(conn, 4<<10)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
	if err == nil {
		err = switched(in)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, in, nil
}

// switched reads the answer to an upgrade.
func switched(in *bufio.Reader) error {
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return errors.Join(fmt.Errorf("the server answered %s", answer.Status), answer.Body.Close())
	}
	return nil // there is no body
}

// Parley is Parley itself, on a data directory in a folder.
type Parley struct {
	// Command are the arguments by which this program is Serve; the data directory
	// and Lifted are put behind them.
	Command []string
	// Dir is where data directories are made.
	Dir string

	meetings []Meeting
	made     int
	filled   map[int]stored // by how many messages
}

// stored is a data directory with a meeting in which something was said.
type stored struct {
	data     string
	meetings []Meeting
}

// Name implements Dialect.
func (*Parley) Name() string { return "parley" }

// Start implements Dialect.
func (d *Parley) Start(ctx context.Context, rooms, people int) (*Process, error) {
	data := d.folder()
	var err error
	if d.meetings, err = SetUp(ctx, data, rooms, people); err != nil {
		return nil, err
	}
	return d.serve(ctx, data)
}

// startFilled starts a server with one meeting of so many messages, which are
// stored the first time only: what is measured there leaves them as they are.
func (d *Parley) startFilled(ctx context.Context, messages int) (*Process, error) {
	s, ok := d.filled[messages]
	if !ok {
		s.data = d.folder()
		var err error
		if s.meetings, err = SetUp(ctx, s.data, 1, 1); err != nil {
			return nil, err
		}
		if err := Fill(ctx, s.data, s.meetings, messages); err != nil {
			return nil, err
		}
		if d.filled == nil {
			d.filled = make(map[int]stored)
		}
		d.filled[messages] = s
	}
	d.meetings = s.meetings
	return d.serve(ctx, s.data)
}

// folder names a data directory that is to be made.
func (d *Parley) folder() string {
	d.made++
	return fmt.Sprintf("%s/data-%d", d.Dir, d.made)
}

func (d *Parley) serve(ctx context.Context, data string) (*Process, error) {
	p, err := Start(ctx, append(append([]string(nil), d.Command...), data, Lifted)...)
	if err != nil {
		return nil, err
	}
	p.reports = true
	return p, nil
}

// Join implements Dialect.
func (d *Parley) Join(ctx context.Context, p *Process, room, person int) (*Line, error) {
	m := d.meetings[room]
	c, err := Dial(ctx, p.Address, m, m.People[person], NewID())
	if err != nil {
		return nil, err
	}
	if _, err := c.Join(); err != nil {
		c.Cut()
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, c.in, int64(c.in.Buffered())); err != nil {
		c.Cut()
		return nil, err
	}
	text, err := proto.Marshal(&rtkwire.SendToRoom{Payload: NewText(TextBytes)})
	if err != nil {
		return nil, err
	}
	const digits = "00000000"
	raw, err := proto.Marshal(&rtkwire.Frame{
		Event: uint32(protocol.SendMessageToRoom), Id: proto.String(c.peer + "-" + digits), Payload: text,
	})
	if err != nil {
		return nil, err
	}
	frame := ClientFrame(2, raw)
	return &Line{
		Conn: c.Conn, Message: frame, Count: bytes.Index(frame, []byte(c.peer+"-"+digits)) + len(c.peer) + 1,
		Ping: []byte{0x81, byte(len(protocol.Ping)), protocol.Ping[0]}, Pong: ClientFrame(1, []byte(protocol.Pong)),
	}, nil
}
