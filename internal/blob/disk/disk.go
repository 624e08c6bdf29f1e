// Package disk is the blob.Store of a folder on a local disk.
//
// An object is one file under its key, in a folder of two levels named for a
// hash of the key, so that no folder grows large:
//
//	dir/objects/3f/9a/<key>
//	dir/incoming/put-*        what is being written
//
// It is for one process at a time and for a file system that keeps what fsync
// was told to keep.
package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/parley-chat/parley/internal/blob"
)

const (
	objectsDir  = "objects"
	incomingDir = "incoming"
)

// Store keeps objects in a folder. It holds no resources, so there is nothing
// to close; all methods may be called concurrently.
type Store struct {
	objects  string
	incoming string
	disk     device

	mu      sync.Mutex
	durable map[string]struct{} // the shards (at most 65,536) whose own names are known to be on disk
}

var _ blob.Store = (*Store)(nil)

// Open returns the store in dir. It makes the folder if there is none (mode
// 0700; the files have mode 0600) and removes what a crash left half-written.
// Since it cannot tell that from what another process is writing at this
// moment, the caller makes sure that dir is used once at a time.
func Open(dir string) (*Store, error) { return open(dir, device{}) }

func open(dir string, disk device) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob folder: %w", err)
	}
	s := &Store{
		objects:  filepath.Join(dir, objectsDir),
		incoming: filepath.Join(dir, incomingDir),
		disk:     disk,
		durable:  make(map[string]struct{}),
	}
	if err := s.prepare(dir); err != nil {
		return nil, fmt.Errorf("open blob folder %s: %w", dir, mapFull(err))
	}
	return s, nil
}

// prepare makes the folders, durably, and empties the one for half-written
// files.
func (s *Store) prepare(dir string) error {
	_, err := os.Stat(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	for _, folder := range []string{s.objects, s.incoming} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := s.disk.syncDir(dir); err != nil {
		return err
	}
	if isNew { // else the parent is none of ours, perhaps not even readable
		if err := s.disk.syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return s.sweep()
}

// sweep removes what a crash left half-written.
func (s *Store) sweep() error {
	left, err := os.ReadDir(s.incoming)
	if err != nil {
		return err
	}
	for _, entry := range left {
		if err := os.RemoveAll(filepath.Join(s.incoming, entry.Name())); err != nil {
			return fmt.Errorf("remove a half-written object: %w", err)
		}
	}
	return nil
}

// shard names the two folders of a key. The key itself would not spread:
// time-ordered ids begin alike.
func shard(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(hex.EncodeToString(sum[:1]), hex.EncodeToString(sum[1:2]))
}

func (s *Store) folder(key string) string { return filepath.Join(s.objects, shard(key)) }

// Put implements blob.Store. The order of its steps is the promise: the bytes
// are on disk before the name shows them, and the name is before Put returns.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, limit int64) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	info, err := s.put(ctx, key, r, limit)
	if err != nil {
		return blob.Info{}, fmt.Errorf("put object %s: %w", key, mapFull(err))
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, key string, r io.Reader, limit int64) (_ blob.Info, err error) {
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	f, err := s.disk.createTemp(s.incoming)
	if err != nil {
		return blob.Info{}, err
	}
	renamed := false
	defer func() {
		if !renamed { // also when r panics
			f.Close() // a second time after an error there; harmless
			os.Remove(f.Name())
		}
	}()
	info, err := fill(ctx, pace(f), r, limit)
	if err != nil {
		return blob.Info{}, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return blob.Info{}, err
	}
	if err := s.ensureFolder(shard(key)); err != nil {
		return blob.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	if err := os.Rename(f.Name(), filepath.Join(s.folder(key), key)); err != nil {
		return blob.Info{}, err
	}
	renamed = true
	return info, s.disk.syncDir(s.folder(key))
}

// fill copies r to f and tells what it was.
func fill(ctx context.Context, f io.Writer, r io.Reader, limit int64) (blob.Info, error) {
	digest := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, digest), &source{ctx: ctx, r: r, left: limit})
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Size: size, SHA256: [sha256.Size]byte(digest.Sum(nil))}, nil
}

// source reads r until the context ends or more than the limit was read.
type source struct {
	ctx  context.Context
	r    io.Reader
	left int64 // below zero: the limit is passed
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if int64(len(p))-1 > s.left {
		p = p[:max(s.left, 0)+1]
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	if s.left < 0 {
		return 0, blob.ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		// A reader that the context broke off may say so in words of its own.
		err = fmt.Errorf("read the content: %w", errors.Join(err, s.ctx.Err()))
	}
	return n, err
}

// ensureFolder makes the folders of a shard. One that exists may have been made
// by a Put that has not synced it yet, or by a process that died before it
// could; hence every shard is synced once before it is relied upon.
func (s *Store) ensureFolder(shard string) error {
	s.mu.Lock()
	_, known := s.durable[shard]
	s.mu.Unlock()
	if known {
		return nil
	}
	folder := filepath.Join(s.objects, shard)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := errors.Join(s.disk.syncDir(s.objects), s.disk.syncDir(filepath.Dir(folder))); err != nil {
		return err
	}
	s.mu.Lock()
	s.durable[shard] = struct{}{}
	s.mu.Unlock()
	return nil
}

// Open implements blob.Store. An object that is replaced or deleted while it is
// open can still be read to its end.
func (s *Store) Open(ctx context.Context, key string) (*blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	object, err := s.openObject(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		err = blob.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", key, err)
	}
	return object, nil
}

func (s *Store) openObject(ctx context.Context, key string) (*blob.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(s.folder(key), key))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &blob.Object{ReadSeekCloser: f, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if err := s.remove(ctx, key); err != nil {
		return fmt.Errorf("delete object %s: %w", key, mapFull(err))
	}
	return nil
}

// remove syncs the folder also when the object is gone already: it may have
// been removed by an attempt whose sync failed.
func (s *Store) remove(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.folder(key), key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.disk.syncDir(s.folder(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
