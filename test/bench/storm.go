package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/bench"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// officialWait is what the official client waits after it has been cut off.
const officialWait = 3 * time.Second

// The figure: all are back, with as few readings of the store.
const allBackWithin = 30 * time.Second

// storm cuts off everybody at once, again and again.
type storm struct {
	out                                io.Writer
	clients, meetings, history, rounds int
	wait                               time.Duration

	server *bench.Process
	crowd  []*visitor
}

// visitor is somebody who comes back.
type visitor struct {
	meeting bench.Meeting
	person  bench.Person
	peer    string
	conn    *bench.Client
	back    time.Duration
	tries   int
	said    atomic.Int64 // of its messages, how many were accepted
}

func (s *storm) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "parley-storm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	meetings, err := bench.SetUp(ctx, dir, s.meetings, s.clients/s.meetings)
	if err != nil {
		return err
	}
	if err := bench.Fill(ctx, dir, meetings, s.history); err != nil {
		return err
	}
	if s.server, err = bench.Start(ctx, "serve", dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.End(syscall.SIGTERM)) }()
	for _, m := range meetings {
		for _, p := range m.People {
			s.crowd = append(s.crowd, &visitor{meeting: m, person: p, peer: bench.NewID()})
		}
	}
	if _, err := s.come(ctx, func(*visitor) time.Duration { return rand.N(5 * time.Second) }); err != nil {
		return err
	}
	talking, quiet := context.WithCancel(ctx)
	defer quiet()
	var talk sync.WaitGroup
	defer talk.Wait()
	defer quiet()
	for _, m := range meetings {
		v := &visitor{meeting: m, person: m.People[0], peer: bench.NewID()}
		if _, err := v.try(ctx, s.server.Address); err != nil {
			return err
		}
		talk.Go(func() { v.talk(talking, time.Second) })
	}
	return s.figures(ctx)
}

func (s *storm) figures(ctx context.Context) error {
	var took, used []time.Duration
	var reads []uint64
	for range s.rounds {
		o, err := s.round(ctx)
		if err != nil {
			return err
		}
		took, reads, used = append(took, o.took), append(reads, o.reads), append(used, o.cpu)
		_, _ = fmt.Fprintf(s.out, "%d clients back after %.2f s (half of them after %.2f s, %d tries), %d reads of the store besides up to %d that are made anyhow, %.2f s of CPU, %d MB of histories\n",
			len(s.crowd), o.took.Seconds(), o.half.Seconds(), o.tries, o.reads, o.chores, o.cpu.Seconds(), o.bytes>>20)
	}
	peak, err := s.server.Peak()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "of %d storms, at most: all back after %.2f s, %d reads for %d meetings, %.2f s of CPU; peak memory %d MiB\n",
		s.rounds, slices.Max(took).Seconds(), slices.Max(reads), s.meetings, slices.Max(used).Seconds(), peak>>20)
	if slices.Max(took) > allBackWithin || slices.Max(reads) > uint64(s.meetings) {
		return fmt.Errorf("%w: all are to be back in %v, with at most one read for each meeting", errMissed, allBackWithin)
	}
	return nil
}

// gale is what came of one storm.
type gale struct {
	took, half    time.Duration
	tries         int
	reads, chores uint64
	cpu           time.Duration
	bytes         int64
}

