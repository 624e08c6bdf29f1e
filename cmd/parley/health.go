package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

type healthCommand struct {
	URL     string        `arg:"" optional:"" name:"url" help:"What to ask; without a path, /readyz is asked." default:"http://localhost:8443" env:"PARLEY_HEALTH_URL"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"5s"`
}

// Help implements kong.HelpProvider.
func (healthCommand) Help() string {
	return `For health checks where there is no curl, such as a container's. Of a server on this machine (localhost, 127.0.0.1, ::1) the certificate is not checked, for it names other hosts.

Exit codes: 0 ready, 1 not ready or no answer, 2 wrong usage.`
}

// Run asks a server whether it is ready.
func (c healthCommand) Run(ctx context.Context, out io.Writer) error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return exitError{exitUsage, fmt.Errorf("the URL must be such as http://localhost:8443, not %q", c.URL)}
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: onThisMachine(u.Hostname())}, //nolint:gosec // nobody is in between
	}}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer answer.Body.Close()
	// A line of it is shown; a page of something else is not.
	const longest = 200
	said, _ := io.ReadAll(io.LimitReader(answer.Body, longest))
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s: %s", answer.Status, line)
	}
	_, err = fmt.Fprintln(out, line)
	return err
}

// onThisMachine tells whether a host can be no other machine.
func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return (err == nil && ip.IsLoopback()) || strings.EqualFold(host, "localhost")
}
