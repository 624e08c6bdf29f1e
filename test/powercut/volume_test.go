//go:build linux

package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const regular = syscall.S_IFREG | 0o644

// listing is the names of a directory as programs see them.
func listing(dir *inode) string {
	return strings.Join(slices.Sorted(maps.Keys(dir.names)), " ")
}

func TestSyncOfADirectoryCommitsWhatCameBefore(t *testing.T) {
	v := newVolume()
	sub := v.create(v.root, "sub", syscall.S_IFDIR|0o755)
	v.create(sub, "first", regular)
	v.syncDir(sub)
	v.create(v.root, "late", regular)
	v.lose(nil)

	if got := listing(v.root); got != "sub" {
		t.Errorf("root has %q, want sub", got)
	}
	if got := listing(sub); got != "first" {
		t.Errorf("sub has %q, want first", got)
	}
}

func TestSyncOfAFileKeepsNotItsName(t *testing.T) {
	v := newVolume()
	v.create(v.root, "file", regular).content.sync()
	v.lose(nil)
	if got := listing(v.root); got != "" {
		t.Errorf("root has %q, want nothing", got)
	}
}

func TestRenameBetweenDirectoriesIsNeverHalfDone(t *testing.T) {
	for seed := range uint64(20) {
		v := newVolume()
		from := v.create(v.root, "from", syscall.S_IFDIR|0o755)
		to := v.create(v.root, "to", syscall.S_IFDIR|0o755)
		v.create(from, "file", regular)
		v.syncDir(from)
		if errno := v.rename(from, "file", to, "moved"); errno != 0 {
			t.Fatal(errno)
		}
		v.lose(rand.New(rand.NewPCG(seed, 0)))
		if got := listing(from) + "|" + listing(to); got != "file|" && got != "|moved" {
			t.Fatalf("seed %d: %q", seed, got)
		}
	}
}

func TestUnevenCutKeepsABeginningOfTheJournal(t *testing.T) {
	const files = 5
	seen := make(map[string]bool)
	for seed := range uint64(100) {
		v := newVolume()
		for i := range files {
			v.create(v.root, fmt.Sprint(i), regular)
		}
		v.lose(rand.New(rand.NewPCG(seed, 0)))
		got := listing(v.root)
		if !strings.HasPrefix("0 1 2 3 4", got) {
			t.Fatalf("seed %d: %q is no beginning", seed, got)
		}
		seen[got] = true
	}
	if len(seen) != files+1 {
		t.Fatalf("want each of %d beginnings, got %v", files+1, seen)
	}
}

func TestRemovedFileComesBackWithItsSyncedContent(t *testing.T) {
	v := newVolume()
	file := v.create(v.root, "file", regular)
	file.content.writeAt([]byte("kept"), 0)
	file.content.sync()
	v.syncDir(v.root)
	file.content.truncate(0)
	if errno := v.remove(v.root, "file"); errno != 0 {
		t.Fatal(errno)
	}
	v.lose(nil)

	if got := string(v.root.names["file"].content.bytes()); got != "kept" {
		t.Errorf("the file reads %q, want kept", got)
	}
}
