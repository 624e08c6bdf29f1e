package ice

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/fault"
)

// tcpEndpoint answers checks on TCP connections that clients open (RFC 6544).
// Every message, both ways, follows its length in two bytes (RFC 4571, 2).
type tcpEndpoint struct {
	listener net.Listener
	addr     netip.AddrPort
	limits   tcpLimits
	checkers sync.Pool
	count    *counters
	log      *slog.Logger
	faults   *fault.Guard

	work sync.WaitGroup // the connections' goroutines
	mu   sync.Mutex
	// Guarded by mu:
	conns   map[net.Conn]struct{}
	sources map[netip.Addr]int // connections of each; see sourceOf
}

// tcpLimits are what strangers may do to an endpoint. A connection costs some
// 10 KiB with its goroutine, and its share of the process's descriptors.
type tcpLimits struct {
	// conns is how many connections there may be, perSource how many from one
	// address. Whole offices come from one, with two connections a page.
	conns, perSource int
	// first is how long a connection may live without a check that could be
	// answered, idle how long after each of them. Browsers repeat theirs every
	// few seconds, at most every 25.
	first, idle time.Duration
	// write is how long an answer may take to go out.
	write time.Duration
	// bytes is how much may arrive at once and bytesPerSecond in the long run;
	// who sends more is no browser. That of checks and unanswered DTLS hellos
	// is some 500 bytes a second.
	bytes          int
	bytesPerSecond rate.Limit
}

// The limits of an endpoint; see tcpLimits.
const (
	maxConns          = 8192
	maxConnsPerSource = 1024
	firstCheck        = 10 * time.Second
	idleCheck         = time.Minute
	maxBytes          = 128 << 10
	maxBytesPerSecond = 4 << 10
)

func defaultTCPLimits() tcpLimits {
	return tcpLimits{
		conns: maxConns, perSource: maxConnsPerSource,
		first: firstCheck, idle: idleCheck, write: 5 * time.Second,
		bytes: maxBytes, bytesPerSecond: maxBytesPerSecond,
	}
}

const (
	lengthSize = 2
	// socketBuffer is the kernel's memory for each direction of a connection.
	socketBuffer = 8 << 10
	// longestPause is the longest time between two tries to accept.
	longestPause = time.Second
)

func newTCPEndpoint(l net.Listener, secret []byte, count *counters, log *slog.Logger) *tcpEndpoint {
	return &tcpEndpoint{
		listener: l, addr: addrOf(l.Addr()), limits: defaultTCPLimits(),
		checkers: sync.Pool{New: func() any { return newChecker(secret) }},
		count:    count, log: log,
		conns: make(map[net.Conn]struct{}), sources: make(map[netip.Addr]int),
	}
}

func (e *tcpEndpoint) network() string       { return "tcp" }
func (e *tcpEndpoint) bound() netip.AddrPort { return e.addr }
func (e *tcpEndpoint) close() error          { return e.listener.Close() }

// serve accepts connections until the listener is closed, and then ends them
// all. Other faults of accepting pass, such as having no descriptor left, and
// are waited for.
func (e *tcpEndpoint) serve(ctx context.Context) error {
	defer e.work.Wait()
	defer e.closeAll()
	wait := firstPause
	for {
		conn, err := e.listener.Accept()
		switch {
		case err == nil:
			wait = firstPause
			e.admit(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			if wait == firstPause { // once for a row of them
				e.log.Warn("ice: accepting failed", "addr", e.addr, "err", err)
			}
			if !pause(ctx, wait) {
				return nil
			}
			wait = min(2*wait, longestPause)
		}
	}
}

// admit takes a connection in, or closes it where there are too many.
func (e *tcpEndpoint) admit(conn net.Conn) {
	thrifty(conn)
	from := addrOf(conn.RemoteAddr())
	if !e.enter(conn, sourceOf(from)) {
		e.count.refused.Add(1)
		_ = conn.Close()
		return
	}
	e.work.Go(func() {
		defer e.leave(conn, sourceOf(from))
		e.faults.Do(fault.Connectivity, func() {
			if errors.Is(e.converse(conn, from), errCut) {
				e.count.cut.Add(1)
			}
		})
	})
}

// thrifty keeps a connection from costing much of the kernel's memory: while
// it lives, by unread or unsent bytes, and after its end, by waiting.
func thrifty(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetReadBuffer(socketBuffer)
		_ = c.SetWriteBuffer(socketBuffer)
		_ = c.SetLinger(0)
	}
}

// sourceOf is whom a connection is counted for: an address of IPv4, and of
// IPv6 the 64 bits that name a network, for the rest is free to choose.
func sourceOf(from netip.AddrPort) netip.Addr {
	addr := from.Addr()
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64)
		return network.Addr()
	}
	return addr
}

func (e *tcpEndpoint) enter(conn net.Conn, source netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.conns) >= e.limits.conns || e.sources[source] >= e.limits.perSource {
		return false
	}
	e.conns[conn] = struct{}{}
	e.sources[source]++
	e.count.open.Add(1)
	return true
}

func (e *tcpEndpoint) leave(conn net.Conn, source netip.Addr) {
	_ = conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, conn)
	if e.sources[source]--; e.sources[source] == 0 {
		delete(e.sources, source)
	}
	e.count.open.Add(-1)
}

func (e *tcpEndpoint) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn := range e.conns {
		_ = conn.Close()
	}
}

// errCut says that a connection has broken a limit.
var errCut = errors.New("ice: the connection broke a limit")

// converse answers the checks of one connection until it ends. Only checks
// that are answered keep it alive; whatever else arrives counts against its
// bytes alone.
func (e *tcpEndpoint) converse(conn net.Conn, from netip.AddrPort) error {
	budget := rate.NewLimiter(e.limits.bytesPerSecond, e.limits.bytes)
	buf := make([]byte, lengthSize+maxDatagram)
	patience := e.limits.first
	for {
		if patience > 0 {
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			patience = 0
		}
		message, err := readMessage(conn, buf, budget)
		if err != nil {
			return cutOr(err)
		}
		answer := e.answer(message, from, buf)
		if answer == nil {
			e.count.dropped.Add(1)
			continue
		}
		_ = conn.SetWriteDeadline(time.Now().Add(e.limits.write))
		if _, err := conn.Write(answer); err != nil {
			e.count.failed.Add(1)
			return cutOr(err)
		}
		e.count.answered.Add(1)
		patience = e.limits.idle
	}
}

// cutOr makes errCut of a timeout.
func cutOr(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return errCut
	}
	return err
}

// readMessage reads one message into buf, and takes what it costs out of the
// budget beforehand. A message that is longer than any check is passed over
// and given as nil.
func readMessage(r io.Reader, buf []byte, budget *rate.Limiter) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:lengthSize]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if !budget.AllowN(time.Now(), lengthSize+n) {
		return nil, errCut
	}
	if n > maxDatagram {
		_, err := io.CopyN(io.Discard, r, int64(n))
		return nil, err
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// answer gives the answer to a message with its length before it, written into
// buf, or nil.
func (e *tcpEndpoint) answer(message []byte, from netip.AddrPort, buf []byte) []byte {
	checks := e.checkers.Get().(*checker)
	defer e.checkers.Put(checks)
	answer := checks.answer(message, from)
	if answer == nil {
		return nil
	}
	return append(binary.BigEndian.AppendUint16(buf[:0], uint16(len(answer))), answer...)
}
