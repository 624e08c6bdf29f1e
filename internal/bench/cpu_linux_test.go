package bench

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestCPUIsThatOfAllThreadsOfTheProcess(t *testing.T) {
	used := func() time.Duration {
		var own syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
			t.Fatal(err)
		}
		return time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	p := Process{Cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
	before := used()
	for used()-before < 20*time.Millisecond {
		continue // so that there is something to account for
	}
	least := used()
	got, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	const tick = 10 * time.Millisecond
	if most := used(); got < least-tick || got > most+tick {
		t.Errorf("the process has used %v, by its own account %v to %v", got, least, most)
	}
}
