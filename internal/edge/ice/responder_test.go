package ice

import (
	"context"
	"errors"
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

// serve runs a responder on loopback until the test ends.
func serve(t *testing.T) *Responder {
	t.Helper()
	r, err := Listen(Config{Secret: testSecret, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func dial(t *testing.T, r *Responder) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", r.Addr().String())
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
			r, err := Listen(Config{Secret: testSecret, Addr: "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			conn, creds := dial(t, r), r.NewCredentials()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			send(t, conn, browserCheck(t, creds))
			receive(t, conn)
			end(r, cancel)
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			waitForGoroutines(t, "(*Responder).Run")
			if _, err := r.conn.WriteToUDPAddrPort(nil, r.Addr()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the socket is still open: %v", err)
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
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(all, function) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a goroutine stays behind:\n%s", all)
		}
	}
}

func TestListenRefusesBadConfig(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	advertised := func(addrs ...string) Config {
		cfg := Config{Secret: testSecret, Addr: "127.0.0.1:0"}
		for _, addr := range addrs {
			cfg.Advertise = append(cfg.Advertise, mustAddrPort(t, addr))
		}
		return cfg
	}
	for name, cfg := range map[string]Config{
		"no secret":              {Addr: "127.0.0.1:0"},
		"short secret":           {Addr: "127.0.0.1:0", Secret: testSecret[:minSecret-1]},
		"no address":             {Secret: testSecret},
		"no port":                {Secret: testSecret, Addr: "127.0.0.1"},
		"port taken":             {Secret: testSecret, Addr: taken.LocalAddr().String()},
		"unspecified advertised": advertised("0.0.0.0:1"),
		"multicast advertised":   advertised("[ff02::1]:1"),
		"zone advertised":        advertised("[fe80::1%eth0]:1"),
		"nonsense advertised":    {Secret: testSecret, Addr: "127.0.0.1:0", Advertise: make([]netip.AddrPort, 1)},
		"too much advertised":    {Secret: testSecret, Addr: "127.0.0.1:0", Advertise: make([]netip.AddrPort, maxAdvertised+1)},
	} {
		if r, err := Listen(cfg); err == nil {
			r.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.HasPrefix(err.Error(), "ice: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListeningEverywhereAdvertisesOnlyWhatIsConfigured(t *testing.T) {
	everywhere := netip.MustParseAddrPort("[::]:3478")
	cfg := Config{Secret: testSecret}
	if _, err := newResponder(cfg, nil, everywhere); err == nil {
		t.Error("nothing configured: no error")
	}
	cfg.Advertise = []netip.AddrPort{netip.MustParseAddrPort("203.0.113.5:0")}
	r, err := newResponder(cfg, nil, everywhere)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(smallOffer, r.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	got := linesWith(sections(answer)[1], "a=candidate:")
	if want := []string{"a=candidate:1 1 udp 2130706431 203.0.113.5 3478 typ host"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
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

func onSocket(t *testing.T, socket packetConn) *Responder {
	t.Helper()
	r, err := newResponder(Config{Secret: testSecret}, socket, netip.MustParseAddrPort("192.0.2.7:3478"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPassingFaultsAreOutlasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := [][]byte{browserCheck(t, fixedCredentials())}
		bad := faults(readFaultLimit - 1)
		socket := newFaultySocket(slices.Concat(bad, check, bad, check)...)
		r := onSocket(t, socket)
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
		err := onSocket(t, newFaultySocket(faults(readFaultLimit)...)).Run(t.Context())
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
		ctx, cancel := context.WithTimeout(t.Context(), firstReadPause/2)
		defer cancel()
		start := time.Now()
		if err := onSocket(t, newFaultySocket(faults(readFaultLimit)...)).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(start); took != firstReadPause/2 {
			t.Errorf("ended after %v, want at once when told", took)
		}
	})
}
