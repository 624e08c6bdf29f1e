// Package kvtest is the suite that every engine behind the stores of package
// kv must pass.
package kvtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/session"
)

// Engine is an opened engine.
type Engine interface {
	kv.Engine
	session.Store
	PutApp(context.Context, directory.App, []directory.Preset) error
	PutMeeting(ctx context.Context, meeting directory.Meeting, epoch string) error
	PutParticipant(context.Context, chat.AppID, directory.Participant) (chat.PresetID, error)
	// Left records that a peer has left its session.
	Left(context.Context, chat.SessionID, chat.PeerID) error
	// Close ends the engine in an orderly way.
	Close() error
}

// Factory gives a function that opens an engine on what is stored, each time
// the same storage, empty at first. The engine before is closed by then. now is
// the engines' clock.
type Factory func(t testing.TB, now func() time.Time) (open func() Engine)

// Run runs the suite, each test on a storage of its own.
func Run(t *testing.T, factory Factory) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"KeptInOrderBeyondTheProcess", keptInOrder},
		{"DeletedKeysAreRemembered", deletedAreRemembered},
		{"OnlySoManyDeletedKeysAreRemembered", deletedAreBounded},
		{"RefusedWriteLeavesNoTrace", refusedLeavesNoTrace},
		{"MeetingsDoNotMeet", meetingsDoNotMeet},
		{"ConcurrentWritersEndWithTheLastChange", concurrentWriters},
		{"LimitsHoldForAllWritersTogether", limitsHold},
		{"GoneWithTheSession", goneWithTheSession},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, factory)) })
	}
}

// world is an engine with two meetings of an app, m and n, in which alice has
// joined by a1.
type world struct {
	testing.TB
	Engine
	open func() Engine

	mu    sync.Mutex
	clock time.Time
}

func newWorld(t testing.TB, factory Factory) *world {
	w := &world{TB: t, clock: time.UnixMilli(1_700_000_000_000)}
	w.open = factory(t, w.now)
	w.Engine = w.open()
	t.Cleanup(func() { w.must(w.Close()) })
	w.must(w.PutApp(t.Context(), directory.App{ID: "app", Account: "account", Name: "app"}, []directory.Preset{
		{ID: "preset", App: "app", Name: "host", Body: []byte(`{"name":"host","permissions":{}}`)},
	}))
	for _, m := range []chat.MeetingID{"m", "n"} {
		w.must(w.PutMeeting(t.Context(), directory.Meeting{
			ID: m, App: "app", Title: string(m), Active: true, KeepAlive: time.Minute,
		}, "epoch"))
		alice := chat.ParticipantID("alice-" + string(m))
		_, err := w.PutParticipant(t.Context(), "app", directory.Participant{
			ID: alice, Meeting: m, CustomID: "c", Name: "Alice", PresetName: "host",
		})
		w.must(err)
		w.enter(m, "s-"+chat.SessionID(m))
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(by)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) enter(m chat.MeetingID, fresh chat.SessionID) {
	w.Helper()
	_, err := w.Enter(context.Background(), session.Arrival{
		Meeting: m, Peer: "a1", Participant: chat.ParticipantID("alice-" + string(m)), DisplayName: "Alice",
	}, fresh, w.now())
	w.must(err)
}

// write makes a write of alice's; "-" for a value deletes.
func write(m chat.MeetingID, store string, pairs ...string) kv.Write {
	w := kv.Write{Meeting: m, Participant: chat.ParticipantID("alice-" + string(m)), Peer: "a1", Store: store}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		pair := kv.Pair{Key: key}
		if value != "-" {
			pair.Value = []byte(value)
		}
		w.Pairs = append(w.Pairs, pair)
	}
	return w
}

// put waits for the outcome of a write.
func (w *world) put(write kv.Write) (kv.Change, error) {
	w.Helper()
	type outcome struct {
		change kv.Change
		err    error
	}
	result := make(chan outcome, 1)
	w.must(w.PutKeys(write, func(c kv.Change, err error) { result <- outcome{c, err} }))
	r := <-result
	return r.change, r.err
}

