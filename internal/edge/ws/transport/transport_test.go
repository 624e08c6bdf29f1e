package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

var config = Config{MaxMessage: 64 << 10, Idle: 45 * time.Second, Message: 10 * time.Second}

// client is the raw other side of a connection.
type client struct {
	testing.TB
	net.Conn
	in     *bufio.Reader
	server *Conn
}

// dial upgrades over a real socket, which is watched where the system can.
func dial(t testing.TB) *client {
	t.Helper()
	return dialWith(t, watching(t), nil)
}

// watching gives a configuration with a poller.
func watching(t testing.TB) Config {
	t.Helper()
	poller, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := poller.Close(); err != nil {
			t.Error(err)
		}
	})
	config := config
	config.Poller = poller
	return config
}

// dialWith upgrades with a configuration. What is early goes with the request.
func dialWith(t testing.TB, config Config, early []byte) *client {
	t.Helper()
	accepted := make(chan *Conn, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, config)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}))
	t.Cleanup(web.Close)
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &client{TB: t, Conn: conn, in: bufio.NewReader(conn)}
	c.send(join([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), early))
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade was answered with %v, %v", answer, err)
	}
	c.server = <-accepted
	t.Cleanup(func() { c.server.Close(CloseGoingAway, "") })
	return c
}

// pipe connects without a socket; in a bubble its time is the bubble's.
func pipe(t testing.TB) *client {
	server, conn := net.Pipe()
	c := &client{TB: t, Conn: conn, in: bufio.NewReader(conn), server: newConn(server, bufio.NewReader(server), config)}
	t.Cleanup(func() { conn.Close(); server.Close() })
	return c
}

func (c *client) send(raw []byte) {
	c.Helper()
	if _, err := c.Write(raw); err != nil {
		c.Fatalf("writing to the server: %v", err)
	}
}

// masked gives a frame as a client sends it.
func masked(fin bool, op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, payload), [4]byte{1, 2, 3, 4}))
}

// header gives a masked header that claims a length.
func header(op ws.OpCode, length uint64) []byte {
	raw := []byte{0x80 | byte(op), 0x80 | 127}
	for shift := 56; shift >= 0; shift -= 8 {
		raw = append(raw, byte(length>>shift))
	}
	return append(raw, 1, 2, 3, 4)
}

// readFrame reads one frame.
func readFrame(in io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(in)
	if err != nil {
		return ws.Frame{}, err
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(in, f.Payload)
	return f, err
}

// frame reads what the server sends next.
func (c *client) frame() (ws.Header, []byte) {
	c.Helper()
	f, err := readFrame(c.in)
	if err != nil {
		c.Fatalf("reading from the server: %v", err)
	}
	if f.Header.Masked {
		c.Error("the server sent a masked frame")
	}
	return f.Header, f.Payload
}

// wantClosed demands a close frame with a code, 0 for one without, and then
// the end of the stream.
func (c *client) wantClosed(code uint16) {
	c.Helper()
	h, body := c.frame()
	got, _ := ws.ParseCloseFrameData(body)
	if h.OpCode != ws.OpClose || uint16(got) != code {
		c.Errorf("the server closed with opcode %d and code %d, want %d", h.OpCode, got, code)
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		c.Errorf("after the close frame came %v", err)
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestMessagesArriveWhole(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 4096) // 64 KiB
	var crumbs []byte
	for i, b := range []byte("crümbs") {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		crumbs = append(crumbs, masked(false, op, []byte{b})...)
	}
	for name, test := range map[string]struct {
		raw  []byte
		kind Kind
		want string
	}{
		"text":         {masked(true, ws.OpText, []byte("héllo")), Text, "héllo"},
		"binary":       {masked(true, ws.OpBinary, []byte{0xff, 0}), Binary, "\xff\x00"},
		"empty":        {masked(true, ws.OpBinary, nil), Binary, ""},
		"125 bytes":    {masked(true, ws.OpBinary, long[:125]), Binary, string(long[:125])},
		"126 bytes":    {masked(true, ws.OpBinary, long[:126]), Binary, string(long[:126])},
		"65,535 bytes": {masked(true, ws.OpBinary, long[:65535]), Binary, string(long[:65535])},
		"the longest":  {masked(true, ws.OpBinary, long), Binary, string(long)},
		"two fragments": {join(masked(false, ws.OpBinary, []byte("ab")), masked(true, ws.OpContinuation, []byte("cd"))),
			Binary, "abcd"},
		"the longest in fragments": {join(masked(false, ws.OpBinary, long[:1]), masked(false, ws.OpContinuation, long[1:40000]),
			masked(true, ws.OpContinuation, long[40000:])), Binary, string(long)},
		"fragments of one byte, in the middle of a rune": {join(crumbs, masked(true, ws.OpContinuation, nil)), Text, "crümbs"},
		"empty fragments": {join(masked(false, ws.OpText, nil), masked(false, ws.OpContinuation, nil),
			masked(true, ws.OpContinuation, nil)), Text, ""},
		"pongs between fragments": {join(masked(true, ws.OpPong, nil), masked(false, ws.OpText, []byte("a")),
			masked(true, ws.OpPong, []byte("x")), masked(true, ws.OpContinuation, []byte("b"))), Text, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t)
			go func() {
				_, _ = c.Write(test.raw)
				_, _ = c.Write(masked(true, ws.OpText, []byte("next")))
			}()
			kind, data, err := c.server.Read(make([]byte, 0, 16))
			if err != nil || kind != test.kind || string(data) != test.want {
				t.Fatalf("Read gave %d, %.20q (%d bytes), %v", kind, data, len(data), err)
			}
			if kind, data, err := c.server.Read(data); err != nil || kind != Text || string(data) != "next" {
				t.Errorf("the message after it: %d, %.20q, %v", kind, data, err)
			}
		})
	}
}

