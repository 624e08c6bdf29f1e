package kv

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
)

var open = State{Active: true, Session: "s", Participant: true}

func write(store string, pairs ...Pair) Write {
	return Write{Meeting: "m", Participant: "alice", Peer: "a1", Store: store, Pairs: pairs}
}

func set(key, value string) Pair { return Pair{key, []byte(value)} }

func TestWritesThatAreWrongWhateverTheState(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	many := make([]Pair, MaxPairs+1)
	for i := range many {
		many[i] = set(fmt.Sprint(i), "1")
	}
	for name, w := range map[string]Write{
		"no store name":       write("", set("k", "1")),
		"long store name":     write(long, set("k", "1")),
		"broken store name":   write("\xff", set("k", "1")),
		"NUL in a store name": write("a\x00", set("k", "1")),
		"store of plugins":    write(Plugins, set("k", "1")),
		"no keys":             write("s"),
		"too many keys":       write("s", many...),
		"empty key":           write("s", set("", "1")),
		"long key":            write("s", set(long, "1")),
		"broken key":          write("s", set("\xff", "1")),
		"a key twice":         write("s", set("k", "1"), Pair{"k", nil}),
		"prototype":           write("s", set("__proto__", "{}")),
		"inherited":           write("s", set("hasOwnProperty", "1")),
	} {
		if _, _, err := Decide(w, open, 1); chat.CodeOf(err) != chat.Invalid && chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Decide(write(strings.Repeat("x", MaxName), set("*", "1"), set("x", "2"), Pair{"y", nil}), open, 1); err != nil {
		t.Errorf("a write that is right: %v", err)
	}
}

func TestWhoMayWrite(t *testing.T) {
	for name, s := range map[string]State{
		"nobody of the meeting": {Active: true, Session: "s"},
		"meeting closed":        {Session: "s", Participant: true},
		"no session":            {Active: true, Participant: true},
	} {
		if _, _, err := Decide(write("s", set("k", "1")), s, 1); chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimesAreUniqueAndIncreaseThoughTheClockStepsBack(t *testing.T) {
	s := open
	var last int64
	for _, now := range []int64{1000, 1000, 500, 2000} {
		c, totals, err := Decide(write("s", set("k", "1"), set("l", "2")), s, now)
		if err != nil || c.At <= last || c.At < now || c.Items[0].At != c.At || c.Items[1].At != c.At || totals.At != c.At {
			t.Fatalf("at %d: %+v, %v", now, c, err)
		}
		last, s.Totals = c.At, totals
	}
}

// run applies writes one after the other, as an engine does.
func run(t *testing.T, s State, at int64, w Write) (State, Change) {
	t.Helper()
	c, totals, err := Decide(w, s, at)
	if err != nil {
		t.Fatal(err)
	}
	s.Totals = totals
	before := make(map[string]Item)
	maps.Copy(before, s.Before)
	for _, i := range c.Items {
		before[i.Key] = i
	}
	s.Before = before
	return s, c
}

func TestTotalsCountWhatIsThere(t *testing.T) {
	s, _ := run(t, open, 1, write("st", set("k", "12345"), set("l", "1")))
	want := Totals{Keys: 2, Bytes: 2 + 1 + 5 + 2 + 1 + 1, At: 1}
	if s.Totals != want {
		t.Errorf("two keys: %+v, want %+v", s.Totals, want)
	}
	s, _ = run(t, s, 2, write("st", set("k", "1")))
	if want = (Totals{Keys: 2, Bytes: 8, At: 2}); s.Totals != want {
		t.Errorf("one written over: %+v, want %+v", s.Totals, want)
	}
	s, _ = run(t, s, 3, write("st", Pair{"k", nil}, Pair{"never", nil}))
	if want = (Totals{Keys: 1, Bytes: 4, Deleted: 2, At: 3}); s.Totals != want {
		t.Errorf("one deleted: %+v, want %+v", s.Totals, want)
	}
	s, _ = run(t, s, 4, write("st", set("k", "1")))
	if want = (Totals{Keys: 2, Bytes: 8, Deleted: 1, At: 4}); s.Totals != want {
		t.Errorf("and set again: %+v, want %+v", s.Totals, want)
	}
}

func TestAFullMeetingTakesNoMoreButLess(t *testing.T) {
	full := open
	full.Totals = Totals{Keys: MaxKeys, Bytes: MaxBytes, At: 1}
	full.Before = map[string]Item{"k": {Name: Name{"s", "k"}, Value: []byte(`"long"`), Peer: "a1", At: 1}}
	for name, w := range map[string]Write{
		"one key more":  write("s", set("new", "1"), Pair{"x", nil}),
		"a longer text": write("s", set("k", `"longer"`)),
	} {
		if _, _, err := Decide(w, full, 2); chat.CodeOf(err) != chat.Limited {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, w := range map[string]Write{
		"the same length": write("s", set("k", `"same"`)),
		"a deletion":      write("s", Pair{"k", nil}),
	} {
		if _, _, err := Decide(w, full, 2); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWritesByTwoPeersAtOnceAreContested(t *testing.T) {
	by := func(peer chat.PeerID, pair Pair) Write {
		w := write("s", pair)
		w.Peer = peer
		return w
	}
	s := open
	for _, step := range []struct {
		at        int64
		peer      chat.PeerID
		pair      Pair
		contested bool
	}{
		{1_000, "a1", set("k", "1"), false},
		{2_000, "a1", set("k", "2"), false},
		{3_000, "b1", set("k", "3"), true},
		{4_000, "b1", set("k", "4"), true}, // sent, perhaps, before it knew of 2
		{62_001, "b1", set("k", "5"), false},
		{62_002, "a1", Pair{"k", nil}, true},
		{62_003, "b1", set("k", "6"), true}, // a deletion is a rival, too
		{200_000, "a2", set("k", "7"), false},
	} {
		var c Change
		s, c = run(t, s, step.at, by(step.peer, step.pair))
		if got := c.Items[0].Contested(); got != step.contested {
			t.Errorf("%s at %d: contested is %v", step.peer, step.at, got)
		}
	}
}
