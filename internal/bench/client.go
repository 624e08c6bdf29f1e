package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Client is one connection of a peer. It reads only as much of what comes as it
// must, so that thousands of them cost little beside the server.
type Client struct {
	Conn          net.Conn
	in            *bufio.Reader
	peer, meeting string
	n             int
}

// Dial opens a socket.
func Dial(ctx context.Context, address string, m Meeting, p Person, peer string) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	conn, in, err := Upgrade(ctx, address, fmt.Sprintf("/ws?roomID=%s&peerID=%s&ping=true&capabilities=2&authToken=%s", m.ID, peer, p.Token))
	if err != nil {
		return nil, err
	}
	return &Client{Conn: conn, in: in, peer: peer, meeting: string(m.ID)}, nil
}

// Cut ends the connection as a network that is gone does.
func (c *Client) Cut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// say sends a message, masked with zeros.
func (c *Client) say(kind byte, payload []byte) error {
	head := []byte{0x80 | kind, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | kind, 0x80 | 126}, uint16(len(payload)))
	}
	_, err := c.Conn.Write(append(append(head, 0, 0, 0, 0), payload...))
	return err
}

// Request sends a request.
func (c *Client) Request(event protocol.Event, payload proto.Message) error {
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

// Frame is the beginning of a frame: what it is, and for whom.
type Frame struct {
	Event protocol.Event
	ID    string
	Bytes int
	Start []byte // as much of it as was looked at
}

// Next reads the next frame, and answers pings on the way. want is how much of
// each frame is looked at.
func (c *Client) Next(want int) (Frame, error) {
	for {
		head, err := c.in.Peek(2)
		if err != nil {
			return Frame{}, err
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
			return Frame{}, err
		}
		if _, err := c.in.Discard(skip); err != nil {
			return Frame{}, err
		}
		start := make([]byte, min(size, want))
		if _, err := io.ReadFull(c.in, start); err != nil {
			return Frame{}, err
		}
		if _, err := io.CopyN(io.Discard, c.in, int64(size-len(start))); err != nil {
			return Frame{}, err
		}
		switch kind {
		case 1:
			if string(start) == protocol.Ping {
				if err := c.say(1, []byte(protocol.Pong)); err != nil {
					return Frame{}, err
				}
			}
		case 2:
			f, err := readFrame(start)
			f.Bytes = size
			return f, err
		case 8:
			return Frame{}, io.EOF
		}
	}
}

var errFrame = errors.New("the frame cannot be read")

// readFrame reads the event and the id, which come first.
func readFrame(raw []byte) (Frame, error) {
	f := Frame{Start: raw}
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
			f.Event, raw = protocol.Event(event), raw[n:]
		case number == 2 && kind == protowire.BytesType:
			id, n := protowire.ConsumeString(raw)
			if n < 0 {
				return f, errFrame
			}
			f.ID, raw = id, raw[n:]
		default:
			return f, nil
		}
	}
	return f, nil
}

// joinCalls are what an official client asks for when it joins, besides media.
var joinCalls = []protocol.Event{protocol.GetMessages, protocol.StoreGetKeys, protocol.GetRoomInfo, protocol.GetRoomPeersInfo}

// HeadBytes is enough for the event and the id of a frame.
const HeadBytes = 96

// Join joins as an official client does, and is done when all is answered. It
// gives the bytes of the history.
func (c *Client) Join() (history int, err error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	defer func() { _ = c.Conn.SetReadDeadline(time.Time{}) }()
	if err := c.Request(protocol.JoinRoom, &rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{PeerId: c.peer}}); err != nil {
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
		if err := c.Request(event, payload); err != nil {
			return 0, err
		}
	}
	return c.answers(len(joinCalls))
}

// answers waits until so many requests of its own are answered.
func (c *Client) answers(n int) (history int, err error) {
	for ; n > 0; n-- {
		f, err := c.answer(HeadBytes)
		if err != nil {
			return 0, err
		}
		if f.Event == protocol.GetMessages {
			history = f.Bytes
		}
	}
	return history, nil
}

// answer waits for the next answer to a request of its own.
func (c *Client) answer(want int) (Frame, error) {
	for {
		f, err := c.Next(want)
		if err != nil {
			return f, err
		}
		if len(f.ID) <= len(c.peer) || f.ID[:len(c.peer)] != c.peer {
			continue
		}
		if f.Event == protocol.Error {
			return f, errors.New("a request was refused")
		}
		return f, nil
	}
}

// ask sends a request and gives so much of the answer.
func (c *Client) ask(event protocol.Event, payload proto.Message, want int) (Frame, error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := c.Request(event, payload); err != nil {
		return Frame{}, err
	}
	return c.answer(want)
}

// Listen reads until the connection ends.
func (c *Client) Listen(heard func(Frame), want int) {
	for {
		f, err := c.Next(want)
		if err != nil {
			return
		}
		heard(f)
	}
}
