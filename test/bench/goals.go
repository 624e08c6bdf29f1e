package main

import (
	"fmt"
	"math"

	"github.com/parley-chat/parley/internal/bench"
)

// The figures of loads that are about deliveries.
const (
	perMillion = "CPU s per million deliveries"
	perSecond  = "messages/s"
	p50        = "p50"
	perOne     = "allocations per delivery"
	perFurther = "allocations per further delivery"
)

// figure names what was measured.
type figure struct{ load, server, name string }

// samples are the values of figures, one of each round.
type samples map[figure][]float64

// median gives the middle value, and whether there is one.
func (s samples) median(f figure) (float64, bool) {
	if len(s[f]) == 0 {
		return 0, false
	}
	return bench.Median(s[f]), true
}

// further adds what a delivery allocates: by how many objects a message to a large
// room costs more than one to a small room, for each listener more. A message
// itself allocates, and in a room of 500 that is the most of what there is for a
// delivery.
func (s samples) further(small, large string, people map[string]int) []float64 {
	few, many := s[figure{small, "parley", perOne}], s[figure{large, "parley", perOne}]
	n, m := float64(people[small]), float64(people[large])
	var all []float64
	for i := range min(len(few), len(many)) {
		all = append(all, (many[i]*m-few[i]*n)/(m-n))
	}
	if len(all) > 0 {
		s[figure{large, "parley", perFurther}] = all
	}
	return all
}

// goal is what a figure of Parley has to reach.
type goal struct {
	load, name string
	of         string // the server whose figure it is divided by, if any
	bound      float64
	atLeast    bool // else at most
}

func (g goal) String() string {
	what, than := g.name, "at most"
	if g.of != "" {
		what += ", of " + g.of
	}
	if g.atLeast {
		than = "at least"
	}
	return fmt.Sprintf("%s: %s %v", what, than, g.bound)
}

// goals are all there are.
func goals() []goal {
	return []goal{
		{load: "W1-1", name: perMillion, of: "nats", bound: 0.45},
		{load: "W1-32", name: perMillion, of: "nats", bound: 0.35},
		{load: "W1-32", name: perMillion, of: "floor", bound: 0.2},
		{load: "W1x-32", name: perFurther, bound: 0.01},
		{load: "W1x-32", name: perMillion, of: "nats", bound: 0.35},
		{load: "W2-paced", name: perMillion, of: "nats", bound: 1.1},
		{load: "W2-paced", name: p50, bound: 3},
		{load: "W2-flat", name: perMillion, of: "nats", bound: 0.8},
		{load: "W3", name: bench.ResidentPerPeer, bound: 8192},
		{load: "W3", name: bench.JoinsCPU, bound: 1.5},
		{load: "W4-64", name: perSecond, bound: 7000, atLeast: true},
		{load: "W4-64", name: perSecond, of: "jetstream", bound: 2, atLeast: true},
		{load: "W4-1024", name: perSecond, bound: 12000, atLeast: true},
		{load: "W4-1024", name: perSecond, of: "jetstream", bound: 2, atLeast: true},
		{load: "W5", name: bench.SlowestPage, bound: 0.5},
		{load: "W5", name: bench.HistoryCPU, bound: 2},
		{load: "W6", name: bench.JoinRatio, bound: 2},
	}
}

// known are the CPU seconds per million deliveries that NATS takes on the machine
// that the goals were set for.
func known() map[string]float64 {
	return map[string]float64{"W1-1": 10.8, "W1-32": 1.1, "W2-paced": 24, "W2-flat": 15}
}

// away is by what factor NATS may be from what is known of it. Farther away, the
// machine or the load is another, and a ratio to it says nothing about Parley.
const away = 1.5

// state is how a goal was judged.
type state int

// The states.
const (
	met state = iota
	missed
	unjudged
)

func (s state) String() string { return [...]string{"pass", "MISSED", "not judged"}[s] }

// verdict is how a goal was judged, and why where it was not.
type verdict struct {
	goal
	value float64
	state state
	why   string
}

// judge judges goals by the medians of what was measured.
func judge(goals []goal, known map[string]float64, s samples) []verdict {
	verdicts := make([]verdict, len(goals))
	for i, g := range goals {
		verdicts[i] = verdict{goal: g, state: unjudged}
		v := &verdicts[i]
		var ok bool
		if v.value, ok = s.median(figure{g.load, "parley", g.name}); !ok {
			v.why = "there is no figure of parley"
			continue
		}
		if g.of != "" {
			base, ok := s.median(figure{g.load, g.of, g.name})
			if !ok || base == 0 {
				v.why = "there is no figure of " + g.of
				continue
			}
			v.value /= base
		}
		if v.why = strange(g.load, known, s); v.why == "" {
			v.state = g.reached(v.value)
		}
	}
	return verdicts
}

// strange tells what is wrong with the figure of NATS for a load, if anything is.
func strange(load string, known map[string]float64, s samples) string {
	usual, ok := known[load]
	if !ok {
		return ""
	}
	got, ok := s.median(figure{load, "nats", perMillion})
	if !ok {
		return "there is no figure of nats"
	}
	if got*away < usual || got > usual*away {
		return fmt.Sprintf("nats takes %.2f CPU s per million deliveries, more than %v times away from the known %v", got, away, usual)
	}
	return ""
}

// reached tells whether a value is good enough. No number is not.
func (g goal) reached(value float64) state {
	if math.IsNaN(value) || g.atLeast && value < g.bound || !g.atLeast && value > g.bound {
		return missed
	}
	return met
}
