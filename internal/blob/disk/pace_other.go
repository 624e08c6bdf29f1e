//go:build !linux

package disk

import "os"

// tempFile is a file on a real disk. It is written out as the system likes.
type tempFile struct{ *os.File }
