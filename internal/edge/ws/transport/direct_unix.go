//go:build unix

package transport

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// direct writes to a connection past what would wait for it.
type direct struct {
	own *watched
	raw syscall.RawConn // nil where that cannot be
	try func(fd uintptr)

	frames [][]byte
	n      int
	err    error
}

// open makes it write to a connection, if that is one of the system's own.
func (d *direct) open(conn stream) {
	if own, ok := conn.(*watched); ok {
		d.own = own
		return
	}
	own, ok := conn.(syscall.Conn) // which one with encryption is not
	if !ok {
		return
	}
	raw, err := own.SyscallConn()
	if err != nil {
		return
	}
	d.raw, d.try = raw, d.attempt
}

// write writes what goes out at once and gives the rest.
func (d *direct) write(frames [][]byte) (rest [][]byte, err error) {
	if d.own != nil {
		n, err := d.own.try(frames)
		return after(frames, n), err
	}
	if d.raw == nil {
		return frames, nil
	}
	d.frames, d.n, d.err = frames, 0, nil
	err = d.raw.Control(d.try) // its Write heeds deadlines, which are for those who wait
	d.frames = nil
	if err == nil {
		err = d.err
	}
	return after(frames, d.n), err
}

// attempt makes one attempt.
func (d *direct) attempt(fd uintptr) { d.n, d.err = writeOnce(int(fd), d.frames) }

// maxPieces is how many pieces the kernel takes in one call (IOV_MAX).
const maxPieces = 1024

// writeOnce writes what the kernel takes at once.
func writeOnce(fd int, frames [][]byte) (n int, err error) {
	for {
		if len(frames) == 1 {
			n, err = unix.Write(fd, frames[0])
		} else {
			n, err = unix.Writev(fd, frames[:min(len(frames), maxPieces)])
		}
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			err = nil
		}
		return max(n, 0), os.NewSyscallError("write", err)
	}
}

// after gives what is left of frames once n bytes have gone out.
func after(frames [][]byte, n int) [][]byte {
	for len(frames) > 0 && n >= len(frames[0]) {
		n -= len(frames[0])
		frames = frames[1:]
	}
	if n > 0 {
		rest := append([][]byte{frames[0][n:]}, frames[1:]...)
		return rest
	}
	return frames
}
