package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// inNamespace lets a test mount things. Where that takes rights that this
// process has not, the test is run by another process in a namespace of its
// own, and inNamespace is false.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable, "-test.run=^"+t.Name()+"$")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in a namespace of its own: %v\n%s", err, output)
	}
	return false
}

// mountSmall mounts a small file system until the test ends.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a file system (this takes root, or user namespaces): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

func TestDirectoryThatIsReadOnly(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mountSmall(t, "4m")
	tk := newTalk(t, dir)
	tk.append(tk.say(tk.a, "while it could be written"))
	tk.close()
	for _, flags := range []uintptr{unix.MS_RDONLY, 0} {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
		if flags == unix.MS_RDONLY {
			wantRefused(t, dir, "not writable")
			wantRefused(t, filepath.Join(dir, "new"), "making the data directory")
		}
	}
	tk.open()
	tk.wantTexts("while it could be written")
}

// On a full disk nothing is acknowledged that is not kept, reading goes on, and
// once there is room everything does, without a restart.
func TestDiskFull(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mountSmall(t, "12m")
	// More than the write-ahead log can hold: what is in it needs room in the
	// database before the log begins anew.
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tk := newTalk(t, filepath.Join(dir, "data"))
	long := strings.Repeat("long ", 400)

	var all sync.WaitGroup
	acked := make(chan uint64, 1<<16)
	for range 16 {
		all.Go(func() {
			for full := 0; full < 20; {
				e, err := tk.journal.Append(t.Context(), tk.say(tk.a, long))
				if err == nil {
					acked <- e.Seq
					continue
				}
				full++
				refusal, ok := errors.AsType[*chat.Error](err)
				if !ok || refusal.Code != chat.Unavailable || refusal.RetryAfter <= 0 || !strings.Contains(refusal.Message, "room") {
					t.Errorf("on a full disk appending gave %#v, want it unavailable for want of room, and when to try again", err)
					return
				}
			}
		})
	}
	all.Wait()
	close(acked)
	if err := tk.Health(); err != nil {
		t.Errorf("a full disk made the store ill: %v", err)
	}
	if n := tk.Failures().Of("full"); n < 20 || !tk.State().Full {
		t.Errorf("%d transactions found no room, and now the store is full: %v", n, tk.State().Full)
	}
	if n := tk.log.lines("level=ERROR"); n != 1 {
		t.Errorf("the log tells of the full disk %d times, want once", n)
	}
	if err := tk.Left(t.Context(), tk.session, tk.b.Peer); err != nil && !errors.Is(err, journal.ErrFull) {
		t.Errorf("on a full disk leaving gave %v, want ErrFull", err)
	}
	stored := make(map[uint64]bool)
	entries, err := tk.readAll()
	tk.must(err)
	for _, e := range entries {
		stored[e.Seq] = true
	}
	count := 0
	for seq := range acked {
		count++
		if !stored[seq] {
			t.Fatalf("entry %d was acknowledged and is not there", seq)
		}
	}
	if count == 0 || count != len(entries) {
		t.Fatalf("%d messages were acknowledged, %d are stored", count, len(entries))
	}

	tk.must(os.Remove(ballast))
	for range 50 {
		if e := tk.append(tk.say(tk.a, "there is room")); e.Seq != uint64(count)+1 {
			t.Fatalf("the first entry after the full disk has number %d, want %d", e.Seq, count+1)
		}
		count++
	}
	if n := tk.log.lines("room again"); n != 1 || tk.State().Full {
		t.Errorf("the log tells %d times that there is room, want once; and the store is full: %v", n, tk.State().Full)
	}
	tk.reopen()
	if entries, err = tk.readAll(); err != nil || len(entries) != count {
		t.Errorf("after a restart there are %d entries (%v), want %d", len(entries), err, count)
	}
}

// When the disk refuses to keep what was written, nothing is acknowledged any
// more until the store is opened anew, and it says so. What was acknowledged
// before is there.
func TestDiskFails(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "before"))
	wal, err := os.Stat(filepath.Join(tk.dir, "parley.db-wal"))
	tk.must(err)

	// Writing beyond the limit fails with EFBIG, which means nothing to
	// SQLite: to it the disk has failed.
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var before unix.Rlimit
	tk.must(unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	limit := before
	limit.Cur = uint64(wal.Size()) + 1
	tk.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	_, refusal := tk.journal.Append(t.Context(), tk.say(tk.a, "lost"))
	tk.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &before))

	if chat.CodeOf(refusal) != chat.Unavailable {
		t.Errorf("on a failing disk appending gave %v, want it unavailable", refusal)
	}
	if err := tk.Health(); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("the health of the store is %v, want ErrFailed", err)
	}
	tk.wantUnavailable(tk.say(tk.a, "the disk is well again, but who knows what it has kept"))
	if _, err := tk.Enter(t.Context(), tk.arrival(tk.a), "s", tk.now()); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("entering gave %v, want ErrFailed", err)
	}
	tk.wantTexts("before")
	if n, state := tk.Failures().Of("disk"), tk.State(); n == 0 || !errors.Is(state.Failed, journal.ErrFailed) {
		t.Errorf("%d transactions failed, and the state is %+v", n, state)
	}
	if n := tk.log.lines("level=ERROR"); n != 1 {
		t.Errorf("the log tells of the failed disk %d times, want once", n)
	}

	tk.reopen()
	if err := tk.Health(); err != nil {
		t.Errorf("after a restart the health is %v", err)
	}
	if e := tk.append(tk.say(tk.a, "after")); e.Seq != 2 {
		t.Errorf("the first entry after a restart has number %d, want 2", e.Seq)
	}
	tk.wantTexts("before", "after")
}
