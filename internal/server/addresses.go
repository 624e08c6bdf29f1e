package server

import (
	"fmt"
	"net"
	"net/netip"
)

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
