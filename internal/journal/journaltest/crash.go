package journaltest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// Numbers, messages, pages: all is after a crash, and after an orderly end, as
// it was before, and the counters go on from there.
func nothingChangesByReopening(t *testing.T, w *world) {
	tw := scripted(w)
	tw.wantAll()
	for _, end := range []func(){w.crash, w.close} {
		end()
		w.open()
		tw.wantAll()
		a, b := tw.people[0], tw.people[1]
		tw.do(a.say("public again"), b.say("private again", a))
		tw.wantAll()
	}
	wantSame(t, "what the observer was told over all that time",
		w.tape.of(t, tw.model.meeting, len(tw.model.entries)), w.entries(tw.model.meeting))
}

// What was acknowledged before the crash is there, and of the transaction that
// was under way there is nothing.
func crashAmidATransaction(_ *testing.T, w *world) {
	tw := scripted(w)
	a := tw.people[0]
	gate := w.block()
	defer close(gate.goOn)
	written := make(chan struct{})
	never := make(chan struct{})
	defer close(never)
	w.journal.Submit(a.say("under way"), "", func(journal.Entry, error) {})
	w.must(w.engine.Update(func(tx journal.Tx) error {
		close(written)
		<-never
		return nil
	}, func(error) {}))
	gate.goOn <- struct{}{} // the next transaction begins, and does not end
	w.await(written)
	w.crash()
	w.open()
	tw.wantAll()
	tw.do(a.say("after the crash"))
	tw.wantAll()
}

// randomHistories lets chance write some histories, several meetings at once,
// with commands good and bad, in bursts that share transactions, while sessions
// end, the clock steps, and the engine is closed and crashes. A failed history
// is repeated by the seed it prints: PARLEY_SEED. PARLEY_SOAK=1 makes it long.
func randomHistories(t *testing.T, w *world) {
	seed := rand.Uint64()
	if given, ok := os.LookupEnv("PARLEY_SEED"); ok {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		w.must(err)
	}
	t.Logf("PARLEY_SEED=%d", seed)
	steps := 150
	if os.Getenv("PARLEY_SOAK") == "1" {
		steps = 10_000
	}
	h := history{w, rand.New(rand.NewPCG(seed, 0)), []*twin{newTwin(w, false), newTwin(w, true), newTwin(w, false)}}
	for range steps {
		h.step()
	}
	for _, tw := range h.twins {
		tw.wantAll()
	}
}

type history struct {
	w     *world
	r     *rand.Rand
	twins []*twin
}

func (h *history) step() {
	h.w.t.Helper()
	tw := h.twins[h.r.IntN(len(h.twins))]
	switch choice := h.r.IntN(100); {
	case choice < 60:
		h.burst(tw)
	case choice < 70:
		h.w.clock.advance(time.Duration(h.r.IntN(200)-50) * time.Millisecond)
	case choice < 80 && tw.here:
		tw.leave()
	case choice < 80 || !tw.here:
		tw.arrive()
	case choice < 98:
		h.look(tw)
	case choice < 99:
		h.w.crash()
		h.w.open()
	default:
		h.w.close()
		h.w.open()
	}
}

// burst hands in some commands at once, half of the times so that they share one
// transaction whatever the engine does.
func (h *history) burst(tw *twin) {
	h.w.t.Helper()
	n, release := 1+h.r.IntN(12), func() {}
	if h.r.IntN(2) == 0 {
		gate := h.w.block()
		release = func() { close(gate.goOn) }
	}
	tw.doEach(n, func(int) chat.Command { return tw.command(h.r) }, release)
}

// look compares a few things that are asked for at random.
func (h *history) look(tw *twin) {
	h.w.t.Helper()
	tw.wantHead()
	n := len(tw.model.entries)
	tw.wantEntries(uint64(h.r.IntN(n+2)), h.r.IntN(n+2))
	queries := tw.queries()
	for range 5 {
		q := queries[h.r.IntN(len(queries))]
		q.Limit = 1 + h.r.IntN(20)
		q.Receives = h.r.IntN(5) > 0
		q.Before = uint64(h.r.IntN(n + 2))
		tw.wantPages(q)
		if k := len(tw.model.messages); k > 0 {
			q.Time = tw.model.messages[h.r.IntN(k)].SentAt + int64(h.r.IntN(3)) - 1
			tw.wantPage(q)
		}
	}
}
