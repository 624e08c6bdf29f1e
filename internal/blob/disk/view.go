package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/parley-chat/parley/internal/blob"
)

// View reads the objects of a folder whose Store may be another process's. It
// makes nothing and removes nothing. Whatever it gives may be gone a moment
// later.
type View struct{ store *Store }

// Look gives a view of the store in dir, which need not exist.
func Look(dir string) View { return View{&Store{objects: filepath.Join(dir, objectsDir)}} }

// Open opens an object as Store.Open does.
func (v View) Open(ctx context.Context, key string) (*blob.Object, error) {
	return v.store.Open(ctx, key)
}

// Keys calls each with the key of every object, in no particular order. A file
// that no store has put there is given by its path below the folder of objects.
func (v View) Keys(ctx context.Context, each func(key string) error) error {
	err := filepath.WalkDir(v.store.objects, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone meanwhile, or nothing was ever stored
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case entry.IsDir():
			return nil
		}
		name, err := filepath.Rel(v.store.objects, path)
		if err != nil {
			return err
		}
		if key := entry.Name(); blob.CheckKey(key) == nil && name == filepath.Join(shard(key), key) {
			return each(key)
		}
		return each(filepath.ToSlash(name))
	})
	if err != nil {
		return fmt.Errorf("list objects: %w", err)
	}
	return nil
}
