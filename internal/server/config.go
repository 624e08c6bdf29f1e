package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/edge/gate"
)

// Config is everything a server can be told. Only Dir and PublicURL are needed.
type Config struct {
	// Dir is the data directory; it is made if it does not exist. One process
	// uses it at a time.
	Dir string
	// PublicURL is the https origin under which clients reach the API, such as
	// https://api.chat.example.com. Links to files begin with it.
	PublicURL string
	// ICEAddr is the UDP address that answers connectivity checks, Off for none.
	// Default ":3478".
	ICEAddr string
	// ICEAdvertise lists the addresses that clients are told to check, best
	// first; port 0 stands for that of ICEAddr. Default: ICEAddr, or where that
	// names no host, the addresses of this machine.
	ICEAdvertise []netip.AddrPort
	// ICETCPAddr is the TCP address that answers the checks of clients whose
	// network lets no UDP through, Off for none. Default: as ICEAddr, or where
	// that is off, ":3478".
	ICETCPAddr string
	// ICETCPAdvertise lists its addresses as ICEAdvertise does. Default: as
	// ICEAdvertise, where ICETCPAddr is given with the port of that.
	ICETCPAdvertise []netip.AddrPort
	// MaxUpload is the longest file, in bytes. Default 100 MiB.
	MaxUpload int64
	// ExternalLinks lets messages link to files elsewhere, by http and https.
	// Default: only to files uploaded here.
	ExternalLinks bool
	// MessageRate is how many messages and changes a second one meeting takes
	// in the long run, MessageBurst how many at once. Defaults 200 and 2000; a
	// negative rate means without limit.
	MessageRate  float64
	MessageBurst int
	// LiftPeerRates lets each peer send as fast as it can, which is for
	// benchmarks alone.
	LiftPeerRates bool
	// WebhookAllow lists networks that webhooks may be delivered to besides the
	// public Internet, such as that of your own receivers. Default: none.
	WebhookAllow []netip.Prefix
	// Gate bounds connections that are no sockets, in Serve. Whoever serves the
	// Handler in another way has to bound them in another way.
	Gate gate.Config
	// Synchronous is SQLite's setting of that name, FULL or NORMAL. Default
	// FULL. NORMAL loses acknowledged messages when the power fails.
	Synchronous string
	// MetricsAddr is where metrics are shown to operators, and /healthz and
	// /readyz besides, by plain HTTP. Whoever reaches it sees how much goes on,
	// though never who says what, so keep it to loopback or a private network.
	// Default: Off. See also Server.Operations.
	MetricsAddr string
	// DrainTimeout is how long a stop waits for connections to end. Default 5 s.
	DrainTimeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger. Default slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c = c.withICEDefaults()
	if c.MaxUpload == 0 {
		c.MaxUpload = 100 << 20
	}
	if c.DrainTimeout <= 0 {
		c.DrainTimeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c Config) validate() error {
	if c.Dir == "" {
		return errors.New("a data directory is needed")
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("the public URL must be an origin such as https://api.chat.example.com, not %q", c.PublicURL)
	}
	if c.ICEAddr == Off && c.ICETCPAddr == Off {
		return errors.New("the ICE addresses cannot both be off: official clients could not finish joining")
	}
	if c.MaxUpload < 0 {
		return errors.New("the longest file cannot be negative")
	}
	switch strings.ToUpper(c.Synchronous) {
	case "", "FULL", "NORMAL":
	default:
		return fmt.Errorf("synchronous must be FULL or NORMAL, not %q", c.Synchronous)
	}
	return nil
}