// TestBreachesOfTheProtocol sends what RFC 6455 does not allow, and what is
// over our limits. The reader is told the code it earns, and closing with it
// tells the peer.
func TestBreachesOfTheProtocol(t *testing.T) {
	tests := map[string]struct {
		raw  []byte
		code uint16
	}{
		"unmasked":                 {ws.MustCompileFrame(ws.NewTextFrame([]byte("x"))), CloseProtocol},
		"unmasked ping":            {ws.MustCompileFrame(ws.NewPingFrame(nil)), CloseProtocol},
		"control in fragments":     {masked(false, ws.OpPing, nil), CloseProtocol},
		"ping of 126 bytes":        {masked(true, ws.OpPing, make([]byte, 126)), CloseProtocol},
		"close of 126 bytes":       {masked(true, ws.OpClose, make([]byte, 126)), CloseProtocol},
		"continuation of nothing":  {masked(true, ws.OpContinuation, []byte("x")), CloseProtocol},
		"message within a message": {join(masked(false, ws.OpText, nil), masked(true, ws.OpText, nil)), CloseProtocol},
		"invalid UTF-8":            {masked(true, ws.OpText, []byte{0xc3, 0x28}), CloseData},
		"UTF-8 cut off":            {join(masked(false, ws.OpText, []byte{0xc3}), masked(true, ws.OpContinuation, nil)), CloseData},
		"one byte too long":        {masked(true, ws.OpBinary, make([]byte, config.MaxMessage+1)), CloseTooBig},
		"too long by fragments": {join(masked(false, ws.OpBinary, make([]byte, config.MaxMessage)),
			masked(true, ws.OpContinuation, make([]byte, 1))), CloseTooBig},
		"2^63-1 bytes":              {header(ws.OpBinary, 1<<63-1), CloseTooBig},
		"2^63-1 bytes in fragments": {join(masked(false, ws.OpBinary, []byte("x")), header(ws.OpContinuation, 1<<63-1)), CloseTooBig},
		"length in too many bytes":  {[]byte{0x82, 0x80 | 126, 0, 125, 0, 0, 0, 0}, CloseProtocol},
		"length in far too many":    {[]byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, CloseProtocol},
		"2^64-1 bytes":              {header(ws.OpBinary, 1<<64-1), CloseProtocol},
		"2^64-1 bytes of ping":      {header(ws.OpPing, 1<<64-1), CloseProtocol},
	}
	for op := range ws.OpCode(16) {
		if op.IsReserved() {
			tests[fmt.Sprint("opcode ", op)] = struct {
				raw  []byte
				code uint16
			}{masked(true, op, nil), CloseProtocol}
		}
	}
	for bit := byte(0x10); bit < 0x80; bit <<= 1 {
		raw := masked(true, ws.OpText, []byte("x"))
		raw[0] |= bit
		tests[fmt.Sprintf("reserved bit %#x", bit)] = struct {
			raw  []byte
			code uint16
		}{raw, CloseProtocol}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := pipe(t)
			go func() { _, _ = c.Write(test.raw) }()
			_, _, err := c.server.Read(nil)
			closed, ok := errors.AsType[*CloseError](err)
			if !ok || closed.Code != test.code || closed.Peer {
				t.Fatalf("Read: %v, want a breach with %d", err, test.code)
			}
			go c.server.Close(closed.Code, closed.Reason)
			c.wantClosed(test.code)
		})
	}
}

