package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/internal/bench"
)

// nats is core NATS over WebSockets: it keeps nothing.
type nats struct{}

func (nats) Name() string { return "nats" }

func (nats) Close() error { return nil }

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

// serveNATS is the process of NATS.
func serveNATS(ctx context.Context, out io.Writer) error {
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, DontListen: true,
		Websocket: natsserver.WebsocketOpts{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoTLS: true},
	})
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
