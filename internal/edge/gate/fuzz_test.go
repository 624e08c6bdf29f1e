package gate

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// FuzzForwarded takes any word of a proxy. Whoever it names is somebody who is
// in it, no trusted proxy and not this machine, and comes after everything
// that the client can have put before.
func FuzzForwarded(f *testing.F) {
	for _, chain := range []string{"", "192.0.2.1", "198.51.100.1, 192.0.2.1:80", "[2001:db8::1]:443", "10.0.0.1", "unknown, _x", ",,,", "::ffff:192.0.2.1", "fe80::1%eth0"} {
		f.Add(chain)
	}
	g := New(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	f.Fuzz(func(t *testing.T, chain string) {
		from := func(chain string) (netip.Addr, bool) {
			return g.forwarded(&http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {chain}}})
		}
		ip, ok := from(chain)
		if ok && (!ip.IsValid() || ip.IsLoopback() || g.trusts(ip) || ip.Zone() != "" || ip.Is4In6()) {
			t.Fatalf("%q names %v", chain, ip)
		}
		if before, known := from("203.0.113.9, " + chain); ok && (!known || before != ip) {
			t.Fatalf("with something before it, %q names %v, not %v", chain, before, ip)
		}
		if strings.TrimSpace(chain) == "" && ok {
			t.Fatalf("nothing names %v", ip)
		}
	})
}
