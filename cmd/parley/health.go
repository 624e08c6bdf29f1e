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
	URL     string        `arg:"" optional:"" name:"url" help:"What to ask; without a path, /readyz is asked." default:"http://127.0.0.1:8443" env:"PARLEY_HEALTH_URL"`
	Timeout time.Duration `help:"How long to wait for an answer." default:"5s"`
	Wait    time.Duration `help:"How long to ask again where the server is not ready, or not there yet."`
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
	client := &http.Client{Timeout: c.Timeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: onThisMachine(u.Hostname())}, //nolint:gosec // nobody is in between
	}}
	defer client.CloseIdleConnections()
	said, err := c.ask(ctx, client, u.String())
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	_, err = fmt.Fprintln(out, said)
	return err
}

// ask asks until the server is ready or the time is over.
func (c healthCommand) ask(ctx context.Context, client *http.Client, to string) (string, error) {
	const pause = 100 * time.Millisecond
	over := time.Now().Add(c.Wait)
	again := time.NewTicker(pause)
	defer again.Stop()
	for {
		said, err := once(ctx, client, to)
		if err == nil || !time.Now().Before(over) {
			return said, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// once asks once, and gives the line that is answered.
func once(ctx context.Context, client *http.Client, to string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	// A line of it is shown; a page of something else is not.
	const longest = 200
	said, _ := io.ReadAll(io.LimitReader(answer.Body, longest))
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", answer.Status, line)
	}
	return line, nil
}

// onThisMachine tells whether a host can be no other machine.
func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return (err == nil && ip.IsLoopback()) || strings.EqualFold(host, "localhost")
}
