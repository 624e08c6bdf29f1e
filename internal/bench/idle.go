package bench

import (
	"context"
	"errors"
	"syscall"
)

// The figures of idle peers.
const (
	ResidentPerPeer = "resident memory per peer"
	JoinsCPU        = "CPU of all joins"
)

// idle has everybody join one meeting over plain HTTP, as official clients do,
// and say nothing. What memory they cost is asked for after a while in which they
// have answered pings; the time is that from before the first joins to after the
// last has its answers.
func (w Workload) idle(ctx context.Context, d *Parley) (f Figures, err error) {
	p, err := d.Start(ctx, w.Rooms, w.People)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGKILL)) }()
	l, err := w.open()
	if err != nil {
		return nil, err
	}
	defer l.end()
	empty, err := p.Ask(Collect)
	if err != nil {
		return nil, err
	}
	held, err := p.Holds()
	if err != nil {
		return nil, err
	}
	used, err := p.spent(func() error { return l.join(ctx, d, p, 0, len(l.lines)) })
	if err != nil {
		return nil, err
	}
	if err := errors.Join(Pause(ctx, w.Rest), l.err()); err != nil {
		return nil, err
	}
	holds, err := p.Holds() // before anybody asks for a collection
	if err != nil {
		return nil, err
	}
	full, err := p.Ask(Collect)
	if err != nil {
		return nil, err
	}
	peers := float64(len(l.lines))
	add(&f, ResidentPerPeer, float64(holds-held)/peers, "bytes")
	add(&f, JoinsCPU, used.Seconds(), "s")
	add(&f, "heap per peer", (float64(full.Heap)-float64(empty.Heap))/peers, "bytes")
	add(&f, "goroutines per peer", float64(full.Goroutines-empty.Goroutines)/peers, "")
	add(&f, "resident memory of the empty server", float64(held)/(1<<20), "MiB")
	return f, l.err()
}
