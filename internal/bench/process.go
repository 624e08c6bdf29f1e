package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/server"
)

// Report is what the server's process says of itself, when asked.
type Report struct {
	server.Counts `json:"counts"`
	// Heap is what it holds, in bytes: after a collection where that was asked for.
	Heap uint64 `json:"heap"`
	// Mallocs is how many objects it has made since its start.
	Mallocs    uint64 `json:"mallocs"`
	Goroutines int    `json:"goroutines"`
}

// What the server's process can be asked: for a report, for one after a
// collection, and to believe that some minutes have passed.
const (
	Count   = "count"
	Collect = "collect"
	Rest    = "rest"

	RestFor = 6 * time.Minute
)

// Lifted is the word for a server without limits of how fast peers may send.
const Lifted = "lifted"

// Serve is the server's process: it serves a data directory and answers each
// line on its standard input with a Report. The word Lifted behind the directory
// lets peers send as fast as they can.
func Serve(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	lifted := len(args) == 2 && args[1] == Lifted
	if len(args) != 1 && !lifted {
		return errors.New("serve needs a data directory")
	}
	if err := ManyFiles(); err != nil {
		return err
	}
	var ahead atomic.Int64 // of the clock
	s, err := server.New(ctx, server.Config{
		Dir: args[0], PublicURL: PublicURL, ICEAddr: "127.0.0.1:0", MessageRate: -1, LiftPeerRates: lifted,
		Now:    func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, s.Close())
	}
	_, _ = fmt.Fprintln(out, l.Addr())
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			switch lines.Text() {
			case Rest:
				ahead.Add(int64(RestFor))
			case Collect:
				runtime.GC() // twice, for what pools keep survives the first
				runtime.GC()
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			r := Report{s.Counts(), m.HeapAlloc, m.Mallocs, runtime.NumGoroutine()}
			if err := json.NewEncoder(out).Encode(r); err != nil { //nolint:musttag // it goes from this program to itself
				return // nobody asks any more
			}
		}
	}()
	return s.Serve(ctx, s.Handler(), []server.Listener{{Listener: l}})
}

// Process is a server in a process of its own.
type Process struct {
	*exec.Cmd
	Address string
	in      io.Writer
	out     *bufio.Reader
	reports bool // it is Serve, which can be asked
}

// Start starts this program again with other arguments, of which Serve is told.
func Start(ctx context.Context, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return Launch(exec.CommandContext(ctx, self, args...)) //nolint:gosec // it is this program
}

// Launch starts a process and waits for its first line, the address.
func Launch(cmd *exec.Cmd) (*Process, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	p := &Process{Cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server has not started: %w", err), cmd.Wait())
	}
	p.Address = strings.TrimSpace(line)
	return p, nil
}

// Ask gives a report.
func (p *Process) Ask(what string) (Report, error) {
	var r Report
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		return r, fmt.Errorf("asking the server: %w", err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("asking the server: %w", err)
	}
	return r, json.Unmarshal(answer, &r) //nolint:musttag // it goes from this program to itself
}

// spent gives the time the process takes while something is done.
func (p *Process) spent(do func() error) (time.Duration, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := p.CPU()
	return after - before, err
}

// mallocs is how many objects the server has made, 0 where it cannot be asked.
func (p *Process) mallocs() (int64, error) {
	if !p.reports {
		return 0, nil
	}
	r, err := p.Ask(Count)
	return int64(r.Mallocs), err
}

// End sends a signal and waits until the process is gone.
func (p *Process) End(signal syscall.Signal) error {
	if err := p.Process.Signal(signal); err != nil {
		return err
	}
	err := p.Wait()
	if signal == syscall.SIGKILL {
		return nil
	}
	return err
}

// Peak is the most memory the process has had, in bytes.
func (p *Process) Peak() (int, error) { return p.memory("VmHWM:") }

// Holds is the memory the process has now, in bytes.
func (p *Process) Holds() (int, error) { return p.memory("VmRSS:") }

func (p *Process) memory(which string) (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), which)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("the kernel's account cannot be read")
	}
	kib, err := strconv.Atoi(fields[0])
	return kib << 10, err
}

// ManyFiles lets this process, and those it starts, have as many connections as
// the system allows.
func ManyFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of files: %w", err)
	}
	return nil
}

// enoughFiles tells whether so many connections are possible.
func enoughFiles(connections int) error {
	const others = 64 // the database, the terminal and what else is open
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of files: %w", err)
	}
	if need := uint64(connections + others); limit.Cur < need {
		return fmt.Errorf("%d connections need %d open files, and the limit is %d; raise it (ulimit -n) or make the load smaller", connections, need, limit.Cur)
	}
	return nil
}
