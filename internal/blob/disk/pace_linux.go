package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tempFile is a file on a real disk.
type tempFile struct{ *os.File }

var _ outWriter = tempFile{}

func (f tempFile) writeOut(from, to int64) error {
	return f.syncRange(from, to, unix.SYNC_FILE_RANGE_WRITE)
}

func (f tempFile) awaitOut(from, to int64) error {
	return f.syncRange(from, to, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
}

func (f tempFile) syncRange(from, to int64, how int) error {
	err := unix.SyncFileRange(int(f.Fd()), from, to-from, how)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EINTR) {
		return nil // a system without it, or a signal: Sync writes everything
	}
	if err != nil {
		return &os.PathError{Op: "sync_file_range", Path: f.Name(), Err: err}
	}
	return nil
}
