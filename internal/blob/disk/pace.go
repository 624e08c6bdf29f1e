package disk

// step is after how many bytes of an object the disk begins to write them. Left
// to itself the system would gather much more, and then a sync of anybody else on
// the same disk, which is what each acknowledged message waits for, would wait
// until all of that is written.
const step = 128 << 10

// outWriter is a file that can be written to the disk by parts. What is durable is
// told by Sync alone, but an error of the disk may be told here and never again.
type outWriter interface {
	// writeOut begins to write what was put between two offsets.
	writeOut(from, to int64) error
	// awaitOut waits until that is written.
	awaitOut(from, to int64) error
}

// paced is a file whose bytes are on their way to the disk while more come: no
// more than two steps of them wait.
type paced struct {
	file
	out     outWriter // nil where the system cannot do it
	written int64
	begun   int64 // up to here it is being written
	awaited int64 // up to here it was waited for
}

func pace(f file) *paced {
	out, _ := f.(outWriter)
	return &paced{file: f, out: out}
}

func (p *paced) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.written += int64(n)
	if err != nil || p.out == nil || p.written-p.begun < step {
		return n, err
	}
	if err := p.out.writeOut(p.begun, p.written); err != nil {
		return n, err
	}
	if p.awaited < p.begun {
		if err := p.out.awaitOut(p.awaited, p.begun); err != nil {
			return n, err
		}
	}
	p.awaited, p.begun = p.begun, p.written
	return n, nil
}
