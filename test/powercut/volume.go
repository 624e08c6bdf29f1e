//go:build linux

package powercut

import (
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// volume is the file system without FUSE: every directory and file twice, as
// programs see it and as the disk has it. It is not safe for concurrent use.
type volume struct {
	root *inode
	last uint64 // the inode number given out last

	// pending are the changes of names that the disk has not got, oldest first.
	pending []change
}

// inode is a file or a directory. Its attributes survive every cut, which is
// kinder than a real disk; nothing we test depends on them.
type inode struct {
	number  uint64
	mode    uint32 // type and permissions, as in stat(2)
	changed time.Time

	content content // of a file

	names   map[string]*inode // of a directory, as programs see it
	durable map[string]*inode // of a directory, as the disk has it
}

// change is what one system call did to names; it reaches the disk as a whole.
type change []edit

// edit gives a name of a directory to an inode, or to none.
type edit struct {
	dir  *inode
	name string
	to   *inode
}

func newVolume() *volume {
	v := &volume{}
	v.root = v.newInode(syscall.S_IFDIR | 0o755)
	return v
}

func (v *volume) newInode(mode uint32) *inode {
	v.last++
	i := &inode{number: v.last, mode: mode, changed: time.Now()}
	if i.isDir() {
		i.names = make(map[string]*inode)
		i.durable = make(map[string]*inode)
	}
	return i
}

func (i *inode) isDir() bool { return i.mode&syscall.S_IFMT == syscall.S_IFDIR }

// apply makes a change visible to programs and puts it in line for the disk.
func (v *volume) apply(c change) {
	for _, e := range c {
		e.in(e.dir.names)
		e.dir.changed = time.Now()
	}
	v.pending = append(v.pending, c)
}

func (e edit) in(names map[string]*inode) {
	if e.to == nil {
		delete(names, e.name)
	} else {
		names[e.name] = e.to
	}
}

// create gives a new file or directory, as the type in mode says, to a free
// name. Callers have looked whether it is free.
func (v *volume) create(dir *inode, name string, mode uint32) *inode {
	i := v.newInode(mode)
	v.apply(change{{dir, name, i}})
	return i
}

func (v *volume) remove(dir *inode, name string) syscall.Errno {
	i := dir.names[name]
	switch {
	case i == nil:
		return syscall.ENOENT
	case len(i.names) > 0:
		return syscall.ENOTEMPTY
	}
	v.apply(change{{dir, name, nil}})
	return 0
}

// rename replaces what had the new name, in one change. That a file does not
// replace a directory or the other way round is the kernel's to check.
func (v *volume) rename(from *inode, name string, to *inode, newName string) syscall.Errno {
	i, replaced := from.names[name], to.names[newName]
	switch {
	case i == nil:
		return syscall.ENOENT
	case replaced != nil && len(replaced.names) > 0:
		return syscall.ENOTEMPTY
	}
	v.apply(change{{from, name, nil}, {to, newName, i}})
	return 0
}

// syncDir is fsync of a directory: its names are durable, and so is every
// change made before the last change in it, since the journal keeps order.
func (v *volume) syncDir(dir *inode) {
	for n := len(v.pending); n > 0; n-- {
		if v.pending[n-1].touches(dir) {
			v.commit(n)
			return
		}
	}
}

func (c change) touches(dir *inode) bool {
	return slices.ContainsFunc(c, func(e edit) bool { return e.dir == dir })
}

// commit brings the first n pending changes to the disk.
func (v *volume) commit(n int) {
	for _, c := range v.pending[:n] {
		for _, e := range c {
			e.in(e.dir.durable)
		}
	}
	v.pending = slices.Delete(v.pending, 0, n)
}

// lose is the power cut: only what is durable remains and, if r is given, some
// of what was on its way, which the same state of r draws the same way.
func (v *volume) lose(r *rand.Rand) {
	if r != nil {
		v.commit(r.IntN(len(v.pending) + 1))
	}
	v.pending = nil
	v.root.lose(r)
}

func (i *inode) lose(r *rand.Rand) {
	if !i.isDir() {
		i.content.lose(r)
		return
	}
	i.names = maps.Clone(i.durable)
	for _, name := range slices.Sorted(maps.Keys(i.names)) {
		i.names[name].lose(r)
	}
}
