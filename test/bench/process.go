package main

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

// report is what the server's process says of itself, when asked.
type report struct {
	server.Counts
	// Heap is what it holds after a collection, in bytes.
	Heap uint64
}

// What the server's process can be asked: for a report, for one after a
// collection, and to believe that some minutes have passed.
const (
	count   = "count"
	collect = "collect"
	rest    = "rest"

	restFor = 6 * time.Minute
)

// serve is the server's process: it serves a data directory and answers each
// line on its standard input with a report.
func serve(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("serve needs a data directory")
	}
	if err := manyFiles(); err != nil {
		return err
	}
	var ahead atomic.Int64 // of the clock
	s, err := server.New(ctx, server.Config{
		Dir: args[0], PublicURL: publicURL, ICEAddr: "127.0.0.1:0", MessageRate: -1,
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
			var m runtime.MemStats
			switch lines.Text() {
			case rest:
				ahead.Add(int64(restFor))
			case collect:
				runtime.GC() // twice, for what pools keep survives the first
				runtime.GC()
				runtime.ReadMemStats(&m)
			}
			if err := json.NewEncoder(out).Encode(report{s.Counts(), m.HeapAlloc}); err != nil {
				return // nobody asks any more
			}
		}
	}()
	return s.Serve(ctx, s.Handler(), []server.Listener{{Listener: l}})
}

// process is a server in a process of its own.
type process struct {
	*exec.Cmd
	address string
	in      io.Writer
	out     *bufio.Reader
}

// start starts one on a data directory: the benchmark's own.
func start(ctx context.Context, dir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launch(exec.CommandContext(ctx, self, "serve", dir))
}

// launch starts a process and waits for its first line, the address.
func launch(cmd *exec.Cmd) (*process, error) {
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
	p := &process{Cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server has not started: %w", err), cmd.Wait())
	}
	p.address = strings.TrimSpace(line)
	return p, nil
}

// ask gives a report.
func (p *process) ask(what string) (report, error) {
	var r report
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		return r, fmt.Errorf("asking the server: %w", err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("asking the server: %w", err)
	}
	return r, json.Unmarshal(answer, &r)
}

// end sends a signal and waits until the process is gone.
func (p *process) end(signal syscall.Signal) error {
	if err := p.Process.Signal(signal); err != nil {
		return err
	}
	err := p.Wait()
	if signal == syscall.SIGKILL {
		return nil
	}
	return err
}

// cpu is the time the process has used, by the kernel's account.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("the kernel's account cannot be read")
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Linux runs Go
	var used time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		used += time.Duration(n) * tick
	}
	return used, nil
}

// peak is the most memory the process has had, in bytes.
func (p *process) peak() (int, error) { return p.memory("VmHWM:") }

// holds is the memory the process has now, in bytes.
func (p *process) holds() (int, error) { return p.memory("VmRSS:") }

func (p *process) memory(which string) (int, error) {
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
