package crash_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/test/logs"
)

// child is a server in a process of its own. It is killed, by its process id,
// when the test ends.
type child struct {
	address
	cmd   *exec.Cmd
	ready chan address
	ended chan struct{} // closed when the process is gone
	err   error         // why it is gone; to be read after ended
	log   tail
}

// address is where and as whom a child can be reached: the line it prints.
type address struct {
	HTTP    string `json:"http_url"`
	REST    string `json:"rest_url"`
	Account string `json:"account_id"`
	App     string `json:"app_id"`
	Token   string `json:"api_token"`
	CAFile  string `json:"ca_file"`
}

// start starts a server on a data directory and waits until it is ready.
func start(ctx context.Context, tb testing.TB, data string, flags ...string) *child {
	tb.Helper()
	c := launch(tb, data, flags...)
	select {
	case c.address = <-c.ready:
	case <-c.ended:
		tb.Fatalf("the server did not start: %v\n%s", c.err, c.log.String())
	case <-ctx.Done():
		tb.Fatalf("the server is not ready: %v\n%s", context.Cause(ctx), c.log.String())
	}
	return c
}

// launch is start without the waiting.
func launch(tb testing.TB, data string, flags ...string) *child {
	tb.Helper()
	args := append([]string{"dev", "--json", "--data", data, "--http-port", "0", "--https-port", "0", "--log-level", "debug"}, flags...)
	c := &child{cmd: exec.Command(binary, args...), ready: make(chan address, 1), ended: make(chan struct{})}
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLEY_") })
	c.cmd.Stderr = io.MultiWriter(&c.log, logs.Writer("crash"))
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		tb.Fatalf("starting the server: %v", err)
	}
	tb.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may be gone already
		<-c.ended
		if tb.Failed() {
			tb.Logf("server %d ended (%v) and had logged last:\n%s", c.cmd.Process.Pid, c.err, c.log.String())
		}
	})
	go c.follow(out)
	return c
}

// follow reads what the server prints, then waits for its end.
func (c *child) follow(out io.Reader) {
	defer close(c.ended)
	lines := bufio.NewReader(out)
	if line, err := lines.ReadBytes('\n'); err == nil {
		var a address
		if err := json.Unmarshal(line, &a); err == nil {
			c.ready <- a
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	c.err = c.cmd.Wait()
}

// end sends a signal and waits until the process is gone. It gives the exit
// code, -1 for a process that the signal itself has ended.
func (c *child) end(ctx context.Context, tb testing.TB, signal syscall.Signal) int {
	tb.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		tb.Fatalf("sending %v to the server: %v", signal, err)
	}
	return c.exitCode(ctx, tb)
}

// exitCode waits until the process is gone.
func (c *child) exitCode(ctx context.Context, tb testing.TB) int {
	tb.Helper()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		tb.Fatalf("the server does not end: %v", context.Cause(ctx))
		return 0
	}
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const maxTail = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-maxTail):]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
