package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// onLoopback listens by UDP and TCP.
var onLoopback = Config{Secret: testSecret, UDP: Endpoint{Addr: "127.0.0.1:0"}, TCP: Endpoint{Addr: "127.0.0.1:0"}}

// serve runs a responder on loopback until the test ends.
func serve(t *testing.T) *Responder {
	t.Helper()
	r, err := Listen(onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	run(t, r)
	return r
}

// run runs a responder until the test ends.
func run(t *testing.T, r *Responder) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func dial(t *testing.T, r *Responder) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", r.UDPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn net.Conn, datagram []byte) {
	t.Helper()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	buf := make([]byte, maxDatagram)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestPeerGetsItsCheckAnswered(t *testing.T) {
	r := serve(t)
	conn := dial(t, r)
	creds := r.NewCredentials()
	send(t, conn, browserCheck(t, creds))
	got := verifySuccess(t, receive(t, conn), creds)
	if want := mustAddrPort(t, conn.LocalAddr().String()); got != want {
		t.Errorf("got address %s, want %s", got, want)
	}
}

// Datagrams of one loopback socket arrive in order, so the first answer to
// come back belongs to the first datagram that got one.
func TestStrangersHearNothing(t *testing.T) {
	r := serve(t)
	conn := dial(t, r)
	creds := r.NewCredentials()
	strange := [][]byte{
		{},
		[]byte("hello"),
		browserCheck(t, newSigner(otherSecret).mint([nonceBytes]byte{1})),
		make([]byte, 60_000),
	}
	for _, datagram := range strange {
		send(t, conn, datagram)
	}
	send(t, conn, browserCheck(t, creds))
	verifySuccess(t, receive(t, conn), creds)
	stats := r.Stats()
	if stats.Dropped != uint64(len(strange)) || stats.Failed != 0 {
		t.Errorf("got %+v, want %d dropped", stats, len(strange))
	}
}

func TestAnswersAndChecksRunConcurrently(t *testing.T) {
	r := serve(t)
	var peers sync.WaitGroup
	for range 8 {
		conn := dial(t, r)
		peers.Go(func() {
			for range 20 {
				creds := r.NewCredentials()
				if _, err := r.Answer(smallOffer, creds); err != nil {
					t.Error(err)
					return
				}
				if _, err := conn.Write(browserCheck(t, creds)); err != nil {
					t.Error(err)
					return
				}
				if _, err := conn.Read(make([]byte, maxDatagram)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	peers.Wait()
}

func TestRunLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(r *Responder, cancel func()){
		"cancelled": func(_ *Responder, cancel func()) { cancel() },
		"closed":    func(r *Responder, _ func()) { r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Listen(onLoopback)
			if err != nil {
				t.Fatal(err)
			}
			conn, stream, creds := dial(t, r), dialTCP(t, r), r.NewCredentials()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			send(t, conn, browserCheck(t, creds))
			receive(t, conn)
			sendFramed(t, stream, browserCheck(t, creds))
			receiveFramed(t, stream)
			end(r, cancel)
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			waitForGoroutines(t, "(*Responder).Run")
			waitForGoroutines(t, "(*tcpEndpoint).converse")
			if _, err := r.udp.conn.WriteToUDPAddrPort(nil, r.UDPAddr()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the UDP socket is still open: %v", err)
			}
			if _, err := r.tcp.listener.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the TCP socket is still open: %v", err)
			}
			if _, err := stream.Read(make([]byte, 1)); err == nil || isTimeout(err) {
				t.Errorf("the connection is still open: %v", err)
			}
			if err := r.Run(ctx); err == nil {
				t.Error("Run served a second time")
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close once more: %v", err)
			}
		})
	}
}

// waitForGoroutines waits until none has the function on its stack. One that is
// done may take a moment to be gone.
func waitForGoroutines(t *testing.T, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	waitUntil(t, "no goroutine is in "+function, func() bool {
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
	})
}

func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestListenRefusesBadConfig(t *testing.T) {
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer takenUDP.Close()
	takenTCP, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer takenTCP.Close()
	for name, cfg := range map[string]Config{
		"no secret":    {UDP: Endpoint{Addr: "127.0.0.1:0"}},
		"short secret": {UDP: Endpoint{Addr: "127.0.0.1:0"}, Secret: testSecret[:minSecret-1]},
		"no address":   {Secret: testSecret},
		"UDP taken":    {Secret: testSecret, UDP: Endpoint{Addr: takenUDP.LocalAddr().String()}},
		"TCP taken":    {Secret: testSecret, UDP: Endpoint{Addr: "127.0.0.1:0"}, TCP: Endpoint{Addr: takenTCP.Addr().String()}},
	} {
		mustNotListen(t, name, cfg)
	}
	for name, bad := range map[string]Endpoint{
		"no port":                {Addr: "127.0.0.1"},
		"unspecified":            {Addr: "0.0.0.0:0"},
		"unspecified advertised": advertising(t, "0.0.0.0:1"),
		"multicast advertised":   advertising(t, "[ff02::1]:1"),
		"zone advertised":        advertising(t, "[fe80::1%eth0]:1"),
		"nonsense advertised":    {Addr: "127.0.0.1:0", Advertise: make([]netip.AddrPort, 1)},
		"too much advertised":    {Addr: "127.0.0.1:0", Advertise: make([]netip.AddrPort, maxAdvertised+1)},
	} {
		mustNotListen(t, name+" by UDP", Config{Secret: testSecret, UDP: bad})
		mustNotListen(t, name+" by TCP", Config{Secret: testSecret, UDP: Endpoint{Addr: "127.0.0.1:0"}, TCP: bad})
	}
}

func mustNotListen(t *testing.T, name string, cfg Config) {
	t.Helper()
	if r, err := Listen(cfg); err == nil {
		r.Close()
		t.Errorf("%s: no error", name)
	} else if !strings.HasPrefix(err.Error(), "ice: ") {
		t.Errorf("%s: %v", name, err)
	}
}

// advertising is an endpoint on loopback that tells clients to go elsewhere.
func advertising(t *testing.T, addrs ...string) Endpoint {
	t.Helper()
	e := Endpoint{Addr: "127.0.0.1:0"}
	for _, addr := range addrs {
		e.Advertise = append(e.Advertise, mustAddrPort(t, addr))
	}
	return e
}

// advertised gives the candidates of the first section of an answer.
func advertised(t *testing.T, cfg Config) (*Responder, []string) {
	t.Helper()
	cfg.Secret = testSecret
	r, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	answer, err := r.Answer(smallOffer, r.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	return r, linesWith(sections(answer)[1], "a=candidate:")
}

func TestCandidatesOfUDPComeBeforeThoseOfTCP(t *testing.T) {
	_, got := advertised(t, Config{
		UDP: advertising(t, "203.0.113.5:3478", "[2001:db8::1]:3478"),
		TCP: advertising(t, "203.0.113.5:443", "[2001:db8::1]:80"),
	})
	want := []string{
		"a=candidate:1 1 udp 2130706431 203.0.113.5 3478 typ host",
		"a=candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host",
		"a=candidate:3 1 tcp 1671430143 203.0.113.5 443 typ host tcptype passive",
		"a=candidate:4 1 tcp 1671429887 2001:db8::1 80 typ host tcptype passive",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEitherTransportCanBeSwitchedOff(t *testing.T) {
	r, got := advertised(t, Config{UDP: advertising(t, "203.0.113.5:1")})
	if want := []string{"a=candidate:1 1 udp 2130706431 203.0.113.5 1 typ host"}; !slices.Equal(got, want) {
		t.Errorf("without TCP: %q", got)
	}
	if r.TCPAddr().IsValid() || !r.UDPAddr().IsValid() {
		t.Errorf("without TCP: listening on %s and %s", r.UDPAddr(), r.TCPAddr())
	}
	r, got = advertised(t, Config{TCP: advertising(t, "203.0.113.5:1")})
	if want := []string{"a=candidate:1 1 tcp 1671430143 203.0.113.5 1 typ host tcptype passive"}; !slices.Equal(got, want) {
		t.Errorf("without UDP: %q", got)
	}
	if r.UDPAddr().IsValid() || !r.TCPAddr().IsValid() {
		t.Errorf("without UDP: listening on %s and %s", r.UDPAddr(), r.TCPAddr())
	}
}

func TestPortZeroIsAdvertisedAsThePortTaken(t *testing.T) {
	r, got := advertised(t, Config{UDP: advertising(t, "203.0.113.5:0"), TCP: advertising(t, "203.0.113.5:0")})
	want := []string{
		fmt.Sprintf("a=candidate:1 1 udp 2130706431 203.0.113.5 %d typ host", r.UDPAddr().Port()),
		fmt.Sprintf("a=candidate:2 1 tcp 1671430143 203.0.113.5 %d typ host tcptype passive", r.TCPAddr().Port()),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListeningEverywhereAdvertisesOnlyWhatIsConfigured(t *testing.T) {
	everywhere := netip.MustParseAddrPort("[::]:3478")
	if _, err := advertise(nil, everywhere); err == nil {
		t.Error("nothing configured: no error")
	}
	configured := []netip.AddrPort{netip.MustParseAddrPort("203.0.113.5:0")}
	got, err := advertise(configured, everywhere)
	if want := netip.MustParseAddrPort("203.0.113.5:3478"); err != nil || !slices.Equal(got, []netip.AddrPort{want}) {
		t.Errorf("got %s, %v", got, err)
	}
}

var errFault = errors.New("socket fault")

// faultySocket brings its script, one datagram or (nil) fault a read, then
// waits for its end. Writes fail.
type faultySocket struct {
	script [][]byte
	played chan struct{}
	closed chan struct{}
	close  sync.Once
}

func newFaultySocket(script ...[]byte) *faultySocket {
	return &faultySocket{script: script, played: make(chan struct{}), closed: make(chan struct{})}
}

// faults is a script of n faults.
func faults(n int) [][]byte { return make([][]byte, n) }

func (s *faultySocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if len(s.script) == 0 {
		close(s.played)
		<-s.closed
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	datagram := s.script[0]
	s.script = s.script[1:]
	if datagram == nil {
		return 0, netip.AddrPort{}, errFault
	}
	return copy(b, datagram), netip.MustParseAddrPort("203.0.113.9:1"), nil
}

func (s *faultySocket) WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error) { return 0, errFault }

func (s *faultySocket) Close() error {
	s.close.Do(func() { close(s.closed) })
	return nil
}

func onSocket(t testing.TB, cfg Config, socket packetConn) *Responder {
	t.Helper()
	r := newResponder(cfg)
	r.udp = newUDPEndpoint(socket, mustAddrPort(t, "192.0.2.7:3478"), r.secret, r.count, r.log)
	if err := r.advertise(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPassingFaultsAreOutlasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := [][]byte{browserCheck(t, fixedCredentials())}
		bad := faults(readFaultLimit - 1)
		socket := newFaultySocket(slices.Concat(bad, check, bad, check)...)
		r := onSocket(t, Config{Secret: testSecret}, socket)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		select {
		case <-socket.played:
		case err := <-done:
			t.Fatalf("Run gave up: %v", err)
		}
		if got, want := r.Stats(), (Stats{Failed: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestLastingFaultEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := onSocket(t, Config{Secret: testSecret}, newFaultySocket(faults(readFaultLimit)...)).Run(t.Context())
		if !errors.Is(err, errFault) {
			t.Errorf("got %v, want the socket's fault", err)
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestRunEndsDuringFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), firstPause/2)
		defer cancel()
		start := time.Now()
		if err := onSocket(t, Config{Secret: testSecret}, newFaultySocket(faults(readFaultLimit)...)).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(start); took != firstPause/2 {
			t.Errorf("ended after %v, want at once when told", took)
		}
	})
}
