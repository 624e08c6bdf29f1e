// Package bench measures servers under load: it starts them as processes of their
// own, puts connections on them that cost as little as can be, and takes the time
// that the kernel says they have used.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Pattern is who speaks when.
type Pattern int

// The patterns.
const (
	// OneSpeaks has one person of each room speak. A message is under way until it
	// has come back to that person; then follows the next.
	OneSpeaks Pattern = iota
	// AllSpeak has everybody speak who has nothing under way, in an order drawn by
	// lot: people know nothing of each other.
	AllSpeak
	// Paced has everybody speak in turn, so many a second in all rooms together.
	Paced
)

// Workload is what goes on in rooms.
type Workload struct {
	Name          string
	Rooms, People int // people in each room
	Pattern       Pattern
	// InFlight is how many messages are under way in each room with OneSpeaks, and
	// of each person with AllSpeak.
	InFlight int
	// Rate is how many messages a second Paced sends.
	Rate float64
	// Messages is how many are measured, of all speakers together. A tenth more is
	// sent before, unmeasured.
	Messages int
	// Rest is how long a special load leaves the server alone.
	Rest time.Duration

	// special carries out a load that is about other things than deliveries. Only
	// Parley bears it.
	special func(Workload, context.Context, *Parley) (Figures, error)
}

// Special tells that a load is about other things than deliveries: its result has
// figures of its own, and only Parley bears it.
func (w Workload) Special() bool { return w.special != nil }

// Workloads are the loads that docs/benchmarks.md tells of.
func Workloads() []Workload {
	return []Workload{
		{Name: "W1-1", Rooms: 1, People: 500, InFlight: 1, Messages: 2000},
		{Name: "W1-32", Rooms: 1, People: 500, InFlight: 32, Messages: 20000},
		{Name: "W1x-1", Rooms: 1, People: 2000, InFlight: 1, Messages: 500},
		{Name: "W1x-32", Rooms: 1, People: 2000, InFlight: 32, Messages: 5000},
		{Name: "W2-paced", Rooms: 200, People: 10, Pattern: Paced, Rate: 2000, Messages: 10000},
		{Name: "W2-flat", Rooms: 200, People: 10, Pattern: AllSpeak, InFlight: 1, Messages: 40000},
		{Name: "W3", Rooms: 1, People: 5000, Rest: 30 * time.Second, special: Workload.idle},
		{Name: "W4-1", Rooms: 1, People: 1, InFlight: 1, Messages: 2000},
		{Name: "W4-64", Rooms: 64, People: 1, InFlight: 1, Messages: 30000},
		{Name: "W4-256", Rooms: 256, People: 1, InFlight: 1, Messages: 50000},
		{Name: "W4-1024", Rooms: 1024, People: 1, InFlight: 1, Messages: 60000},
		{Name: "W5", Rooms: 1, People: 1, Messages: 1_000_000, special: Workload.pages},
		{Name: "W6", Rooms: 1, People: 10000, InFlight: 1, Messages: 20, Rest: 1500 * time.Millisecond, special: Workload.crowd},
	}
}

// scaled gives it with so many times as many messages; where it is about people,
// with so many times as many of those, left alone for less time where they are
// fewer.
func (w Workload) scaled(scale float64) Workload {
	times := func(n int) int { return max(int(float64(n)*scale), 1) }
	if w.Rest > 0 {
		w.People, w.Rest = times(w.People), time.Duration(float64(w.Rest)*min(scale, 1))
	} else {
		w.Messages = times(w.Messages)
	}
	return w
}

// Named gives the workloads of a name, or all for "", so many times as large.
func Named(name string, scale float64) ([]Workload, error) {
	all := Workloads()
	var names []string
	for i := range all {
		names = append(names, all[i].Name)
		all[i] = all[i].scaled(scale)
	}
	if name == "" {
		return all, nil
	}
	i := slices.Index(names, name)
	if i < 0 {
		return nil, fmt.Errorf("there is no load %q; there are %s", name, strings.Join(names, ", "))
	}
	return all[i : i+1], nil
}

// Result is what a workload took.
type Result struct {
	Messages   int64 `json:"messages,omitempty"`
	Deliveries int64 `json:"deliveries,omitempty"`
	// Bytes are those of all deliveries.
	Bytes   int64         `json:"bytes,omitempty"`
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	// CPU is the time of the server's process, by the kernel's account.
	CPU time.Duration `json:"cpu_ns,omitempty"`
	// P50 and P99 are how long it took from sending to hearing.
	P50 time.Duration `json:"p50_ns,omitempty"`
	P99 time.Duration `json:"p99_ns,omitempty"`
	// Memory is what the server held at the end, in bytes.
	Memory int `json:"memory_bytes,omitempty"`
	// Mallocs is how many objects the server has made, 0 where it does not tell.
	Mallocs int64 `json:"mallocs,omitempty"`
	// Figures are those of a special load, which has no others.
	Figures Figures `json:"figures,omitempty"`
}

