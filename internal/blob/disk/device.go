package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"github.com/parley-chat/parley/internal/blob"
)

// device is where a store meets what no test can bring about with real files: a
// full disk and a failing sync. The zero value is the real thing.
type device struct {
	wrapFile      func(*os.File) file
	beforeSyncDir func(dir string) error
}

// file is a temporary file as Put uses it.
type file interface {
	io.Writer
	Name() string
	Sync() error
	Close() error
}

// createTemp makes a new file in dir with mode 0600.
func (d device) createTemp(dir string) (file, error) {
	f, err := os.CreateTemp(dir, "put-*")
	if err != nil {
		return nil, err
	}
	if d.wrapFile == nil {
		return tempFile{f}, nil
	}
	return d.wrapFile(f), nil
}

// syncDir makes the names in a folder durable.
func (d device) syncDir(dir string) error {
	if d.beforeSyncDir != nil {
		if err := d.beforeSyncDir(dir); err != nil {
			return err
		}
	}
	if runtime.GOOS == "windows" {
		return nil // Windows cannot flush a folder; NTFS journals names by itself.
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// mapFull adds blob.ErrFull to the errors that mean so.
func mapFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	return err
}
