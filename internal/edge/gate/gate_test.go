package gate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// door is a server behind a gate.
type door struct {
	*testing.T
	gate    *Gate
	addr    string
	entered chan struct{} // one for each request that has reached the handler
	release chan struct{} // lets "/hold" answer
}

func open(t *testing.T, config Config) *door {
	t.Helper()
	d := &door{T: t, gate: New(config), entered: make(chan struct{}, 100), release: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	web := &http.Server{Handler: d.gate.Handler(http.HandlerFunc(d.serve)), ConnState: d.gate.ConnState, ConnContext: d.gate.ConnContext}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = web.Serve(d.gate.Listener(l, false)) }()
	t.Cleanup(func() { web.Close(); <-ended })
	return d
}

func (d *door) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/watched" {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
	}
	d.entered <- struct{}{}
	switch r.URL.Path {
	case "/hold":
		<-d.release
	case "/socket":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			d.Error(err)
			return
		}
		d.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		return
	}
	_, _ = io.Copy(w, r.Body)
}

// say opens a connection and says so much.
func (d *door) say(text string) net.Conn {
	d.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		d.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		d.Fatal(err)
	}
	return c
}

func request(path, headers string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
}

// status reads an answer, whose body stays unread.
func (d *door) status(c net.Conn) int {
	d.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		d.Fatalf("instead of an answer: %v", err)
	}
	return answer.StatusCode
}

// awaitOpen waits until so many connections count, awaitWaiting until so many
// of them could make room.
func (d *door) awaitOpen(n int) {
	d.Helper()
	d.await(n, "connections count", func() int { return d.gate.Stats().Open })
}

func (d *door) awaitWaiting(n int) {
	d.Helper()
	d.await(n, "connections wait", func() int {
		d.gate.mu.Lock()
		defer d.gate.mu.Unlock()
		return d.gate.waiting.Len()
	})
}

func (d *door) await(n int, what string, number func() int) {
	d.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); number() != n; <-tick.C {
		if time.Now().After(deadline) {
			d.Fatalf("%d %s, want %d", number(), what, n)
		}
	}
}