// PerMillion is the CPU time of the server for a million deliveries, in seconds.
func (r Result) PerMillion() float64 { return r.CPU.Seconds() / float64(r.Deliveries) * 1e6 }

// PerSecond is how many messages a second came back.
func (r Result) PerSecond() float64 { return float64(r.Messages) / r.Elapsed.Seconds() }

// PerDelivery is how many objects the server has made for a delivery.
func (r Result) PerDelivery() float64 { return float64(r.Mallocs) / float64(r.Deliveries) }

// String tells it in a line.
func (r Result) String() string {
	if len(r.Figures) > 0 {
		return r.Figures.String()
	}
	delays := ""
	if r.P99 > 0 { // else what comes back has no stamp
		delays = fmt.Sprintf(" p50 %7.2f ms, p99 %7.2f ms,", Milliseconds(r.P50), Milliseconds(r.P99))
	}
	made := ""
	if r.Mallocs > 0 {
		made = fmt.Sprintf(", %.3f allocations each", r.PerDelivery())
	}
	return fmt.Sprintf("%7.2f CPU s per million deliveries, %8.0f messages/s,%s %3d bytes each%s, %6.1f MiB",
		r.PerMillion(), r.PerSecond(), delays, r.Bytes/max(r.Deliveries, 1), made, float64(r.Memory)/(1<<20))
}

// load is a workload that is being carried out.
type load struct {
	Workload
	heard *Heard
	lines []*Line      // those of a room stand together
	left  atomic.Int64 // to be sent
	turns turns        // of AllSpeak
	over  atomic.Bool  // nothing more is read

	listener listener
	hearing  sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	failure error
}

// Run carries out a workload against a server of its own.
func (w Workload) Run(ctx context.Context, d Dialect) (r Result, err error) {
	if err := enoughFiles(w.Rooms * w.People); err != nil {
		return r, err
	}
	if w.Special() {
		parley, ok := d.(*Parley)
		if !ok {
			return r, fmt.Errorf("%s is for Parley only", w.Name)
		}
		r.Figures, err = w.special(w, ctx, parley)
		return r, err
	}
	p, err := d.Start(ctx, w.Rooms, w.People)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGKILL)) }() // nothing of it is needed
	l, err := w.open()
	if err != nil {
		return r, err
	}
	defer l.end()
	if err := l.join(ctx, d, p, 0, len(l.lines)); err != nil {
		return r, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l.hearing.Go(func() { l.failed(l.turns.send(ctx)) })
	if err := l.quiet(ctx); err != nil {
		return r, err
	}
	if err := l.say(ctx, max(w.Messages/10, 1)); err != nil {
		return r, err
	}
	l.delays() // of those nobody wants to know
	return l.measured(p, func() error { return l.say(ctx, w.Messages) })
}

// sampled is of how many deliveries one is timed.
func (w Workload) sampled() int64 {
	if w.Pattern == OneSpeaks {
		return 16
	}
	return 1
}

// open begins to carry out a workload. Who calls it calls end.
func (w Workload) open() (*load, error) {
	l := &load{Workload: w, heard: newHeard(w.People, w.sampled()), lines: make([]*Line, w.Rooms*w.People), turns: turns{news: make(chan struct{}, 1)}}
	return l, l.listen(l.again)
}

// end cuts all lines.
func (l *load) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.over.Store(true)
	for _, line := range l.lines {
		if line != nil {
			_ = line.Conn.Close()
		}
	}
	l.hearing.Wait()
	l.deaf()
}

// joinAtOnce is how many join at the same time.
const joinAtOnce = 32

// join makes the lines from one number to before another.
func (l *load) join(ctx context.Context, d Dialect, p *Process, from, to int) error {
	var joining errgroup.Group
	joining.SetLimit(joinAtOnce)
	for i := from; i < to; i++ {
		joining.Go(func() error {
			line, err := d.Join(ctx, p, i/l.People, i%l.People)
			if err != nil {
				return fmt.Errorf("joining: %w", err)
			}
			l.lines[i] = line
			if err := line.prepare(i); err != nil {
				return err
			}
			return l.hear(line)
		})
	}
	return errors.Join(joining.Wait(), l.err())
}

// failed notes the first error of a line that was not cut here.
func (l *load) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && l.failure == nil {
		l.failure = err
	}
}

func (l *load) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// quiet waits until servers have said all they say of joins.
func (l *load) quiet(ctx context.Context) error {
	for last := int64(-1); ; {
		if err := Pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		now := l.heard.bytes.Load()
		if now == last {
			return l.err()
		}
		last = now
	}
}

// delays gives the delays that were noted since the last call.
func (l *load) delays() []time.Duration {
	var all []time.Duration
	for {
		select {
		case d := <-l.heard.delays:
			all = append(all, time.Duration(d))
		default:
			return all
		}
	}
}

