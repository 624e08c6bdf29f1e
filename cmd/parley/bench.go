package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/parley-chat/parley/internal/bench"
)

type benchCommand struct {
	Run   benchRunCommand   `cmd:"" default:"withargs" help:"Put loads on a server."`
	Serve benchServeCommand `cmd:"" hidden:"" help:"The server under load."`
}

type benchRunCommand struct {
	Load   string  `arg:"" optional:"" help:"Which load; all of them where none is named."`
	Rounds int     `help:"How often each load is repeated, with a server and a data directory of its own each time; the medians are told." default:"1"`
	Scale  float64 `help:"So many times as many messages, or people for W3 and W6." default:"1"`
	Dir    string  `help:"Where data directories are made, and removed. Choose the disk that messages will be stored on." type:"existingdir" placeholder:"DIR" default:"."`
	JSON   bool    `name:"json" help:"Tell each round as a line of JSON."`
}

// Help implements kong.HelpProvider.
func (benchRunCommand) Help() string {
	return `Servers and data are made for it; nothing that is there is touched. The loads:

  W1-1, W1-32     one room, 500 listeners, 1 or 32 messages under way
  W1x-1, W1x-32   the same with 2,000 listeners
  W2-paced        200 rooms of 10 who all speak, 2,000 messages a second
  W2-flat         the same, in each room the next as soon as the last has come back
  W3              5,000 people of one meeting who say nothing: memory, and joining
  W4-1 ... -1024  messages stored and acknowledged, so many under way
  W5              pages of a meeting of 1,000,000 messages, its newest 1,000, searches
  W6              a room of 10,000: joins, and a message

A message is under way until it has come back to who sent it.
CPU is that of the server's process, by the kernel's account. The clients run on the same machine and take their share of it.`
}

// Run puts loads on servers.
func (c benchRunCommand) Run(ctx context.Context, out io.Writer) (err error) {
	loads, err := bench.Named(c.Load, c.Scale)
	if err != nil {
		return exitError{exitUsage, err}
	}
	if c.Rounds < 1 || c.Scale <= 0 {
		return exitError{exitUsage, fmt.Errorf("rounds and scale must be above zero")}
	}
	if err := bench.ManyFiles(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "parley-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server := &bench.Parley{Command: []string{"bench", "serve"}, Dir: dir}
	for _, w := range loads {
		results := make([]bench.Result, c.Rounds)
		for i := range results {
			if results[i], err = w.Run(ctx, server); err != nil {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			if c.JSON {
				if err := json.NewEncoder(out).Encode(struct {
					Load string `json:"load"`
					bench.Result
				}{w.Name, results[i]}); err != nil {
					return err
				}
			}
		}
		if !c.JSON {
			_, _ = fmt.Fprintf(out, "%-9s %s\n", w.Name, bench.Medians(results))
		}
	}
	return nil
}

type benchServeCommand struct {
	Args []string `arg:"" help:"A data directory."`
}

// Run serves until it is told to stop.
func (c benchServeCommand) Run(ctx context.Context, out io.Writer) error {
	return bench.Serve(ctx, c.Args, os.Stdin, out)
}
