package ice

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func dialTCP(t *testing.T, r *Responder) net.Conn {
	t.Helper()
	return dialTCPFrom(t, r, "127.0.0.1")
}

// dialTCPFrom connects from a source address of loopback.
func dialTCPFrom(t *testing.T, r *Responder, source string) net.Conn {
	t.Helper()
	conn, err := dialer(source).Dial("tcp", r.TCPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func dialer(source string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
}

// framed puts its length before a message.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func sendFramed(t *testing.T, conn net.Conn, message []byte) {
	t.Helper()
	send(t, conn, framed(message))
}

func receiveFramed(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	var length [lengthSize]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		t.Fatal(err)
	}
	return message
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func TestPeerGetsItsCheckAnsweredByTCP(t *testing.T) {
	r := serve(t)
	conn := dialTCP(t, r)
	creds := r.NewCredentials()
	for range 3 {
		sendFramed(t, conn, browserCheck(t, creds))
		got := verifySuccess(t, receiveFramed(t, conn), creds)
		if want := mustAddrPort(t, conn.LocalAddr().String()); got != want {
			t.Errorf("got address %s, want %s", got, want)
		}
	}
	// An answer is counted when it is written, which is when it may be read, too.
	waitUntil(t, "three answers are counted", func() bool { return r.Stats() == Stats{Answered: 3, Open: 1} })
}

func TestChecksArriveInAnyPieces(t *testing.T) {
	r := serve(t)
	conn := dialTCP(t, r)
	creds := r.NewCredentials()
	check := framed(browserCheck(t, creds))
	for i := range check {
		send(t, conn, check[i:i+1])
	}
	verifySuccess(t, receiveFramed(t, conn), creds)
	send(t, conn, bytes.Repeat(check, 5))
	for range 5 {
		verifySuccess(t, receiveFramed(t, conn), creds)
	}
}

func TestStrangersHearNothingByTCP(t *testing.T) {
	r := serve(t)
	conn := dialTCP(t, r)
	creds := r.NewCredentials()
	strange := [][]byte{
		{},
		[]byte("hello"),
		browserCheck(t, newSigner(otherSecret).mint([nonceBytes]byte{1})),
		make([]byte, maxDatagram+1),
		make([]byte, 60_000),
	}
	for _, message := range strange {
		sendFramed(t, conn, message)
	}
	sendFramed(t, conn, browserCheck(t, creds))
	verifySuccess(t, receiveFramed(t, conn), creds)
	if stats := r.Stats(); stats.Dropped != uint64(len(strange)) || stats.Failed != 0 {
		t.Errorf("got %+v, want %d dropped", stats, len(strange))
	}
}

// stream is the other end of a connection whose time tests make pass: it must
// be used within a bubble of synctest.
type stream struct {
	*testing.T
	net.Conn
	endpoint *tcpEndpoint
	ended    chan error
}

func newStream(t *testing.T) *stream {
	ours, theirs := net.Pipe()
	e := newTCPEndpoint(&scriptedListener{}, testSecret, new(counters), slog.New(slog.DiscardHandler))
	s := &stream{t, theirs, e, make(chan error, 1)}
	go func() {
		err := e.converse(ours, netip.MustParseAddrPort("203.0.113.9:1"))
		ours.Close()
		s.ended <- err
	}()
	t.Cleanup(func() { theirs.Close() })
	return s
}

// say sends a message, and hears the answer if one is due.
func (s *stream) say(message []byte, answered bool) {
	s.Helper()
	if _, err := s.Write(framed(message)); err != nil {
		s.Fatalf("the connection ended too soon: %v", err)
	}
	if answered {
		verifySuccess(s.T, receiveFramed(s.T, s.Conn), fixedCredentials())
	}
}

// mustBeCut waits for the end, which must come after exactly d.
func (s *stream) mustBeCut(d time.Duration) {
	s.Helper()
	start := time.Now()
	if err := <-s.ended; !errors.Is(err, errCut) {
		s.Errorf("ended with %v, want a cut", err)
	}
	if took := time.Since(start); took != d {
		s.Errorf("cut after %v, want %v", took, d)
	}
}

func TestConnectionWithoutCheckIsCut(t *testing.T) {
	limits := defaultTCPLimits()
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { newStream(t).mustBeCut(limits.first) })
	})
	t.Run("in the middle of a message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStream(t)
			check := framed(browserCheck(t, fixedCredentials()))
			for _, b := range check[:9] {
				time.Sleep(time.Second)
				if _, err := s.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			s.mustBeCut(limits.first - 9*time.Second)
		})
	})
	t.Run("noisy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStream(t)
			for range 9 {
				time.Sleep(time.Second)
				s.say([]byte("hello"), false)
			}
			s.mustBeCut(limits.first - 9*time.Second)
		})
	})
}

func TestChecksKeepAConnectionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, idle := newStream(t), defaultTCPLimits().idle
		for range 10 {
			s.say(browserCheck(t, fixedCredentials()), true)
			time.Sleep(idle - time.Second)
		}
		s.say([]byte("hello"), false)
		s.mustBeCut(time.Second)
	})
}

// A browser checks every 2.5 s and, as nobody answers, repeats its DTLS hello.
func TestNoiseOfABrowserIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t)
		hello := append([]byte{22, 0xfe, 0xfd}, make([]byte, 1300)...)
		for range 25 { // while it looks for a way
			s.say(browserCheck(t, fixedCredentials()), true)
			s.say(hello, false)
			time.Sleep(50 * time.Millisecond)
		}
		for range 1000 {
			s.say(browserCheck(t, fixedCredentials()), true)
			s.say(hello, false)
			time.Sleep(2500 * time.Millisecond)
		}
	})
}

func TestFloodIsCut(t *testing.T) {
	for name, message := range map[string][]byte{
		"of checks":        browserCheck(t, fixedCredentials()),
		"of nothing":       {},
		"of long messages": make([]byte, 1<<16-1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStream(t)
				go io.Copy(io.Discard, s)
				sent, limit := 0, defaultTCPLimits().bytes+lengthSize+len(message)
				for {
					if _, err := s.Write(framed(message)); err != nil {
						break
					}
					if sent += lengthSize + len(message); sent > limit {
						t.Fatalf("%d bytes were taken", sent)
					}
				}
				s.mustBeCut(0)
			})
		})
	}
}

func TestPeerThatReadsNoAnswersIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t)
		s.say(browserCheck(t, fixedCredentials()), false)
		s.mustBeCut(defaultTCPLimits().write)
		if failed := s.endpoint.count.failed.Load(); failed != 1 {
			t.Errorf("%d answers failed", failed)
		}
	})
}

func TestPeerThatGoesIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t)
		s.say(browserCheck(t, fixedCredentials()), true)
		s.Close()
		if err := <-s.ended; err == nil || errors.Is(err, errCut) {
			t.Errorf("ended with %v", err)
		}
	})
}

// limited runs a responder on loopback with few connections allowed.
func limited(t *testing.T, conns, perSource int) *Responder {
	t.Helper()
	r, err := Listen(onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	r.tcp.limits.conns, r.tcp.limits.perSource = conns, perSource
	run(t, r)
	return r
}

// mustServe checks that a connection is in use.
func mustServe(t *testing.T, conn net.Conn) {
	t.Helper()
	sendFramed(t, conn, browserCheck(t, fixedCredentials()))
	verifySuccess(t, receiveFramed(t, conn), fixedCredentials())
}

// mustRefuse checks that a connection is closed as soon as it is made, if not
// sooner.
func mustRefuse(t *testing.T, r *Responder, source string) {
	t.Helper()
	conn, err := dialer(source).Dial("tcp", r.TCPAddr().String())
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Fatalf("not refused: %v", err)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	for name, test := range map[string]struct {
		conns, perSource int
		last             string // where the connection that is refused comes from
	}{
		"altogether": {3, 100, "127.0.0.2"},
		"by source":  {100, 3, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := limited(t, test.conns, test.perSource)
			var open []net.Conn
			for range 3 {
				conn := dialTCP(t, r)
				mustServe(t, conn)
				open = append(open, conn)
			}
			mustRefuse(t, r, test.last)
			for _, conn := range open {
				mustServe(t, conn)
			}
			if got := r.Stats(); got.Open != 3 || got.Refused != 1 {
				t.Errorf("got %+v, want 3 open and 1 refused", got)
			}
			open[0].Close()
			waitUntil(t, "a place is free", func() bool { return r.Stats().Open == 2 })
			mustServe(t, dialTCPFrom(t, r, test.last))
		})
	}
}

func TestSourcesDoNotTakeEachOthersPlaces(t *testing.T) {
	r := limited(t, 100, 1)
	for i := range 5 {
		source := fmt.Sprintf("127.0.0.%d", i+1)
		mustServe(t, dialTCPFrom(t, r, source))
		mustRefuse(t, r, source)
	}
}