func (w *world) mustPut(write kv.Write) kv.Change {
	w.Helper()
	c, err := w.put(write)
	w.must(err)
	return c
}

// shown gives a meeting's items as store/key=value by peer, oldest first.
func (w *world) shown(m chat.MeetingID) string {
	w.Helper()
	s, err := w.Keys(context.Background(), m)
	w.must(err)
	lines := make([]string, len(s.Items))
	for i, item := range s.Items {
		value := "-"
		if !item.Deleted() {
			value = string(item.Value)
		}
		lines[i] = fmt.Sprintf("%s/%s=%s", item.Store, item.Key, value)
	}
	return strings.Join(lines, " ")
}

func (w *world) want(m chat.MeetingID, want string) {
	w.Helper()
	if got := w.shown(m); got != want {
		w.Errorf("%s holds %q, want %q", m, got, want)
	}
}

func keptInOrder(t *testing.T, w *world) {
	first := w.mustPut(write("m", "s", "k=1", "l=2"))
	w.advance(-time.Minute)
	second := w.mustPut(write("m", "other", "k=[3]"))
	if first.Session != "s-m" || first.Meeting != "m" || first.Peer != "a1" || len(first.Items) != 2 || second.At <= first.At {
		t.Errorf("the changes are %+v and %+v", first, second)
	}
	w.want("m", "s/k=1 s/l=2 other/k=[3]")
	before, err := w.Keys(t.Context(), "m")
	w.must(err)
	w.must(w.Close())
	w.Engine = w.open()
	after, err := w.Keys(t.Context(), "m")
	w.must(err)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("reopened, %v has become %v", before, after)
	}
	if third := w.mustPut(write("m", "s", "k=4")); third.At <= second.At {
		t.Errorf("the time goes back to %d", third.At)
	}
}

func deletedAreRemembered(_ *testing.T, w *world) {
	w.mustPut(write("m", "s", "k=1", "l=1"))
	w.mustPut(write("m", "s", "k=-"))
	w.want("m", "s/l=1 s/k=-")
	w.mustPut(write("m", "s", "k=2"))
	w.want("m", "s/l=1 s/k=2")
}

func deletedAreBounded(t *testing.T, w *world) {
	n := 0
	for range 2*kv.MaxDeleted/kv.MaxPairs + 2 {
		var pairs []string
		for range kv.MaxPairs {
			pairs = append(pairs, fmt.Sprintf("k%d=-", n))
			n++
		}
		w.mustPut(write("m", "s", pairs...))
		s, err := w.Keys(t.Context(), "m")
		w.must(err)
		if got := len(s.Items); got > 2*kv.MaxDeleted || got < min(n, kv.MaxDeleted) {
			t.Fatalf("of %d deleted keys %d are remembered", n, got)
		}
	}
	if got := w.shown("m"); !strings.HasSuffix(got, fmt.Sprintf("k%d=-", n-1)) && !strings.Contains(got, fmt.Sprintf("k%d=-", n-1)) {
		t.Error("the newest deleted key is not remembered")
	}
	// Whoever is forgotten may come back.
	w.mustPut(write("m", "s", "k0=1"))
}

