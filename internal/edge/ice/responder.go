package ice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/fault"
)

// Config says where a [Responder] listens and what it tells clients. UDP or
// TCP must be given; where both are, clients prefer UDP.
type Config struct {
	// Secret is what all credentials follow from, at least 16 bytes. Nodes
	// that share it answer for each other. A new secret makes the open pages'
	// transports fail; they then ask for new ones, and chat goes on.
	Secret []byte

	// UDP serves most clients, TCP those whose network lets no UDP through.
	UDP, TCP Endpoint

	// Logger gets one line when serving starts and one when it stops, and
	// faults of the sockets. Default: none.
	Logger *slog.Logger

	// Faults stops panics over what strangers send. Default: nobody is told.
	Faults *fault.Guard
}

// Endpoint is one transport of a [Responder]. The zero value switches it off.
type Endpoint struct {
	// Addr is the address to listen on, as host:port. Port 0 takes a free one.
	// On a machine with several addresses of one family, name for UDP the one
	// that clients use: from an unspecified address the kernel picks the source
	// of an answer, and browsers refuse one that comes from elsewhere than they
	// asked.
	Addr string

	// Advertise lists the addresses that clients are told to check, best
	// first, at most 16, IPv4 or IPv6, as they are seen from outside. Port 0
	// stands for the port listened on. Default: the address listened on, which
	// then must not be unspecified.
	Advertise []netip.AddrPort
}

// Stats counts, of both transports together, since [Listen].
type Stats struct {
	Answered uint64 // connectivity checks answered
	Dropped  uint64 // messages of any other kind; DTLS hellos are among them
	Failed   uint64 // answers that the socket would not send

	Open    int64  // TCP connections at this moment
	Refused uint64 // TCP connections that a limit kept out
	Cut     uint64 // TCP connections closed for silence or for too much noise
}

type counters struct {
	answered, dropped, failed, refused, cut atomic.Uint64
	open                                    atomic.Int64
}

// Responder answers SDP offers and the connectivity checks that follow them.
// Made by [Listen]; all methods may be called concurrently.
type Responder struct {
	secret      []byte
	udp         *udpEndpoint // nil if switched off
	tcp         *tcpEndpoint // nil if switched off
	candidates  string       // ready lines of the answer
	fingerprint string
	log         *slog.Logger
	faults      *fault.Guard
	count       *counters
	running     atomic.Bool
}

// endpoint answers the checks that one socket brings.
type endpoint interface {
	// serve works until the endpoint is closed, which is no error. ctx ends its
	// pauses.
	serve(ctx context.Context) error
	close() error
	network() string
	bound() netip.AddrPort
}

