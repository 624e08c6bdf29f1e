package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/internal/bench"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The figure: what one peer that never reads costs, in memory of the server and
// its kernel, and by how much the others get their messages later.
const (
	slowCosts = 1 << 20
	slowDelay = 1.10
)

// slow compares two servers, each with a meeting as large and as loud as the
// other's: in one of them somebody does not read. Both run at the same time, and
// what is said is said in both at once, so that whatever else the machine does
// happens to both.
type slow struct {
	out                           io.Writer
	peers, rate, messages, rounds int
	after                         time.Duration
}

// Of what is said: long, so that the peer is soon behind.
const slowText = 1900

// While it is watched what a peer costs until it is forgotten, less is said: then
// most of it is what is kept for that peer alone.
const (
	watchRate = 15
	watchText = 1000
)

func (s *slow) run(ctx context.Context) error {
	var with, without []time.Duration
	var ratios []float64
	var costs []int
	for n := range s.rounds {
		// Which server it is changes, in case one of them has it better.
		r, err := s.round(ctx, n%2, talk{rate: s.rate, messages: s.messages, text: slowText, samples: 6})
		if err != nil {
			return err
		}
		with, without = append(with, r.with), append(without, r.without)
		ratios, costs = append(ratios, float64(r.with)/float64(r.without)), append(costs, r.cost)
		_, _ = fmt.Fprintf(s.out, "p99 %.2f ms without, %.2f ms with a peer that never reads (%+.1f %%); it costs %d KiB\n",
			bench.Milliseconds(r.without), bench.Milliseconds(r.with), 100*(ratios[n]-1), r.cost>>10)
	}
	later, err := s.round(ctx, 0, talk{
		rate: watchRate, messages: int(s.after.Seconds() * watchRate), text: watchText, samples: int(s.after / (5 * time.Second)),
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "median of %d: p99 %.2f ms without, %.2f ms with (%+.1f %%); cost %d KiB, and %d KiB at most in the %v until it is forgotten\n",
		s.rounds, bench.Milliseconds(bench.Median(without)), bench.Milliseconds(bench.Median(with)), 100*(bench.Median(ratios)-1), bench.Median(costs)>>10, later.cost>>10, s.after)
	if max(bench.Median(costs), later.cost) > slowCosts || bench.Median(ratios) > slowDelay {
		return fmt.Errorf("%w: it may cost %d KiB, and others 10 %% of their p99", errMissed, slowCosts>>10)
	}
	return nil
}

// talk is what is said in a meeting.
type talk struct {
	rate, messages, text, samples int
}

// outcome is that of a round: the p99 of the delay to those who read, and the
// most that the peer who does not has cost.
type outcome struct {
	with, without time.Duration
	cost          int
}

// round lets both meetings talk, with a peer that never reads in one of them.
// The servers are new: those that had been stopped would expect the peers of the
// last round, and keep for them what is said.
func (s *slow) round(ctx context.Context, deaf int, t talk) (result outcome, err error) {
	dir, err := os.MkdirTemp("", "parley-slow")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	var stages [2]*stage
	for i := range stages {
		if stages[i], err = open(ctx, filepath.Join(dir, strconv.Itoa(i)), s.peers, i == deaf); err != nil {
			return outcome{}, err
		}
		defer func() { err = errors.Join(err, stages[i].close()) }()
	}
	if result.cost, err = speak(ctx, stages, deaf, t); err != nil {
		return outcome{}, err
	}
	result.with, result.without = stages[deaf].heard.p99(), stages[1-deaf].heard.p99()
	return result, nil
}

// stage is a server with a meeting in it.
type stage struct {
	server   *bench.Process
	crowd    []*visitor
	deaf     *bench.Client // nil where everybody reads
	speakers []*visitor
	heard    ears
}

// open starts a server and brings everybody in. The first of them does not read,
// or is not counted among those who do.
func open(ctx context.Context, dir string, people int, deaf bool) (*stage, error) {
	made, err := bench.SetUp(ctx, dir, 1, people)
	if err != nil {
		return nil, err
	}
	m := made[0]
	server, err := bench.Start(ctx, "serve", dir)
	if err != nil {
		return nil, err
	}
	s := &stage{server: server}
	for i, p := range m.People {
		v := &visitor{meeting: m, person: p, peer: bench.NewID()}
		if v.conn, err = bench.Dial(ctx, server.Address, m, p, v.peer); err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.crowd = append(s.crowd, v)
		if _, err := v.conn.Join(); err != nil {
			return nil, errors.Join(err, s.close())
		}
		switch {
		case i > 0:
			go v.conn.Listen(s.heard.hear, 4<<10)
		case deaf:
			s.deaf = v.conn
		default:
			go v.conn.Listen(func(bench.Frame) {}, bench.HeadBytes)
		}
	}
	s.speakers = s.crowd[1:]
	return s, nil
}

func (s *stage) close() error {
	for _, v := range s.crowd {
		v.conn.Cut()
	}
	return s.server.End(syscall.SIGTERM)
}

// say has one of the others say something.
func (s *stage) say(n int, padding string) error {
	text := fmt.Sprintf("%s%d %s", stamp, time.Now().UnixNano(), padding)
	speaker := s.speakers[n%len(s.speakers)].conn // each may say only so much
	return speaker.Request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text})
}

