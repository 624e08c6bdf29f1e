package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// Target says what to restore, and where to. From and Dir are needed.
type Target struct {
	// From is the archive.
	From io.Reader
	// Dir is the data directory to make. It must be empty or not exist.
	Dir string
	// NewKeys lets the server make new keys: the tokens of participants and
	// the links to files that were given out stop working.
	NewKeys bool
	// NoWebhooks switches all webhooks off.
	NoWebhooks bool
	// Now is the clock. Default time.Now.
	Now      func() time.Time
	Progress Progress
}

// Restore makes a data directory of an archive. Every meeting gets a new epoch:
// what was written after the backup is gone, and clients who have seen it must
// learn that numbers begin anew. The audit log gets a row. When it returns without an error, all is
// there and durable; else the directory is as it was. A crash in between leaves
// a directory that no server opens.
func Restore(ctx context.Context, t Target) (m Manifest, err error) {
	if t.Now == nil {
		t.Now = time.Now
	}
	made, err := emptyDir(t.Dir)
	if err != nil {
		return m, err
	}
	lock, err := sqlite.Lock(t.Dir)
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			discard(t.Dir, made)
		}
		err = errors.Join(err, lock.Close())
	}()
	if m, err = t.gather(ctx); err != nil {
		return m, fmt.Errorf("restoring into %s: %w", t.Dir, err)
	}
	if err := t.settle(); err != nil {
		return m, fmt.Errorf("restoring into %s: %w", t.Dir, err)
	}
	return m, nil
}

// emptyDir makes the directory, or makes sure that nothing lies in it but what
// a file system or a lock puts there. made says that there was none.
func emptyDir(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, fmt.Errorf("making the data directory: %w", err)
		}
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("restoring: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "lost+found" && name != "parley.lock" {
			return false, fmt.Errorf("%s is not empty, there is %s: restore into an empty directory", dir, name)
		}
	}
	return false, nil
}

// discard takes away what a failed restore has put into a directory, which had
// been empty.
func discard(dir string, made bool) {
	for _, name := range append(settled, filepath.Base(sqlite.RestoringPath(dir)), "parley.lock") {
		_ = os.RemoveAll(filepath.Join(dir, name))
	}
	if made {
		_ = os.Remove(dir)
	}
}

// settled are the things that a restore puts in place, the database last.
var settled = []string{"blobs", "ca", devPart, databasePart}

// gather unpacks the archive and makes it ready, aside.
func (t Target) gather(ctx context.Context) (Manifest, error) {
	aside := sqlite.RestoringPath(t.Dir)
	if err := os.Mkdir(aside, 0o700); err != nil {
		return Manifest{}, err
	}
	if err := syncDir(t.Dir); err != nil {
		return Manifest{}, err
	}
	blobs, err := disk.Open(blobsDir(aside))
	if err != nil {
		return Manifest{}, err
	}
	seen, err := os.Create(filepath.Join(aside, "seen"))
	if err != nil {
		return Manifest{}, err
	}
	defer seen.Close()
	var bytes int64
	m, err := unpack(ctx, t.From, seen, func(name string, size int64, r io.Reader) error {
		defer func() { bytes += size; t.Progress.tell("unpacking (bytes)", bytes, 0) }()
		if key, ok := strings.CutPrefix(name, blobsPrefix); ok {
			_, err := blobs.Put(ctx, key, r, math.MaxInt64)
			return err
		}
		return writeFile(filepath.Join(aside, filepath.FromSlash(name)), r)
	})
	if err != nil {
		return m, err
	}
	database := filepath.Join(aside, databasePart)
	opened, err := sqlite.OpenFile(ctx, database) // one from the future is refused
	if err != nil {
		return m, err
	}
	if err := opened.Close(); err != nil {
		return m, err
	}
	return m, sqlite.Renew(ctx, database, sqlite.Renewal{
		NewKeys: t.NewKeys, NoWebhooks: t.NoWebhooks, Backup: m.CreatedAt, Now: t.Now(),
	})
}

// writeFile writes a new file, durably.
func writeFile(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), syncDir(filepath.Dir(path)))
}

// settle puts all in place. While the folder aside is there, no server opens
// the directory, so it goes last.
func (t Target) settle() error {
	aside := sqlite.RestoringPath(t.Dir)
	for _, name := range settled {
		err := os.Rename(filepath.Join(aside, name), filepath.Join(t.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncDir(t.Dir); err != nil {
		return err
	}
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	return syncDir(t.Dir)
}
