package ice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// readFaultLimit is how many failed reads in a row end [Responder.Run].
	readFaultLimit = 10
	// firstReadPause follows the first of them, and doubles each time; all
	// together last some five seconds.
	firstReadPause = 10 * time.Millisecond
)

// Config says where a [Responder] listens and what it tells clients.
type Config struct {
	// Secret is what all credentials follow from, at least 16 bytes. Nodes
	// that share it answer for each other. A new secret makes the open pages'
	// transports fail; they then ask for new ones, and chat goes on.
	Secret []byte

	// Addr is the UDP address to listen on, as host:port; required. Port 0
	// takes a free one. On a machine with several addresses of one family,
	// name the one that clients use: from an unspecified address the kernel
	// picks the source of an answer, and browsers refuse one that comes from
	// elsewhere than they asked.
	Addr string

	// Advertise lists the addresses that clients are told to check, best
	// first, at most 16, IPv4 or IPv6, as they are seen from outside. Port 0
	// stands for the port listened on. Default: the address listened on, which
	// then must not be unspecified.
	Advertise []netip.AddrPort

	// Logger gets one line when serving starts and one when it stops, and
	// faults of the socket. Default: none.
	Logger *slog.Logger
}

// Stats counts datagrams since [Listen].
type Stats struct {
	Answered uint64 // connectivity checks answered
	Dropped  uint64 // everything else that arrived; DTLS hellos are among them
	Failed   uint64 // answers that the socket would not send
}

// Responder answers SDP offers and the connectivity checks that follow them.
// Made by [Listen]; all methods may be called concurrently.
type Responder struct {
	secret      []byte
	conn        packetConn
	addr        netip.AddrPort
	candidates  string // ready lines of the answer
	fingerprint string
	log         *slog.Logger
	running     atomic.Bool

	answered, dropped, failed atomic.Uint64
}

// packetConn is what a responder uses of *net.UDPConn.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Listen opens the socket; checks wait in it until [Responder.Run] serves
// them. Whoever does not get to call Run must call [Responder.Close].
func Listen(cfg Config) (*Responder, error) {
	if len(cfg.Secret) < minSecret {
		return nil, fmt.Errorf("ice: the secret has %d bytes, at least %d are needed", len(cfg.Secret), minSecret)
	}
	if cfg.Addr == "" {
		return nil, errors.New("ice: no address to listen on")
	}
	udp, err := net.ResolveUDPAddr("udp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("ice: address to listen on: %w", err)
	}
	conn, err := net.ListenUDP("udp", udp)
	if err != nil {
		return nil, fmt.Errorf("ice: %w", err)
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	r, err := newResponder(cfg, conn, netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

func newResponder(cfg Config, conn packetConn, bound netip.AddrPort) (*Responder, error) {
	advertised, err := advertise(cfg.Advertise, bound)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Responder{
		secret:      bytes.Clone(cfg.Secret),
		conn:        conn,
		addr:        bound,
		candidates:  candidateLines(advertised),
		fingerprint: fingerprint(newSigner(cfg.Secret)),
		log:         log,
	}, nil
}

// Addr is the address listened on, with the port that was taken.
func (r *Responder) Addr() netip.AddrPort { return r.addr }

// Stats reads the counters, each by itself.
func (r *Responder) Stats() Stats {
	return Stats{Answered: r.answered.Load(), Dropped: r.dropped.Load(), Failed: r.failed.Load()}
}

// Close gives the socket back and ends Run. Only needed where Run is never
// called; harmless otherwise, and repeatedly.
func (r *Responder) Close() error {
	if err := r.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("ice: close: %w", err)
	}
	return nil
}

// Run answers checks until ctx ends or the responder is closed, and then
// returns nil with the socket closed and no goroutine left. It may be called
// once. Any error means that the socket failed and checks are no longer
// answered; meetings go on without, so it need not stop the server.
func (r *Responder) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("ice: Run was called before")
	}
	defer r.Close()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		r.Close()
	})
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	r.log.Info("ice: answering connectivity checks", "addr", r.addr)
	err := r.serve(ctx)
	stats := r.Stats()
	r.log.Info("ice: stopped", "addr", r.addr,
		"answered", stats.Answered, "dropped", stats.Dropped, "failed", stats.Failed)
	return err
}

func (r *Responder) serve(ctx context.Context) error {
	checks := newChecker(r.secret)
	buf := make([]byte, 1<<16) // any datagram fits: one cut short would look valid in length
	for faults := 0; ; {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			faults = 0
			r.handle(checks, buf[:n], from)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			faults++
			if faults == readFaultLimit {
				return fmt.Errorf("ice: %d reads in a row failed, the last: %w", faults, err)
			}
			r.log.Warn("ice: read failed", "addr", r.addr, "err", err)
			if !pause(ctx, firstReadPause<<(faults-1)) {
				return nil
			}
		}
	}
}

func (r *Responder) handle(checks *checker, datagram []byte, from netip.AddrPort) {
	answer := checks.answer(datagram, from)
	if answer == nil {
		r.dropped.Add(1)
		return
	}
	if _, err := r.conn.WriteToUDPAddrPort(answer, from); err != nil {
		// Not logged: a stranger could fill the log with forged sources.
		r.failed.Add(1)
		return
	}
	r.answered.Add(1)
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
