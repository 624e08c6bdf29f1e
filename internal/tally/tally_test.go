package tally

import (
	"maps"
	"sync"
	"testing"
)

func TestWordsCannotBecomeMore(t *testing.T) {
	w := NewWords("full", "busy")
	for _, word := range []string{"busy", "busy", "a stranger's", "another", ""} {
		w.Add(word)
	}
	got := make(map[string]uint64)
	var order []string
	w.Each(func(word string, n uint64) { got[word] = n; order = append(order, word) })
	if want := map[string]uint64{"busy": 2, "full": 0, Other: 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(order) != 3 || order[0] != "busy" || order[2] != Other {
		t.Errorf("in the order %q", order)
	}
	if w.Of("busy") != 2 || w.Of(Other) != 2 || w.Of("another") != 0 {
		t.Errorf("busy %d, other %d, another %d", w.Of("busy"), w.Of(Other), w.Of("another"))
	}
}

func TestNobodyNeedsToCount(t *testing.T) {
	var w *Words
	w.Add("busy")
	w.Each(func(string, uint64) { t.Error("nil has words") })
	if w.Of("busy") != 0 {
		t.Error("nil has counted")
	}
}

func TestHistogramCountsByEachBound(t *testing.T) {
	h := NewHistogram(1, 10, 100)
	for _, v := range []int64{0, 1, 2, 10, 11, 100, 101, 5000} {
		h.Observe(v)
	}
	count, sum, upTo := h.Snapshot()
	if count != 8 || sum != 5225 {
		t.Errorf("%d values, together %d", count, sum)
	}
	if want := map[int64]uint64{1: 2, 10: 4, 100: 6}; !maps.Equal(upTo, want) {
		t.Errorf("got %v, want %v", upTo, want)
	}
}

func TestCountingBesideEachOther(t *testing.T) {
	const many = 1000
	w, h := NewWords("it"), NewHistogram(1)
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range many {
				w.Add("it")
				h.Observe(1)
			}
		})
	}
	work.Wait()
	if count, sum, _ := h.Snapshot(); w.Of("it") != 4*many || count != 4*many || sum != 4*many {
		t.Errorf("counted %d words and %d values, together %d", w.Of("it"), count, sum)
	}
}

func TestCountingCostsNoMemory(t *testing.T) {
	w, h := NewWords("it"), NewHistogram(1, 10)
	if n := testing.AllocsPerRun(100, func() { w.Add("it"); w.Add("that"); h.Observe(5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
