package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData brings what was written to disk, and of what is known about the file
// only what it takes to read it.
func syncData(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }
