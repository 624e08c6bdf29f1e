package server

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/parley-chat/parley/internal/edge/ice"
)

// Off in place of an ICE address switches that transport off.
const Off = "off"

// defaultICEAddr has the port that IANA gave to STUN.
const defaultICEAddr = ":3478"

func (c Config) withICEDefaults() Config {
	if c.ICEAddr == "" {
		c.ICEAddr = defaultICEAddr
	}
	if len(c.ICETCPAdvertise) == 0 {
		c.ICETCPAdvertise = slices.Clone(c.ICEAdvertise)
		if c.ICETCPAddr != "" { // which may well have another port
			for i, a := range c.ICETCPAdvertise {
				c.ICETCPAdvertise[i] = netip.AddrPortFrom(a.Addr(), 0)
			}
		}
	}
	switch {
	case c.ICETCPAddr != "":
	case c.ICEAddr == Off:
		c.ICETCPAddr = defaultICEAddr
	default:
		c.ICETCPAddr = c.ICEAddr
	}
	return c
}

// iceEndpoint says where to listen and what to advertise.
func iceEndpoint(addr string, advertise []netip.AddrPort) (ice.Endpoint, error) {
	if addr == Off {
		return ice.Endpoint{}, nil
	}
	if len(advertise) == 0 {
		var err error
		if advertise, err = advertised(addr); err != nil {
			return ice.Endpoint{}, err
		}
	}
	return ice.Endpoint{Addr: addr, Advertise: advertise}, nil
}

// advertised gives the addresses to put into ICE candidates where none are
// configured: the one listened on, or for all of them those of this machine
// that others can reach; loopback only if there are no others.
func advertised(listen string) ([]netip.AddrPort, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("the ICE address: %w", err)
	}
	if !everywhere(host) {
		return nil, nil // package ice takes the address it listens on
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of this machine: %w", err)
	}
	var reachable, loopback []netip.AddrPort
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap()
		switch {
		case ip.IsLoopback():
			loopback = append(loopback, netip.AddrPortFrom(ip, 0))
		case ip.IsGlobalUnicast():
			reachable = append(reachable, netip.AddrPortFrom(ip, 0))
		}
	}
	if len(reachable) == 0 {
		return loopback, nil
	}
	const most = 16
	return reachable[:min(len(reachable), most)], nil
}

// everywhere tells whether to listen on this host is to listen on all
// addresses.
func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || (err == nil && ip.IsUnspecified())
}

// Loopback gives the networks of this machine alone.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}
