//go:build linux

package powercut

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// seeded is randomness that the log of a failed test allows to repeat: the
// seed comes from PARLEY_SEED or is drawn.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given, ok := os.LookupEnv("PARLEY_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("PARLEY_SEED: %v", err)
		}
	}
	t.Logf("PARLEY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write changes or makes a file without making it durable.
func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// fsync makes a file or a directory durable.
func fsync(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != want {
		t.Errorf("%s reads %q, want %q", filepath.Base(path), got, want)
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat %s: %v, want that it is not there", filepath.Base(path), err)
	}
}

func TestCutLosesWhatWasNotSynced(t *testing.T) {
	disk := Mount(t)
	synced, changed, unnamed := filepath.Join(disk.Dir(), "synced"), filepath.Join(disk.Dir(), "changed"), filepath.Join(disk.Dir(), "unnamed")
	write(t, synced, "one")
	fsync(t, synced)
	write(t, changed, "one")
	fsync(t, changed)
	fsync(t, disk.Dir())
	write(t, changed, "two, and longer")
	wantText(t, changed, "two, and longer")
	write(t, unnamed, "one")
	fsync(t, unnamed)

	disk.Cut()
	disk.Restore()

	wantText(t, synced, "one")
	wantText(t, changed, "one")
	wantGone(t, unnamed)
}

func TestRenameIsDurableOnceTheDirectoryIsSynced(t *testing.T) {
	disk := Mount(t)
	draft, final := filepath.Join(disk.Dir(), "draft"), filepath.Join(disk.Dir(), "final")
	write(t, final, "old")
	fsync(t, final)
	fsync(t, disk.Dir())
	write(t, draft, "new")
	fsync(t, draft)
	must(t, os.Rename(draft, final))

	disk.Cut()
	disk.Restore()
	wantText(t, final, "old")

	write(t, draft, "new")
	fsync(t, draft)
	must(t, os.Rename(draft, final))
	fsync(t, disk.Dir())

	disk.Cut()
	disk.Restore()
	wantText(t, final, "new")
	wantGone(t, draft)
}

func TestNothingWorksWithoutPower(t *testing.T) {
	disk := Mount(t)
	path := filepath.Join(disk.Dir(), "file")
	write(t, path, "text")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()

	disk.Cut()

	_, write := f.WriteAt([]byte("more"), 4)
	_, open := os.Open(path)
	_, stat := os.Stat(path)
	_, list := os.ReadDir(disk.Dir())
	for operation, err := range map[string]error{
		"write": write, "fsync": f.Sync(), "truncate": f.Truncate(0),
		"open": open, "stat": stat, "list": list,
		"create": os.WriteFile(filepath.Join(disk.Dir(), "other"), nil, 0o600),
		"mkdir":  os.Mkdir(filepath.Join(disk.Dir(), "sub"), 0o700),
		"remove": syscall.Unlink(path),
		"rename": os.Rename(path, path+"2"),
	} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want EIO", operation, err)
		}
	}

	disk.Restore()
	if err := f.Sync(); err == nil {
		t.Error("a handle from before the cut still works")
	}
}

func TestMappedFileIsSharedAndItsSyncIsDurable(t *testing.T) {
	disk := Mount(t)
	path := filepath.Join(disk.Dir(), "file")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(2*pageSize))

	// Reading and writing by calls brings the pages into the kernel's cache,
	// so that this process, which serves the disk, never faults on them.
	_, err = f.WriteAt(filled(2*pageSize, '.'), 0)
	must(t, err)
	mapped, err := unix.Mmap(int(f.Fd()), 0, 2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	must(t, err)
	defer func() { must(t, unix.Munmap(mapped)) }()

	copy(mapped, "by mapping")
	seen := make([]byte, len("by mapping"))
	_, err = f.ReadAt(seen, 0)
	must(t, err)
	if string(seen) != "by mapping" {
		t.Errorf("a read sees %q of what was mapped", seen)
	}
	_, err = f.WriteAt([]byte("by calling"), pageSize)
	must(t, err)
	if got := string(mapped[pageSize:][:len("by calling")]); got != "by calling" {
		t.Errorf("the mapping sees %q of what was written", got)
	}

	must(t, f.Sync())
	fsync(t, disk.Dir())
	disk.Cut()
	disk.Restore()
	want := string(filled(2*pageSize, '.'))
	wantText(t, path, "by mapping"+want[len("by mapping"):pageSize]+"by calling"+want[pageSize+len("by calling"):])
}

func TestLockExcludesOthersUntilTheCut(t *testing.T) {
	disk := Mount(t)
	path := filepath.Join(disk.Dir(), "file")
	write(t, path, "")
	fsync(t, disk.Dir())

	// Locks of open file descriptions exclude each other in one process too;
	// the kernel keeps them and those of processes in one list.
	lock := func() error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 120, Len: 1})
	}
	must(t, lock())
	if err := lock(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a second lock: %v, want EAGAIN", err)
	}
	disk.Cut()
	disk.Restore()
	must(t, lock())
}

func TestDirectoriesListRemoveAndRefuse(t *testing.T) {
	disk := Mount(t)
	sub := filepath.Join(disk.Dir(), "a", "b")
	must(t, os.MkdirAll(sub, 0o700))
	write(t, filepath.Join(sub, "file"), "text")
	if err := syscall.Rmdir(sub); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("rmdir of a full directory: %v, want ENOTEMPTY", err)
	}
	entries, err := os.ReadDir(sub)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != "file" || entries[0].IsDir() {
		t.Errorf("the directory lists %v, want one file", entries)
	}
	must(t, os.RemoveAll(filepath.Join(disk.Dir(), "a")))
	wantGone(t, filepath.Join(disk.Dir(), "a"))
}