func TestClaimedLengthIsNotAllocated(t *testing.T) {
	const claims = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range claims {
		raw := header(ws.OpBinary, 1<<63-1)
		c := newConn(quiet{}, bufio.NewReader(bytes.NewReader(raw)), config)
		if _, _, err := c.Read(nil); err == nil {
			t.Fatal("2^63-1 bytes were read")
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / claims; each > 16<<10 {
		t.Errorf("%d bytes were allocated for a header", each)
	}
}

// quiet is a connection whose deadlines never come and that swallows writes.
type quiet struct{ net.Conn }

func (quiet) SetReadDeadline(time.Time) error  { return nil }
func (quiet) SetWriteDeadline(time.Time) error { return nil }
func (quiet) Write(b []byte) (int, error)      { return len(b), nil }
func (quiet) Close() error                     { return nil }

func TestPeerCloses(t *testing.T) {
	body := func(code uint16, reason string) []byte { return ws.NewCloseFrameBody(ws.StatusCode(code), reason) }
	for name, test := range map[string]struct {
		body []byte
		code uint16 // as told to the reader
		peer bool   // whether that is the peer's word
		echo uint16 // as told to the peer, 0 for none
	}{
		"leaving":           {body(1000, "bye"), 1000, true, 1000},
		"page closed":       {body(1001, ""), 1001, true, 1001},
		"restart":           {body(1012, ""), 1012, true, 1012},
		"of a library":      {body(3002, ""), 3002, true, 3002},
		"of an application": {body(4999, ""), 4999, true, 4999},
		"without a code":    {nil, 1005, true, 0},
		"half a code":       {[]byte{3}, CloseProtocol, false, CloseProtocol},
		"0":                 {body(0, ""), CloseProtocol, false, CloseProtocol},
		"999":               {body(999, ""), CloseProtocol, false, CloseProtocol},
		"1004":              {body(1004, ""), CloseProtocol, false, CloseProtocol},
		"1005 in words":     {body(1005, ""), CloseProtocol, false, CloseProtocol},
		"1006 in words":     {body(1006, ""), CloseProtocol, false, CloseProtocol},
		"1015 in words":     {body(1015, ""), CloseProtocol, false, CloseProtocol},
		"2999":              {body(2999, ""), CloseProtocol, false, CloseProtocol},
		"5000":              {body(5000, ""), CloseProtocol, false, CloseProtocol},
		"reason not UTF-8":  {body(1000, "\xff"), CloseData, false, CloseData},
	} {
		t.Run(name, func(t *testing.T) {
			c := pipe(t)
			go func() { _, _ = c.Write(masked(true, ws.OpClose, test.body)) }()
			_, _, err := c.server.Read(nil)
			closed, ok := errors.AsType[*CloseError](err)
			if !ok || closed.Code != test.code || closed.Peer != test.peer {
				t.Fatalf("Read: %#v, want %d, by the peer %v", err, test.code, test.peer)
			}
			go c.server.Close(closed.Code, closed.Reason)
			c.wantClosed(test.echo)
		})
	}
}

func TestPingIsAnsweredAmidAMessage(t *testing.T) {
	c := dial(t)
	payload := bytes.Repeat([]byte("p"), ws.MaxControlFramePayloadSize)
	c.send(join(masked(true, ws.OpPing, nil), masked(false, ws.OpText, []byte("a")), masked(true, ws.OpPing, payload),
		masked(true, ws.OpContinuation, []byte("b"))))
	if _, data, err := c.server.Read(nil); err != nil || string(data) != "ab" {
		t.Errorf("Read: %q, %v", data, err)
	}
	for _, want := range [][]byte{nil, payload} {
		if h, got := c.frame(); h.OpCode != ws.OpPong || !bytes.Equal(got, want) {
			t.Errorf("a ping was answered by opcode %d with %d bytes", h.OpCode, len(got))
		}
	}
}

func TestFloodsOfFramesWithoutAMessageEndTheConnection(t *testing.T) {
	for name, frame := range map[string][]byte{
		"pings": masked(true, ws.OpPing, nil), "pongs": masked(true, ws.OpPong, nil),
		"empty fragments": masked(false, ws.OpContinuation, nil),
	} {
		t.Run(name, func(t *testing.T) {
			raw := join(masked(false, ws.OpText, []byte("x")), bytes.Repeat(frame, 10000))
			c := newConn(quiet{}, bufio.NewReader(bytes.NewReader(raw)), config)
			_, _, err := c.Read(nil)
			if closed, ok := errors.AsType[*CloseError](err); !ok || closed.Code != ClosePolicy {
				t.Errorf("Read: %v", err)
			}
		})
	}
}

func TestAStreamThatEndsIsNoClose(t *testing.T) {
	whole := masked(true, ws.OpText, []byte("hello"))
	for n := range whole {
		c := newConn(quiet{}, bufio.NewReader(bytes.NewReader(whole[:n])), config)
		_, _, err := c.Read(nil)
		if _, ok := errors.AsType[*CloseError](err); ok || err == nil {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

// TestSilenceEndsTheConnection begins a message, or none, and then says no
// more than pings.
func TestSilenceEndsTheConnection(t *testing.T) {
	whole := masked(true, ws.OpText, []byte("hello"))
	begun, more, pong := masked(false, ws.OpText, []byte("hello")), masked(false, ws.OpContinuation, []byte("x")), masked(true, ws.OpPong, nil)
	for name, test := range map[string]struct {
		first, then []byte // then comes every second
		want        time.Duration
	}{
		"nothing at all":        {nil, nil, config.Idle},
		"pongs alone":           {nil, pong, config.Idle},
		"half a header":         {whole[:1], nil, config.Idle},
		"a header":              {whole[:6], nil, config.Message},
		"half a message":        {whole[:8], nil, config.Message},
		"a fragment":            {begun, nil, config.Message},
		"a fragment and pongs":  {begun, pong, config.Message},
		"fragments without end": {begun, more, config.Message},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t)
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, err := c.Write(test.first)
					for err == nil && test.then != nil {
						time.Sleep(time.Second)
						_, err = c.Write(test.then)
					}
				})
				_, _, err := c.server.Read(nil)
				closed, ok := errors.AsType[*CloseError](err)
				if took := time.Since(start); !ok || closed.Code != ClosePolicy || took != test.want {
					t.Errorf("Read ended after %v with %v, want %v", took, err, test.want)
				}
				c.server.conn.Close()
				sending.Wait()
			})
		})
	}
}

