package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/internal/bench"
)

// nats is core NATS over WebSockets: it keeps nothing.
type nats struct{}

func (nats) Name() string { return "nats" }

func (nats) Start(ctx context.Context, _, _ int) (*bench.Process, error) {
	return bench.Start(ctx, "nats")
}

func (nats) Join(ctx context.Context, p *bench.Process, room, _ int) (*bench.Line, error) {
	conn, in, err := bench.Upgrade(ctx, p.Address, "/")
	if err != nil {
		return nil, err
	}
	hello := fmt.Sprintf("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB room.%d 1\r\nPING\r\n", room)
	if _, err := conn.Write(bench.ClientFrame(2, []byte(hello))); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for said := ""; !strings.Contains(said, "PONG\r\n"); {
		some := make([]byte, 4<<10)
		n, err := in.Read(some)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		said += string(some[:n])
	}
	text := bench.NewText(bench.TextBytes)
	return &bench.Line{
		Conn: conn, Count: -1,
		Message: bench.ClientFrame(2, fmt.Appendf(nil, "PUB room.%d %d\r\n%s\r\n", room, len(text), text)),
	}, nil
}

// jetStream is NATS that stores each message, on disk before it says so.
type jetStream struct{ dir string }

func (jetStream) Name() string { return "jetstream" }

func (j jetStream) Start(ctx context.Context, _, _ int) (*bench.Process, error) {
	dir, err := os.MkdirTemp(j.dir, "jetstream")
	if err != nil {
		return nil, err
	}
	return bench.Start(ctx, "nats", dir)
}

func (jetStream) Join(ctx context.Context, p *bench.Process, room, person int) (*bench.Line, error) {
	l, err := nats{}.Join(ctx, p, room, person)
	if err != nil {
		return nil, err
	}
	if room == 0 {
		const stream = `{"name":"stored","subjects":["stored.*"],"storage":"file","retention":"limits","num_replicas":1}`
		if _, err := l.Conn.Write(bench.ClientFrame(2, fmt.Appendf(nil, "PUB $JS.API.STREAM.CREATE.stored room.0 %d\r\n%s\r\n", len(stream), stream))); err != nil {
			return nil, err
		}
	}
	// The acknowledgement goes to the room, the message to the stream.
	text := bench.NewText(bench.TextBytes)
	l.Message, l.Mark = bench.ClientFrame(2, fmt.Appendf(nil, "PUB stored.%d room.%d %d\r\n%s\r\n", room, room, len(text), text)), `"seq":`
	return l, nil
}

// serveNATS is the process of NATS. With a folder it stores what is said there.
func serveNATS(ctx context.Context, args []string, out io.Writer) error {
	options := &natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, DontListen: true,
		Websocket: natsserver.WebsocketOpts{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoTLS: true},
	}
	if len(args) == 1 {
		options.JetStream, options.StoreDir, options.SyncAlways = true, args[0], true
	}
	s, err := natsserver.NewServer(options)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("NATS does not start")
	}
	_, _ = fmt.Fprintln(out, strings.TrimPrefix(s.WebsocketURL(), "ws://"))
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
