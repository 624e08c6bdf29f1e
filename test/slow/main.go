// Command slow measures joins while slowhttptest holds slow connections to the
// real binary: headers that come letter by letter, bodies likewise, and
// answers that nobody reads. It fails when new joins are not fast.
//
//	go run ./test/slow
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c := config{}
	flag.IntVar(&c.connections, "connections", 2000, "slow connections, a third of each kind")
	flag.IntVar(&c.joins, "joins", 600, "joins to measure")
	most := flag.Duration("p99", 200*time.Millisecond, "the most that 99 of 100 joins may take")
	flag.Parse()
	err := report(ctx, os.Stdout, c, *most)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "slow:", err)
		os.Exit(1)
	}
}

func report(ctx context.Context, to io.Writer, c config, most time.Duration) error {
	quiet, err := measure(ctx, config{joins: c.joins})
	if err != nil {
		return fmt.Errorf("without slow connections: %w", err)
	}
	fmt.Fprintf(to, "without slow connections: %s\n", quiet)
	slow, err := measure(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(to, "with %d slow connections (never fewer than %d while measured): %v\n", c.connections, slow.fewest, slow)
	if p99 := slow.percentile(99); p99 > most {
		return fmt.Errorf("99 of 100 joins took up to %v, more than %v", p99, most)
	}
	return nil
}

// result is how long joins took.
type result struct {
	took   []time.Duration
	fewest int // slow connections that were open while a join was measured
}

func (r result) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(r.took))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(100 * time.Microsecond)
}

func (r result) String() string {
	return fmt.Sprintf("%d joins, p50 %v, p99 %v, longest %v", len(r.took), r.percentile(50), r.percentile(99), r.percentile(100))
}
