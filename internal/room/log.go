package room

import (
	"cmp"
	"slices"
)

// log is a room's recent frames as one run of bytes. A position in it is the
// number of bytes since the room was made; it only grows. Bytes once written
// never move or change, so readers may keep slices of them without a copy and
// without a lock; what is too old is forgotten as a whole chunk.
//
//	     start                                   end
//	       v                                      v
//	- - - -[ chunk ][ chunk       ][ chunk        .....]
//	forgotten            kept             written  free
//
// Some frames are not for every reader: their places are kept beside the bytes.
type log struct {
	chunks   []chunk
	end      uint64
	whispers []span // of frames that only some may read, in order
	fresh    int    // frames appended since the readers were last roused
}

type span struct{ from, to uint64 }

type chunk struct {
	start uint64
	bytes []byte
}

const (
	firstChunk = 4 << 10
	maxChunk   = 64 << 10
	// retained is how far a reader may lag behind the end.
	retained = 1 << 20
)

// append adds one frame whole.
func (l *log) append(frame []byte) {
	last := len(l.chunks) - 1
	if last < 0 || cap(l.chunks[last].bytes)-len(l.chunks[last].bytes) < len(frame) {
		size := firstChunk
		if last >= 0 {
			size = min(2*cap(l.chunks[last].bytes), maxChunk)
		}
		l.chunks = append(l.chunks, chunk{start: l.end, bytes: make([]byte, 0, max(size, len(frame)))})
		last++
	}
	l.chunks[last].bytes = append(l.chunks[last].bytes, frame...)
	l.end += uint64(len(frame))
	l.fresh++
	l.forget()
}

// whisper adds a frame that only some may read.
func (l *log) whisper(frame []byte) {
	from := l.end
	l.append(frame)
	if last := len(l.whispers) - 1; last >= 0 && l.whispers[last].to == from {
		l.whispers[last].to = l.end
		return
	}
	l.whispers = append(l.whispers, span{from, l.end})
}

// forget drops the chunks that lie wholly further back than retained.
func (l *log) forget() {
	n := 0
	for n < len(l.chunks)-1 && l.end-l.chunks[n+1].start > retained {
		n++
	}
	if n > 0 {
		l.chunks = append(l.chunks[:0:0], l.chunks[n:]...)
		first, _ := slices.BinarySearchFunc(l.whispers, l.start(), func(s span, at uint64) int { return cmp.Compare(s.to, at+1) })
		l.whispers = append(l.whispers[:0:0], l.whispers[first:]...)
	}
}

// start is the oldest position that can still be read.
func (l *log) start() uint64 {
	if len(l.chunks) == 0 {
		return l.end
	}
	return l.chunks[0].start
}

// through gives the end of a frame that lies n bytes or a little more after
// from: that of a chunk, for no frame goes on in the next.
func (l *log) through(from uint64, n int) uint64 {
	for _, c := range l.chunks {
		if end := c.start + uint64(len(c.bytes)); end >= from+uint64(n) {
			return end
		}
	}
	return l.end
}

// read adds the bytes of [from, to) to bufs.
func (l *log) read(bufs [][]byte, from, to uint64) [][]byte {
	for _, c := range l.chunks {
		if from >= to {
			break
		}
		if end := c.start + uint64(len(c.bytes)); from < end {
			stop := min(end, to)
			bufs = append(bufs, c.bytes[from-c.start:stop-c.start:stop-c.start])
			from = stop
		}
	}
	return bufs
}

// readAloud is read without the frames that only some may read.
func (l *log) readAloud(bufs [][]byte, from, to uint64) [][]byte {
	next, _ := slices.BinarySearchFunc(l.whispers, from, func(s span, at uint64) int { return cmp.Compare(s.to, at+1) })
	for _, s := range l.whispers[next:] {
		if s.from >= to {
			break
		}
		bufs = l.read(bufs, from, max(from, s.from))
		from = s.to
	}
	return l.read(bufs, from, to)
}
