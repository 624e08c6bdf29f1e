package server

import (
	"net/netip"
	"slices"
	"testing"
)

func addrPorts(t *testing.T, list ...string) []netip.AddrPort {
	t.Helper()
	var addrs []netip.AddrPort
	for _, s := range list {
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	return addrs
}

func TestWhereTCPIsListenedOnAndAdvertised(t *testing.T) {
	public := addrPorts(t, "203.0.113.5:3478", "[2001:db8::5]:7000")
	for name, test := range map[string]struct {
		config        Config
		udp, tcp      string
		advertisedTCP []netip.AddrPort
	}{
		"nothing given":       {Config{}, ":3478", ":3478", nil},
		"one address":         {Config{ICEAddr: ":5000"}, ":5000", ":5000", nil},
		"two addresses":       {Config{ICEAddr: ":5000", ICETCPAddr: ":443"}, ":5000", ":443", nil},
		"no UDP":              {Config{ICEAddr: Off}, Off, ":3478", nil},
		"no TCP":              {Config{ICETCPAddr: Off}, ":3478", Off, nil},
		"advertised once":     {Config{ICEAdvertise: public}, ":3478", ":3478", public},
		"advertised twice":    {Config{ICEAdvertise: public, ICETCPAdvertise: public[:1]}, ":3478", ":3478", public[:1]},
		"TCP on another port": {Config{ICEAdvertise: public, ICETCPAddr: ":443"}, ":3478", ":443", addrPorts(t, "203.0.113.5:0", "[2001:db8::5]:0")},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.config.withDefaults()
			if got.ICEAddr != test.udp || got.ICETCPAddr != test.tcp {
				t.Errorf("listening on %s and %s, want %s and %s", got.ICEAddr, got.ICETCPAddr, test.udp, test.tcp)
			}
			if !slices.Equal(got.ICETCPAdvertise, test.advertisedTCP) {
				t.Errorf("TCP is advertised at %s, want %s", got.ICETCPAdvertise, test.advertisedTCP)
			}
		})
	}
	if want := addrPorts(t, "203.0.113.5:3478", "[2001:db8::5]:7000"); !slices.Equal(public, want) {
		t.Errorf("the caller's list has become %s", public)
	}
}

func TestICECannotBeOffAltogether(t *testing.T) {
	config := Config{Dir: "d", PublicURL: "https://api.example.com", ICEAddr: Off}
	if err := config.withDefaults().validate(); err != nil {
		t.Errorf("without UDP: %v", err)
	}
	config.ICETCPAddr = Off
	if err := config.withDefaults().validate(); err == nil {
		t.Error("without both: no error")
	}
}

func TestWhatIsOffIsNotListenedOn(t *testing.T) {
	if e, err := iceEndpoint(Off, addrPorts(t, "203.0.113.5:3478")); err != nil || e.Addr != "" {
		t.Errorf("got %+v, %v", e, err)
	}
}
