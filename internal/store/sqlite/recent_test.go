package sqlite_test

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// TestManyReadTheNewestAtOnce begins when nothing has been prepared yet, with
// more readers than there are connections.
func TestManyReadTheNewestAtOnce(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "hello"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 20 {
		tk.reopen()
		var reading sync.WaitGroup
		for range 50 {
			reading.Go(func() {
				r, err := tk.Recent(ctx, tk.meeting, journal.RecentLimits{Count: 10, Bytes: 1000, PrivateBytes: 1000, PrivateSpan: 10})
				if err != nil || len(r.Public) != 1 {
					t.Errorf("read %d messages, error %v", len(r.Public), err)
				}
			})
		}
		if reading.Wait(); t.Failed() {
			return
		}
	}
}

// recent reads the newest, as texts.
func (tk *talk) recent(meeting chat.MeetingID, limits journal.RecentLimits) (journal.Recent, []string, []string) {
	tk.tb.Helper()
	r, err := tk.Recent(tk.tb.Context(), meeting, limits)
	tk.must(err)
	head, err := tk.Position(tk.tb.Context(), meeting)
	tk.must(err)
	if !reflect.DeepEqual(r.Head, head) {
		tk.tb.Errorf("read as of %+v, and the head is %+v", r.Head, head)
	}
	texts := func(messages []chat.Message) (all []string) {
		for _, m := range messages {
			all = append(all, m.Content.Payload)
		}
		return all
	}
	return r, texts(r.Public), texts(r.Private)
}

func TestNewestIsReadWithinItsBounds(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	for _, text := range []string{"1", "2", "3"} {
		tk.append(tk.say(tk.a, text))
		tk.append(tk.say(tk.a, "psst "+text, tk.b))
	}
	gone := tk.append(tk.say(tk.a, "gone"))
	tk.append(chat.DeleteMessage{Actor: tk.a, Message: gone.Event.Message.ID})
	wide := journal.RecentLimits{Count: 10, Bytes: 1000, PrivateBytes: 1000, PrivateSpan: 1000}
	for name, test := range map[string]struct {
		limit           func(*journal.RecentLimits)
		public, private []string
		whole           bool
		from            uint64
	}{
		"all":            {func(*journal.RecentLimits) {}, []string{"1", "2", "3"}, []string{"psst 1", "psst 2", "psst 3"}, true, 1},
		"by number":      {func(l *journal.RecentLimits) { l.Count = 2 }, []string{"2", "3"}, []string{"psst 2", "psst 3"}, false, 3},
		"by bytes":       {func(l *journal.RecentLimits) { l.Bytes = 1 }, []string{"3"}, []string{"psst 3"}, false, 5},
		"whispers":       {func(l *journal.RecentLimits) { l.PrivateBytes = 1 }, []string{"1", "2", "3"}, []string{"psst 3"}, true, 5},
		"whispers' span": {func(l *journal.RecentLimits) { l.PrivateSpan = 5 }, []string{"1", "2", "3"}, []string{"psst 2", "psst 3"}, true, 4},
	} {
		limits := wide
		test.limit(&limits)
		r, public, private := tk.recent(tk.meeting, limits)
		if !slices.Equal(public, test.public) || !slices.Equal(private, test.private) || r.Whole != test.whole || r.PrivateFrom != test.from {
			t.Errorf("%s: %q and %q, whole %v, whispers from %d", name, public, private, r.Whole, r.PrivateFrom)
		}
	}
}

func TestNewestOfEarlierSessionsIsNotRead(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	meeting := tk.newMeeting(directory.NewMeeting{KeepAlive: time.Second})
	a, b := tk.add(meeting, "Ada"), tk.add(meeting, "Ben")
	var last session.Session
	for _, text := range []string{"old", "new"} {
		last = tk.enter(a)
		tk.enter(b)
		tk.append(tk.say(a, text))
		tk.append(tk.say(a, "psst "+text, b))
		if text == "new" {
			break
		}
		tk.must(tk.Left(t.Context(), last.ID, a.Peer))
		tk.must(tk.Left(t.Context(), last.ID, b.Peer))
		tk.advance(2 * time.Second)
		_, err := tk.End(t.Context(), tk.now())
		tk.must(err)
	}
	r, public, private := tk.recent(meeting, journal.RecentLimits{Count: 10, Bytes: 1000, PrivateBytes: 1000, PrivateSpan: 1000})
	if !slices.Equal(public, []string{"new"}) || !slices.Equal(private, []string{"psst new"}) || !r.Whole || r.PrivateFrom != 3 {
		t.Errorf("%q and %q, whole %v, whispers from %d", public, private, r.Whole, r.PrivateFrom)
	}
}
