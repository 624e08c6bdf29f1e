package crash_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// While everybody talks a backup is made by another process; then the server is
// lost with all it has. On the restored backup there is everything that anybody
// had been told before the backup was begun, and the same connections, who may
// have heard more than that, come back and go on.
func TestBackupUnderLoadKeepsWhatWasTold(t *testing.T) {
	random := seeded(t)
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	w := newWorld(ctx, t, random, t.TempDir())
	w.enter(ctx)
	archive, restored := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	before := make(map[*voice][]step)
	w.talk(ctx, func() {
		for _, v := range w.voices {
			before[v] = v.steps()
		}
		w.parley(ctx, "backup", "--data", w.data, "--to", archive)
		w.child.end(ctx, t, syscall.SIGKILL)
	})
	for _, v := range w.voices {
		v.accounts = [][]step{before[v]}
	}
	w.parley(ctx, "verify", archive)
	w.parley(ctx, "restore", "--from", archive, "--data", restored)
	w.parley(ctx, "verify", restored)

	w.data = restored
	w.start(ctx)
	w.enter(ctx)
	for _, history := range w.histories(ctx) {
		w.compareFiles(ctx, history)
	}
	w.goOn(ctx)
	w.hangUp()
	if code := w.child.end(ctx, t, syscall.SIGTERM); code != 0 {
		t.Errorf("the server stopped with exit code %d", code)
	}
	w.audit(ctx)
	w.parley(ctx, "verify", restored)
}

// steps is what a voice has been told by this connection, in short.
func (v *voice) steps() []step {
	var steps []step
	for _, f := range v.peer.Frames() {
		t, ok, err := decode(f)
		v.world.must(err)
		if ok {
			steps = append(steps, step{t.kind, t.id})
		}
	}
	return steps
}

// goOn lets one voice of each meeting say something that all voices hear.
func (w *world) goOn(ctx context.Context) {
	w.Helper()
	for _, m := range w.meetings {
		said, err := m.people[0].voices[0].peer.SendText(ctx, "after the restore")
		w.must(err)
		for _, p := range m.people {
			for _, v := range p.voices {
				_, _, err := v.peer.Await(ctx, 0, func(f *rtkwire.Frame) bool {
					t, ok, err := decode(f)
					return err == nil && ok && protocol.Event(f.GetEvent()) == protocol.SendMessageToRoom && t.id == said.GetChatId()
				})
				if err != nil {
					w.Errorf("voice %d does not hear what is said after the restore: %v", v.number, err)
				}
			}
		}
	}
}

// parley runs a command of the binary to its good end.
func (w *world) parley(ctx context.Context, args ...string) {
	w.Helper()
	if output, err := exec.CommandContext(ctx, binary, args...).CombinedOutput(); err != nil {
		w.Fatalf("parley %s: %v\n%s", args[0], err, output)
	}
}
