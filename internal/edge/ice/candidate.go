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
	hostPreference = 126
	component      = 1
)

// advertise completes the configured addresses with the port listened on, or
// falls back to the address listened on.
func advertise(configured []netip.AddrPort, bound netip.AddrPort) ([]netip.AddrPort, error) {
	if len(configured) > maxAdvertised {
		return nil, fmt.Errorf("ice: %d addresses to advertise, at most %d are allowed", len(configured), maxAdvertised)
	}
	if len(configured) == 0 {
		if bound.Addr().IsUnspecified() {
			return nil, fmt.Errorf("ice: listening on %s, so the addresses to advertise must be configured", bound)
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
			return nil, fmt.Errorf("ice: address %q to advertise: %w", addr, err)
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

// candidateLines are the candidates of each media section (RFC 8839, 5.1), the
// first address preferred. All are of UDP; those of TCP would follow with
// "tcptype passive" (RFC 6544, 4.5) and a lower preference.
func candidateLines(advertised []netip.AddrPort) string {
	var b strings.Builder
	for i, addr := range advertised {
		priority := hostPreference<<24 | (1<<16-1-i)<<8 | (1<<8 - component)
		fmt.Fprintf(&b, "a=candidate:%d %d udp %d %s %d typ host\r\n",
			i+1, component, priority, addr.Addr(), addr.Port())
	}
	return b.String()
}
