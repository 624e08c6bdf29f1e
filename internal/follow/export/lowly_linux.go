package export

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// niceness of the threads that make files. Lower in rank than those that carry
// messages, which then need not wait for the end of a slice of theirs; but not by
// so much that they would hold for long what the runtime needs to go on.
const niceness = 10

// lowly runs f to its end on a thread of its own that stands back behind the
// others of the process. A panic of f is one of the caller.
func lowly(f func() error) error {
	type outcome struct {
		err  error
		fell *fell
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.fell = &fell{p, debug.Stack()}
			}
			done <- o
		}()
		// Never unlocked: the thread ends with the goroutine, for a process without
		// privileges cannot raise it again.
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness) // else as all others
		o.err = f()
	}()
	o := <-done
	if o.fell != nil {
		panic(o.fell)
	}
	return o.err
}

// fell is a panic that goes on in another goroutine, and tells where it began. It
// is a runtime.Error, of which whoever stops it may log all. Of the value it tells
// as much as may be in a log: what people say may be part of others.
type fell struct {
	value any
	stack []byte
}

func (f *fell) Error() string {
	what := fmt.Sprintf("%T", f.value)
	if err, ok := f.value.(runtime.Error); ok {
		what = err.Error()
	}
	return fmt.Sprintf("%s, in a goroutine of its own:\n%s", what, f.stack)
}

// RuntimeError implements runtime.Error.
func (*fell) RuntimeError() {}
