package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/blobtest"
)

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t testing.TB) blob.Store {
		dir := t.TempDir()
		t.Cleanup(func() {
			if left := halfWritten(t, dir); len(left) > 0 {
				t.Errorf("the test left %v behind", left)
			}
		})
		return openStore(t, dir, device{})
	})
}

func openStore(t testing.TB, dir string, disk device) *Store {
	t.Helper()
	s, err := open(dir, disk)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// halfWritten lists the temporary files of the store in dir.
func halfWritten(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, incomingDir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func put(t testing.TB, s *Store, key, text string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(text), 1000); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// get returns the text under key, or "" if there is no object.
func get(t testing.TB, s *Store, key string) string {
	t.Helper()
	object, err := s.Open(t.Context(), key)
	if errors.Is(err, blob.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer object.Close()
	text, err := io.ReadAll(object)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(text)
}

func TestObjectsOutliveTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "blobs") // made by Open
	put(t, openStore(t, dir, device{}), "a", "text")
	if got := get(t, openStore(t, dir, device{}), "a"); got != "text" {
		t.Errorf("after opening again the object holds %q", got)
	}
}

func TestFolderMayBeRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	s := openStore(t, "blobs", device{})
	put(t, s, "a", "text")
	t.Chdir(t.TempDir())
	if got := get(t, s, "a"); got != "text" {
		t.Errorf("after a change of the working directory the object holds %q", got)
	}
}

func TestLeftoversOfACrashAreSwept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, device{})
	put(t, s, "a", "text")

	// Half-way through a Put the folder looks as a crash would leave it.
	interrupted := errors.New("interrupted")
	next := func() error {
		if len(halfWritten(t, dir)) != 1 {
			t.Error("there is no half-written file while a Put is under way")
		}
		put(t, openStore(t, dir, device{}), "b", "text")
		if left := halfWritten(t, dir); len(left) != 0 {
			t.Errorf("after opening again there is %v", left)
		}
		return interrupted
	}
	r := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) { return 0, next() }))
	if _, err := s.Put(t.Context(), "c", r, 1000); !errors.Is(err, interrupted) {
		t.Fatalf("Put: %v", err)
	}
	for key, want := range map[string]string{"a": "text", "b": "text", "c": ""} {
		if got := get(t, s, key); got != want {
			t.Errorf("%s holds %q, want %q", key, got, want)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPanickingReaderLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, device{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		s.Put(t.Context(), "a", readerFunc(func([]byte) (int, error) { panic("reader") }), 1000)
	}()
	if left := halfWritten(t, dir); len(left) != 0 {
		t.Errorf("the Put left %v", left)
	}
}

func TestFilesArePrivateAndShardedTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := openStore(t, dir, device{})
	const objects = 50
	for i := range objects {
		put(t, s, fmt.Sprintf("0198c5a2-%d", i), "text") // ids that begin alike
	}
	firsts := make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			parts := strings.Split(strings.TrimPrefix(path, s.objects+string(filepath.Separator)), string(filepath.Separator))
			if len(parts) != 3 || len(parts[0]) != 2 || len(parts[1]) != 2 {
				t.Errorf("an object lies at %v", parts)
			}
			firsts[parts[0]] = true
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(firsts) < objects/2 {
		t.Errorf("%d objects lie in %d folders only", objects, len(firsts))
	}
}

// faultyFile fails where a disk may, with real files otherwise.
type faultyFile struct {
	*os.File
	room     int   // bytes that still fit, then the disk is full
	syncErr  error // what Sync returns
	closeErr error // what Close returns
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:f.room])
	if err != nil {
		return n, err
	}
	f.room = 0
	return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

func (f *faultyFile) Sync() error { return errors.Join(f.File.Sync(), f.syncErr) }

func (f *faultyFile) Close() error { return errors.Join(f.File.Close(), f.closeErr) }

// putOnFaultyDisk puts an object through a disk with a fault, where there is
// nothing and where there is an object, and expects want and no change.
func putOnFaultyDisk(t *testing.T, disk device, want error) {
	t.Helper()
	dir := t.TempDir()
	sound := openStore(t, dir, device{})
	put(t, sound, "taken", "earlier")
	faulty := openStore(t, dir, disk)
	for _, key := range []string{"free", "taken"} {
		content := bytes.NewReader(make([]byte, 3*step))
		if _, err := faulty.Put(t.Context(), key, content, 1<<20); !errors.Is(err, want) {
			t.Errorf("Put where the key is %s: %v, want %v", key, err, want)
		}
	}
	if got := get(t, sound, "free"); got != "" {
		t.Errorf("a failed Put stored %d bytes", len(got))
	}
	if got := get(t, sound, "taken"); got != "earlier" {
		t.Error("a failed Put changed the earlier object")
	}
	if left := halfWritten(t, dir); len(left) != 0 {
		t.Errorf("a failed Put left %v", left)
	}
}

func TestFullDisk(t *testing.T) {
	quota := &fs.PathError{Op: "sync", Path: "put", Err: syscall.EDQUOT}
	for name, wrap := range map[string]func(*os.File) file{
		"at once":           func(f *os.File) file { return &faultyFile{File: f} },
		"half-way":          func(f *os.File) file { return &faultyFile{File: f, room: step} },
		"when it is synced": func(f *os.File) file { return &faultyFile{File: f, room: 1 << 20, syncErr: syscall.ENOSPC} },
		"when it is closed": func(f *os.File) file { return &faultyFile{File: f, room: 1 << 20, closeErr: syscall.ENOSPC} },
		"by quota":          func(f *os.File) file { return &faultyFile{File: f, room: 1 << 20, syncErr: quota} },
	} {
		t.Run(name, func(t *testing.T) { putOnFaultyDisk(t, device{wrapFile: wrap}, blob.ErrFull) })
	}
}

