package ice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/parley-chat/parley/internal/fault"
)

const (
	// readFaultLimit is how many failed reads in a row end an endpoint.
	readFaultLimit = 10
	// firstPause follows the first fault of a socket, and doubles with each
	// further one; those of all reads up to the limit last some five seconds.
	firstPause = 10 * time.Millisecond
)

// udpEndpoint answers checks on one UDP socket, everybody's.
type udpEndpoint struct {
	conn   packetConn
	addr   netip.AddrPort
	secret []byte
	count  *counters
	log    *slog.Logger
	faults *fault.Guard
}

// packetConn is what an endpoint uses of *net.UDPConn.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

func listenUDP(addr string) (*net.UDPConn, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("address to listen on: %w", err)
	}
	return net.ListenUDP("udp", udp)
}

func newUDPEndpoint(conn packetConn, addr netip.AddrPort, secret []byte, count *counters, log *slog.Logger) *udpEndpoint {
	return &udpEndpoint{conn: conn, addr: addr, secret: secret, count: count, log: log}
}

func (e *udpEndpoint) network() string       { return "udp" }
func (e *udpEndpoint) bound() netip.AddrPort { return e.addr }
func (e *udpEndpoint) close() error          { return e.conn.Close() }

func (e *udpEndpoint) serve(ctx context.Context) error {
	checks := newChecker(e.secret)
	buf := make([]byte, 1<<16) // any datagram fits: one cut short would look valid in length
	for faults := 0; ; {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			faults = 0
			e.handle(checks, buf[:n], from)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			faults++
			if faults == readFaultLimit {
				return fmt.Errorf("ice: %d reads in a row failed, the last: %w", faults, err)
			}
			e.log.Warn("ice: read failed", "addr", e.addr, "err", err)
			if !pause(ctx, firstPause<<(faults-1)) {
				return nil
			}
		}
	}
}

func (e *udpEndpoint) handle(checks *checker, datagram []byte, from netip.AddrPort) {
	defer func() { e.faults.Stopped(fault.Connectivity, recover()) }()
	answer := checks.answer(datagram, from)
	if answer == nil {
		e.count.dropped.Add(1)
		return
	}
	if _, err := e.conn.WriteToUDPAddrPort(answer, from); err != nil {
		// Not logged: a stranger could fill the log with forged sources.
		e.count.failed.Add(1)
		return
	}
	e.count.answered.Add(1)
}
