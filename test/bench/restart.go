package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/internal/bench"
	"github.com/parley-chat/parley/test/shipped"
)

// The figure: the time from the end of one server to the first join accepted by
// the next.
const firstJoinWithin = 5 * time.Second

// talkPause is the time between two messages in a meeting: with 50 meetings,
// 500 messages a second.
const talkPause = 100 * time.Millisecond

// loadFor is how long they talk before the end.
const loadFor = 3 * time.Second

// restart ends a server under load, and starts it again on what it has left.
type restart struct {
	out                                io.Writer
	messages, meetings, people, rounds int

	binary, dir, address string
}

func (r *restart) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "parley-restart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r.dir = filepath.Join(dir, "data")
	if r.binary, err = shipped.Build(ctx, dir); err != nil {
		return err
	}
	meetings, err := bench.SetUp(ctx, r.dir, r.meetings, r.people)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := bench.Fill(ctx, r.dir, meetings, r.messages/r.meetings); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(r.out, "%d messages stored in %.1f s\n", r.messages, time.Since(began).Seconds())
	if r.address, err = freeAddress(ctx); err != nil {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		if err := r.figure(ctx, meetings, signal); err != nil {
			return err
		}
	}
	return nil
}

func (r *restart) figure(ctx context.Context, meetings []bench.Meeting, signal syscall.Signal) error {
	var took []time.Duration
	for range r.rounds {
		one, err := r.round(ctx, meetings, signal)
		if err != nil {
			return err
		}
		took = append(took, one)
	}
	_, _ = fmt.Fprintf(r.out, "of %d, at most %.0f ms after %v, half of them within %.0f ms\n",
		r.rounds, bench.Milliseconds(slices.Max(took)), signal, bench.Milliseconds(bench.Median(took)))
	if slices.Max(took) > firstJoinWithin {
		return fmt.Errorf("%w: the first join is to be accepted in %v", errMissed, firstJoinWithin)
	}
	return nil
}

// serve starts the real server.
func (r *restart) serve(ctx context.Context) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, r.binary, "serve", "--data", r.dir, "--public-url", bench.PublicURL,
		"--listen", r.address, "--ice-addr", "127.0.0.1:0", "--message-rate=-1", "--log-level=error")
	cmd.Stderr = os.Stderr
	return cmd, cmd.Start()
}

// round loads a server, ends it, starts it again, and times the first join.
func (r *restart) round(ctx context.Context, meetings []bench.Meeting, signal syscall.Signal) (time.Duration, error) {
	cmd, err := r.serve(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.firstJoin(ctx, meetings[0]); err != nil {
		return 0, err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	load, err := r.load(loading, meetings)
	if err != nil {
		return 0, err
	}
	defer load.done.Wait()
	defer stop()
	said := load.said()
	if err := bench.Pause(ctx, loadFor); err != nil {
		return 0, err
	}
	said = load.said() - said
	if full := int64(loadFor/talkPause) * int64(r.meetings); said < full/2 {
		return 0, fmt.Errorf("the server took %d of %d messages: it was not under the load that was meant", said, full)
	}
	began := time.Now()
	if err := cmd.Process.Signal(signal); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil && signal != syscall.SIGKILL {
		return 0, fmt.Errorf("a server that was stopped ended with: %w", err)
	}
	ended := time.Since(began)
	if cmd, err = r.serve(ctx); err != nil {
		return 0, err
	}
	if err := r.firstJoin(ctx, meetings[1]); err != nil {
		return 0, err
	}
	took := time.Since(began)
	_, _ = fmt.Fprintf(r.out, "%d peers, %d messages a second: %v after %.0f ms, the first join is accepted after %.0f ms\n",
		r.meetings*r.people, said*int64(time.Second)/int64(loadFor), signal, bench.Milliseconds(ended), bench.Milliseconds(took))
	stop()
	load.done.Wait()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	return took, cmd.Wait()
}

// load is everybody in the meetings, in each of which one talks.
type load struct {
	done    sync.WaitGroup
	talkers []*visitor
}

// said is how many messages of theirs were accepted.
func (l *load) said() (n int64) {
	for _, v := range l.talkers {
		n += v.said.Load()
	}
	return n
}

// load brings everybody in, until ctx or the server ends.
func (r *restart) load(ctx context.Context, meetings []bench.Meeting) (*load, error) {
	l := &load{talkers: make([]*visitor, len(meetings))}
	entering, entered := errgroup.WithContext(ctx)
	entering.SetLimit(64)
	for i, m := range meetings {
		for k, p := range m.People {
			v := &visitor{meeting: m, person: p, peer: bench.NewID()}
			if k == 0 {
				l.talkers[i] = v
			}
			entering.Go(func() error {
				_, err := v.try(entered, r.address)
				if err == nil && k > 0 {
					context.AfterFunc(ctx, v.conn.Cut)
				}
				return err
			})
		}
	}
	if err := entering.Wait(); err != nil {
		return nil, err
	}
	for _, v := range l.talkers {
		l.done.Go(func() { v.talk(ctx, talkPause) })
	}
	return l, nil
}

// firstJoin tries until somebody has joined.
func (r *restart) firstJoin(ctx context.Context, m bench.Meeting) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v := &visitor{meeting: m, person: m.People[1], peer: bench.NewID()}
	for {
		if _, err := v.try(ctx, r.address); err == nil {
			v.conn.Cut()
			return nil
		}
		if err := bench.Pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("nobody could join: %w", err)
		}
	}
}

// freeAddress gives an address that nobody listens on at the moment.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
