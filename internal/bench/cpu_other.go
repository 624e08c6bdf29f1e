//go:build !linux

package bench

import (
	"errors"
	"fmt"
	"time"
)

// CPU is the time the process has used, where the kernel tells it.
func (*Process) CPU() (time.Duration, error) {
	return 0, fmt.Errorf("reading the kernel's account of the server: %w", errors.ErrUnsupported)
}
