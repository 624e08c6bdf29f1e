package script_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A backup whose reader does not read is interrupted: the first signal asks it to
// end, the second does not wait for the reader. No other file is left than its
// scratch, in the place that was named for it.
func TestBackupIntoAStuckPipeCanBeEnded(t *testing.T) {
	dir := t.TempDir()
	data, scratch := filepath.Join(dir, "data"), filepath.Join(dir, "scratch")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	parley := filepath.Join(bin, "parley")
	if output, err := exec.CommandContext(t.Context(), parley, "init", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.CommandContext(t.Context(), parley, "backup", "--data", data, "--to", "-", "--scratch", scratch)
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	// Its first byte tells that it writes. The database is longer than what a
	// pipe holds.
	if _, err := read.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			break // it is gone
		}
	}
	if err := <-ended; err == nil {
		t.Error("it ended as if the backup were whole")
	}
}
