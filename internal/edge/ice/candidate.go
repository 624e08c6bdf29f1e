package ice

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const (
	maxAdvertised = 16

	// RFC 8445, 5.1.2: type preference of a host candidate, and component 1.
	// Those of TCP come after all others (RFC 6544, 4.2).
	hostPreference    = 126
	tcpHostPreference = 99
	component         = 1

	// RFC 6544, 4.2: the local preference of TCP begins with a direction, here
	// that of a passive candidate.
	passivePreference = 4
)

// advertise completes the configured addresses with the port listened on, or
// falls back to the address listened on.
func advertise(configured []netip.AddrPort, bound netip.AddrPort) ([]netip.AddrPort, error) {
	if len(configured) > maxAdvertised {
		return nil, fmt.Errorf("%d addresses to advertise, at most %d are allowed", len(configured), maxAdvertised)
	}
	if len(configured) == 0 {
		if bound.Addr().IsUnspecified() {
			return nil, fmt.Errorf("listening on %s, so the addresses to advertise must be configured", bound)
		}
		configured = []netip.AddrPort{bound}
	}
	advertised := make([]netip.AddrPort, len(configured))
	for i, addr := range configured {
		port := addr.Port()
		if port == 0 {
			port = bound.Port()
		}
		ip := addr.Addr().Unmap()
		if err := reachable(ip); err != nil {
			return nil, fmt.Errorf("address %q to advertise: %w", addr, err)
		}
		advertised[i] = netip.AddrPortFrom(ip, port)
	}
	return advertised, nil
}

// reachable refuses what can never be the address of a candidate.
func reachable(ip netip.Addr) error {
	switch {
	case !ip.IsValid():
		return errors.New("not an address")
	case ip.IsUnspecified():
		return errors.New("unspecified")
	case ip.IsMulticast():
		return errors.New("multicast")
	case ip.Zone() != "":
		return errors.New("its zone means nothing elsewhere")
	}
	return nil
}

// candidates writes the candidates of each media section (RFC 8839, 5.1), the
// first preferred.
type candidates struct {
	lines strings.Builder
	n     int
}

func (c *candidates) String() string { return c.lines.String() }

func (c *candidates) udp(addrs []netip.AddrPort) {
	for i, addr := range addrs {
		c.add("udp", addr, priority(hostPreference, 1<<16-1-i), "")
	}
}

// tcp adds addresses that clients connect to (RFC 6544, 4.5).
func (c *candidates) tcp(addrs []netip.AddrPort) {
	for i, addr := range addrs {
		c.add("tcp", addr, priority(tcpHostPreference, passivePreference<<13|(1<<13-1-i)), " tcptype passive")
	}
}

// priority is the formula of RFC 8445, 5.1.2.1.
func priority(kind, local int) int { return kind<<24 | local<<8 | (1<<8 - component) }

// add writes one candidate. Each has a foundation of its own, its number.
func (c *candidates) add(network string, addr netip.AddrPort, priority int, extension string) {
	c.n++
	fmt.Fprintf(&c.lines, "a=candidate:%d %d %s %d %s %d typ host%s\r\n",
		c.n, component, network, priority, addr.Addr(), addr.Port(), extension)
}
