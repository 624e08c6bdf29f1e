package gate

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// addresses are those that have something open, or had so a short while ago.
// The gate's lock guards them.
type addresses struct {
	rate  rate.Limit
	burst int
	known map[netip.Addr]*address
	swept time.Time
}

// address is what one address has open.
type address struct {
	bucket  *rate.Limiter
	open    int
	waiting *list.List // of *conn, the longest waiting first
}

func newAddresses(perSecond float64, burst int) *addresses {
	limit := rate.Limit(perSecond)
	if perSecond < 0 {
		limit = rate.Inf
	}
	return &addresses{rate: limit, burst: burst, known: make(map[netip.Addr]*address), swept: time.Now()}
}

// of finds an address. Now and then it forgets those that have nothing open
// and whose bucket is full again.
func (a *addresses) of(ip netip.Addr) *address {
	now := time.Now()
	if now.Sub(a.swept) > time.Minute {
		a.swept = now
		for ip, one := range a.known {
			if one.open == 0 && one.bucket.TokensAt(now) >= float64(a.burst) {
				delete(a.known, ip)
			}
		}
	}
	one, ok := a.known[ip]
	if !ok {
		one = &address{bucket: rate.NewLimiter(a.rate, a.burst), waiting: list.New()}
		a.known[ip] = one
	}
	return one
}

// addressOf reads an address, with or without a port. Of IPv6 the first 64
// bits count: whoever has one address has all that begin so.
func addressOf(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		network, err := ip.Prefix(64)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = network.Addr()
	}
	return ip, true
}

func (g *Gate) trusts(ip netip.Addr) bool {
	for _, p := range g.config.TrustedProxies {
		if p.Contains(ip) || (ip.Is6() && p.Overlaps(netip.PrefixFrom(ip, 64))) {
			return true
		}
	}
	return false
}

// forwarded gives the address that a trusted proxy tells: the last one in
// X-Forwarded-For that is no trusted proxy's itself, since everything before
// it is the client's own word. It is false where the request came directly.
func (g *Gate) forwarded(r *http.Request) (netip.Addr, bool) {
	direct, ok := addressOf(r.RemoteAddr)
	if !ok || !g.trusts(direct) {
		return netip.Addr{}, false
	}
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, told := range slices.Backward(chain) {
		ip, ok := addressOf(strings.TrimSpace(told))
		if !ok {
			return netip.Addr{}, false
		}
		if !g.trusts(ip) {
			return ip, !ip.IsLoopback()
		}
	}
	return netip.Addr{}, false
}
