package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// client is one connection of a peer. It reads only as much of what comes as it
// must, so that thousands of them cost little beside the server.
type client struct {
	conn          net.Conn
	in            *bufio.Reader
	peer, meeting string
	n             int
}

// dial opens a socket.
func dial(ctx context.Context, address string, m meeting, p person, peer string) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 4<<10), peer: peer, meeting: string(m.id)}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(conn, "GET /ws?roomID=%s&peerID=%s&ping=true&capabilities=2&authToken=%s HTTP/1.1\r\nHost: localhost\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		m.id, peer, p.token)
	if err == nil {
		var answer *http.Response
		if answer, err = http.ReadResponse(c.in, nil); err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("the server answered %s", answer.Status)
		}
	}
	if err != nil {
		c.cut()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return c, nil
}

// cut ends the connection as a network that is gone does.
func (c *client) cut() {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.conn.Close()
}

// say sends a message, masked with zeros.
func (c *client) say(kind byte, payload []byte) error {
	head := []byte{0x80 | kind, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | kind, 0x80 | 126}, uint16(len(payload)))
	}
	_, err := c.conn.Write(append(append(head, 0, 0, 0, 0), payload...))
	return err
}

// request sends a request.
func (c *client) request(event protocol.Event, payload proto.Message) error {
	c.n++
	f := &rtkwire.Frame{Event: uint32(event), Id: proto.String(fmt.Sprintf("%s-%d", c.peer, c.n))}
	if payload != nil {
		var err error
		if f.Payload, err = proto.Marshal(payload); err != nil {
			return err
		}
	}
	raw, err := proto.Marshal(f)
	if err != nil {
		return err
	}
	return c.say(2, raw)
}

// frame is the beginning of a frame: what it is, and for whom.
type frame struct {
	event protocol.Event
	id    string
	bytes int
	start []byte // as much of it as was looked at
}

// next reads the next frame, and answers pings on the way. want is how much of
// each frame is looked at.
func (c *client) next(want int) (frame, error) {
	for {
		head, err := c.in.Peek(2)
		if err != nil {
			return frame{}, err
		}
		kind, size, skip := head[0]&0xf, int(head[1]), 2
		switch size {
		case 126:
			skip = 4
			if head, err = c.in.Peek(skip); err == nil {
				size = int(binary.BigEndian.Uint16(head[2:]))
			}
		case 127:
			skip = 10
			if head, err = c.in.Peek(skip); err == nil {
				size = int(binary.BigEndian.Uint64(head[2:]))
			}
		}
		if err != nil {
			return frame{}, err
		}
		if _, err := c.in.Discard(skip); err != nil {
			return frame{}, err
		}
		start := make([]byte, min(size, want))
		if _, err := io.ReadFull(c.in, start); err != nil {
			return frame{}, err
		}
		if _, err := io.CopyN(io.Discard, c.in, int64(size-len(start))); err != nil {
			return frame{}, err
		}
		switch kind {
		case 1:
			if string(start) == protocol.Ping {
				if err := c.say(1, []byte(protocol.Pong)); err != nil {
					return frame{}, err
				}
			}
		case 2:
			f, err := readFrame(start)
			f.bytes = size
			return f, err
		case 8:
			return frame{}, io.EOF
		}
	}
}

var errFrame = errors.New("the frame cannot be read")

// readFrame reads the event and the id, which come first.
func readFrame(raw []byte) (frame, error) {
	f := frame{start: raw}
	for range 2 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return f, errFrame
		}
		raw = raw[n:]
		switch {
		case number == 1 && kind == protowire.VarintType:
			event, n := protowire.ConsumeVarint(raw)
			if n < 0 {
				return f, errFrame
			}
			f.event, raw = protocol.Event(event), raw[n:]
		case number == 2 && kind == protowire.BytesType:
			id, n := protowire.ConsumeString(raw)
			if n < 0 {
				return f, errFrame
			}
			f.id, raw = id, raw[n:]
		default:
			return f, nil
		}
	}
	return f, nil
}

// joinCalls are what an official client asks for when it joins, besides media.
var joinCalls = []protocol.Event{protocol.GetMessages, protocol.StoreGetKeys, protocol.GetRoomInfo, protocol.GetRoomPeersInfo}

// headBytes is enough for the event and the id of a frame.
const headBytes = 96

// join joins as an official client does, and is done when all is answered. It
// gives the bytes of the history.
func (c *client) join() (history int, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	defer func() { _ = c.conn.SetReadDeadline(time.Time{}) }()
	if err := c.request(protocol.JoinRoom, &rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{PeerId: c.peer}}); err != nil {
		return 0, err
	}
	if _, err := c.answers(1); err != nil {
		return 0, err
	}
	for _, event := range joinCalls {
		var payload proto.Message
		if event == protocol.StoreGetKeys {
			payload = &rtkwire.StoreWrite{PluginId: c.meeting, StoreName: "__rtk_plugins__"}
		}
		if err := c.request(event, payload); err != nil {
			return 0, err
		}
	}
	return c.answers(len(joinCalls))
}

// answers waits until so many requests of its own are answered.
func (c *client) answers(n int) (history int, err error) {
	for n > 0 {
		f, err := c.next(headBytes)
		if err != nil {
			return 0, err
		}
		if len(f.id) <= len(c.peer) || f.id[:len(c.peer)] != c.peer {
			continue
		}
		switch f.event {
		case protocol.Error:
			return 0, errors.New("a request was refused")
		case protocol.GetMessages:
			history = f.bytes
		}
		n--
	}
	return history, nil
}

// listen reads until the connection ends.
func (c *client) listen(heard func(frame), want int) {
	for {
		f, err := c.next(want)
		if err != nil {
			return
		}
		heard(f)
	}
}
