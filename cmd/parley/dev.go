package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"text/template"
	"time"

	"github.com/parley-chat/parley/internal/dev"
	"github.com/parley-chat/parley/internal/localca"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/web"
)

type devCommand struct {
	Data       string `help:"Data directory; made if missing, found again at the next start." default:"parley-data" type:"path" env:"PARLEY_DATA"`
	HTTPPort   int    `name:"http-port" help:"Port for plain http, for the demo page and for tools. 0 takes a free one." default:"8080" env:"PARLEY_HTTP_PORT"`
	HTTPSPort  int    `name:"https-port" help:"Port for https and wss, for official SDKs. 0 takes a free one." default:"8443" env:"PARLEY_HTTPS_PORT"`
	ICEAddr    string `name:"ice-addr" help:"UDP address that lets official clients finish joining; off for none." default:"127.0.0.1:0" env:"PARLEY_ICE_ADDR"`
	ICETCPAddr string `name:"ice-tcp-addr" help:"TCP address that does the same where no UDP gets through; off for none." default:"127.0.0.1:0" env:"PARLEY_ICE_TCP_ADDR"`
	JSON       bool   `name:"json" help:"Print one line of JSON once ready, and nothing else."`

	SQLiteSynchronous string `name:"sqlite-synchronous" hidden:"" enum:"full,normal" default:"full" env:"PARLEY_SQLITE_SYNCHRONOUS"`
}

// ready is what is printed once the server can be used.
type ready struct {
	BaseURI   string `json:"base_uri"`
	APIURL    string `json:"api_url"`
	HTTPURL   string `json:"http_url"`
	RESTURL   string `json:"rest_url"`
	V2URL     string `json:"v2_url"`
	AccountID string `json:"account_id"`
	AppID     string `json:"app_id"`
	APIToken  string `json:"api_token"`
	CAFile    string `json:"ca_file"`
	DemoURL   string `json:"demo_url"`
}

// Run serves on the loopback addresses until ctx ends.
func (c devCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	plain, err := server.ListenLoopback(ctx, c.HTTPPort)
	if err != nil {
		return fmt.Errorf("http (choose another --http-port): %w", err)
	}
	defer closeAll(plain)
	secure, err := server.ListenLoopback(ctx, c.HTTPSPort)
	if err != nil {
		return fmt.Errorf("https (choose another --https-port): %w", err)
	}
	defer closeAll(secure)
	base := fmt.Sprintf("localhost:%d", port(secure))
	s, err := server.New(ctx, server.Config{
		Dir: c.Data, PublicURL: "https://api." + base, ICEAddr: c.ICEAddr, ICETCPAddr: c.ICETCPAddr, Synchronous: c.SQLiteSynchronous, Logger: log,
		WebhookAllow: server.Loopback(), // receivers under development are on this machine
	})
	if err != nil {
		return err
	}
	authority, setup, demo, err := c.prepare(ctx, s)
	if err != nil {
		_ = s.Close()
		return err
	}
	httpURL := fmt.Sprintf("http://localhost:%d", port(plain))
	r := ready{
		BaseURI: base, APIURL: "https://api." + base, HTTPURL: httpURL, RESTURL: httpURL + "/client/v4", V2URL: httpURL + "/v2",
		AccountID: server.Account, AppID: string(setup.App), APIToken: setup.APIToken,
		CAFile: authority.CAFile(), DemoURL: httpURL + "/demo/",
	}
	if err := c.announce(out, r); err != nil {
		_ = s.Close()
		return err
	}
	certificates := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{authority.TLSCertificate()}}
	return s.Serve(ctx, dev.Handler(s, setup, demo, log), listeners(plain, secure, certificates))
}

// prepare makes or finds all that a development server needs.
func (c devCommand) prepare(ctx context.Context, s *server.Server) (*localca.Authority, dev.Setup, fs.FS, error) {
	authority, err := localca.Ensure(filepath.Join(c.Data, "ca"), time.Now)
	if err != nil {
		return nil, dev.Setup{}, nil, err
	}
	setup, err := dev.Prepare(ctx, c.Data, s)
	if err != nil {
		return nil, dev.Setup{}, nil, err
	}
	return authority, setup, web.Demo(), nil
}

var announcement = template.Must(template.New("ready").Parse(`
Parley is ready. Open the demo chat, in two windows if you like:

    {{.DemoURL}}

The official SDK (@cloudflare/realtimekit) joins with its base address changed:

    RealtimeKitClient.init({ baseURI: "{{.BaseURI}}", authToken: "<participant token>" })

The browser has to trust {{.CAFile}}
first (a certificate authority made on this machine, for localhost names only).

Make meetings and participants by REST:

    curl {{.RESTURL}}/accounts/{{.AccountID}}/realtime/kit/{{.AppID}}/meetings \
      -H "Authorization: Bearer {{.APIToken}}" \
      -H "Content-Type: application/json" -d '{"title":"Standup"}'

    older form   {{.V2URL}} with Basic auth {{.AppID}}:{{.APIToken}}
    https        {{.APIURL}}

Stop with Ctrl-C. Everything is kept for the next start.

`))

func (c devCommand) announce(out io.Writer, r ready) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(r)
	}
	return announcement.Execute(out, r)
}

func port(l []net.Listener) int { return l[0].Addr().(*net.TCPAddr).Port }

func closeAll(ls []net.Listener) {
	for _, l := range ls {
		_ = l.Close()
	}
}

func listeners(plain, secure []net.Listener, config *tls.Config) []server.Listener {
	var all []server.Listener
	for _, l := range plain {
		all = append(all, server.Listener{Listener: l})
	}
	for _, l := range secure {
		all = append(all, server.Listener{Listener: l, TLS: config})
	}
	return all
}
