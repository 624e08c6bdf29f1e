//go:build linux

package powercut

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// A page is what the page cache holds and writes back as one piece, a sector
// what a disk writes whole or not at all.
const (
	pageSize   = 4096
	sectorSize = 512
)

type page [pageSize]byte

// image is what a file reads as. A nil page is a hole: it reads as zeros.
type image struct {
	size  int64
	pages []*page
}

// pagesFor is the number of pages that a file of this size covers.
func pagesFor(size int64) int {
	return int((size + pageSize - 1) / pageSize)
}

// resize drops or adds whole pages. Whoever shrinks a file into the middle of
// a page clears the rest of that page, since pages may be shared.
func (m *image) resize(size int64) {
	n := pagesFor(size)
	if n < len(m.pages) {
		clear(m.pages[n:])
		m.pages = m.pages[:n]
	}
	for len(m.pages) < n {
		m.pages = append(m.pages, nil)
	}
	m.size = size
}

func (m *image) clone() image {
	return image{size: m.size, pages: slices.Clone(m.pages)}
}

// readAt copies what lies at off into p and returns how much there was.
func (m *image) readAt(p []byte, off int64) int {
	if off >= m.size {
		return 0
	}
	p = p[:min(int64(len(p)), m.size-off)]
	for rest := p; len(rest) > 0; {
		within := off % pageSize
		n := min(len(rest), int(pageSize-within))
		if pg := m.pages[off/pageSize]; pg != nil {
			copy(rest[:n], pg[within:])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+int64(n)
	}
	return len(p)
}

// content is one file as programs see it (live) and as the disk has it
// (durable). Pages that are not dirty are shared by both and never changed in
// place.
type content struct {
	live, durable image
	dirty         map[int]bool // pages of live that the disk has not got
	floor         int64        // smallest size since the last sync: what lay beyond is cut off
}

func (c *content) writeAt(p []byte, off int64) {
	if end := off + int64(len(p)); end > c.live.size {
		c.live.resize(end)
	}
	for len(p) > 0 {
		n := copy(c.own(int(off / pageSize))[off%pageSize:], p)
		p, off = p[n:], off+int64(n)
	}
}

// own makes a page of live dirty and thereby safe to change.
func (c *content) own(i int) *page {
	if !c.dirty[i] {
		fresh := new(page)
		if shared := c.live.pages[i]; shared != nil {
			*fresh = *shared
		}
		if c.dirty == nil {
			c.dirty = make(map[int]bool)
		}
		c.live.pages[i], c.dirty[i] = fresh, true
	}
	return c.live.pages[i]
}

func (c *content) truncate(size int64) {
	if size < c.live.size {
		if tail := size % pageSize; tail != 0 {
			clear(c.own(int(size / pageSize))[tail:])
		}
		beyond := pagesFor(size)
		maps.DeleteFunc(c.dirty, func(i int, _ bool) bool { return i >= beyond })
		c.floor = min(c.floor, size)
	}
	c.live.resize(size)
}

// sync is fsync: from here on a cut gives back this very content.
func (c *content) sync() {
	c.durable.resize(min(c.durable.size, c.floor))
	c.durable.resize(c.live.size)
	for i := range c.dirty {
		c.durable.pages[i] = c.live.pages[i]
	}
	clear(c.dirty)
	c.floor = c.live.size
}

// lose is the power cut: live becomes what was durable and, if r is given,
// whatever the disk happened to have got besides.
func (c *content) lose(r *rand.Rand) {
	if r != nil {
		c.durable = c.leftovers(r)
	}
	c.live = c.durable.clone()
	clear(c.dirty)
	c.floor = c.live.size
}

// leftovers is the durable image with some of the unsynced changes in it: of
// a truncation all or nothing, of the dirty pages any, in any order, some of
// them torn between sectors. The size follows the pages that arrived, so that
// a hole of zeros may lie before the last of them.
func (c *content) leftovers(r *rand.Rand) image {
	kept := c.durable.clone()
	truncated := c.floor >= kept.size || r.IntN(2) == 0
	if truncated && c.floor < kept.size {
		kept.cutOff(c.floor)
	}
	for _, i := range slices.Sorted(maps.Keys(c.dirty)) {
		start := int64(i) * pageSize
		if !truncated && start >= c.floor {
			continue // still taken by the old tail, so nothing new can be there
		}
		if sectors := arrived(r); sectors != 0 {
			kept.resize(max(kept.size, min(start+pageSize, c.live.size)))
			kept.pages[i] = blend(kept.pages[i], c.live.pages[i], sectors)
		}
	}
	if truncated && kept.size < c.live.size && r.IntN(2) == 0 {
		kept.resize(c.live.size)
	}
	return kept
}

// cutOff shrinks an image whose pages are shared.
func (m *image) cutOff(size int64) {
	m.resize(size)
	if tail := size % pageSize; tail != 0 && m.pages[size/pageSize] != nil {
		fresh := *m.pages[size/pageSize]
		clear(fresh[tail:])
		m.pages[size/pageSize] = &fresh
	}
}

// arrived draws which sectors of a dirty page the disk wrote before the cut,
// one bit each: half of all pages stayed behind whole, a quarter arrived
// whole, the rest is torn.
func arrived(r *rand.Rand) uint8 {
	switch r.IntN(4) {
	case 0, 1:
		return 0
	case 2:
		return 0xff
	default:
		return uint8(r.UintN(256))
	}
}

// blend is the old page with the given sectors of the new one. A nil page
// counts as zeros.
func blend(old, fresh *page, sectors uint8) *page {
	var blended page
	if old != nil {
		blended = *old
	}
	for s := range pageSize / sectorSize {
		if sectors&(1<<s) != 0 {
			copy(blended[s*sectorSize:(s+1)*sectorSize], fresh[s*sectorSize:])
		}
	}
	return &blended
}