// TestInterruptEndsTheReadingOnly interrupts before a read, while it waits for
// a message, and in the middle of one. What may be written may still be.
func TestInterruptEndsTheReadingOnly(t *testing.T) {
	for name, sent := range map[string][]byte{
		"before it reads": nil, "while it waits": {}, "amid a message": masked(false, ws.OpText, []byte("half")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t)
				read := make(chan error, 1)
				if sent == nil {
					c.server.Interrupt()
				}
				go func() { _, _, err := c.server.Read(nil); read <- err }()
				if len(sent) > 0 {
					c.send(sent)
				}
				synctest.Wait()
				c.server.Interrupt()
				if err := <-read; !errors.Is(err, ErrInterrupted) {
					t.Errorf("Read: %v", err)
				}
				if _, _, err := c.server.Read(nil); !errors.Is(err, ErrInterrupted) {
					t.Errorf("Read once more: %v", err)
				}
				go func() {
					_ = c.server.Write(net.Buffers{Header(nil, Text, 1), []byte("x")})
					c.server.Close(1012, "")
				}()
				if _, payload := c.frame(); string(payload) != "x" {
					t.Errorf("the server wrote %q", payload)
				}
				c.wantClosed(1012)
			})
		})
	}
}

func TestMessagesInTimeKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t)
		go func() {
			for range 5 {
				time.Sleep(config.Idle - time.Second)
				_, _ = c.Write(masked(false, ws.OpText, []byte("a")))
				time.Sleep(config.Message - time.Second)
				_, _ = c.Write(masked(true, ws.OpContinuation, []byte("b")))
			}
		}()
		for range 5 {
			if _, data, err := c.server.Read(nil); err != nil || string(data) != "ab" {
				t.Fatalf("Read: %q, %v", data, err)
			}
		}
	})
}

func TestWriteToAPeerThatDoesNotReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t)
		start := time.Now()
		err := c.server.Write(net.Buffers{make([]byte, 1<<20)})
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != config.Message {
			t.Errorf("Write ended after %v with %v", took, err)
		}
	})
}

