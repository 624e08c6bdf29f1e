package ws

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// watch is a clock that a test winds.
type watch struct{ now time.Time }

func newWatch() *watch { return &watch{time.Unix(1_700_000_000, 0)} }

func (w *watch) time() time.Time { return w.now }

// most takes until it is refused, and gives how many were taken.
func most(t *testing.T, take func() error) int {
	t.Helper()
	for n := range 10_000 {
		if err := take(); err != nil {
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Code != chat.Limited || e.RetryAfter <= 0 {
				t.Errorf("refused with %#v", err)
			}
			return n
		}
	}
	t.Fatal("there is no limit")
	return 0
}

func TestRatesOfOnePeer(t *testing.T) {
	for _, test := range []struct {
		kind   chat.Kind
		burst  int
		minute int // after a minute of waiting
	}{
		{chat.Text, 180, 180}, {chat.Custom, 180, 180}, {chat.Image, 20, 20}, {chat.File, 20, 20},
	} {
		t.Run(test.kind.String(), func(t *testing.T) {
			w := newWatch()
			r := newRates(w.time).of("a")
			take := func() error { return r.take(test.kind) }
			if got := most(t, take); got != test.burst {
				t.Errorf("%d at once, want %d", got, test.burst)
			}
			w.now = w.now.Add(time.Minute)
			if got := most(t, take); got != test.minute {
				t.Errorf("%d after a minute, want %d", got, test.minute)
			}
			w.now = w.now.Add(3 * time.Second)
			if got, want := most(t, take), max(1, test.burst/20); got != want {
				t.Errorf("%d after three seconds, want %d", got, want)
			}
		})
	}
}

// Not more than half of what may wait for somebody who reads slowly comes from
// one who writes, by whatever connections.
func TestAParticipantWritesHalfAMebibyteAtOnce(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	one, other := all.of("a"), all.of("a")
	const length = 6000
	written := 0
	for _, r := range []*peerRates{one, other} {
		written += length * most(t, func() error { return r.takeBytes(length) })
	}
	if written > 512<<10 || written <= 512<<10-length {
		t.Errorf("%d bytes at once", written)
	}
	if err := all.of("b").takeBytes(length); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	var refusal *chat.Error
	if !errors.As(one.takeBytes(length), &refusal) {
		t.Fatal("the next is no refusal")
	}
	w.now = w.now.Add(refusal.RetryAfter + time.Millisecond)
	if err := one.takeBytes(length); err != nil {
		t.Errorf("after the time that was named: %v", err)
	}
}

func TestKindsAreCountedApart(t *testing.T) {
	r := newRates(newWatch().time).of("a")
	most(t, func() error { return r.take(chat.Image) })
	for _, kind := range []chat.Kind{chat.Text, chat.File} {
		if err := r.take(kind); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
	most(t, func() error { return r.take(chat.Text) })
	if err := r.take(chat.Custom); err == nil {
		t.Error("custom messages and texts are counted apart")
	}
}

func TestAParticipantHasThreeTimesTheRateOfAPeer(t *testing.T) {
	all := newRates(newWatch().time)
	total := 0
	for range 10 {
		r := all.of("a")
		total += most(t, func() error { return r.take(chat.Text) })
	}
	if total != 540 {
		t.Errorf("%d texts in ten tabs, want 540", total)
	}
	if err := all.of("b").take(chat.Text); err != nil {
		t.Errorf("another participant: %v", err)
	}
}

// TestConnectingAnewDoesNotFillTheBuckets: nor does it when the limits of
// those who are idle have been forgotten meanwhile.
func TestConnectingAnewDoesNotFillTheBuckets(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	var tabs []*peerRates
	for range 10 {
		tabs = append(tabs, all.of("a"))
		w.now = w.now.Add(2 * time.Minute)
		all.of("b") // whoever connects makes idle limits be forgotten
	}
	total := 0
	for _, r := range tabs {
		total += most(t, func() error { return r.take(chat.Text) })
	}
	if total != 540 {
		t.Errorf("%d texts in ten tabs, want 540", total)
	}
}

func TestRatesOfThoseWhoAreIdleAreForgotten(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	for n := range 1000 {
		if err := all.of(chat.ParticipantID(fmt.Sprint(n))).take(chat.Text); err != nil {
			t.Fatal(err)
		}
	}
	busy := all.of("busy")
	most(t, func() error { return busy.take(chat.File) })
	w.now = w.now.Add(61 * time.Second)
	if err := all.of("b").take(chat.Text); err != nil {
		t.Fatal(err)
	}
	if len(all.known) > 2 {
		t.Errorf("%d participants are remembered", len(all.known))
	}
	if err := busy.take(chat.File); err != nil {
		t.Errorf("after a minute: %v", err)
	}
}

func TestJoinsOfAParticipantAreLimited(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	if got := most(t, func() error { return all.of("a").takeJoin() }); got != joinBurst {
		t.Errorf("%d joins at once, want %d", got, joinBurst)
	}
	if err := all.of("b").takeJoin(); err != nil {
		t.Errorf("another participant: %v", err)
	}
	w.now = w.now.Add(time.Minute)
	if err := all.of("a").takeJoin(); err != nil {
		t.Errorf("after a minute: %v", err)
	}
}

func TestLiftedRatesHoldNobodyBack(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	all.lifted = true
	r := all.of("a")
	for n := range 2000 {
		if err := errors.Join(r.take(chat.Text), r.takeBytes(2000)); err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
	}
}

// Thousands are here and do nothing that is limited.
func TestLimitsThatNobodyUsesCostNothing(t *testing.T) {
	w := newWatch()
	all := newRates(w.time)
	r := all.of("a")
	if err := r.takeJoin(); err != nil {
		t.Fatal(err)
	}
	if len(all.known) != 1 || r.buckets != nil {
		t.Errorf("a join makes %d limits of the participant and %d of the connection", len(all.known), len(r.buckets))
	}
}
