package webhook_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/parley-chat/parley/internal/follow/webhook"
)

func TestHostsThatAreNotOfTheInternetAreRefused(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.0.0.1.", "0x7f000001", "0x7f.1", "2130706433", "017700000001", "0177.0.0.1", "0", "0x",
		"localhost", "LOCALHOST.", "api.localhost", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.1", "192.0.0.8", "192.0.2.1",
		"::1", "::", "::ffff:10.0.0.1", "::10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1",
		"ff02::1", "64:ff9b::a00:1", "2002:a00:1::", "2001::1", "2001:db8::1",
	} {
		if err := (webhook.Guard{}).CheckHost(host); !errors.Is(err, webhook.ErrForbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestPublicHostsAreAllowed(t *testing.T) {
	for _, host := range []string{
		"example.com", "hooks.example.com.", "8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111", "0x7f.example",
		"127.example.com", "localhost.example.com", "xn--bcher-kva.example", "a1",
	} {
		if err := (webhook.Guard{}).CheckHost(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestTheOperatorMayAllowANetwork(t *testing.T) {
	g := webhook.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	for host, want := range map[string]error{
		"10.1.2.3": nil, "::ffff:10.1.2.3": nil, "fd00:1::5": nil,
		"10.2.0.1": webhook.ErrForbidden, "127.0.0.1": webhook.ErrForbidden, "fd00:2::5": webhook.ErrForbidden,
	} {
		if err := g.CheckHost(host); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", host, err, want)
		}
	}
}

// A name that resolves to a public address first and to a private one when it
// is called is caught at the connect.
func TestTheAddressIsCheckedAtTheConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := func(g webhook.Guard) error {
		dialer := net.Dialer{Control: g.Control}
		conn, err := dialer.DialContext(context.Background(), "tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := dial(webhook.Guard{}); !errors.Is(err, webhook.ErrForbidden) {
		t.Errorf("dialling loopback: %v", err)
	}
	if err := dial(webhook.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}); err != nil {
		t.Errorf("dialling what is allowed: %v", err)
	}
	if err := (webhook.Guard{}).Control("udp4", "8.8.8.8:53", nil); !errors.Is(err, webhook.ErrForbidden) {
		t.Errorf("another network: %v", err)
	}
	if err := (webhook.Guard{}).Control("tcp4", "nonsense", nil); !errors.Is(err, webhook.ErrForbidden) {
		t.Errorf("an address that cannot be read: %v", err)
	}
}
