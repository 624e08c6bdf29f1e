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
	dir, err := os.MkdirTemp("", "parley-load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	loads, err := bench.Named(c.only, c.scale)
	if err != nil {
		return err
	}
	parley := &bench.Parley{Command: []string{"serve"}, Dir: dir}
	for _, w := range loads {
		size := bench.TextBytes
		servers := []bench.Dialect{parley, &floor{size: &size}, nats{}}
		if w.People == 1 { // what counts is that it is stored
			servers = []bench.Dialect{parley, jetStream{dir}}
		}
		results := make([][]bench.Result, len(servers))
		for range c.rounds {
			for i, d := range servers {
				r, err := w.Run(ctx, d)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", w.Name, d.Name(), err)
				}
				results[i] = append(results[i], r)
				if i == 0 { // the others follow it
					size = int(r.Bytes / r.Deliveries)
				}
			}
		}
		ours := bench.Medians(results[0])
		for i, d := range servers {
			theirs := bench.Medians(results[i])
			least, most := spread(results[i])
			beside := fmt.Sprintf("parley takes %.2f of it", ours.PerMillion()/theirs.PerMillion())
			if w.People == 1 {
				beside = fmt.Sprintf("parley stores %.2f times as many", ours.PerSecond()/theirs.PerSecond())
			}
			_, _ = fmt.Fprintf(c.out, "%-9s %-9s %s; CPU %.2f to %.2f; %s\n", w.Name, d.Name(), theirs, least, most, beside)
		}
	}
	return nil
}

// spread gives the least and the most CPU time for a million deliveries.
func spread(results []bench.Result) (least, most float64) {
	var all []float64
	for _, r := range results {
		all = append(all, r.PerMillion())
	}
	return slices.Min(all), slices.Max(all)
}