// say has n messages sent, and waits until everybody has heard them.
func (l *load) say(ctx context.Context, n int) error {
	goal := l.heard.deliveries.Load() + int64(n)*l.heard.each
	var err error
	if l.Pattern == Paced {
		err = l.pace(ctx, n)
	} else {
		l.left.Store(int64(n))
		for i := 0; i < l.speakers()*l.InFlight && err == nil; i++ {
			err = l.again(l.lines[i%l.speakers()*len(l.lines)/l.speakers()])
		}
	}
	if err == nil {
		err = l.heard.await(ctx, goal)
	}
	return errors.Join(err, l.err())
}

// speakers is how many people speak who wait for what they have said.
func (l *load) speakers() int {
	if l.Pattern == AllSpeak {
		return len(l.lines)
	}
	return l.Rooms
}

// again goes on when a message has come back to who sent it.
func (l *load) again(line *Line) error {
	if l.Pattern == Paced || l.left.Add(-1) < 0 {
		return nil
	}
	if l.Pattern == AllSpeak {
		l.turns.add(line)
		return nil
	}
	return line.Send()
}

// turns are those who may speak.
type turns struct {
	mu    sync.Mutex
	lines []*Line
	news  chan struct{}
}

func (t *turns) add(line *Line) {
	t.mu.Lock()
	t.lines = append(t.lines, line)
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// draw takes one of them by lot, nil when there is none.
func (t *turns) draw() *Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.lines) - 1
	if last < 0 {
		return nil
	}
	i := rand.IntN(last + 1) //nolint:gosec // no secret
	line := t.lines[i]
	t.lines[i] = t.lines[last]
	t.lines = t.lines[:last]
	return line
}

// send has those speak who may, until ctx ends.
func (t *turns) send(ctx context.Context) error {
	for {
		for line := t.draw(); line != nil; line = t.draw() {
			if err := line.Send(); err != nil {
				return err
			}
		}
		select {
		case <-t.news:
		case <-ctx.Done():
			return nil
		}
	}
}

// pace sends messages at the rate.
func (l *load) pace(ctx context.Context, n int) error {
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(float64(i) / l.Rate * float64(time.Second)))
		if ahead := time.Until(due); ahead > 500*time.Microsecond {
			if err := Pause(ctx, ahead); err != nil {
				return err
			}
		}
		// Neighbours are of different rooms.
		if err := l.lines[(i%l.Rooms)*l.People+i/l.Rooms%l.People].Send(); err != nil {
			return err
		}
	}
	return nil
}

// measured does something and tells what it took.
func (l *load) measured(p *Process, do func() error) (r Result, err error) {
	deliveries, size := l.heard.deliveries.Load(), l.heard.bytes.Load()
	made, err := p.mallocs()
	if err != nil {
		return r, err
	}
	cpu, err := p.CPU()
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return r, errors.Join(err, l.err())
	}
	r.Elapsed = time.Since(began)
	after, err := p.CPU()
	if err != nil {
		return r, err
	}
	r.CPU = after - cpu
	now, err := p.mallocs()
	if err != nil {
		return r, err
	}
	r.Mallocs = now - made
	r.Deliveries, r.Bytes = l.heard.deliveries.Load()-deliveries, l.heard.bytes.Load()-size
	r.Messages = r.Deliveries / l.heard.each
	if r.Memory, err = p.Holds(); err != nil {
		return r, err
	}
	if delays := l.delays(); len(delays) > 0 {
		r.P50, r.P99 = Percentile(delays, 50), Percentile(delays, 99)
	}
	return r, l.err()
}

// Medians gives the median of each figure.
func Medians(results []Result) Result {
	of := func(figure func(Result) int64) int64 {
		var all []int64
		for _, r := range results {
			all = append(all, figure(r))
		}
		return Median(all)
	}
	if len(results[0].Figures) > 0 {
		rounds := make([]Figures, len(results))
		for i := range results {
			rounds[i] = results[i].Figures
		}
		return Result{Figures: middle(rounds)}
	}
	return Result{
		Messages: of(func(r Result) int64 { return r.Messages }), Deliveries: of(func(r Result) int64 { return r.Deliveries }),
		Bytes: of(func(r Result) int64 { return r.Bytes }), Memory: int(of(func(r Result) int64 { return int64(r.Memory) })),
		Elapsed: time.Duration(of(func(r Result) int64 { return int64(r.Elapsed) })), CPU: time.Duration(of(func(r Result) int64 { return int64(r.CPU) })),
		P50: time.Duration(of(func(r Result) int64 { return int64(r.P50) })), P99: time.Duration(of(func(r Result) int64 { return int64(r.P99) })),
		Mallocs: of(func(r Result) int64 { return r.Mallocs }),
	}
}
