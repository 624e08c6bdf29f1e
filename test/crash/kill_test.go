package crash_test

import (
	"context"
	"syscall"
	"testing"
)

func TestKill9LosesNothingEchoed(t *testing.T) {
	random := seeded(t)
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	w := newWorld(ctx, t, random, t.TempDir())
	w.enter(ctx)
	for range rounds(20, 1) {
		w.inTime(func(ctx context.Context) {
			w.demand(w.strike(ctx, func() { w.child.end(ctx, t, syscall.SIGKILL) }))
		})
	}
	w.inTime(w.finish)
}
