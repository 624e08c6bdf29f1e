// Package blobtest is the suite that every blob.Store must pass. It looks at a
// store through its interface only; what an engine leaves behind on its disk or
// in its bucket is for the engine's own tests.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/parley-chat/parley/internal/blob"
)

// patience bounds every wait for something that a correct store does at once.
const patience = 20 * time.Second

// Factory returns an empty store that lives until the test ends.
type Factory func(t testing.TB) blob.Store

// Run runs the whole suite, each test on a store of its own.
func Run(t *testing.T, factory Factory) {
	for name, test := range map[string]func(*testing.T, blob.Store){
		"PutThenOpen":                    putThenOpen,
		"OpenAndDeleteOfNothing":         openAndDeleteOfNothing,
		"SeekWithinAnObject":             seekWithinAnObject,
		"ReplaceAnObject":                replaceAnObject,
		"ReplaceOrDeleteWhileReading":    replaceOrDeleteWhileReading,
		"KeysDoNotMeet":                  keysDoNotMeet,
		"InvalidKeys":                    invalidKeys,
		"Limit":                          limit,
		"FailingReader":                  failingReader,
		"ContextEndsWhileReading":        contextEndsWhileReading,
		"ContextEndsInsideTheReader":     contextEndsInsideTheReader,
		"ContextEndedBefore":             contextEndedBefore,
		"HalfAnObjectIsNeverSeen":        halfAnObjectIsNeverSeen,
		"SlowPutsOfOneKeyDoNotWait":      slowPutsOfOneKeyDoNotWait,
		"ReadersSeeWholeObjectsOnlyEver": readersSeeWholeObjectsOnlyEver,
	} {
		t.Run(name, func(t *testing.T) { test(t, factory(t)) })
	}
}

// content is size bytes that differ from those of any other seed.
func content(seed uint64, size int) []byte {
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(data) // never fails
	return data
}

func put(t testing.TB, s blob.Store, key string, data []byte) {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	if want := (blob.Info{Size: int64(len(data)), SHA256: sha256.Sum256(data)}); info != want {
		t.Fatalf("Put returned %+v, want %+v", info, want)
	}
}

// read returns the object under key. It may be called from any goroutine.
func read(ctx context.Context, s blob.Store, key string) ([]byte, error) {
	object, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	if err == nil && int64(len(data)) != object.Size {
		return nil, fmt.Errorf("read %d bytes of an object of size %d", len(data), object.Size)
	}
	return data, err
}

func wantObject(t testing.TB, s blob.Store, key string, want []byte) {
	t.Helper()
	got, err := read(t.Context(), s, key)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d other bytes than the %d expected", key, len(got), len(want))
	}
}

func wantNothing(t testing.TB, s blob.Store, key string) {
	t.Helper()
	if object, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		if err == nil {
			object.Close()
		}
		t.Fatalf("Open(%s) = %v, want ErrNotFound", key, err)
	}
}

// wantFailure expects a Put of what reader yields to fail with want, where
// there is nothing and where there is an object, and to change neither.
func wantFailure(t *testing.T, s blob.Store, want error, limit int64, reader func() (context.Context, io.Reader)) {
	t.Helper()
	earlier := content(1, 1000)
	put(t, s, "taken", earlier)
	for _, key := range []string{"free", "taken"} {
		ctx, r := reader()
		if _, err := s.Put(ctx, key, r, limit); !errors.Is(err, want) {
			t.Errorf("Put where the key is %s: %v, want %v", key, err, want)
		}
	}
	wantNothing(t, s, "free")
	wantObject(t, s, "taken", earlier)
}