func TestWhoWaitsLongestMakesRoom(t *testing.T) {
	const room = 4
	half := "GET / HTTP/1.1\r\nX: "
	for name, test := range map[string]struct{ says string }{
		"who says nothing": {""}, "who asks half": {half}, "who never sends the body": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"},
		"who has asked and stays": {request("/", "")},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Config{Connections: room})
			var waiting []net.Conn
			for i := range room {
				waiting = append(waiting, d.say(test.says))
				if strings.HasSuffix(test.says, "\r\n") || strings.HasSuffix(test.says, "1") {
					<-d.entered
				}
				d.awaitWaiting(i + 1) // in this order
			}
			if got := d.status(d.say(request("/", ""))); got != http.StatusOK {
				t.Errorf("a newcomer is answered %d", got)
			}
			if _, err := io.ReadAll(waiting[0]); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the one that waits longest is still there")
			}
			if s := d.gate.Stats(); s.Open != room || s.Evicted != 1 || s.Refused != 0 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func TestWhoIsServedMakesNoRoom(t *testing.T) {
	const room = 2
	for name, asks := range map[string]string{
		"an answer under way": request("/hold", ""), "a body that is watched": "PUT /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1",
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Config{Connections: room})
			var served []net.Conn
			for range room {
				served = append(served, d.say(asks))
				<-d.entered
			}
			if got := d.status(d.say(request("/", ""))); got != http.StatusTooManyRequests {
				t.Errorf("a newcomer is answered %d", got)
			}
			close(d.release)
			for _, c := range served {
				if _, err := io.WriteString(c, "23456789"); err != nil {
					t.Error(err)
				}
				if got := d.status(c); got != http.StatusOK {
					t.Errorf("who was served is answered %d", got)
				}
			}
			if s := d.gate.Stats(); s.Evicted != 0 || s.Refused != 1 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func TestSocketsDoNotCount(t *testing.T) {
	d := open(t, Config{Connections: 1})
	for range 5 {
		if got := d.status(d.say(request("/socket", ""))); got != http.StatusSwitchingProtocols {
			t.Fatalf("answered %d", got)
		}
		d.awaitOpen(0)
	}
	if s := d.gate.Stats(); s.Evicted != 0 || s.Refused != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestEndedConnectionsDoNotCount(t *testing.T) {
	d := open(t, Config{})
	for range 3 {
		d.say("").Close()
	}
	d.say(request("/", "Connection: close\r\n"))
	<-d.entered
	d.awaitOpen(0)
}

// loopback gives a connection whose peer can be said to be anybody.
func (d *door) loopback() *conn { return &conn{TCPConn: d.say("").(*net.TCPConn), gate: d.gate} }

func TestAnAddressIsBoundedByItself(t *testing.T) {
	d := open(t, Config{AddressConnections: 2, AddressBurst: 5, AddressRate: 0.001})
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	g := New(d.gate.config)
	first, second, third := d.loopback(), d.loopback(), d.loopback()
	if !g.enter(first, one, true) || !g.enter(second, one, true) || !g.enter(third, one, true) {
		t.Fatal("somebody was turned away")
	}
	if s := g.Stats(); !first.left || second.left || s.Open != 2 || s.Evicted != 1 {
		t.Errorf("the first has left: %t, the second: %t; %+v", first.left, second.left, s)
	}
	g.busy(second)
	g.busy(third)
	if g.enter(d.loopback(), one, true) {
		t.Error("there was room though all are served")
	}
	if !g.enter(d.loopback(), other, true) || !g.enter(d.loopback(), netip.MustParseAddr("127.0.0.1"), true) {
		t.Error("others were turned away")
	}
	g.ConnState(second, http.StateClosed)
	if !g.enter(d.loopback(), one, true) {
		t.Error("there was no room though one has left")
	}
	if g.enter(d.loopback(), one, true) {
		t.Error("the sixth of five came in")
	}
	if s := g.Stats(); s.TooFast != 1 || s.Refused != 1 {
		t.Errorf("counted %+v", s)
	}
}

func TestWhatIsTooSlowIsCounted(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		err  error
		want uint64
	}{
		"a body that does not come":              {"/", os.ErrDeadlineExceeded, 1},
		"a body that is cut off":                 {"/", io.ErrUnexpectedEOF, 0},
		"a body that the handler watches itself": {"/watched", os.ErrDeadlineExceeded, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Config{})
			r := httptest.NewRequest(http.MethodPost, test.path, iotest.ErrReader(test.err))
			d.gate.Handler(http.HandlerFunc(d.serve)).ServeHTTP(httptest.NewRecorder(), r)
			if got := d.gate.Stats().Slow; got != test.want {
				t.Errorf("counted %d, want %d", got, test.want)
			}
		})
	}
}

func TestAnAnswerThatCannotGoIsCounted(t *testing.T) {
	d := open(t, Config{})
	c := d.loopback()
	write := func(want uint64) {
		t.Helper()
		if err := c.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("writing ended with %v", err)
		}
		if got := d.gate.Stats().Slow; got != want {
			t.Errorf("counted %d, want %d", got, want)
		}
	}
	write(1)
	c.left = true // a socket now, which has limits of its own
	write(1)
}

func TestQuietAddressesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{})
		for i := range 1000 {
			ip := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
			g.addresses.of(ip).bucket.Allow()
		}
		time.Sleep(2 * time.Minute)
		g.addresses.of(netip.MustParseAddr("192.0.2.1")).open++
		time.Sleep(2 * time.Minute)
		g.addresses.of(netip.MustParseAddr("192.0.2.2"))
		if n := len(g.addresses.known); n != 2 {
			t.Errorf("%d addresses are known, want the one that is here and the new one", n)
		}
	})
}