// round is one storm, after a time in which nobody has asked for a history: the
// server has let them go and has to read them.
func (s *storm) round(ctx context.Context) (gale, error) {
	const quiet = 8 * time.Second
	first, err := s.server.Ask(bench.Count)
	if err != nil {
		return gale{}, err
	}
	if err := bench.Pause(ctx, quiet); err != nil {
		return gale{}, err
	}
	second, err := s.server.Ask(bench.Count)
	if err != nil {
		return gale{}, err
	}
	if err := s.rest(ctx); err != nil {
		return gale{}, err
	}
	before, err := s.server.Ask(bench.Count)
	if err != nil {
		return gale{}, err
	}
	cpu, err := s.server.CPU()
	if err != nil {
		return gale{}, err
	}
	began := time.Now()
	bytes, err := s.strike(ctx)
	if err != nil {
		return gale{}, err
	}
	lasted := time.Since(began)
	after, err := s.server.Ask(bench.Count)
	if err != nil {
		return gale{}, err
	}
	now, err := s.server.CPU()
	if err != nil {
		return gale{}, err
	}
	o := gale{cpu: now - cpu, bytes: bytes, reads: after.Reads - before.Reads}
	// They are made once a second; how many fell into the storm is known to one.
	o.chores = min(o.reads, (second.Reads-first.Reads)*uint64(lasted+time.Second)/uint64(quiet))
	o.reads -= o.chores
	var back []time.Duration
	for _, v := range s.crowd {
		back = append(back, v.back)
		o.tries += v.tries
	}
	o.took, o.half = bench.Percentile(back, 100), bench.Percentile(back, 50)
	return o, nil
}

// rest lets the server believe that some minutes pass, and waits until it has
// let go what it had ready.
func (s *storm) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := s.server.Ask(bench.Rest)
	for err == nil && r.Histories.Bytes > 0 {
		if err = bench.Pause(ctx, 100*time.Millisecond); err == nil {
			r, err = s.server.Ask(bench.Count)
		}
	}
	return err
}

// strike cuts everybody off and waits until all are back.
func (s *storm) strike(ctx context.Context) (bytes int64, err error) {
	for _, v := range s.crowd {
		v.conn.Cut()
	}
	return s.come(ctx, func(*visitor) time.Duration { return s.wait + rand.N(time.Second) })
}

// come lets everybody come after a while of their own.
func (s *storm) come(ctx context.Context, after func(*visitor) time.Duration) (int64, error) {
	began := time.Now()
	var coming sync.WaitGroup
	var bytes atomic.Int64
	failures := make(chan error, len(s.crowd))
	for _, v := range s.crowd {
		coming.Go(func() {
			n, err := v.come(ctx, s.server.Address, after(v))
			if err != nil {
				failures <- err
				return
			}
			if least := s.history * len(bench.Filler); n < least {
				failures <- fmt.Errorf("a client was given a history of %d bytes, which is to have %d", n, least)
				return
			}
			v.back = time.Since(began)
			bytes.Add(int64(n))
		})
	}
	coming.Wait()
	select {
	case err := <-failures:
		return 0, err
	default:
		return bytes.Load(), nil
	}
}

// come tries as the official client does: after a random time that grows, ten
// times.
func (v *visitor) come(ctx context.Context, address string, wait time.Duration) (history int, err error) {
	const tries = 10
	for v.tries = 1; v.tries <= tries; v.tries++ {
		if err := bench.Pause(ctx, wait); err != nil {
			return 0, err
		}
		if history, err = v.try(ctx, address); err == nil {
			return history, nil
		}
		wait = rand.N(min(10*time.Second, time.Second<<v.tries))
	}
	return 0, fmt.Errorf("a client has given up: %w", err)
}

func (v *visitor) try(ctx context.Context, address string) (history int, err error) {
	if v.conn, err = bench.Dial(ctx, address, v.meeting, v.person, v.peer); err != nil {
		return 0, err
	}
	if history, err = v.conn.Join(); err != nil {
		v.conn.Cut()
		return 0, err
	}
	go v.conn.Listen(v.hear, bench.HeadBytes)
	return history, nil
}

// hear counts what the visitor itself has said and the server has taken.
func (v *visitor) hear(f bench.Frame) {
	if f.Event == protocol.SendMessageToRoom && strings.HasPrefix(f.ID, v.peer+"-") {
		v.said.Add(1)
	}
}

// talk says something again and again, less often than a peer may, until ctx or
// the connection ends.
func (v *visitor) talk(ctx context.Context, every time.Duration) {
	defer v.conn.Cut()
	for tick := time.Tick(every); ; {
		select {
		case <-tick:
			if v.conn.Request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "still here"}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
