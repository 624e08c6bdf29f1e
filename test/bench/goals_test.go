package main

import (
	"math"
	"strings"
	"testing"
)

func TestGoalsAreJudgedByMedians(t *testing.T) {
	ratio := goal{load: "W", name: perMillion, of: "nats", bound: 0.45}
	bound := goal{load: "W", name: p50, bound: 3}
	least := goal{load: "W", name: perSecond, bound: 7000, atLeast: true}
	twice := goal{load: "W", name: perSecond, of: "jetstream", bound: 2, atLeast: true}
	for name, tc := range map[string]struct {
		goal    goal
		ours    []float64
		theirs  []float64 // of goal.of
		nats    []float64 // where that is another
		known   map[string]float64
		want    state
		because string
	}{
		"met":                         {goal: ratio, ours: []float64{4, 4.5, 9}, theirs: []float64{9, 10, 11}, want: met},
		"missed by a bit":             {goal: ratio, ours: []float64{4, 4.51, 4.6}, theirs: []float64{9, 10, 11}, want: missed},
		"one bad round":               {goal: ratio, ours: []float64{4, 4, 40}, theirs: []float64{10, 10, 1}, want: met},
		"baseline as known":           {goal: ratio, ours: []float64{4}, theirs: []float64{10}, known: map[string]float64{"W": 10.8}, want: met},
		"baseline at the lower edge":  {goal: ratio, ours: []float64{4}, theirs: []float64{10}, known: map[string]float64{"W": 15}, want: met},
		"baseline at the upper edge":  {goal: ratio, ours: []float64{4}, theirs: []float64{15}, known: map[string]float64{"W": 10}, want: met},
		"baseline below":              {goal: ratio, ours: []float64{4}, theirs: []float64{9.9}, known: map[string]float64{"W": 15}, want: unjudged, because: "nats takes 9.90"},
		"baseline above":              {goal: ratio, ours: []float64{4}, theirs: []float64{15.1}, known: map[string]float64{"W": 10}, want: unjudged, because: "the known 10"},
		"missed and baseline outside": {goal: ratio, ours: []float64{40}, theirs: []float64{1}, known: map[string]float64{"W": 10}, want: unjudged, because: "nats takes 1.00"},
		"known of another load":       {goal: ratio, ours: []float64{4}, theirs: []float64{100}, known: map[string]float64{"V": 10}, want: met},
		"baseline missing":            {goal: ratio, ours: []float64{4}, want: unjudged, because: "no figure of nats"},
		"baseline zero":               {goal: ratio, ours: []float64{4}, theirs: []float64{0}, want: unjudged, because: "no figure of nats"},
		"own figure missing":          {goal: ratio, theirs: []float64{10}, want: unjudged, because: "no figure of parley"},
		"bound met":                   {goal: bound, ours: []float64{3}, want: met},
		"bound missed by a bit":       {goal: bound, ours: []float64{3.01}, want: missed},
		"no number":                   {goal: bound, ours: []float64{math.NaN()}, want: missed},
		"bound, baseline outside":     {goal: bound, ours: []float64{1}, nats: []float64{1}, known: map[string]float64{"W": 10}, want: unjudged, because: "nats takes"},
		"bound, baseline missing":     {goal: bound, ours: []float64{1}, known: map[string]float64{"W": 10}, want: unjudged, because: "no figure of nats"},
		"enough":                      {goal: least, ours: []float64{7000}, want: met},
		"not quite enough":            {goal: least, ours: []float64{6999}, want: missed},
		"twice":                       {goal: twice, ours: []float64{14000}, theirs: []float64{7000}, want: met},
		"not quite twice":             {goal: twice, ours: []float64{13999}, theirs: []float64{7000}, want: missed},
	} {
		s := samples{{"W", "parley", tc.goal.name}: tc.ours}
		if tc.theirs != nil {
			s[figure{"W", tc.goal.of, tc.goal.name}] = tc.theirs
		}
		if tc.nats != nil {
			s[figure{"W", "nats", perMillion}] = tc.nats
		}
		v := judge([]goal{tc.goal}, tc.known, s)[0]
		if v.state != tc.want || !strings.Contains(v.why, tc.because) || (v.why != "") != (tc.want == unjudged) {
			t.Errorf("%s: %v because %q; want %v because %q", name, v.state, v.why, tc.want, tc.because)
		}
	}
}

func TestOneLoadThatIsNotJudgedLeavesTheOthers(t *testing.T) {
	got := judge(
		[]goal{{load: "A", name: perMillion, of: "nats", bound: 1}, {load: "B", name: perMillion, of: "nats", bound: 1}},
		map[string]float64{"A": 1, "B": 1},
		samples{
			{"A", "parley", perMillion}: {1}, {"A", "nats", perMillion}: {2},
			{"B", "parley", perMillion}: {2}, {"B", "nats", perMillion}: {1},
		})
	if got[0].state != unjudged || got[1].state != missed {
		t.Errorf("got %v and %v, want %v and %v", got[0].state, got[1].state, unjudged, missed)
	}
}

func TestAMessageMayAllocateButNotItsDeliveries(t *testing.T) {
	people := map[string]int{"small": 500, "large": 2000}
	s := samples{
		// 80 objects for a message, and then none and 15 for 1,500 deliveries more.
		{"small", "parley", perOne}: {80.0 / 500, 80.0 / 500},
		{"large", "parley", perOne}: {80.0 / 2000, 95.0 / 2000},
	}
	got := s.further("small", "large", people)
	if len(got) != 2 || math.Abs(got[0]) > 1e-9 || math.Abs(got[1]-0.01) > 1e-9 {
		t.Errorf("got %v, want 0 and 0.01", got)
	}
	if len(s[figure{"large", "parley", perFurther}]) != 2 {
		t.Error("it is not among the samples")
	}
	if got := (samples{}).further("small", "large", people); got != nil {
		t.Errorf("of nothing comes %v", got)
	}
}