func TestWhoAProxyActsForIsBounded(t *testing.T) {
	d := open(t, Config{AddressConnections: 1, AddressBurst: 3, AddressRate: 0.001, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	from := func(ip string) string { return "X-Forwarded-For: " + ip + "\r\n" }
	held := d.say(request("/hold", from("192.0.2.1")))
	<-d.entered
	if got := d.status(d.say(request("/", from("10.0.0.1, 192.0.2.1")))); got != http.StatusTooManyRequests {
		t.Errorf("a second at the same time is answered %d", got)
	}
	if got := d.status(d.say(request("/", from("192.0.2.2")))); got != http.StatusOK {
		t.Errorf("another is answered %d", got)
	}
	close(d.release)
	d.status(held)
	want := []int{http.StatusOK, http.StatusTooManyRequests}
	for i, w := range want {
		if got := d.status(d.say(request("/", from("192.0.2.1")))); got != w {
			t.Errorf("request %d is answered %d, want %d", i, got, w)
		}
	}
	for i := range 10 { // who says nothing of others speaks for itself
		if got := d.status(d.say(request("/", ""))); got != http.StatusOK {
			t.Errorf("request %d without a word of the proxy is answered %d", i, got)
		}
	}
}

func TestWhomAProxyActsFor(t *testing.T) {
	g := New(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:aaaa::1/128")}})
	for name, test := range map[string]struct {
		remote string
		chain  []string
		want   string
	}{
		"no proxy":                     {"192.0.2.9:1", []string{"192.0.2.1"}, ""},
		"one proxy":                    {"10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"what the client says itself":  {"10.0.0.1:1", []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		"two proxies":                  {"10.0.0.1:1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		"two lines":                    {"10.0.0.1:1", []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		"with a port":                  {"10.0.0.1:1", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		"IPv4 in IPv6":                 {"[::ffff:10.0.0.1]:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"IPv6, of which 64 bits count": {"10.0.0.1:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"},
		"IPv6 with a port":             {"10.0.0.1:1", []string{"[2001:db8:1:2::1]:4711"}, "2001:db8:1:2::"},
		"a proxy with IPv6":            {"[2001:db8:aaaa::1]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"nothing":                      {"10.0.0.1:1", nil, ""},
		"nonsense":                     {"10.0.0.1:1", []string{"unknown"}, ""},
		"nonsense behind an address":   {"10.0.0.1:1", []string{"192.0.2.1, _hidden"}, ""},
		"proxies alone":                {"10.0.0.1:1", []string{"10.0.0.2, 10.0.0.3"}, ""},
		"itself":                       {"10.0.0.1:1", []string{"127.0.0.1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: test.remote, Header: http.Header{"X-Forwarded-For": test.chain}}
			got, ok := g.forwarded(r)
			if ok != (test.want != "") || ok && got.String() != test.want {
				t.Errorf("got %v, %t, want %q", got, ok, test.want)
			}
		})
	}
}

// TestBodiesHaveToCome has a handler that wants the body and one that does not:
// the server reads on behind the back of that.
func TestBodiesHaveToCome(t *testing.T) {
	for name, wanted := range map[string]bool{"wanted": true, "not wanted": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
				g := New(Config{})
				web := &http.Server{ConnState: g.ConnState, ConnContext: g.ConnContext, Handler: g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if wanted {
						_, _ = io.ReadAll(r.Body)
					}
				}))}
				ended := make(chan struct{})
				go func() { defer close(ended); _ = web.Serve(g.Listener(pipes, false)) }()
				client, server := net.Pipe()
				pipes.conns <- server
				start := time.Now()
				go func() { _, _ = fmt.Fprint(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc") }()
				_, _ = io.ReadAll(client)
				if took := time.Since(start); took < bodyTimeout || took > bodyTimeout+5*time.Second {
					t.Errorf("the server hung up after %v", took)
				}
				web.Close()
				<-ended
			})
		})
	}
}

// pipeListener gives connections that keep the time of a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestReadersHaveToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{})
		written := make(chan error, 1)
		pipes := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		web := &http.Server{Handler: g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 1<<20))
			written <- err
		}))}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = web.Serve(g.Listener(pipes, false)) }()
		client, server := net.Pipe()
		pipes.conns <- server
		start := time.Now()
		if _, err := io.WriteString(client, request("/", "")); err != nil {
			t.Fatal(err)
		}
		if err := <-written; err == nil || time.Since(start) != answerTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		client.Close()
		web.Close()
		<-ended
	})
}
