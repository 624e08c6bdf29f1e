//go:build linux

package powercut

import (
	"context"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// supply is what the nodes of one mount hang on: the volume, and whether it
// still has power. Once off it stays off; Restore makes a new mount with a
// supply of its own, so that handles from before the cut never work again.
type supply struct {
	mu     *sync.Mutex // the disk's: guards off and the volume
	off    bool
	volume *volume
}

// run does one operation on the volume, whole or, after the cut, not at all.
func (s *supply) run(operation func() syscall.Errno) syscall.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return syscall.EIO
	}
	return operation()
}

// node shows an inode of the volume to the kernel.
type node struct {
	fs.Inode
	supply *supply
	inode  *inode
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeFlusher   = (*node)(nil)
)

// child is the node of an inode; go-fuse returns the one it has, if any.
func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	i.stat(&out.Attr)
	stable := fs.StableAttr{Mode: i.mode & syscall.S_IFMT, Ino: i.number}
	return n.NewInode(ctx, &node{supply: n.supply, inode: i}, stable)
}

func (i *inode) stat(out *fuse.Attr) {
	out.Ino = i.number
	out.Mode = i.mode
	out.Nlink = 1
	out.Size = uint64(i.content.live.size)
	out.SetTimes(&i.changed, &i.changed, &i.changed)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (found *fs.Inode, _ syscall.Errno) {
	errno := n.supply.run(func() syscall.Errno {
		i := n.inode.names[name]
		if i == nil {
			return syscall.ENOENT
		}
		found = n.child(ctx, i, out)
		return 0
	})
	return found, errno
}

func (n *node) Readdir(context.Context) (stream fs.DirStream, _ syscall.Errno) {
	errno := n.supply.run(func() syscall.Errno {
		var entries []fuse.DirEntry
		for _, name := range slices.Sorted(maps.Keys(n.inode.names)) {
			i := n.inode.names[name]
			entries = append(entries, fuse.DirEntry{Name: name, Mode: i.mode, Ino: i.number})
		}
		stream = fs.NewListDirStream(entries)
		return 0
	})
	return stream, errno
}

func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	created, errno := n.create(ctx, name, syscall.S_IFREG|mode&0o777, out)
	return created, nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.create(ctx, name, syscall.S_IFDIR|mode&0o777, out)
}

func (n *node) create(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (created *fs.Inode, _ syscall.Errno) {
	errno := n.supply.run(func() syscall.Errno {
		if n.inode.names[name] != nil {
			return syscall.EEXIST
		}
		created = n.child(ctx, n.supply.volume.create(n.inode, name, mode), out)
		return 0
	})
	return created, errno
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.supply.run(func() syscall.Errno { return n.supply.volume.remove(n.inode, name) })
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.Unlink(ctx, name)
}

// Rename knows no flags: an exchange, or a rename that must not replace, gets
// EINVAL.
func (n *node) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	return n.supply.run(func() syscall.Errno {
		return n.supply.volume.rename(n.inode, name, newParent.(*node).inode, newName)
	})
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.supply.run(func() syscall.Errno {
		n.inode.stat(&out.Attr)
		return 0
	})
}

// Setattr changes size, permissions and times; owners are refused.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	return n.supply.run(func() syscall.Errno {
		if size, ok := in.GetSize(); ok {
			n.inode.content.truncate(int64(size))
			n.inode.changed = time.Now()
		}
		if mode, ok := in.GetMode(); ok {
			n.inode.mode = n.inode.mode&syscall.S_IFMT | mode&0o777
		}
		if mtime, ok := in.GetMTime(); ok {
			n.inode.changed = mtime
		}
		n.inode.stat(&out.Attr)
		return 0
	})
}

// Open leaves the kernel's cache alone, since every change passes through the
// kernel, and mapping needs the cache.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.supply.run(func() syscall.Errno { return 0 })
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, into []byte, off int64) (result fuse.ReadResult, _ syscall.Errno) {
	errno := n.supply.run(func() syscall.Errno {
		result = fuse.ReadResultData(into[:n.inode.content.live.readAt(into, off)])
		return 0
	})
	return result, errno
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := n.supply.run(func() syscall.Errno {
		n.inode.content.writeAt(data, off)
		n.inode.changed = time.Now()
		return 0
	})
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// Fsync is fsync and fdatasync, of files and of directories.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.supply.run(func() syscall.Errno {
		if n.inode.isDir() {
			n.supply.volume.syncDir(n.inode)
		} else {
			n.inode.content.sync()
		}
		return 0
	})
}

// Flush is close(2): it makes nothing durable, but fails once the power is off.
func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno {
	return n.supply.run(func() syscall.Errno { return 0 })
}
