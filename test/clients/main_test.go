// Package clients lets Cloudflare's generated Go client of the REST API judge
// the real binary: with nothing changed but its base URL, each of its methods for
// RealtimeKit is called, what comes back must be what its types promise, and what
// cannot be done must be the error that it knows.
//
// The same table runs four times: in the account form and in the older v2 form,
// for which the requests of the same client are written anew on their way out,
// each over plain http and over https.
//
// The client of TypeScript is tried in web/clients.
package clients_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
	"github.com/parley-chat/parley/test/shipped"
)

// binary is the server under test.
var binary string

func TestMain(m *testing.M) { os.Exit(shipped.Main(m, &binary)) }

// address is the line that a development server prints.
type address struct {
	BaseURI string `json:"base_uri"`
	HTTP    string `json:"http_url"`
	Account string `json:"account_id"`
	App     string `json:"app_id"`
	Token   string `json:"api_token"`
	CAFile  string `json:"ca_file"`
	// AllApps is a token for all apps.
	AllApps string `json:"-"`
}

// serve starts a server for as long as the test runs.
func serve(t *testing.T) address {
	t.Helper()
	data := t.TempDir()
	cmd := command(t.Context(), "dev", "--json", "--data", data, "--http-port", "0", "--https-port", "0", "--log-level", "debug")
	cmd.Stderr = logs.Writer("clients")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = peer.Timeout
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	var a address
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatal(err)
	}
	a.AllApps = token(t, data, "")
	logs.Secret(a.Token, a.AllApps)
	return a
}

// token makes an API token by the command line, while the server runs.
func token(t *testing.T, data, app string, scopes ...string) string {
	t.Helper()
	args := []string{"token", "create", "--data", data, "--json", "clients"}
	if app != "" {
		args = append(args, "--app", app)
	}
	for _, s := range scopes {
		args = append(args, "--scope", s)
	}
	printed, err := command(t.Context(), args...).Output()
	if err != nil {
		t.Fatalf("parley %s: %v", strings.Join(args, " "), err)
	}
	var made struct{ Token string }
	if err := json.Unmarshal(printed, &made); err != nil || made.Token == "" {
		t.Fatalf("parley token create printed %q: %v", printed, err)
	}
	return made.Token
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLEY_") })
	return cmd
}
