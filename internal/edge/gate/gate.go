// Package gate bounds what strangers may hold open: connections that have not
// become sockets. It knows nothing of what is asked on them. Whoever has asked
// completely is never in the way of anybody: when there is no more room, the
// connection goes that has been waiting longest for its next byte, and honest
// clients do not wait.
//
// Two bounds are for each network address: how many connections, and how many
// new ones a second. Behind a proxy that is trusted to tell addresses, they
// are for requests. Loopback addresses have no bound of their own, since local
// proxies and tools come from there; that of all connections holds for them,
// too.
package gate

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Defaults. A school has one address, a thousand pupils who come in the same
// minute, and browsers that open six connections each.
const (
	DefaultConnections        = 8192
	DefaultAddressConnections = 1024
	DefaultAddressRate        = 200
	DefaultAddressBurst       = 10_000
)

// Config is how much is let in. The zero value means the defaults.
type Config struct {
	// Connections is how many connections there may be that are no sockets.
	// Default DefaultConnections.
	Connections int
	// AddressConnections is the same for one address. Default
	// DefaultAddressConnections.
	AddressConnections int
	// AddressRate is how many new connections a second one address may open in
	// the long run, AddressBurst how many at once. Defaults DefaultAddressRate
	// and DefaultAddressBurst; a negative rate means without limit.
	AddressRate  float64
	AddressBurst int
	// TrustedProxies are those whose X-Forwarded-For is believed. Default: none.
	TrustedProxies []netip.Prefix
}

func (c Config) withDefaults() Config {
	if c.Connections <= 0 {
		c.Connections = DefaultConnections
	}
	if c.AddressConnections <= 0 {
		c.AddressConnections = DefaultAddressConnections
	}
	if c.AddressRate == 0 {
		c.AddressRate = DefaultAddressRate
	}
	if c.AddressBurst <= 0 {
		c.AddressBurst = DefaultAddressBurst
	}
	return c
}

// Stats are numbers of a gate; all but Open only grow.
type Stats struct {
	// Open is how many connections are open that are no sockets.
	Open int
	// Evicted is how many waiting connections had to make room.
	Evicted uint64
	// Refused is how many connections and requests found no room.
	Refused uint64
	// TooFast is how many came from an address that came too often.
	TooFast uint64
	// Slow is how many bodies did not come, and answers could not go, in the
	// time there is for them.
	Slow uint64
}

// Gate watches over the connections of one http.Server, whose ConnState and
// ConnContext it has to be. Make it with New. It is safe for concurrent use.
type Gate struct {
	config Config

	mu sync.Mutex
	// Guarded by mu:
	stats     Stats
	waiting   *list.List // of *conn, the longest waiting first
	addresses *addresses
}

// New makes a gate.
func New(config Config) *Gate {
	config = config.withDefaults()
	return &Gate{config: config, waiting: list.New(), addresses: newAddresses(config.AddressRate, config.AddressBurst)}
}

// Stats gives the numbers at this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// Listener watches over a listener. Put it below TLS, and say whether there
// is some: where there is none, who is turned away is told so.
func (g *Gate) Listener(l net.Listener, secure bool) net.Listener {
	return &listener{Listener: l, gate: g, secure: secure}
}

type listener struct {
	net.Listener
	gate   *Gate
	secure bool
}

// turnedAway is the answer to who comes too often, before it has asked.
const turnedAway = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// Accept gives the next connection that there is room for. Of those that are
// not TCP nothing is known, and they pass.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := inner.(*net.TCPConn)
		if !ok {
			return inner, nil
		}
		c := &conn{TCPConn: tcp, gate: l.gate}
		if ip, ok := addressOf(tcp.RemoteAddr().String()); l.gate.enter(c, ip, ok) {
			return c, nil
		}
		if !l.secure {
			_ = inner.SetDeadline(time.Now().Add(time.Second)) // a new connection takes so little at once
			_, _ = io.WriteString(inner, turnedAway)
		}
		_ = inner.Close()
	}
}

// conn is a connection that is no socket, or was none. It embeds the thing
// itself, not an interface, so that net and net/http find its fast ways to
// write.
type conn struct {
	*net.TCPConn
	gate *Gate

	// Guarded by the gate:
	address *address      // nil where it has no bound of its own
	all     *list.Element // in the gate's list of waiting ones
	own     *list.Element // in its address's
	left    bool
}

// Write notes where an answer cannot go. What a connection that has become a
// socket does is nothing to the gate.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.gate.slow(c)
	}
	return n, err
}

// slow counts what was too slow on a connection.
func (g *Gate) slow(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c == nil || !c.left {
		g.stats.Slow++
	}
}

// enter takes a new connection in, at the cost of the longest waiting one
// where there is no room. It is false where none waits.
func (g *Gate) enter(c *conn, ip netip.Addr, known bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known && g.bounded(ip) {
		c.address = g.addresses.of(ip)
		switch {
		case !c.address.bucket.Allow():
			g.stats.TooFast++
			return false
		case c.address.open >= g.config.AddressConnections && !g.evict(c.address.waiting):
			g.stats.Refused++
			return false
		}
	}
	if g.stats.Open >= g.config.Connections && !g.evict(g.waiting) {
		g.stats.Refused++
		return false
	}
	g.stats.Open++
	if c.address != nil {
		c.address.open++
	}
	g.wait(c)
	return true
}

// bounded tells whether connections of an address count for it.
func (g *Gate) bounded(ip netip.Addr) bool { return !ip.IsLoopback() && !g.trusts(ip) }

// evict closes the one that waits longest.
func (g *Gate) evict(waiting *list.List) bool {
	front := waiting.Front()
	if front == nil {
		return false
	}
	c := front.Value.(*conn)
	g.leave(c)
	g.stats.Evicted++
	_ = c.Close() // wakes who reads
	return true
}

// wait puts a connection at the end of those that wait.
func (g *Gate) wait(c *conn) {
	if c.left || c.all != nil {
		return
	}
	c.all = g.waiting.PushBack(c)
	if c.address != nil {
		c.own = c.address.waiting.PushBack(c)
	}
}

// work takes a connection from those that wait: it is the server's turn.
func (g *Gate) work(c *conn) {
	if c.all == nil {
		return
	}
	g.waiting.Remove(c.all)
	if c.own != nil {
		c.address.waiting.Remove(c.own)
	}
	c.all, c.own = nil, nil
}

// leave counts a connection out, once.
func (g *Gate) leave(c *conn) {
	if c.left {
		return
	}
	g.work(c)
	c.left = true
	g.stats.Open--
	if c.address != nil {
		c.address.open--
	}
}

// ConnState is for http.Server.
func (g *Gate) ConnState(nc net.Conn, state http.ConnState) {
	c, ok := below(nc)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateIdle:
		g.wait(c)
	case http.StateHijacked, http.StateClosed:
		g.leave(c)
	case http.StateNew, http.StateActive: // active from the first byte on, which is not much
	}
}

// below finds the gate's connection under TLS.
func below(nc net.Conn) (*conn, bool) {
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	c, ok := nc.(*conn)
	return c, ok
}

type connKey struct{}

// ConnContext is for http.Server.
func (g *Gate) ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := below(nc); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}
