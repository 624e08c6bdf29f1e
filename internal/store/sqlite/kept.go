package sqlite

import (
	"maps"
	"strings"
)

// This file keeps what every append needs, the head of its meeting and who
// appends, from one transaction for the next.
//
// It needs no clock for the same reason as what Access has found (see
// access.go): all writes go through Tx.exec, and a statement tells by its words
// what it may change. A transaction believes nothing of before about what it
// has touched itself, and what it has touched is kept for nobody. Only what was
// committed is kept: a head belongs to the transaction that takes it, and comes
// back when that is on disk.

// maxKept is how many heads, and how many participants, are kept. When there
// are more, any of them goes for the next.
const maxKept = 8192

// kept is of the goroutine that writes.
type kept struct {
	heads  map[string]*head // by meeting
	people map[accessKey]*person
}

// takeHead gives the head of a meeting away, nil if there is none.
func (k *kept) takeHead(meeting string) *head {
	h := k.heads[meeting]
	delete(k.heads, meeting)
	return h
}

// keep takes over what a transaction has read and left behind on disk.
func (k *kept) keep(tx *Tx) {
	if k.heads == nil {
		k.heads, k.people = make(map[string]*head), make(map[accessKey]*person)
	}
	if !tx.changedHeads.none() {
		maps.DeleteFunc(k.heads, func(meeting string, _ *head) bool { return tx.changedHeads.has(meeting) })
	}
	for meeting, h := range tx.heads {
		// Without a session, what is visible from where moves with each entry.
		if h.Session != "" && !tx.changedHeads.has(meeting) {
			put(k.heads, meeting, h)
		}
	}
	if !tx.directory.none() {
		maps.DeleteFunc(k.people, func(key accessKey, p *person) bool { return p.touchedBy(key, &tx.directory) })
	}
	for key, p := range tx.people {
		if p.chat != nil {
			put(k.people, key, p)
		}
	}
}

// put keeps something in a map that does not outgrow maxKept.
func put[K comparable, V any](m map[K]V, key K, value V) {
	if len(m) >= maxKept {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = value
}

// touchedBy tells whether a participant may be another after a change.
func (p *person) touchedBy(key accessKey, by *touched) bool {
	return by.has(string(key.participant)) || by.has(string(key.meeting)) || by.has(p.preset)
}

// headsReachedBy tells how many heads a statement may change otherwise than by
// saveHead: a head is a row of meetings, and the first entry of its session. New
// rows change nothing, for nobody has read them yet.
func headsReachedBy(text string) reach {
	table, known := changedTable(text)
	switch {
	case strings.HasPrefix(text, saveHeads):
		return nothing
	case !known:
		return everything
	case table == "meetings":
		return rowsReachedBy(text)
	case table == "sessions" && (!strings.HasPrefix(text, "UPDATE") || strings.Contains(text, "first_seq")):
		return everything
	}
	return nothing
}