func TestFailedSyncOfTheFileFailsThePut(t *testing.T) {
	putOnFaultyDisk(t, device{wrapFile: func(f *os.File) file {
		return &faultyFile{File: f, room: 1 << 20, syncErr: syscall.EIO}
	}}, syscall.EIO)
}

func TestFailedSyncOfAFolderFailsPutAndDelete(t *testing.T) {
	dir := t.TempDir()
	put(t, openStore(t, dir, device{}), "a", "text")
	var fault error
	s := openStore(t, dir, device{beforeSyncDir: func(string) error { return fault }})
	fault = syscall.EIO
	if _, err := s.Put(t.Context(), "b", strings.NewReader("text"), 10); !errors.Is(err, syscall.EIO) {
		t.Errorf("Put: %v, want EIO", err)
	}
	// The second Delete finds nothing, but may not say that this is durable.
	for range 2 {
		if err := s.Delete(t.Context(), "a"); !errors.Is(err, syscall.EIO) {
			t.Errorf("Delete: %v, want EIO", err)
		}
	}
	fault = nil
	put(t, s, "b", "other")
	if got := get(t, s, "b"); got != "other" {
		t.Errorf("after the fault b holds %q", got)
	}
}

// recordingFile tells when a file is synced.
type recordingFile struct {
	*os.File
	synced func()
}

func (f recordingFile) Sync() error {
	f.synced()
	return f.File.Sync()
}

func TestPutSyncsBytesThenShowsThenSyncsNames(t *testing.T) {
	dir := t.TempDir()
	var s *Store
	var steps []string
	step := func(what string) {
		if s == nil {
			return // Open's own
		}
		visible := "hidden"
		if get(t, s, "a") != "" {
			visible = "visible"
		}
		steps = append(steps, what+" "+visible)
	}
	s = openStore(t, dir, device{
		wrapFile: func(f *os.File) file { return recordingFile{f, func() { step("bytes") }} },
		beforeSyncDir: func(folder string) error {
			relative, err := filepath.Rel(dir, folder)
			step(filepath.ToSlash(relative))
			return err
		},
	})
	first, second, _ := strings.Cut(filepath.ToSlash(shard("a")), "/")
	objects, upper := "objects", "objects/"+first
	lower := upper + "/" + second

	put(t, s, "a", "text")
	want := []string{"bytes hidden", objects + " hidden", upper + " hidden", lower + " visible"}
	if !slices.Equal(steps, want) {
		t.Errorf("the first Put in a folder did %q, want %q", steps, want)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	steps = nil
	put(t, s, "a", "text")
	if want := []string{"bytes hidden", lower + " visible"}; !slices.Equal(steps, want) {
		t.Errorf("the next Put did %q, want %q", steps, want)
	}
	steps = nil
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if want := []string{lower + " hidden"}; !slices.Equal(steps, want) {
		t.Errorf("Delete did %q, want %q", steps, want)
	}
}

func TestContextEndsBeforeTheObjectIsShown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	s := openStore(t, dir, device{wrapFile: func(f *os.File) file { return recordingFile{f, cancel} }})
	if _, err := s.Put(ctx, "a", strings.NewReader("text"), 10); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v, want context.Canceled", err)
	}
	if got := get(t, s, "a"); got != "" {
		t.Error("the object is there")
	}
	if left := halfWritten(t, dir); len(left) != 0 {
		t.Errorf("the Put left %v", left)
	}
}

func TestOpenedObjectOutlivesReplacementAndDeletion(t *testing.T) {
	s := openStore(t, t.TempDir(), device{})
	put(t, s, "a", "old")
	object, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	put(t, s, "a", "new")
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(object, []byte("old")); err != nil {
		t.Error(err)
	}
}

func TestModTimeIsWhenTheObjectWasPut(t *testing.T) {
	s := openStore(t, t.TempDir(), device{})
	before := time.Now()
	put(t, s, "a", "text")
	after := time.Now()
	object, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	// File systems stamp with a clock that lags, by some milliseconds up to two
	// seconds.
	if object.ModTime.Before(before.Add(-3*time.Second)) || object.ModTime.After(after.Add(time.Second)) {
		t.Errorf("put between %v and %v, stamped %v", before, after, object.ModTime)
	}
}

func TestSomethingElseThanAFileIsAnError(t *testing.T) {
	s := openStore(t, t.TempDir(), device{})
	if err := os.MkdirAll(filepath.Join(s.folder("a"), "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), "a"); err == nil || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open of a folder: %v, want an error of its own", err)
	}
}

func TestOpenOfAnUnusableFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blobs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open of a file: %v, want an error that names it", err)
	}
}

func TestOpenOnAFullDisk(t *testing.T) {
	_, err := open(t.TempDir(), device{beforeSyncDir: func(string) error { return syscall.ENOSPC }})
	if !errors.Is(err, blob.ErrFull) {
		t.Errorf("Open: %v, want ErrFull", err)
	}
}
