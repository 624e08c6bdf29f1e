package crash_test

import (
	"context"
	"sync"
	"syscall"
)

// strike is one round: everybody talks, at some moment blow falls, the server
// is started on what it left, everybody comes back, and it is judged. blow
// ends the child.
func (w *world) strike(ctx context.Context, blow func()) tally {
	w.Helper()
	w.talk(ctx, blow)
	w.start(ctx)
	w.enter(ctx)
	return w.judge(ctx)
}

// talk lets everybody talk until some moment, and then until blow has ended
// all connections.
func (w *world) talk(ctx context.Context, blow func()) {
	w.Helper()
	w.round++
	wishes := len(w.voices) * wishesPerVoice
	l := &load{moment: make(chan struct{})}
	l.left.Store(int64(wishes/20 + w.random.IntN(wishes*17/20)))
	faults := make(chan error, len(w.voices))
	var talking sync.WaitGroup
	for _, v := range w.voices {
		talking.Go(func() {
			if err := v.talk(ctx, l); err != nil {
				faults <- err
			}
		})
	}
	select {
	case <-l.moment:
	case err := <-faults:
		w.Fatalf("before the blow: %v", err)
	case <-ctx.Done():
		w.Fatalf("the moment does not come: %v", context.Cause(ctx))
	}
	l.struck.Store(true)
	blow()
	talking.Wait()
	close(faults)
	for err := range faults {
		w.Error(err)
	}
	for _, v := range w.voices {
		v.account()
	}
	w.hangUp()
}

// demand fails the test where a tally has faults.
func (w *world) demand(t tally) {
	w.Helper()
	w.Logf("round %d: %v", w.round, &t)
	for _, fault := range t.faults {
		w.Errorf("round %d: %s", w.round, fault)
	}
	if w.Failed() {
		w.FailNow()
	}
}

// inTime does something within the time of a round.
func (w *world) inTime(do func(context.Context)) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), roundTimeout)
	defer cancel()
	do(ctx)
}

// finish stops the server in order and looks at all that the rounds have left.
func (w *world) finish(ctx context.Context) {
	w.Helper()
	for _, m := range w.meetings {
		w.compareFiles(ctx, m.people[0].settled)
	}
	w.hangUp()
	if code := w.child.end(ctx, w.T, syscall.SIGTERM); code != 0 {
		w.Errorf("the server stopped with exit code %d", code)
	}
	w.audit(ctx)
}