// TestLongWriteToASlowPeerGoesOn: a history of megabytes over a slow line is
// not finished within the time for one message, and need not be.
func TestLongWriteToASlowPeerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t)
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		got := make(chan []byte)
		go func() {
			var all []byte
			for len(all) < len(want) {
				time.Sleep(time.Second)
				piece := make([]byte, min(32<<10, len(want)-len(all)))
				if _, err := io.ReadFull(c, piece); err != nil {
					break
				}
				all = append(all, piece...)
			}
			got <- all
		}()
		start := time.Now()
		err := c.server.Write(net.Buffers{want[:10], want[10:700000], nil, want[700000:]})
		if err != nil {
			t.Errorf("Write ended after %v with %v", time.Since(start), err)
			c.server.Close(CloseGoingAway, "")
		}
		if all := <-got; !bytes.Equal(all, want) {
			t.Errorf("%d bytes arrived, or not the right ones", len(all))
		}
	})
}

// TestCloseFreesAWriterThatIsStuck also demands that no close frame follows
// half a frame: the peer would take it for the rest of the message. The locks
// keep it out of a bubble.
func TestCloseFreesAWriterThatIsStuck(t *testing.T) {
	t.Parallel()
	c := pipe(t)
	written := make(chan error, 1)
	go func() { written <- c.server.Write(net.Buffers{Header(nil, Binary, 1<<20), make([]byte, 1<<20)}) }()
	if _, err := io.ReadFull(c.in, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	rest := make(chan []byte)
	go func() {
		if err := <-written; err == nil {
			t.Error("the write went well")
		}
		all, _ := io.ReadAll(c.in)
		rest <- all
	}()
	start := time.Now()
	c.server.Close(CloseGoingAway, "")
	if took := time.Since(start); took > config.Message/2 {
		t.Errorf("closing took %v", took)
	}
	if all := <-rest; bytes.Count(all, []byte{0}) != len(all) {
		t.Errorf("after half a frame came something else: %x", all[len(all)-20:])
	}
}

func TestCloseTwiceSaysOneGoodbye(t *testing.T) {
	c := dial(t)
	c.server.Close(4008, strings.Repeat("r", 200))
	c.server.Close(CloseNormal, "")
	c.wantClosed(4008)
	if err := c.server.Write(net.Buffers{[]byte("x")}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, _, err := c.server.Read(nil); err == nil {
		t.Error("Read after Close gave a message")
	}
}

// TestWritesDoNotMix has several writers and a reader that answers pings.
func TestWritesDoNotMix(t *testing.T) {
	const writers, each, pings = 4, 100, 50
	c := dial(t)
	var writing sync.WaitGroup
	for n := range writers {
		writing.Go(func() {
			payload := bytes.Repeat([]byte{byte('a' + n)}, 3000)
			for range each {
				if err := c.server.Write(net.Buffers{Header(nil, Binary, len(payload)), payload[:1000], payload[1000:]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Go(func() {
		if _, _, err := c.server.Read(nil); err != nil {
			t.Error(err)
		}
	})
	c.send(join(bytes.Repeat(masked(true, ws.OpPing, []byte("ping")), pings), masked(true, ws.OpText, nil)))
	for range writers*each + pings {
		h, payload := c.frame()
		switch {
		case h.OpCode == ws.OpPong && string(payload) == "ping":
		case h.OpCode == ws.OpBinary && bytes.Count(payload, payload[:1]) == 3000:
		default:
			t.Fatalf("a frame of opcode %d with %d bytes", h.OpCode, len(payload))
		}
	}
	writing.Wait()
}

func TestHeaderReadsBackAsWritten(t *testing.T) {
	for _, length := range []int{0, 1, 125, 126, 127, 65535, 65536, 1<<31 - 1, 1 << 40} {
		for _, kind := range []Kind{Text, Binary} {
			raw := Header([]byte("before"), kind, length)[len("before"):]
			in := bytes.NewReader(raw)
			h, err := ws.ReadHeader(in)
			want := ws.Header{Fin: true, OpCode: ws.OpCode(kind), Length: int64(length)}
			if err != nil || h != want || in.Len() != 0 {
				t.Errorf("length %d reads as %+v, %v, %d bytes over", length, h, err, in.Len())
			}
			if len(raw) != ws.HeaderSize(want) {
				t.Errorf("length %d takes %d bytes, want the shortest form of %d", length, len(raw), ws.HeaderSize(want))
			}
		}
	}
}

// TestRefusedUpgradeEndsTheConnection: nobody else would.
func TestRefusedUpgradeEndsTheConnection(t *testing.T) {
	refused := make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := Accept(w, r, config)
		refused <- err
	}))
	defer web.Close()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusBadRequest {
		t.Fatalf("answered with %v, %v", answer, err)
	}
	if <-refused == nil {
		t.Error("Accept gave no error")
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}
