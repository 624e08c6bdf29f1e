// Package conformance holds a whole server to RFC 6455, byte by byte: a table
// of what is sent and what must come out, in the sections of the public suite
// of WebSocket tests (1 to 7, 9 and 10; 12 and 13 are about compression, which
// is not offered).
//
// This server does not echo. What stands in for an echo is a request of an
// event that it does not know, which it refuses, naming the request's id; the
// id is the last field of the frame, so the answer proves that all of the frame
// has arrived. Texts are the protocol's own keep-alive: "2" is answered by "3",
// any other is ignored.
package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/localca"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/raw"
)

// row is one line of the table.
type row struct {
	name string
	send [][]byte // each in a write of its own
	want want
}

// want is what must come out. Where the server closes, answers that it owes
// may be lost; pongs may not.
type want struct {
	answers []string // ids of requests, or "3"
	pongs   []string
	close   uint16 // the server's close code; 0: the connection stays open
}

// ignored is what must come of what asks for nothing.
var ignored = want{}

func answered(ids ...string) want { return want{answers: ids} }
func closed(code uint16) want     { return want{close: code} }

func (w want) ponged(payloads ...string) want {
	w.pongs = payloads
	return w
}

// in gives the writes of a row.
func in(writes ...[]byte) [][]byte { return writes }

// chopped gives the same bytes in writes of n.
func chopped(n int, parts ...[]byte) [][]byte {
	return slices.Collect(slices.Chunk(bytes.Join(parts, nil), n))
}

// fragments gives a message in fragments of n bytes.
func fragments(op raw.Opcode, n int, payload []byte) [][]byte {
	var list [][]byte
	for rest := payload; ; op = raw.Continuation {
		piece := rest[:min(n, len(rest))]
		rest = rest[len(piece):]
		list = append(list, raw.Frame{Fin: len(rest) == 0, Op: op, Payload: piece, Mask: [4]byte{9, 8, 7, 6}}.Bytes())
		if len(rest) == 0 {
			return list
		}
	}
}

// first and more give single fragments; last ends the message.
func first(op raw.Opcode, payload string) []byte {
	return raw.Frame{Op: op, Payload: []byte(payload)}.Bytes()
}

func more(payload string) []byte { return first(raw.Continuation, payload) }
func last(payload string) []byte { return raw.Message(raw.Continuation, []byte(payload)) }
func text(payload string) []byte { return raw.Message(raw.Text, []byte(payload)) }
func ping(payload string) []byte { return raw.Message(raw.Ping, []byte(payload)) }
func pong(payload string) []byte { return raw.Message(raw.Pong, []byte(payload)) }

// unknown is an event that no server knows.
const unknown = 0x7777

// peerID is that of all rows, each of which replaces the connection of the one
// before.
const peerID = "297a0799-db57-4b7e-b4bf-6bc67e00907e"

// request gives a request of so many bytes, 0 for as few as it can be.
func request(id string, size int) []byte {
	tail := marshal(&rtkwire.Frame{Id: proto.String(peerID + "-" + id)})
	for filler := max(0, size-len(tail)); filler >= 0; filler-- {
		raw := append(marshal(&rtkwire.Frame{Event: unknown, Payload: bytes.Repeat([]byte{0xfe}, filler)}), tail...)
		if size == 0 || len(raw) == size {
			return raw
		}
	}
	panic(fmt.Sprintf("no request has %d bytes", size))
}

func marshal(m proto.Message) []byte {
	raw, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return raw
}

// echo gives a request as a message of so many bytes.
func echo(id string, size int) []byte { return raw.Message(raw.Binary, request(id, size)) }

