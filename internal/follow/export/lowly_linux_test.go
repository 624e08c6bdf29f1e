package export

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rank is the niceness of the thread. The kernel counts it from 20 downwards.
func rank(t *testing.T) int {
	t.Helper()
	given, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	return 20 - given
}

func TestFilesAreMadeOnAThreadOfLowerRankAndNothingElseIs(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, meanwhile := rank(t), 0
	want := errors.New("the end")
	if err := lowly(func() error { meanwhile = rank(t); return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if meanwhile != max(before, niceness) {
		t.Errorf("the rank was %d, want %d", meanwhile, max(before, niceness))
	}
	if after := rank(t); after != before {
		t.Errorf("the rank of others is %d, was %d", after, before)
	}
}

func TestAPanicWhileAFileIsMadeTellsWhereAndNothingOfWhatWasSaid(t *testing.T) {
	for name, c := range map[string]struct {
		fall func()
		want string
	}{
		"of the runtime": {func() { _ = make([]int, 0)[len(t.Name())] }, "index out of range"},
		"of a library":   {func() { panic("what somebody said") }, "string, in a goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				err, ok := recover().(runtime.Error)
				if !ok {
					t.Fatal("the caller has not fallen, or tells less than a runtime.Error")
				}
				if said := err.Error(); !strings.Contains(said, c.want) || !strings.Contains(said, "lowly_linux_test.go") || strings.Contains(said, "what somebody said") {
					t.Errorf("the panic tells %q", said)
				}
			}()
			_ = lowly(func() error { c.fall(); return nil })
		})
	}
}
