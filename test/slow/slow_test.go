package main

import (
	"testing"
	"time"
)

// TestJoinsGoOnAmongSlowConnections is the measurement, small, with a bound
// that a busy machine keeps, too: without its limits the server would make the
// new ones wait for ever.
func TestJoinsGoOnAmongSlowConnections(t *testing.T) {
	r, err := measure(t.Context(), config{connections: 150, joins: 40})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.took) != 40 || r.fewest < 135 {
		t.Errorf("%d joins among %d slow connections", len(r.took), r.fewest)
	}
	if most := r.percentile(100); most > 5*time.Second {
		t.Errorf("a join took %v", most)
	}
}
