// Package tally counts what happens, so cheaply that it can be counted on the
// hottest paths: by atomics alone, without locks or allocations. It does not
// know who reads the counts, nor in which form they are shown. Plain counters
// are atomic.Uint64; here is what takes more than one.
package tally

import (
	"maps"
	"slices"
	"sync/atomic"
)

// Words counts how often each of some words was said. The words are given at
// the beginning, so that nobody can make them more. A nil *Words counts
// nothing; all methods may be called concurrently.
type Words struct {
	counts map[string]*atomic.Uint64
	others atomic.Uint64
}

// NewWords makes a count of each of the words, all zero.
func NewWords(words ...string) *Words {
	w := &Words{counts: make(map[string]*atomic.Uint64, len(words))}
	for _, word := range words {
		w.counts[word] = new(atomic.Uint64)
	}
	return w
}

// Other is the word under which those are counted that were not foreseen.
const Other = "other"

// Add counts one. The empty word is none.
func (w *Words) Add(word string) {
	if w == nil || word == "" {
		return
	}
	if count := w.counts[word]; count != nil {
		count.Add(1)
		return
	}
	w.others.Add(1)
}

// Of gives the count of a word, and of Other those of all that were not
// foreseen.
func (w *Words) Of(word string) uint64 {
	if w == nil {
		return 0
	}
	if count := w.counts[word]; count != nil {
		return count.Load()
	}
	if word == Other {
		return w.others.Load()
	}
	return 0
}

// Each gives each word with its count, in the order of the words, and Other
// last where there are such.
func (w *Words) Each(one func(word string, count uint64)) {
	if w == nil {
		return
	}
	for _, word := range slices.Sorted(maps.Keys(w.counts)) {
		one(word, w.counts[word].Load())
	}
	if n := w.others.Load(); n > 0 {
		one(Other, n)
	}
}

// Histogram counts values by their size. All methods may be called
// concurrently.
type Histogram struct {
	bounds  []int64
	buckets []atomic.Uint64 // the last has what lies above all bounds
	sum     atomic.Int64
}

// NewHistogram makes a histogram whose buckets end at the bounds, inclusive;
// they must increase.
func NewHistogram(bounds ...int64) *Histogram {
	return &Histogram{bounds: bounds, buckets: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v int64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(v)
}

// Snapshot gives how many values there were, their sum, and how many were not
// above each bound. Values that come in meanwhile may be in one and not yet in
// the other.
func (h *Histogram) Snapshot() (count uint64, sum int64, upTo map[int64]uint64) {
	sum = h.sum.Load()
	upTo = make(map[int64]uint64, len(h.bounds))
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < len(h.bounds) {
			upTo[h.bounds[i]] = count
		}
	}
	return count, sum, upTo
}
