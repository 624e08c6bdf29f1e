package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// Guard says which addresses a webhook may be delivered to. Whoever holds an
// API token chooses the URL, and must not reach by it what only this machine
// reaches: so addresses that are not of the public Internet are refused, by
// CheckHost when the URL is given and by Control at every connect, after names
// have been resolved. A name that leads to a public address at first and to a
// private one later gains nothing.
//
// The zero value allows public addresses alone.
type Guard struct {
	// Allow lists what is allowed besides, such as the network of the
	// operator's own receivers.
	Allow []netip.Prefix
}

// ErrForbidden says that an address is not one to deliver to.
var ErrForbidden = errors.New("the address is not on the public Internet")

// special are the blocks of the IANA registries of special-purpose addresses
// that are not globally reachable, and those that carry another address within
// them in a form that the kernel, or a gateway, would act upon.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// Check tells whether an address may be connected to.
func (g Guard) Check(ip netip.Addr) error {
	ip = ip.WithZone("").Unmap()
	for _, p := range g.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	for _, p := range special {
		if p.Contains(ip) {
			return ErrForbidden
		}
	}
	if !ip.IsValid() || !ip.IsGlobalUnicast() {
		return ErrForbidden
	}
	return nil
}

// CheckHost tells whether the host of a URL may be called, as far as can be
// seen without resolving it: a literal address must be allowed, and a number
// that some resolvers take for an address (127.1, 0x7f000001) never is.
func (g Guard) CheckHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		return g.Check(ip)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || numeric(last) {
		return ErrForbidden
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return g.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

// numeric tells whether a label is one by which a host counts as an IPv4
// address in the URL standard ("ends in a number"): digits, or 0x and more
// digits.
func numeric(label string) bool {
	digits, isHex := strings.CutPrefix(label, "0x")
	if !isHex && label == "" {
		return false
	}
	return !strings.ContainsFunc(digits, func(r rune) bool {
		return (r < '0' || r > '9') && (!isHex || r < 'a' || r > 'f')
	})
}

// Control is for net.Dialer: it is called with the address of each connection,
// right before it is made.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrForbidden, network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return g.Check(to.Addr())
}
