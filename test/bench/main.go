// Command bench makes the figures of docs/benchmarks.md that need a whole
// server under load, and fails when one is missed:
//
//	go run ./test/bench restart    a kill and a stop under load, to the first join
//	go run ./test/bench storm      thousands of clients cut off at once
//	go run ./test/bench slow       one peer that never reads among many
//	go run ./test/bench export     the file of a session of a million messages
//	go run ./test/bench load       what deliveries cost, beside NATS and a bare write
//	go run ./test/bench check      the same and more, judged
//	go run ./test/bench lists      first pages of lists of 100,000 and more
//
// The server is a process of its own, so that its time and memory are its own
// and those of the clients are not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(status(err))
	}
}

// status is 1 where something is missed or fails, and 3 where nothing is missed
// but not everything could be judged.
func status(err error) int {
	if errors.Is(err, errUnjudged) && !errors.Is(err, errMissed) {
		return 3
	}
	return 1
}

// errMissed says that a figure is not reached.
var errMissed = errors.New("missed")

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say restart, storm, slow, load, check, lists or export")
	}
	name, args := args[0], args[1:]
	if err := bench.ManyFiles(); err != nil {
		return err
	}
	switch name { // the processes that are measured
	case "serve":
		return bench.Serve(ctx, args, os.Stdin, out)
	case "floor":
		return serveFloor(ctx, out)
	case "raw":
		return serveRaw(ctx, args, out)
	case "nats":
		return serveNATS(ctx, args, out)
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	switch name {
	case "restart":
		r := restart{out: out}
		flags.IntVar(&r.messages, "messages", 1_000_000, "messages in the store")
		flags.IntVar(&r.meetings, "meetings", 50, "meetings they lie in")
		flags.IntVar(&r.people, "people", 20, "peers in each meeting, one of whom talks")
		flags.IntVar(&r.rounds, "rounds", 5, "restarts of each kind; the worst counts")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return r.run(ctx)
	case "storm":
		s := storm{out: out}
		flags.IntVar(&s.clients, "clients", 5000, "clients")
		flags.IntVar(&s.meetings, "meetings", 50, "meetings they are in")
		flags.IntVar(&s.history, "history", 1000, "messages in each meeting")
		flags.IntVar(&s.rounds, "rounds", 5, "storms; the worst counts")
		flags.DurationVar(&s.wait, "wait", officialWait, "what clients wait before they come back, and up to a second more")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return s.run(ctx)
	case "slow":
		s := slow{out: out}
		flags.IntVar(&s.peers, "peers", 200, "peers in the meeting")
		flags.IntVar(&s.rate, "rate", 60, "messages a second, in each of two servers")
		flags.IntVar(&s.messages, "messages", 1200, "messages of a round")
		flags.IntVar(&s.rounds, "rounds", 5, "rounds; the medians count")
		flags.DurationVar(&s.after, "after", 80*time.Second, "how long the memory is watched afterwards, in a round of its own")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return s.run(ctx)
	case "load":
		c := compare{out: out}
		flags.StringVar(&c.only, "only", "", "name of one load; default: all of them")
		flags.IntVar(&c.rounds, "rounds", 5, "rounds; the medians count")
		flags.Float64Var(&c.scale, "scale", 1, "so many times as many messages")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.run(ctx)
	case "check":
		c := check{out: out}
		flags.StringVar(&c.only, "only", "", "name of one load; default: all of them")
		flags.IntVar(&c.rounds, "rounds", 5, "rounds; the medians count")
		flags.Float64Var(&c.scale, "scale", 1, "so many times as large; what is judged then is another load")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.run(ctx)
	case "export":
		e := export{out: out}
		flags.IntVar(&e.messages, "messages", 1_000_000, "messages of the session")
		flags.IntVar(&e.speakers, "speakers", 50, "meetings where somebody talks meanwhile")
		flags.IntVar(&e.rounds, "rounds", 5, "rounds; the medians count")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return e.run(ctx)
	case "lists":
		l := lists{out: out}
		flags.IntVar(&l.meetings, "meetings", 100_000, "meetings, each with a session")
		flags.IntVar(&l.people, "participants", 1_000_000, "participants of all meetings")
		flags.IntVar(&l.offers, "requests", 300, "requests of a kind in a round")
		flags.IntVar(&l.rounds, "rounds", 5, "rounds; the medians count")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return l.run(ctx)
	}
	return fmt.Errorf("there is no %s", name)
}