func putThenOpen(t *testing.T, s blob.Store) {
	for _, size := range []int{0, 1, 4096, 1<<20 + 1} {
		key, data := fmt.Sprintf("size-%d", size), content(2, size)
		put(t, s, key, data)
		wantObject(t, s, key, data)

		object, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if object.ModTime.IsZero() {
			t.Errorf("%s has no time", key)
		}
		if err := object.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func openAndDeleteOfNothing(t *testing.T, s blob.Store) {
	wantNothing(t, s, "nothing")
	if err := s.Delete(t.Context(), "nothing"); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	put(t, s, "nothing", content(1, 10))
	for range 2 {
		if err := s.Delete(t.Context(), "nothing"); err != nil {
			t.Errorf("Delete: %v", err)
		}
		wantNothing(t, s, "nothing")
	}
	put(t, s, "nothing", content(2, 10))
	wantObject(t, s, "nothing", content(2, 10))
}

func seekWithinAnObject(t *testing.T, s blob.Store) {
	data := content(1, 100_000)
	put(t, s, "a", data)
	object, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	for _, step := range []struct {
		offset int64
		whence int
		want   int64
	}{
		{0, io.SeekEnd, 100_000},
		{-10, io.SeekEnd, 99_990},
		{0, io.SeekStart, 0},
		{70_000, io.SeekStart, 70_000},
		{-100, io.SeekCurrent, 69_910}, // ten bytes were read in between
	} {
		at, err := object.Seek(step.offset, step.whence)
		if err != nil || at != step.want {
			t.Fatalf("Seek(%d, %d) = %d, %v, want %d", step.offset, step.whence, at, err, step.want)
		}
		got, err := io.ReadAll(io.LimitReader(object, 10))
		if want := data[at:min(at+10, 100_000)]; err != nil || !bytes.Equal(got, want) {
			t.Fatalf("at %d: read %x, %v, want %x", at, got, err, want)
		}
	}
}

func replaceAnObject(t *testing.T, s blob.Store) {
	for _, data := range [][]byte{content(1, 5000), content(2, 50), content(3, 70_000), {}} {
		put(t, s, "a", data)
		wantObject(t, s, "a", data)
	}
}

func replaceOrDeleteWhileReading(t *testing.T, s blob.Store) {
	for name, change := range map[string]func() error{
		"replace": func() error {
			data := content(2, 1<<20)
			_, err := s.Put(t.Context(), "a", bytes.NewReader(data), int64(len(data)))
			return err
		},
		"delete": func() error { return s.Delete(t.Context(), "a") },
	} {
		old := content(1, 1<<20)
		put(t, s, "a", old)
		object, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer object.Close()
		start, err := io.ReadAll(io.LimitReader(object, 1000))
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, err := io.ReadAll(object)
		if got := append(start, rest...); err == nil && !bytes.Equal(got, old) {
			t.Errorf("%s: the reader got a mixture", name)
		}
	}
}

func keysDoNotMeet(t *testing.T, s blob.Store) {
	keys := []string{"a", "a-", "-a", "aa", "0", strings.Repeat("a", 64), strings.Repeat("a", 63)}
	for i, key := range keys {
		put(t, s, key, content(uint64(i), 100))
	}
	if err := s.Delete(t.Context(), "aa"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for i, key := range keys {
		if key == "aa" {
			wantNothing(t, s, key)
		} else {
			wantObject(t, s, key, content(uint64(i), 100))
		}
	}
}

func invalidKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", ".", "..", "../a", "a/b", "/a", `a\b`, "A", "a.b", "a\x00", "a\n", "ä", strings.Repeat("a", 65),
	} {
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), 1); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Put(%q) = %v, want ErrKey", key, err)
		}
		if _, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Open(%q) = %v, want ErrKey", key, err)
		}
		if err := s.Delete(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Delete(%q) = %v, want ErrKey", key, err)
		}
	}
}

func limit(t *testing.T, s blob.Store) {
	for _, size := range []int64{0, 1, 100, 1 << 20} {
		t.Run(fmt.Sprintf("of %d bytes", size), func(t *testing.T) {
			exactly := content(1, int(size))
			put(t, s, "exactly", exactly) // with its length as the limit
			wantObject(t, s, "exactly", exactly)

			more := content(2, int(size)+1000)
			for _, excess := range []int64{1, 1000} {
				var r *bytes.Reader
				wantFailure(t, s, blob.ErrTooLarge, size, func() (context.Context, io.Reader) {
					r = bytes.NewReader(more[:size+excess])
					return t.Context(), r
				})
				if read := size + excess - int64(r.Len()); read > size+1 {
					t.Errorf("%d bytes were read to find more than %d", read, size)
				}
			}
		})
	}
	t.Run("without one", func(t *testing.T) {
		if _, err := s.Put(t.Context(), "huge", bytes.NewReader(content(3, 1000)), math.MaxInt64); err != nil {
			t.Fatalf("Put: %v", err)
		}
		wantObject(t, s, "huge", content(3, 1000))
	})
	t.Run("below zero", func(t *testing.T) {
		wantFailure(t, s, blob.ErrTooLarge, -1, func() (context.Context, io.Reader) {
			return t.Context(), strings.NewReader("")
		})
	})
}

func failingReader(t *testing.T, s blob.Store) {
	cut := errors.New("connection lost")
	for _, size := range []int{0, 1, 300_000} {
		wantFailure(t, s, cut, 1<<20, func() (context.Context, io.Reader) {
			return t.Context(), io.MultiReader(bytes.NewReader(content(2, size)), iotest.ErrReader(cut))
		})
		// The error may come with the last bytes instead of after them.
		wantFailure(t, s, cut, 1<<20, func() (context.Context, io.Reader) {
			return t.Context(), iotest.DataErrReader(
				io.MultiReader(bytes.NewReader(content(2, size)), iotest.ErrReader(cut)))
		})
	}
	wantFailure(t, s, io.ErrUnexpectedEOF, 1<<20, func() (context.Context, io.Reader) {
		return t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	})
}

