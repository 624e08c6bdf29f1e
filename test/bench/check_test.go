package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/bench"
)

func TestFiguresOfRoundsAreKeptTogether(t *testing.T) {
	s := make(samples)
	s.take("W1-1", "parley", []bench.Result{
		{Messages: 10, Deliveries: 1000, CPU: time.Millisecond, Elapsed: time.Second, P50: time.Millisecond, P99: 2 * time.Millisecond, Mallocs: 10},
		{Messages: 20, Deliveries: 1000, CPU: 3 * time.Millisecond, Elapsed: time.Second, P50: 3 * time.Millisecond, P99: 4 * time.Millisecond, Mallocs: 30},
	})
	figures := s.take("W3", "parley", []bench.Result{
		{Figures: bench.Figures{{Name: "memory", Value: 7, Unit: "bytes"}}}, {Figures: bench.Figures{{Name: "memory", Value: 9, Unit: "bytes"}}},
	})
	if want := []told{{"memory", "bytes", []float64{7, 9}}}; !reflect.DeepEqual(figures, want) {
		t.Errorf("got %v, want %v", figures, want)
	}
	for f, want := range map[figure][]float64{
		{"W1-1", "parley", perMillion}: {1, 3}, {"W1-1", "parley", perSecond}: {10, 20}, {"W1-1", "parley", p50}: {1, 3},
		{"W1-1", "parley", perOne}: {0.01, 0.03}, {"W3", "parley", "memory"}: {7, 9},
	} {
		if !reflect.DeepEqual(s[f], want) {
			t.Errorf("%v: got %v, want %v", f, s[f], want)
		}
	}
}

func TestTheStatusTellsAMissFromARefusal(t *testing.T) {
	good, bad := verdict{goal: goal{load: "A"}, state: met}, verdict{goal: goal{load: "B"}, state: missed}
	refused := verdict{goal: goal{load: "C"}, state: unjudged, why: "there is no figure of nats"}
	for name, tc := range map[string]struct {
		verdicts []verdict
		status   int
		says     string
	}{
		"all met":            {[]verdict{good, good}, 0, ""},
		"missed":             {[]verdict{good, bad}, 1, "missed: 1 of 2 goals"},
		"refused":            {[]verdict{good, refused, refused}, 3, "refused to judge 2 of 3 goals. C: there is no figure of nats"},
		"missed and refused": {[]verdict{bad, refused}, 1, "refused to judge 1 of 2"},
	} {
		var out strings.Builder
		err := (&check{out: &out}).judge(tc.verdicts)
		if (err == nil) != (tc.status == 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil && (status(err) != tc.status || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: status %d for %q, want %d and %q", name, status(err), err, tc.status, tc.says)
		}
		if missed := strings.Contains(out.String(), "MISSED"); missed != strings.HasPrefix(name, "missed") {
			t.Errorf("%s: the table is %s", name, out.String())
		}
	}
	if got := status(fmt.Errorf("joining: %w", errors.New("refused"))); got != 1 {
		t.Errorf("a failure has the status %d, want 1", got)
	}
}

func TestEachGoalIsOfALoadThatIsMeasured(t *testing.T) {
	for _, g := range goals() {
		if _, err := bench.Named(g.load, 1); err != nil {
			t.Error(err)
		}
	}
	for load := range shorter {
		if _, err := bench.Named(load, 1); err != nil {
			t.Error(err)
		}
	}
}
