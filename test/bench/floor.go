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
	"sync"

	"github.com/parley-chat/parley/internal/bench"
)

// floor is the least a server does that writes to each listener by a call of its
// own: it takes what a line says and writes it to each line of the room, and does
// nothing else.
type floor struct {
	size *int // of a frame that it writes
}

func (*floor) Name() string { return "floor" }

func (*floor) Start(ctx context.Context, _, _ int) (*bench.Process, error) {
	return bench.Start(ctx, "floor")
}

func (f *floor) Join(ctx context.Context, p *bench.Process, room, _ int) (*bench.Line, error) {
	conn, _, err := bench.Upgrade(ctx, p.Address, fmt.Sprint("/", room))
	if err != nil {
		return nil, err
	}
	return &bench.Line{Conn: conn, Message: bench.ClientFrame(2, []byte(bench.NewText(*f.size-frameHead))), Count: -1}, nil
}

// frameHead is how long the head of a server's frame is, for a text of medium
// length.
const frameHead = 4

// switching is the answer to an upgrade.
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

// floorRoom is the room of a floor.
type floorRoom struct {
	mu    sync.Mutex
	lines []net.Conn
}

// serveFloor is the process of a floor.
func serveFloor(ctx context.Context, out io.Writer) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, l.Addr())
	rooms := make(map[string]*floorRoom)
	var mu sync.Mutex
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 4<<10)
			asked, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			mu.Lock()
			room := rooms[asked.URL.Path]
			if room == nil {
				room = new(floorRoom)
				rooms[asked.URL.Path] = room
			}
			mu.Unlock()
			if _, err := io.WriteString(conn, switching); err != nil {
				return
			}
			room.mu.Lock()
			room.lines = append(room.lines, conn)
			room.mu.Unlock()
			_ = room.serve(in)
		}()
	}
}

// serve tells what comes to everybody.
func (r *floorRoom) serve(in *bufio.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		frame, err := readFrame(in, buf)
		if err != nil {
			return err
		}
		r.mu.Lock()
		for _, line := range r.lines {
			_, _ = line.Write(frame) // one that is gone costs nothing
		}
		r.mu.Unlock()
	}
}

// readFrame reads what a line says into a frame that a server writes, in buf.
func readFrame(in *bufio.Reader, buf []byte) ([]byte, error) {
	head, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	size, skip := int(head[1]&0x7f), 2+4 // the mask is of zeros
	if size == 126 {
		size, skip = int(binary.BigEndian.Uint16(head[2:])), 4+4
	}
	if size > len(buf)-frameHead {
		return nil, errors.New("the frame is too long")
	}
	if _, err := in.Discard(skip); err != nil {
		return nil, err
	}
	frame := append(buf[:0], 0x82, 126)
	frame = binary.BigEndian.AppendUint16(frame, uint16(size))
	frame = frame[:frameHead+size]
	_, err = io.ReadFull(in, frame[frameHead:])
	return frame, err
}