// readerFunc is a reader made of one function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func contextEndsWhileReading(t *testing.T, s blob.Store) {
	const all = 4 << 20
	for _, after := range []int{1, all / 2, all} {
		wantFailure(t, s, context.Canceled, all, func() (context.Context, io.Reader) {
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			data, got, late := bytes.NewReader(content(2, all)), 0, 0
			return ctx, readerFunc(func(p []byte) (int, error) {
				if got >= after {
					if late++; late == 2 { // one may have been about to begin
						t.Error("Put went on reading after its context had ended")
					}
				}
				n, err := data.Read(p)
				if got += n; got >= after {
					cancel()
				}
				return n, err
			})
		})
	}
}

func contextEndsInsideTheReader(t *testing.T, s blob.Store) {
	closed := errors.New("body closed")
	for _, want := range []error{context.Canceled, closed} {
		wantFailure(t, s, want, 1<<20, func() (context.Context, io.Reader) {
			ctx, cancel := context.WithCancel(t.Context())
			return ctx, io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, closed
			}))
		})
	}
}

func contextEndedBefore(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantFailure(t, s, context.Canceled, 10, func() (context.Context, io.Reader) {
		return ctx, strings.NewReader("text")
	})
	if _, err := s.Open(ctx, "taken"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v, want context.Canceled", err)
	}
	if err := s.Delete(ctx, "taken"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v, want context.Canceled", err)
	}
	wantObject(t, s, "taken", content(1, 1000))
}

func halfAnObjectIsNeverSeen(t *testing.T, s blob.Store) {
	old, data := content(1, 1000), content(2, 1<<20)
	put(t, s, "taken", old)
	half := len(data) / 2
	for _, key := range []string{"free", "taken"} {
		// The second half begins only when everything before it was read, so
		// this looks at the store at the moment half of the object is there.
		looked := false
		look := readerFunc(func([]byte) (int, error) {
			looked = true
			got, err := read(t.Context(), s, key)
			if key == "free" && !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("half-way there are %d bytes, %v, want ErrNotFound", len(got), err)
			}
			if key == "taken" && !bytes.Equal(got, old) {
				t.Errorf("half-way there are %d bytes, %v, want the earlier object", len(got), err)
			}
			return 0, io.EOF
		})
		r := io.MultiReader(bytes.NewReader(data[:half]), look, bytes.NewReader(data[half:]))
		if _, err := s.Put(t.Context(), key, r, int64(len(data))); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if !looked {
			t.Fatal("Put did not read to the end")
		}
		wantObject(t, s, key, data)
	}
}

func slowPutsOfOneKeyDoNotWait(t *testing.T, s blob.Store) {
	const puts, size = 8, 200_000
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	// All are half-way before any may go on: none can wait for another's end,
	// and all end together.
	var halfWay sync.WaitGroup
	halfWay.Add(puts)
	all := make(chan struct{})
	go func() { halfWay.Wait(); close(all) }()
	meet := func() io.Reader {
		arrive := sync.OnceFunc(halfWay.Done)
		return readerFunc(func([]byte) (int, error) {
			arrive()
			select {
			case <-all:
				return 0, io.EOF
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
	}
	var wg sync.WaitGroup
	for i := range puts {
		wg.Go(func() {
			data := content(uint64(i), size)
			r := io.MultiReader(bytes.NewReader(data[:size/2]), meet(), bytes.NewReader(data[size/2:]))
			info, err := s.Put(ctx, "a", r, size)
			if err != nil {
				t.Errorf("Put %d: %v", i, err)
			} else if info.Size != size || info.SHA256 != sha256.Sum256(data) {
				t.Errorf("Put %d returned %+v, which is another's", i, info)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	got, err := read(t.Context(), s, "a")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	for i := range puts {
		if bytes.Equal(got, content(uint64(i), size)) {
			return
		}
	}
	t.Error("the object is none of those that were put")
}

func readersSeeWholeObjectsOnlyEver(t *testing.T, s blob.Store) {
	const size, rounds = 100_000, 20
	versions := [][]byte{content(0, size), content(1, size/2), content(2, size/3)}
	put(t, s, "a", versions[0])
	done := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(done)
	for range 2 {
		readers.Go(func() {
			for {
				got, err := read(t.Context(), s, "a")
				whole := bytes.Equal(got, versions[0]) || bytes.Equal(got, versions[1]) || bytes.Equal(got, versions[2])
				if err == nil && !whole {
					t.Error("a reader got a mixture")
					return
				}
				if errors.Is(err, blob.ErrNotFound) {
					t.Error("the object was gone while it was replaced")
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range rounds {
		put(t, s, "a", versions[i%len(versions)])
	}
}
