package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
)

// attack starts slowhttptest, once for each kind of slowness. It goes on until
// ctx ends; ended then waits until the processes are gone.
func (s *server) attack(ctx context.Context, connections int) (ended func(), err error) {
	each := connections / 3
	kinds := [][]string{
		{"-H", "-c", strconv.Itoa(connections - 2*each), "-i", "2", "-u", s.HTTP + "/v2/meetings"},
		{"-B", "-c", strconv.Itoa(each), "-i", "2", "-s", "8192", "-f", "application/json", "-u", s.HTTP + "/otel/logs"}, // which takes bodies from anybody
		{"-X", "-c", strconv.Itoa(each), "-n", "2", "-z", "16", "-w", "64", "-y", "128", "-k", "5", "-u", s.HTTP + "/openapi.json"},
	}
	var processes []*exec.Cmd
	ended = func() {
		for _, p := range processes {
			_ = p.Wait() // it was killed
		}
	}
	for _, kind := range kinds {
		// At once, or the first have been sent away when the last arrive.
		kind = append(kind, "-r", strconv.Itoa(connections), "-l", "60", "-p", "10", "-v", "0")
		p := exec.CommandContext(ctx, "slowhttptest", kind...)
		if err := p.Start(); err != nil {
			return ended, fmt.Errorf("starting slowhttptest (package slowhttptest): %w", err)
		}
		processes = append(processes, p)
	}
	return ended, nil
}
