package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parley-chat/parley/internal/bench"
)

// compare runs the same loads on Parley and on what it is measured by, in turn.
type compare struct {
	out    io.Writer
	only   string
	rounds int
	scale  float64
}

func (c *compare) run(ctx context.Context) error {
	a, err := newArena(c.out)
	if err != nil {
		return err
	}
	defer a.close()
	loads, err := bench.Named(c.only, c.scale)
	if err != nil {
		return err
	}
	for _, w := range loads {
		servers := a.servers(w)
		results, err := a.play(ctx, w, servers, c.rounds)
		if err != nil {
			return err
		}
		ours := bench.Medians(results["parley"])
		for _, d := range servers {
			if len(results[d.Name()]) > 0 {
				c.tell(w, d.Name(), ours, results[d.Name()])
			}
		}
	}
	return nil
}

// tell tells what a load took on a server, beside Parley.
func (c *compare) tell(w bench.Workload, server string, ours bench.Result, results []bench.Result) {
	theirs := bench.Medians(results)
	if w.Special() {
		_, _ = fmt.Fprintf(c.out, "%-9s %-9s %s\n", w.Name, server, theirs)
		return
	}
	least, most := spread(results)
	beside := fmt.Sprintf("parley takes %.2f of it", ours.PerMillion()/theirs.PerMillion())
	if w.People == 1 {
		beside = fmt.Sprintf("parley stores %.2f times as many", ours.PerSecond()/theirs.PerSecond())
	}
	_, _ = fmt.Fprintf(c.out, "%-9s %-9s %s; CPU %.2f to %.2f; %s\n", w.Name, server, theirs, least, most, beside)
}

// spread gives the least and the most CPU time for a million deliveries.
func spread(results []bench.Result) (least, most float64) {
	var all []float64
	for _, r := range results {
		all = append(all, r.PerMillion())
	}
	return slices.Min(all), slices.Max(all)
}

// arena is where servers meet the same loads.
type arena struct {
	out    io.Writer
	dir    string
	parley *bench.Parley
	size   int // of a delivery of Parley, which the simplest servers follow
}

func newArena(out io.Writer) (*arena, error) {
	dir, err := os.MkdirTemp("", "parley-load")
	if err != nil {
		return nil, err
	}
	return &arena{out: out, dir: dir, parley: &bench.Parley{Command: []string{"serve"}, Dir: dir}, size: bench.TextBytes}, nil
}

func (a *arena) close() { _ = os.RemoveAll(a.dir) }

// servers are those that a load is put on, Parley first.
func (a *arena) servers(w bench.Workload) []bench.Dialect {
	switch {
	case w.Special():
		return []bench.Dialect{a.parley}
	case w.People == 1: // what counts is that it is stored
		return []bench.Dialect{a.parley, jetStream{a.dir}, raw{a.dir, &a.size}}
	}
	return []bench.Dialect{a.parley, &floor{size: &a.size}, nats{}}
}

// play puts a load on servers in turn, so many rounds. A server besides Parley
// that fails has no results.
func (a *arena) play(ctx context.Context, w bench.Workload, servers []bench.Dialect, rounds int) (map[string][]bench.Result, error) {
	results := make(map[string][]bench.Result)
	failed := make(map[string]bool)
	for range rounds {
		for _, d := range servers {
			name := d.Name()
			if failed[name] {
				continue
			}
			r, err := w.Run(ctx, d)
			if err != nil {
				err = fmt.Errorf("%s on %s: %w", w.Name, name, err)
				if d == a.parley || ctx.Err() != nil {
					return nil, err
				}
				_, _ = fmt.Fprintln(a.out, err)
				failed[name] = true
				delete(results, name)
				continue
			}
			results[name] = append(results[name], r)
			if d == a.parley && r.Deliveries > 0 {
				a.size = int(r.Bytes / r.Deliveries)
			}
		}
	}
	return results, nil
}
