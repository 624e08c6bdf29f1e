package room

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// text reads [from, to) of a log in one piece.
func (l *log) text(from, to uint64) string {
	return string(bytes.Join(l.read(nil, from, to), nil))
}

func TestLogPositionsCountBytes(t *testing.T) {
	var l log
	if l.start() != 0 || l.end != 0 || len(l.read(nil, 0, 0)) != 0 {
		t.Errorf("an empty log reads from %d to %d", l.start(), l.end)
	}
	l.append([]byte("one,"))
	l.append(nil)
	l.append([]byte("two,"))
	if l.start() != 0 || l.end != 8 {
		t.Errorf("the log reads from %d to %d, want 0 to 8", l.start(), l.end)
	}
	for _, test := range []struct {
		from, to uint64
		want     string
	}{{0, 8, "one,two,"}, {4, 8, "two,"}, {2, 6, "e,tw"}, {8, 8, ""}, {5, 3, ""}} {
		if got := l.text(test.from, test.to); got != test.want {
			t.Errorf("read(%d, %d) gave %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

// TestLogReadsAcrossChunks writes frames of all sizes, some longer than any
// chunk, and reads everything that is kept from many places.
func TestLogReadsAcrossChunks(t *testing.T) {
	var l log
	var all bytes.Buffer
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		size := rng.IntN(500)
		if i%500 == 499 {
			size = maxChunk + rng.IntN(maxChunk)
		}
		frame := bytes.Repeat([]byte{byte('a' + i%26)}, size)
		l.append(frame)
		all.Write(frame)
	}
	if len(l.chunks) < 3 || l.end != uint64(all.Len()) {
		t.Fatalf("%d chunks up to %d; the test shows nothing", len(l.chunks), l.end)
	}
	for range 60 {
		from := l.start() + rng.Uint64N(l.end-l.start()+1)
		to := from + rng.Uint64N(l.end-from+1)
		if got := l.text(from, to); got != string(all.Bytes()[from:to]) {
			t.Fatalf("read(%d, %d) gave %d other bytes", from, to, len(got))
		}
	}
}

func TestLogSlicesStayAsTheyWereRead(t *testing.T) {
	var l log
	l.append([]byte("first"))
	held := l.read(nil, 0, l.end)
	for i := range 2 * retained / 100 {
		l.append(fmt.Appendf(nil, "%0100d", i))
	}
	if l.start() == 0 {
		t.Fatal("the first chunk is not forgotten; the test shows nothing")
	}
	if string(held[0]) != "first" {
		t.Errorf("what was read has become %q", held[0])
	}
	// Who writes into the slice by appending must not write into the log.
	l = log{}
	l.append([]byte("first"))
	held = l.read(nil, 0, l.end)
	l.append([]byte("second"))
	_ = append(held[0], "xxxxxx"...)
	if got := l.text(0, l.end); got != "firstsecond" {
		t.Errorf("the log reads %q", got)
	}
}

func TestLogKeepsAtMostWhatAReaderMayLag(t *testing.T) {
	for _, size := range []int{37, 100, maxChunk - 1, maxChunk, maxChunk + 1, 300 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var l log
			frame, most := make([]byte, size), 0
			for range 3*retained/size + 3 {
				l.append(frame)
				held := 0
				for _, c := range l.chunks {
					held += len(c.bytes)
				}
				if uint64(held) != l.end-l.start() {
					t.Fatalf("%d bytes are held from %d to %d", held, l.start(), l.end)
				}
				most = max(most, held)
				if l.end > retained && held < retained {
					t.Fatalf("only %d bytes are held", held)
				}
			}
			if most > retained+max(maxChunk, size) {
				t.Errorf("%d bytes were held", most)
			}
		})
	}
}
