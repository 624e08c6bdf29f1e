package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Figure is one of those that a load is about. Its name tells it from the others.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// String tells it.
func (f Figure) String() string {
	digits := 3
	switch {
	case f.Value >= 1000:
		digits = 0
	case f.Value >= 10:
		digits = 1
	}
	return strings.TrimSpace(fmt.Sprintf("%s %.*f %s", f.Name, digits, f.Value, f.Unit))
}

// Figures are all of a load, in the order in which they are told.
type Figures []Figure

// add adds a figure.
func add(f *Figures, name string, value float64, unit string) {
	*f = append(*f, Figure{name, value, unit})
}

// String tells them in a line.
func (f Figures) String() string {
	all := make([]string, len(f))
	for i := range f {
		all[i] = f[i].String()
	}
	return strings.Join(all, ", ")
}

// middle gives the median of each figure, which the same load has each time.
func middle(rounds []Figures) Figures {
	all := slices.Clone(rounds[0])
	for i := range all {
		values := make([]float64, len(rounds))
		for k := range rounds {
			values[k] = rounds[k][i].Value
		}
		all[i].Value = Median(values)
	}
	return all
}

// Median gives the middle one.
func Median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Percentile gives the value that so many of a hundred do not exceed.
func Percentile(values []time.Duration, n int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*n/100, len(sorted)-1)]
}

// Milliseconds gives them with a fraction.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Pause waits, unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
