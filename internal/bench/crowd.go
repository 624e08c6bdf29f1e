package bench

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// The figures of a room that is crowded.
const (
	EarlyJoin = "CPU of a join in a small room"
	LateJoin  = "CPU of a join in the full room"
	JoinRatio = "full to small"
)

// crowdTimes is how often joins are measured, in the small rooms and in the full.
const crowdTimes = 3

// crowd fills a room, of 10,000 where it is not scaled, and compares what the
// last joins cost with those from the 51st to the 150th of smaller rooms. A
// hundred joins are one measurement: until all are answered, and until others have
// been told of all of them, where what the server does by itself in the same time
// is not counted. The small rooms are told of each at once, and the full room a
// second after the first how many are there: that is in the second figure alone.
// Then something is said in the full room.
func (w Workload) crowd(ctx context.Context, d *Parley) (f Figures, err error) {
	some := max(w.People/100, 1) // joins of one measurement
	data := d.folder()
	full, err := SetUp(ctx, data, 1, w.People)
	if err != nil {
		return nil, err
	}
	small, err := SetUp(ctx, data, crowdTimes, some/2+some)
	if err != nil {
		return nil, err
	}
	p, err := d.serve(ctx, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGKILL)) }()

	early := Workload{Rooms: crowdTimes, People: some/2 + some, Rest: w.Rest}
	first := make([]arrival, crowdTimes)
	if err := early.with(func(l *load) error {
		rooms := &Parley{meetings: small}
		for i := range first {
			from := i * l.People
			if err := l.join(ctx, rooms, p, from, from+some/2); err != nil {
				return err
			}
			if first[i], err = l.joins(ctx, rooms, p, from+some/2, from+l.People); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	last := make([]arrival, crowdTimes)
	var said Result
	if err := w.with(func(l *load) error {
		rooms := &Parley{meetings: full}
		before := max(w.People-crowdTimes*some, 0)
		if err := l.join(ctx, rooms, p, 0, before); err != nil {
			return err
		}
		for i := range last {
			if last[i], err = l.joins(ctx, rooms, p, before+i*some, min(before+(i+1)*some, w.People)); err != nil {
				return err
			}
		}
		if err := l.say(ctx, 1); err != nil {
			return err
		}
		l.delays()
		said, err = l.measured(p, func() error {
			for range w.Messages {
				if err := l.say(ctx, 1); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	}); err != nil {
		return nil, err
	}
	addJoins(&f, first, last, some)
	add(&f, "CPU of a message", Milliseconds(said.CPU)/float64(said.Messages), "ms")
	add(&f, "heard p50", Milliseconds(said.P50), "ms")
	add(&f, "heard p99", Milliseconds(said.P99), "ms")
	add(&f, "heard by all", Milliseconds(said.Elapsed)/float64(said.Messages), "ms")
	return f, nil
}

// with carries out something with the lines of a workload.
func (w Workload) with(do func(*load) error) error {
	l, err := w.open()
	if err != nil {
		return err
	}
	defer l.end()
	return errors.Join(do(l), l.err())
}

// arrival is the time that the server takes for joins.
type arrival struct {
	answered time.Duration // until all are answered
	told     time.Duration // until others have been told of them, too
}

// addJoins adds what joins cost, so many in each arrival.
func addJoins(f *Figures, first, last []arrival, some int) {
	of := func(all []arrival, which func(arrival) time.Duration) float64 {
		each := make([]time.Duration, len(all))
		for i := range all {
			each[i] = which(all[i])
		}
		return float64(Median(each).Nanoseconds()) / 1e6 / float64(some)
	}
	answered := func(a arrival) time.Duration { return a.answered }
	told := func(a arrival) time.Duration { return a.told }
	add(f, EarlyJoin, of(first, answered), "ms")
	add(f, LateJoin, of(last, answered), "ms")
	add(f, JoinRatio, of(last, answered)/of(first, answered), "times")
	add(f, "until all are told, small room", of(first, told), "ms")
	add(f, "until all are told, full room", of(last, told), "ms")
}

// joins measures joins, beside what the server does by itself.
func (l *load) joins(ctx context.Context, d *Parley, p *Process, from, to int) (a arrival, err error) {
	rest := func() error { return Pause(ctx, l.Rest) }
	if err := rest(); err != nil { // others are told of those before
		return a, err
	}
	began := time.Now()
	idle, err := p.spent(rest)
	if err != nil {
		return a, err
	}
	share := float64(idle) / float64(time.Since(began))
	began = time.Now()
	if a.answered, err = p.spent(func() error { return l.join(ctx, d, p, from, to) }); err != nil {
		return a, err
	}
	later, err := p.spent(rest)
	if err != nil {
		return a, err
	}
	a.told = a.answered + later - time.Duration(share*float64(time.Since(began)))
	return a, nil
}