// world is a running server, and a person to speak to it.
type world struct {
	ctx  context.Context
	addr string
	path string // of the socket, with the person's token

	tlsAddr   string
	authority *x509.CertPool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s, err := server.New(ctx, server.Config{
		Dir: t.TempDir(), PublicURL: "https://api.example.com", ICEAddr: "127.0.0.1:0", Logger: logs.Logger("conformance"),
	})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	authority, err := localca.Ensure(t.TempDir(), time.Now)
	must(t, err)
	pem, err := os.ReadFile(authority.CAFile())
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	certificates := &tls.Config{Certificates: []tls.Certificate{authority.TLSCertificate()}}
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(serving, s.Handler(), []server.Listener{{Listener: l}, {Listener: secure, TLS: certificates}})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server stopped with: %v", err)
		}
	})
	app, err := s.Directory.CreateApp(ctx, "account", "app")
	must(t, err)
	m, err := s.Directory.CreateMeeting(ctx, app.ID, directory.NewMeeting{Title: "Standup"})
	must(t, err)
	p, err := s.Directory.AddParticipant(ctx, app.ID, m.ID, directory.NewParticipant{CustomID: "c", Name: "Alice", PresetName: "group_call_host"})
	must(t, err)
	token, err := s.Tokens.Mint(auth.Identity{App: app.ID, Meeting: m.ID, Participant: p.ID}, p.Preset)
	must(t, err)
	logs.Secret(token)
	query := url.Values{"roomID": {string(m.ID)}, "peerID": {peerID}, "authToken": {token}, "ping": {"true"}}
	return &world{
		ctx: ctx, addr: l.Addr().String(), path: "/ws?" + query.Encode(), tlsAddr: secure.Addr().String(), authority: pool,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// check plays the rows, each on a connection of its own.
func check(t *testing.T, rows []row) {
	t.Helper()
	w := newWorld(t)
	named := make(map[string]bool)
	for _, r := range rows {
		if named[r.name] {
			t.Errorf("two rows are named %q", r.name)
		}
		named[r.name] = true
		t.Run(r.name, func(t *testing.T) { w.play(t, r) })
	}
}

func (w *world) dial(t *testing.T) *conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	t.Cleanup(cancel)
	c, err := raw.Dial(ctx, w.addr, w.path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return &conn{T: t, Conn: c}
}

// probe is a request whose answer shows that the server goes on.
const probe = "probe"

func (w *world) play(t *testing.T, r row) {
	c := w.dial(t)
	sent := make(chan error, 1)
	go func() { sent <- c.sendAll(r) }()
	if r.want.close != 0 {
		c.hearUntilClosed(r.want.close)
		<-sent // fails where the server has hung up before it had read all
		if !isPrefix(c.answers, r.want.answers) || !slices.Equal(c.pongs, r.want.pongs) {
			t.Errorf("before it closed, the server answered %q and ponged %q", c.answers, c.pongs)
		}
		return
	}
	c.hearUntil(probe)
	must(t, <-sent)
	if got, want := c.answers, append(slices.Clone(r.want.answers), probe); !slices.Equal(got, want) {
		t.Errorf("answered %q, want %q", got, want)
	}
	if !slices.Equal(c.pongs, r.want.pongs) {
		t.Errorf("ponged %q, want %q", c.pongs, r.want.pongs)
	}
	_, err := c.Write(raw.Goodbye(1000, ""))
	must(t, err)
	c.hearUntilClosed(1000)
}

func isPrefix(got, of []string) bool { return len(got) <= len(of) && slices.Equal(got, of[:len(got)]) }

// conn keeps what it hears.
type conn struct {
	*testing.T
	*raw.Conn
	answers, pongs []string
}

func (c *conn) sendAll(r row) error {
	if r.want.close == 0 {
		r.send = append(slices.Clip(r.send), echo(probe, 0))
	}
	for _, part := range r.send {
		if _, err := c.Write(part); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	return nil
}

// hearUntil hears until a request has been answered.
func (c *conn) hearUntil(id string) {
	c.Helper()
	for !slices.Contains(c.answers, id) {
		f, err := c.Next()
		if err != nil {
			c.Fatalf("after the answers %q and the pongs %q: %v", c.answers, c.pongs, err)
		}
		if f.Op == raw.Close {
			c.Fatalf("after the answers %q and the pongs %q the server closed with %d %q", c.answers, c.pongs, f.Code(), f.Payload)
		}
		c.hear(f)
	}
}

// hearUntilClosed demands a close frame with a code, and that the server then
// hangs up.
func (c *conn) hearUntilClosed(code uint16) {
	c.Helper()
	for {
		f, err := c.Next()
		if err != nil {
			c.Fatalf("instead of a close frame with %d: %v", code, err)
		}
		if f.Op != raw.Close {
			c.hear(f)
			continue
		}
		if f.Code() != code {
			c.Errorf("the server closed with %d %q, want %d", f.Code(), f.Payload, code)
		}
		break
	}
	if f, err := c.Next(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.Errorf("after its close frame the server sent %+v, %v", f, err)
	}
}

// hear takes one frame that closes nothing.
func (c *conn) hear(f raw.Frame) {
	c.Helper()
	switch {
	case f.Op == raw.Pong:
		c.pongs = append(c.pongs, string(f.Payload))
	case f.Op == raw.Text && string(f.Payload) == protocol.Ping:
		// The keep-alive, whenever it is due.
	case f.Op == raw.Text:
		c.answers = append(c.answers, string(f.Payload))
	case f.Op == raw.Binary && f.Fin:
		c.answers = append(c.answers, c.settled(f.Payload))
	default:
		c.Errorf("the server sent a frame of opcode %d, fin %t", f.Op, f.Fin)
	}
}

// settled gives the id of the request that a refusal answers, without the peer
// id, or "?" for a refusal of something without a proper id.
func (c *conn) settled(payload []byte) string {
	c.Helper()
	var f rtkwire.Frame
	var refusal rtkwire.EdgeError
	if err := errors.Join(proto.Unmarshal(payload, &f), proto.Unmarshal(f.GetPayload(), &refusal)); err != nil {
		c.Errorf("an answer cannot be read: %v", err)
	}
	if protocol.Event(f.GetEvent()) != protocol.Error || refusal.GetErrorMessage() == "" {
		c.Errorf("answered with event %d, %q", f.GetEvent(), refusal.GetErrorMessage())
	}
	id, ok := strings.CutPrefix(f.GetId(), peerID+"-")
	if !ok {
		return "?"
	}
	if refusal.GetEventId() != unknown {
		c.Errorf("the refusal is of event %d", refusal.GetEventId())
	}
	return id
}

func TestPeerIDOfTheTableIsOne(t *testing.T) {
	if _, err := uuid.FromString(peerID); err != nil {
		t.Error(err)
	}
}