func TestWhomAConnectionIsCountedFor(t *testing.T) {
	for from, want := range map[string]string{
		"203.0.113.9:1":                      "203.0.113.9",
		"[2001:db8:1:2:3:4:5:6]:1":           "2001:db8:1:2::",
		"[2001:db8:1:2:ffff:ffff:ffff:1]:99": "2001:db8:1:2::",
		"[fe80::1%eth0]:1":                   "fe80::",
	} {
		if got := sourceOf(mustAddrPort(t, from)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

// scriptedListener accepts what its script says, a connection or (nil) a
// fault, and then waits for its end.
type scriptedListener struct {
	script []net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	if len(l.script) == 0 {
		<-l.closed
		return nil, net.ErrClosed
	}
	conn := l.script[0]
	l.script = l.script[1:]
	if conn == nil {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return conn, nil
}

func (l *scriptedListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 3478}
}

func (l *scriptedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func TestWantOfDescriptorsIsOutlasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		script := append(make([]net.Conn, 100), ours)
		listener := &scriptedListener{script: script, closed: make(chan struct{})}
		var lines bytes.Buffer
		e := newTCPEndpoint(listener, testSecret, new(counters), slog.New(slog.NewTextHandler(&lines, nil)))
		ended := make(chan error)
		go func() { ended <- e.serve(t.Context()) }()
		start := time.Now()
		mustServe(t, theirs)
		if took := time.Since(start); took < 50*time.Second || took > 2*time.Minute {
			t.Errorf("100 tries took %v", took)
		}
		e.close()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if n := strings.Count(lines.String(), "accepting failed"); n != 1 {
			t.Errorf("the fault was logged %d times", n)
		}
	})
}

func TestServingEndsDuringFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), firstPause/2)
		defer cancel()
		listener := &scriptedListener{script: make([]net.Conn, 1), closed: make(chan struct{})}
		e := newTCPEndpoint(listener, testSecret, new(counters), slog.New(slog.DiscardHandler))
		if err := e.serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func TestOneTransportOutlivesTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		r := onSocket(t, Config{Secret: testSecret}, newFaultySocket(faults(readFaultLimit)...))
		r.tcp = newTCPEndpoint(&scriptedListener{script: []net.Conn{ours}, closed: make(chan struct{})}, r.secret, r.count, r.log)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		mustServe(t, theirs)
		time.Sleep(30 * time.Second) // until UDP has failed for good
		mustServe(t, theirs)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// playedConn brings bytes and keeps what is written.
type playedConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *playedConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *playedConn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *playedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *playedConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzStream compares what an endpoint makes of a stream, in whatever pieces
// it comes, with what a checker says to each message in it.
func FuzzStream(f *testing.F) {
	check := framed(browserCheck(f, fixedCredentials()))
	f.Add(check)
	f.Add(check[:len(check)-1])
	f.Add(slices.Concat(check, []byte{0, 0}, check, framed([]byte("hello")), check))
	f.Add(slices.Concat(framed(make([]byte, maxDatagram+1)), check))
	f.Add([]byte{0})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	from := mustAddrPort(f, "203.0.113.9:54321")
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), defaultTCPLimits().bytes)]
		want := expected(data, from)
		for name, in := range map[string]io.Reader{
			"whole": bytes.NewReader(data), "halves": iotest.HalfReader(bytes.NewReader(data)),
			"bytes": iotest.OneByteReader(bytes.NewReader(data)), "end with data": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			e := newTCPEndpoint(&scriptedListener{}, testSecret, new(counters), slog.New(slog.DiscardHandler))
			conn := &playedConn{in: in}
			err := e.converse(conn, from)
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: ended with %v", name, err)
			}
			if got := conn.out.Bytes(); !bytes.Equal(got, want) {
				t.Errorf("%s: answered %x, want %x", name, got, want)
			}
		}
	})
}

// expected cuts a stream into its messages, and gives the answers.
func expected(data []byte, from netip.AddrPort) []byte {
	var answers []byte
	c := newChecker(testSecret)
	for len(data) >= lengthSize {
		n := int(binary.BigEndian.Uint16(data))
		if data = data[lengthSize:]; len(data) < n {
			break
		}
		if answer := c.answer(data[:n], from); answer != nil {
			answers = append(answers, framed(answer)...)
		}
		data = data[n:]
	}
	return answers
}
