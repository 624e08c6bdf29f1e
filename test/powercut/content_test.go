//go:build linux

package powercut

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// filled is n bytes that all are b.
func filled(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

func (c *content) bytes() []byte {
	b := make([]byte, c.live.size)
	c.live.readAt(b, 0)
	return b
}

// TestContentFollowsAModel writes, truncates, syncs and cuts at random, and
// compares with two plain byte slices.
func TestContentFollowsAModel(t *testing.T) {
	const space = 5 * pageSize
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var c content
		var live, durable []byte
		for step := range 60 {
			off := r.IntN(space)
			switch r.IntN(8) {
			case 0:
				c.truncate(int64(off))
				live = append(live[:min(off, len(live))], make([]byte, max(0, off-len(live)))...)
			case 1:
				c.sync()
				durable = bytes.Clone(live)
			case 2:
				c.lose(nil)
				live = bytes.Clone(durable)
			default:
				p := filled(1+r.IntN(2*pageSize), byte(step+1))
				c.writeAt(p, int64(off))
				if short := off + len(p) - len(live); short > 0 {
					live = append(live, make([]byte, short)...)
				}
				copy(live[off:], p)
			}
			if !bytes.Equal(c.bytes(), live) {
				t.Fatalf("seed %d, step %d: the file differs from the model", seed, step)
			}
		}
	}
}

func TestUnevenCutKeepsAnySectorsOldOrNew(t *testing.T) {
	const pages = 8
	var lost, whole, torn int
	for seed := range uint64(50) {
		var c content
		c.writeAt(filled(pages*pageSize, 'o'), 0)
		c.sync()
		c.writeAt(filled(pages*pageSize, 'n'), 0)
		c.lose(rand.New(rand.NewPCG(seed, 0)))

		after := c.bytes()
		for i := range pages {
			fresh := 0
			for s := range pageSize / sectorSize {
				sector := after[i*pageSize+s*sectorSize:][:sectorSize]
				switch {
				case bytes.Equal(sector, filled(sectorSize, 'n')):
					fresh++
				case !bytes.Equal(sector, filled(sectorSize, 'o')):
					t.Fatalf("seed %d: sector %d of page %d is neither old nor new", seed, s, i)
				}
			}
			switch fresh {
			case 0:
				lost++
			case pageSize / sectorSize:
				whole++
			default:
				torn++
			}
		}
	}
	if lost == 0 || whole == 0 || torn == 0 {
		t.Fatalf("want pages of each kind, got %d lost, %d whole, %d torn", lost, whole, torn)
	}
}

func TestUnevenCutNeverTouchesWhatWasSynced(t *testing.T) {
	for seed := range uint64(50) {
		var c content
		c.writeAt(filled(3*pageSize, 'o'), 0)
		c.sync()
		c.writeAt(filled(3*pageSize, 'n'), 3*pageSize)
		c.lose(rand.New(rand.NewPCG(seed, 0)))
		if got := c.bytes(); !bytes.HasPrefix(got, filled(3*pageSize, 'o')) {
			t.Fatalf("seed %d: synced pages changed", seed)
		}
	}
}

func TestUnevenCutMakesATruncationWholeOrNot(t *testing.T) {
	const before, after = 3 * pageSize, pageSize + 100
	sizes := make(map[int]int)
	for seed := range uint64(50) {
		var c content
		c.writeAt(filled(before, 'o'), 0)
		c.sync()
		c.truncate(after)
		c.lose(rand.New(rand.NewPCG(seed, 0)))

		got := c.bytes()
		sizes[len(got)]++
		if !bytes.HasPrefix(got, filled(after, 'o')) {
			t.Fatalf("seed %d: bytes before the cut-off changed", seed)
		}
	}
	if len(sizes) != 2 || sizes[before] == 0 || sizes[after] == 0 {
		t.Fatalf("want sizes %d and %d, got %v", before, after, sizes)
	}
}

func TestUnevenCutIsTheSameForTheSameSeed(t *testing.T) {
	cut := func() []byte {
		var c content
		c.writeAt(filled(64*pageSize, 'n'), 0)
		c.lose(rand.New(rand.NewPCG(1, 2)))
		return c.bytes()
	}
	if !bytes.Equal(cut(), cut()) {
		t.Fatal("two cuts with one seed differ")
	}
}
