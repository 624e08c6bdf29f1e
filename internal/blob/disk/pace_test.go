package disk

import (
	"bytes"
	"os"
	"syscall"
	"testing"
)

func TestALongObjectComesBackWhateverItIsWrittenBy(t *testing.T) {
	s := openStore(t, t.TempDir(), device{})
	for _, size := range []int{step - 1, step, step + 1, 2 * step, 5*step + 17} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i * i >> 3)
		}
		if _, err := s.Put(t.Context(), "long", bytes.NewReader(content), int64(size)); err != nil {
			t.Fatal(err)
		}
		if got := get(t, s, "long"); got != string(content) {
			t.Errorf("an object of %d bytes comes back as %d others", size, len(got))
		}
	}
}

func TestNoMoreThanTwoStepsWaitForTheDisk(t *testing.T) {
	var f outFile
	p := pace(&f)
	for range 100 {
		if _, err := p.Write(make([]byte, step/3)); err != nil {
			t.Fatal(err)
		}
		if waits := p.written - f.awaited; waits > 3*step {
			t.Fatalf("%d bytes wait after %d", waits, p.written)
		}
		if f.begun < p.written-step {
			t.Fatalf("the disk was asked to write %d of %d bytes", f.begun, p.written)
		}
	}
}

func TestAnErrorOfTheDiskWhileAnObjectIsWrittenFailsThePut(t *testing.T) {
	for name, fault := range map[string]func() *outFile{
		"begun":   func() *outFile { return &outFile{beginErr: syscall.EIO} },
		"awaited": func() *outFile { return &outFile{awaitErr: syscall.EIO} },
	} {
		t.Run(name, func(t *testing.T) {
			putOnFaultyDisk(t, device{wrapFile: func(f *os.File) file {
				return &struct {
					*os.File
					outWriter
				}{f, fault()}
			}}, syscall.EIO)
		})
	}
}

// outFile is a file that notes what is asked of the disk.
type outFile struct {
	bytes.Buffer
	begun, awaited     int64
	beginErr, awaitErr error
}

func (f *outFile) writeOut(from, to int64) error {
	if from != f.begun {
		return syscall.EINVAL
	}
	f.begun = to
	return f.beginErr
}

func (f *outFile) awaitOut(from, to int64) error {
	if from != f.awaited || to > f.begun {
		return syscall.EINVAL
	}
	f.awaited = to
	return f.awaitErr
}

func (f *outFile) Name() string { return "" }
func (f *outFile) Sync() error  { return nil }
func (f *outFile) Close() error { return nil }
