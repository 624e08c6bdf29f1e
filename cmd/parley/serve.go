package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/parley-chat/parley/internal/edge/gate"
	"github.com/parley-chat/parley/internal/server"
)

type serveCommand struct {
	Data      string `help:"Data directory; made if missing. One process uses it at a time." required:"" type:"path" env:"PARLEY_DATA"`
	PublicURL string `name:"public-url" help:"Origin under which clients reach the API, such as https://api.chat.example.com." required:"" env:"PARLEY_PUBLIC_URL"`
	Listen    string `help:"Address to serve on." default:":8443" env:"PARLEY_LISTEN"`
	TLSCert   string `name:"tls-cert" help:"PEM file with the certificate chain for api.<base> and socket-edge.<base>. Without it, plain http is served, for a proxy that adds https." type:"existingfile" placeholder:"FILE" env:"PARLEY_TLS_CERT"`
	TLSKey    string `name:"tls-key" help:"PEM file with the certificate's key." type:"existingfile" placeholder:"FILE" env:"PARLEY_TLS_KEY"`

	ICEAddr         string           `name:"ice-addr" help:"UDP address that lets official clients finish joining; off for none." default:":3478" env:"PARLEY_ICE_ADDR"`
	ICEAdvertise    []netip.AddrPort `name:"ice-advertise" help:"Addresses as ip:port that clients are told to reach it at. Default: those of this machine." placeholder:"IP:PORT" env:"PARLEY_ICE_ADVERTISE"`
	ICETCPAddr      string           `name:"ice-tcp-addr" help:"TCP address that does the same for clients whose network lets no UDP through; off for none. Default: as --ice-addr." placeholder:":3478" env:"PARLEY_ICE_TCP_ADDR"`
	ICETCPAdvertise []netip.AddrPort `name:"ice-tcp-advertise" help:"Addresses as ip:port that clients are told to reach that at. Default: those of --ice-advertise, with the port of --ice-tcp-addr where that is given." placeholder:"IP:PORT" env:"PARLEY_ICE_TCP_ADVERTISE"`

	MaxUpload     int64   `name:"max-upload" help:"Longest file, in bytes." default:"104857600" env:"PARLEY_MAX_UPLOAD"`
	ExternalLinks bool    `name:"external-links" help:"Let image, file and custom messages link to files elsewhere." env:"PARLEY_EXTERNAL_LINKS"`
	MessageRate   float64 `name:"message-rate" help:"Messages a second that one meeting takes in the long run; negative for no limit." default:"200" env:"PARLEY_MESSAGE_RATE"`
	MessageBurst  int     `name:"message-burst" help:"Messages that one meeting takes at once." default:"2000" env:"PARLEY_MESSAGE_BURST"`

	WebhookAllow []netip.Prefix `name:"webhook-allow" help:"Networks, such as 10.1.0.0/16, that webhooks may be delivered to besides the public Internet." placeholder:"CIDR" env:"PARLEY_WEBHOOK_ALLOW"`

	Connections        int            `name:"connections" help:"Connections at the same time that are no sockets; beyond, those that wait longest make room." default:"8192" env:"PARLEY_CONNECTIONS"`
	AddressConnections int            `name:"address-connections" help:"The same from one network address." default:"1024" env:"PARLEY_ADDRESS_CONNECTIONS"`
	AddressRate        float64        `name:"address-rate" help:"New connections a second from one network address in the long run; negative for no limit." default:"200" env:"PARLEY_ADDRESS_RATE"`
	AddressBurst       int            `name:"address-burst" help:"New connections from one network address at once." default:"10000" env:"PARLEY_ADDRESS_BURST"`
	TrustedProxies     []netip.Prefix `name:"trusted-proxies" help:"Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8. The limits for each address are then for who is behind them." placeholder:"PREFIX" env:"PARLEY_TRUSTED_PROXIES"`

	MetricsAddr string `name:"metrics-addr" help:"Address that shows metrics to Prometheus, by plain http, with /healthz and /readyz; off for none. Keep it from strangers." default:"127.0.0.1:13478" env:"PARLEY_METRICS_ADDR"`

	SQLiteSynchronous string `name:"sqlite-synchronous" hidden:"" enum:"full,normal" default:"full" env:"PARLEY_SQLITE_SYNCHRONOUS"`
}

// Run serves until ctx ends.
func (c serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	config, err := c.tls()
	if err != nil {
		return err
	}
	s, err := server.New(ctx, server.Config{
		Dir: c.Data, PublicURL: c.PublicURL, ICEAddr: c.ICEAddr, ICEAdvertise: c.ICEAdvertise,
		ICETCPAddr: c.ICETCPAddr, ICETCPAdvertise: c.ICETCPAdvertise,
		MaxUpload: c.MaxUpload, ExternalLinks: c.ExternalLinks, MessageRate: c.MessageRate, MessageBurst: c.MessageBurst,
		MetricsAddr: c.MetricsAddr, WebhookAllow: c.WebhookAllow, Synchronous: c.SQLiteSynchronous, Logger: log,
		Gate: gate.Config{
			Connections: c.Connections, AddressConnections: c.AddressConnections,
			AddressRate: c.AddressRate, AddressBurst: c.AddressBurst, TrustedProxies: c.TrustedProxies,
		},
	})
	if err != nil {
		return err
	}
	var listening net.ListenConfig
	l, err := listening.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listening on %s: %w", c.Listen, err), s.Close())
	}
	log.Info("parley serves", "addr", l.Addr().String(), "tls", config != nil, "public_url", c.PublicURL)
	return s.Serve(ctx, s.Handler(), []server.Listener{{Listener: l, TLS: config}})
}

// tls reads the certificate, nil for plain http.
func (c serveCommand) tls() (*tls.Config, error) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("--tls-cert and --tls-key belong together")
	}
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}
