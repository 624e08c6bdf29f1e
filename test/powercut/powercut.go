//go:build linux

// Package powercut is a disk for tests whose power can be cut. It is a FUSE
// file system that, like an operating system with its page cache, keeps what
// was written apart from what was made durable; a cut loses the difference.
//
// What is durable:
//
//   - Of a file, its content and size as of its last fsync or fdatasync.
//     Closing a file makes nothing durable, nor does time.
//   - Of a directory, its names as of its last fsync. The creations, removals
//     and renames of the whole disk form one journal, as on ext4 or XFS: they
//     become durable in the order they were made, each as a whole, so an fsync
//     of one directory also commits what happened earlier in others. Unlike on
//     ext4, an fsync of a file does not commit its name; POSIX does not
//     promise it, and a forgotten fsync of a directory shall show.
//   - Permissions and times, at once. sync(2) and syncfs(2) do nothing.
//
// It has what SQLite in WAL mode asks for: shared mappings and POSIX locks,
// both kept by the kernel and shared by all processes on the machine. Writes
// reach the disk when they are made, except those into a mapping, which the
// kernel passes on when it likes or at msync. There are no links, neither hard
// nor symbolic, and no limit of space: everything is held in memory, twice
// where it is not durable.
//
// The program under test belongs in a process of its own. The process that
// called Mount serves the disk; if it also mapped files of it, as SQLite does
// with its -shm file, a page fault could wait for a goroutine that the garbage
// collector has stopped, and neither would ever go on. Plain reads and writes
// are safe.
//
// Package powercut is not a model of a failing disk: until the cut everything
// works, afterwards nothing does. It needs Linux, /dev/fuse, and either root or
// fusermount3. A test binary that dies without running its cleanups leaves a
// dead mount point behind, which `umount` removes.
package powercut

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a mounted disk. Its methods are for the goroutine that runs the
// test; the files on it are for everybody.
type Disk struct {
	tb  testing.TB
	dir string

	mu     sync.Mutex // guards the volume, and supply.off of every mount
	volume *volume

	supply *supply        // of the present mount
	served []*fuse.Server // of the present mount and those before it
}

// Mount makes an empty disk and mounts it on a new temporary directory until
// the test ends. Where it cannot, the test fails.
func Mount(tb testing.TB) *Disk {
	tb.Helper()
	d := &Disk{tb: tb, dir: tb.TempDir(), volume: newVolume()}
	tb.Cleanup(d.remove)
	d.mount()
	return d
}

// Dir is the directory the disk is mounted on. It stays the same through all
// cuts.
func (d *Disk) Dir() string { return d.dir }

// Cut takes the power away. An operation that is under way is either done
// before the cut or not at all. From here on every operation that reaches the
// disk fails with EIO, until Restore; what the kernel has in its own cache may
// still be read. Nothing survives but what is durable.
func (d *Disk) Cut() { d.cut(nil) }

// CutUnevenly is Cut for a disk that was about to write some of what it had
// not been told to make durable, as real ones do: of the journal a part from
// its beginning, of each file any of its unsynced pages, in any order, some of
// them torn between sectors of 512 bytes, and truncations made or not made.
// What survives is drawn from r, the same from the same state of disk and r.
func (d *Disk) CutUnevenly(r *rand.Rand) { d.cut(r) }

func (d *Disk) cut(r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.supply.off {
		return
	}
	d.supply.off = true
	d.volume.lose(r)
}

// Restore brings the power back: the disk has what survived the cut, and no
// lock and no mapping from before. Handles opened before the cut stay dead, so
// end the program under test first, as the cut would have. Without a cut
// before, Restore makes one.
func (d *Disk) Restore() {
	d.tb.Helper()
	d.Cut()
	if err := d.unmount(); err != nil {
		d.tb.Fatalf("take the disk away: %v", err)
	}
	d.mount()
}

func (d *Disk) mount() {
	d.tb.Helper()
	d.supply = &supply{mu: &d.mu, volume: d.volume}
	root := &node{supply: d.supply, inode: d.volume.root}
	server, err := fs.Mount(d.dir, root, &fs.Options{
		// No timeouts: the kernel asks for names and attributes each time, so
		// that they too fail once the power is off.
		UID:            uint32(os.Getuid()),
		GID:            uint32(os.Getgid()),
		RootStableAttr: &fs.StableAttr{Ino: d.volume.root.number},
		MountOptions: fuse.MountOptions{
			FsName:        "powercut",
			Name:          "powercut",
			DirectMount:   true,
			DisableXAttrs: true,
			// Otherwise a new mtime would throw pages out that are mapped.
			ExplicitDataCacheControl: true,
		},
	})
	if err != nil {
		d.tb.Fatalf("mount a disk on %s (this takes /dev/fuse, and root or fusermount3): %v", d.dir, err)
	}
	d.served = append(d.served, server)
}

// unmount detaches the disk even from processes that still use it; whatever
// they ask of it then fails.
func (d *Disk) unmount() error {
	err := unix.Unmount(d.dir, unix.MNT_FORCE|unix.MNT_DETACH)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if output, err := exec.Command("fusermount3", "-u", "-z", d.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("fusermount3: %w: %s", err, output)
	}
	return nil
}

func (d *Disk) remove() {
	if len(d.served) == 0 {
		return // the first mount failed
	}
	if err := d.unmount(); err != nil {
		d.tb.Errorf("unmount the disk: %v", err)
		return
	}
	for _, server := range d.served {
		server.Wait()
	}
}