func refusedLeavesNoTrace(t *testing.T, w *world) {
	w.mustPut(write("m", "s", "k=1"))
	stranger := write("m", "s", "k=2")
	stranger.Participant = "alice-n"
	for what, refused := range map[string]kv.Write{
		"no keys": write("m", "s"), "plugins": write("m", kv.Plugins, "k=1"), "stranger": stranger,
	} {
		if c, err := w.put(refused); chat.CodeOf(err) == "" || chat.CodeOf(err) == chat.Internal || len(c.Items) > 0 {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	if _, err := w.put(write("nowhere", "s", "k=1")); !errors.Is(err, journal.ErrNoMeeting) {
		t.Errorf("a meeting that is not there gives %v", err)
	}
	w.want("m", "s/k=1")
	w.want("nowhere", "")
}

func meetingsDoNotMeet(_ *testing.T, w *world) {
	w.mustPut(write("m", "s", "k=1"))
	w.mustPut(write("n", "s", "k=2"))
	w.mustPut(write("n", "s", "k=-"))
	w.want("m", "s/k=1")
	w.want("n", "s/k=-")
}

func concurrentWriters(t *testing.T, w *world) {
	var mu sync.Mutex
	var told []kv.Change
	var writers, waiting sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			for i := range 25 {
				wish := write("m", "s", fmt.Sprintf("k%d=%d", i%5, 100*n+i))
				wish.Peer = chat.PeerID(fmt.Sprint("p", n))
				waiting.Add(1)
				err := w.PutKeys(wish, func(c kv.Change, err error) {
					defer waiting.Done()
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					told = append(told, c)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	waiting.Wait()
	last := make(map[kv.Name]kv.Item)
	for i, c := range told {
		if i > 0 && c.At <= told[i-1].At {
			t.Fatalf("change %d is of %d, the one before of %d", i, c.At, told[i-1].At)
		}
		for _, item := range c.Items {
			before, known := last[item.Name]
			if want := rival(before, known, item.Peer); item.Rival != want {
				t.Fatalf("change %d has the rival %d, want %d", i, item.Rival, want)
			}
			last[item.Name] = item
		}
	}
	s, err := w.Keys(t.Context(), "m")
	w.must(err)
	for _, item := range s.Items {
		if fmt.Sprint(item) != fmt.Sprint(last[item.Name]) {
			t.Errorf("%v is kept, %v was told last", item, last[item.Name])
		}
	}
	if len(s.Items) != 5 {
		t.Errorf("%d items are kept", len(s.Items))
	}
}

func rival(before kv.Item, known bool, peer chat.PeerID) int64 {
	switch {
	case !known:
		return 0
	case before.Peer == peer:
		return before.Rival
	}
	return before.At
}

func limitsHold(t *testing.T, w *world) {
	value := `"` + strings.Repeat("x", 16<<10-2) + `"`
	taken := 0
	for ; taken < 100; taken++ {
		if _, err := w.put(write("m", fmt.Sprint("s", taken), "k="+value)); err != nil {
			if chat.CodeOf(err) != chat.Limited {
				t.Errorf("full gives %v", err)
			}
			break
		}
	}
	if want := kv.MaxBytes / (16<<10 + 3); taken != want {
		t.Errorf("%d values of 16 KiB were taken, want %d", taken, want)
	}
	w.mustPut(write("m", "s0", "k=-"))
	w.mustPut(write("m", "s0", "k="+value))
	for n := range kv.MaxKeys / 250 {
		var pairs []string
		for i := range 250 {
			pairs = append(pairs, fmt.Sprintf("%d=1", 250*n+i))
		}
		w.mustPut(write("n", "s", pairs...))
	}
	if _, err := w.put(write("n", "another", "k=1")); chat.CodeOf(err) != chat.Limited {
		t.Errorf("one key too many gives %v", err)
	}
}

func goneWithTheSession(t *testing.T, w *world) {
	w.mustPut(write("m", "s", "k=1", "l=-"))
	w.mustPut(write("n", "s", "k=1"))
	w.must(w.Left(t.Context(), "s-m", "a1"))
	w.want("m", "s/k=1 s/l=-")
	w.advance(2 * time.Minute)
	ended, err := w.End(t.Context(), w.now())
	w.must(err)
	if ended != 1 {
		t.Fatalf("%d sessions ended", ended)
	}
	w.want("m", "")
	w.want("n", "s/k=1")
	if _, err := w.put(write("m", "s", "k=2")); chat.CodeOf(err) != chat.Forbidden {
		t.Errorf("a write without a session gives %v", err)
	}
	w.enter("m", "s-new")
	w.want("m", "")
	w.mustPut(write("m", "s", "l=3"))
	s, err := w.Keys(t.Context(), "m")
	w.must(err)
	if s.Session != "s-new" || !slices.ContainsFunc(s.Items, func(i kv.Item) bool { return i.Rival == 0 && string(i.Value) == "3" }) {
		t.Errorf("the new session holds %+v", s)
	}
}
