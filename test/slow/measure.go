package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/parley-chat/parley/test/peer"
)

// config is what to measure.
type config struct {
	connections int // 0 for none
	joins       int
}

// people share the joins, of which one participant may not have too many.
const people = 40

// measure starts a server of its own, has it attacked, and joins.
func measure(ctx context.Context, c config) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "parley-slow-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	s, err := start(ctx, dir)
	if err != nil {
		return result{}, err
	}
	r, err := s.measure(ctx, c)
	return r, errors.Join(err, s.stop())
}

func (s *server) measure(ctx context.Context, c config) (result, error) {
	m, err := s.invite(ctx, people)
	if err != nil {
		return result{}, err
	}
	r := result{fewest: c.connections}
	for len(r.took) < c.joins {
		if err := s.round(ctx, c, m, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// round attacks anew and measures for as long as the attack holds: the server
// hangs up on slow connections by and by.
func (s *server) round(ctx context.Context, c config, m meeting, r *result) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wanted := c.connections * 9 / 10
	if c.connections > 0 {
		ended, err := s.attack(ctx, c.connections)
		if err != nil {
			return err
		}
		defer func() { cancel(); ended() }()
		if err := s.awaitOpen(ctx, wanted); err != nil {
			return err
		}
	}
	for measured := 0; len(r.took) < c.joins; measured++ {
		before, err := s.open()
		if err != nil {
			return err
		}
		took, err := s.join(ctx, m, len(r.took))
		if err != nil {
			return fmt.Errorf("join %d: %w", len(r.took), err)
		}
		after, err := s.open()
		if err != nil {
			return err
		}
		if fewest := min(before, after); fewest < wanted {
			if measured == 0 {
				return fmt.Errorf("of %d slow connections only %d were open", c.connections, fewest)
			}
			return nil
		} else if c.connections > 0 {
			r.fewest = min(r.fewest, fewest)
		}
		r.took = append(r.took, took)
	}
	return nil
}

// join is what is measured: to open a socket and to be let into the room.
func (s *server) join(ctx context.Context, m meeting, n int) (time.Duration, error) {
	began := time.Now()
	p, err := peer.Dial(ctx, s.socket(), m.tokens[n%len(m.tokens)], peer.Options{Meeting: m.id})
	if err != nil {
		return 0, err
	}
	defer p.Leave()
	_, err = p.Join(ctx, "")
	return time.Since(began), err
}
