package main

import (
	"context"
	"fmt"
	"io"
	"os"

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
		for range c.rounds {
			size := bench.TextBytes
			for _, d := range []bench.Dialect{parley, &floor{size: &size}, nats{}} {
				r, err := w.Run(ctx, d)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", w.Name, d.Name(), err)
				}
				if d == bench.Dialect(parley) {
					size = int(r.Bytes / r.Deliveries)
				}
				_, _ = fmt.Fprintf(c.out, "%-8s %-6s %s\n", w.Name, d.Name(), r)
			}
		}
	}
	return nil
}
