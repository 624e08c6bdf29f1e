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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The figure: what one peer that never reads costs, in memory of the server and
// its kernel, and by how much the others get their messages later.
const (
	slowCosts = 1 << 20
	slowDelay = 1.10
)

// slow is a meeting in which one peer does not read.
type slow struct {
	out                           io.Writer
	peers, rate, messages, rounds int
}

func (s *slow) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "parley-slow")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	meetings, err := setUp(ctx, dir, 1, s.peers)
	if err != nil {
		return err
	}
	var with, without []time.Duration
	var costs []int
	for range s.rounds {
		a, heap, err := s.round(ctx, dir, meetings[0], false)
		if err != nil {
			return err
		}
		b, slowHeap, err := s.round(ctx, dir, meetings[0], true)
		if err != nil {
			return err
		}
		cost := slowHeap - heap
		with, without, costs = append(with, b), append(without, a), append(costs, cost)
		_, _ = fmt.Fprintf(s.out, "p99 %.2f ms without, %.2f ms with a peer that never reads; it costs %d KiB\n",
			milliseconds(a), milliseconds(b), cost>>10)
	}
	change := float64(median(with))/float64(median(without)) - 1
	_, _ = fmt.Fprintf(s.out, "median of %d: p99 %.2f ms without, %.2f ms with (%+.1f %%); cost %d KiB\n",
		s.rounds, milliseconds(median(without)), milliseconds(median(with)), 100*change, median(costs)>>10)
	if median(costs) > slowCosts || 1+change > slowDelay {
		return fmt.Errorf("%w: it may cost %d KiB, and others 10 %% of their p99", errMissed, slowCosts>>10)
	}
	return nil
}

// round lets a meeting talk, and gives the p99 of the delay and the most memory
// that was used.
func (s *slow) round(ctx context.Context, dir string, m meeting, withSlow bool) (p99 time.Duration, held int, err error) {
	server, err := start(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.end(syscall.SIGTERM)) }()
	crowd := make([]*visitor, s.peers)
	for i := range crowd {
		crowd[i] = &visitor{meeting: m, person: m.people[i], peer: newID()}
		if crowd[i].conn, err = dial(ctx, server.address, m, m.people[i], crowd[i].peer); err != nil {
			return 0, 0, err
		}
		defer crowd[i].conn.cut()
		if _, err := crowd[i].conn.join(); err != nil {
			return 0, 0, err
		}
	}
	var heard ears
	reading := crowd
	if withSlow {
		reading = crowd[1:]
	}
	for _, v := range reading {
		go v.conn.listen(heard.hear, 4<<10)
	}
	var deaf *client
	if withSlow {
		deaf = crowd[0].conn
	}
	held, err = s.speak(ctx, server, crowd[1:], deaf)
	if err != nil {
		return 0, 0, err
	}
	if err := heard.await(ctx, s.messages*len(reading)); err != nil {
		return 0, 0, err
	}
	return percentile(heard.delays, 99), held, nil
}

// speak says what there is to say, at its rate, and asks meanwhile how much
// memory is held: by the server, and by the kernel for the one who does not
// read.
func (s *slow) speak(ctx context.Context, server *process, speakers []*visitor, deaf *client) (held int, err error) {
	padding := strings.Repeat("x", 1000)
	tick := time.NewTicker(time.Second / time.Duration(s.rate))
	defer tick.Stop()
	var samples []int
	for n := range s.messages {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		text := fmt.Sprintf("%s%d %s", stamp, time.Now().UnixNano(), padding)
		speaker := speakers[n%len(speakers)].conn // each may say only so much
		if err := speaker.request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text}); err != nil {
			return 0, err
		}
		if n%(s.messages/6) != s.messages/12 {
			continue
		}
		r, err := server.ask(true)
		if err != nil {
			return 0, err
		}
		sample := int(r.Heap)
		if deaf != nil {
			waiting, err := unsent(deaf.conn)
			if err != nil {
				return 0, err
			}
			sample += waiting
		}
		samples = append(samples, sample)
	}
	for _, sample := range samples {
		held = max(held, sample)
	}
	return held, nil
}

// stamp marks when a message was sent.
const stamp = "sent at "

// ears note when what was said is heard.
type ears struct {
	mu     sync.Mutex
	delays []time.Duration
	count  atomic.Int64
}

func (e *ears) hear(f frame) {
	if f.event != protocol.SendMessageToRoom {
		return
	}
	_, rest, ok := bytes.Cut(f.start, []byte(stamp))
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
	e.delays = append(e.delays, delay)
	e.mu.Unlock()
	e.count.Add(1)
}

// await waits until all have heard all.
func (e *ears) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for e.count.Load() < int64(n) {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d deliveries have come: %w", e.count.Load(), n, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
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