// speak says in both what there is to say, and gives by how much the server with
// the peer that does not read holds more than the other, at most, beyond what it
// held more in the beginning. Nobody speaks while that is asked for, since a
// collection holds everybody up.
func speak(ctx context.Context, stages [2]*stage, deaf int, t talk) (cost int, err error) {
	before, err := difference(stages, deaf)
	if err != nil {
		return 0, err
	}
	padding := strings.Repeat("x", t.text)
	tick := time.NewTicker(time.Second / time.Duration(t.rate))
	defer tick.Stop()
	for n := range t.messages {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		for i := range stages {
			if err := stages[(n+i)%2].say(n, padding); err != nil {
				return 0, err
			}
		}
		if (n+1)%(t.messages/t.samples) != 0 {
			continue
		}
		for _, s := range stages {
			if err := s.heard.await(ctx, (n+1)*len(s.speakers)); err != nil {
				return 0, err
			}
		}
		now, err := difference(stages, deaf)
		if err != nil {
			return 0, err
		}
		cost = max(cost, now-before)
	}
	return cost, nil
}

// difference is how much more memory is held by and for the server with the
// peer that does not read: in its heap, and in the queue that the kernel has for
// that peer.
func difference(stages [2]*stage, deaf int) (int, error) {
	var held [2]int
	var asking errgroup.Group
	for i, s := range stages {
		asking.Go(func() error {
			r, err := s.server.Ask(bench.Collect)
			held[i] = int(r.Heap)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return 0, err
	}
	waiting, err := unsent(stages[deaf].deaf.Conn)
	return held[deaf] + waiting - held[1-deaf], err
}

// stamp marks when a message was sent.
const stamp = "sent at "

// ears note when what was said is heard.
type ears struct {
	mu     sync.Mutex
	delays []time.Duration
}

func (e *ears) hear(f bench.Frame) {
	if f.Event != protocol.SendMessageToRoom {
		return
	}
	_, rest, ok := bytes.Cut(f.Start, []byte(stamp))
	if !ok {
		return
	}
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	sent, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return
	}
	delay := time.Since(time.Unix(0, sent))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.delays = append(e.delays, delay)
}

func (e *ears) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.delays)
}

func (e *ears) p99() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bench.Percentile(e.delays, 99)
}

// await waits until so much has been heard.
func (e *ears) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for e.count() < n {
		if err := bench.Pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d deliveries have come: %w", e.count(), n, err)
		}
	}
	return nil
}

// unsent is what the kernel holds of what the server has written to this
// connection, 0 where that has been closed.
func unsent(conn net.Conn) (int, error) {
	here := conn.LocalAddr().(*net.TCPAddr)
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	ip := here.IP.To4()
	port := hex.EncodeToString([]byte{byte(here.Port >> 8), byte(here.Port)})
	remote := strings.ToUpper(hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]}) + ":" + port)
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[2] != remote {
			continue
		}
		queue, _, _ := strings.Cut(fields[4], ":")
		n, err := strconv.ParseInt(queue, 16, 64)
		return int(n), err
	}
	return 0, nil
}