// Listen opens the sockets; checks wait in them until [Responder.Run] serves
// them. Whoever does not get to call Run must call [Responder.Close].
func Listen(cfg Config) (*Responder, error) {
	if len(cfg.Secret) < minSecret {
		return nil, fmt.Errorf("ice: the secret has %d bytes, at least %d are needed", len(cfg.Secret), minSecret)
	}
	if cfg.UDP.Addr == "" && cfg.TCP.Addr == "" {
		return nil, errors.New("ice: no address to listen on")
	}
	r := newResponder(cfg)
	err := r.open(cfg)
	if err == nil {
		err = r.advertise(cfg)
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// newResponder makes a responder that listens nowhere yet.
func newResponder(cfg Config) *Responder {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Responder{
		secret:      bytes.Clone(cfg.Secret),
		fingerprint: fingerprint(newSigner(cfg.Secret)),
		log:         log,
		faults:      cfg.Faults,
		count:       new(counters),
	}
}

func (r *Responder) open(cfg Config) error {
	if cfg.UDP.Addr != "" {
		conn, err := listenUDP(cfg.UDP.Addr)
		if err != nil {
			return fmt.Errorf("ice: UDP: %w", err)
		}
		r.udp = newUDPEndpoint(conn, addrOf(conn.LocalAddr()), r.secret, r.count, r.log)
		r.udp.faults = r.faults
	}
	if cfg.TCP.Addr != "" {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.TCP.Addr)
		if err != nil {
			return fmt.Errorf("ice: TCP: %w", err)
		}
		r.tcp = newTCPEndpoint(listener, r.secret, r.count, r.log)
		r.tcp.faults = r.faults
	}
	return nil
}

// advertise writes the candidates: UDP first, then TCP, each list in the order
// it was given in.
func (r *Responder) advertise(cfg Config) error {
	var list candidates
	if r.udp != nil {
		addrs, err := advertise(cfg.UDP.Advertise, r.udp.addr)
		if err != nil {
			return fmt.Errorf("ice: UDP: %w", err)
		}
		list.udp(addrs)
	}
	if r.tcp != nil {
		addrs, err := advertise(cfg.TCP.Advertise, r.tcp.addr)
		if err != nil {
			return fmt.Errorf("ice: TCP: %w", err)
		}
		list.tcp(addrs)
	}
	r.candidates = list.String()
	return nil
}

func (r *Responder) endpoints() []endpoint {
	var all []endpoint
	if r.udp != nil {
		all = append(all, r.udp)
	}
	if r.tcp != nil {
		all = append(all, r.tcp)
	}
	return all
}

// UDPAddr is the UDP address listened on, with the port that was taken; the
// zero value if UDP is switched off.
func (r *Responder) UDPAddr() netip.AddrPort {
	if r.udp == nil {
		return netip.AddrPort{}
	}
	return r.udp.addr
}

// TCPAddr is the same of TCP.
func (r *Responder) TCPAddr() netip.AddrPort {
	if r.tcp == nil {
		return netip.AddrPort{}
	}
	return r.tcp.addr
}

// Stats reads the counters, each by itself.
func (r *Responder) Stats() Stats {
	c := r.count
	return Stats{
		Answered: c.answered.Load(), Dropped: c.dropped.Load(), Failed: c.failed.Load(),
		Open: c.open.Load(), Refused: c.refused.Load(), Cut: c.cut.Load(),
	}
}

// Close gives the sockets back and ends Run. Only needed where Run is never
// called; harmless otherwise, and repeatedly.
func (r *Responder) Close() error {
	var errs []error
	for _, e := range r.endpoints() {
		if err := e.close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("ice: close %s: %w", e.network(), err))
		}
	}
	return errors.Join(errs...)
}

// Run answers checks until ctx ends or the responder is closed, and then
// returns nil with the sockets closed and no goroutine left. It may be called
// once. Where one transport fails, which is logged, the other goes on; the
// error means that none is left and checks are no longer answered. Meetings go
// on without, so it need not stop the server.
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
	err := r.serve(ctx)
	s := r.Stats()
	r.log.Info("ice: stopped", "answered", s.Answered, "dropped", s.Dropped, "failed", s.Failed,
		"refused", s.Refused, "cut", s.Cut)
	return err
}

func (r *Responder) serve(ctx context.Context) error {
	all := r.endpoints()
	errs := make([]error, len(all))
	var serving sync.WaitGroup
	for i, e := range all {
		serving.Go(func() {
			r.log.Info("ice: answering connectivity checks", "network", e.network(), "addr", e.bound())
			if errs[i] = e.serve(ctx); errs[i] != nil {
				r.log.Error("ice: a transport has failed", "network", e.network(), "addr", e.bound(), "err", errs[i])
			}
		})
	}
	serving.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errors.Join(errs...)
}

// addrOf gives the address of a socket of ours or of a peer; that of IPv4 on a
// dual-stack socket as what it is.
func addrOf(a net.Addr) netip.AddrPort {
	var addr netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		addr = a.AddrPort()
	case *net.TCPAddr:
		addr = a.AddrPort()
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
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
