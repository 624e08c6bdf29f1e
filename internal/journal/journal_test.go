package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
)

// What a journal does on a real store is in package journaltest. These tests
// are about what a real store does seldom: to fail.

// faulty is a store that runs nothing and fails as it is told to.
type faulty struct {
	Store        // nil: the rest is not used
	refuse error // what Update says at once
	fail   error // what it says afterwards
	flush  func()
	asked  Query
	page   Page
}

func (s *faulty) OnFlush(f func()) { s.flush = f }

func (s *faulty) Update(_ func(Tx) error, done func(error)) error {
	if s.refuse != nil {
		return s.refuse
	}
	done(s.fail)
	s.flush()
	return nil
}

func (s *faulty) Page(_ context.Context, q Query) (Page, error) {
	s.asked = q
	return s.page, s.fail
}

func (s *faulty) Recent(context.Context, chat.MeetingID, RecentLimits) (Recent, error) {
	return Recent{}, s.fail
}

func (s *faulty) List(context.Context, Listing) (Listed, error) { return Listed{}, s.fail }

func (s *faulty) MessageOf(context.Context, chat.MeetingID, chat.MessageID) (*chat.Message, error) {
	return nil, s.fail
}

func (s *faulty) ChangesOf(context.Context, *chat.Message, int64, int) ([]Change, error) {
	return nil, s.fail
}

func (s *faulty) Position(context.Context, chat.MeetingID) (Head, error) { return Head{}, s.fail }

func (s *faulty) Entries(context.Context, chat.MeetingID, uint64, int) ([]Entry, error) {
	return nil, s.fail
}

var start = time.UnixMilli(1_800_000_000_000)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

var hello = chat.SendMessage{
	Actor: chat.Actor{Meeting: "meeting", Participant: "me"}, Content: chat.Content{Payload: "the words of the message"},
}

func TestFailuresOfTheStore(t *testing.T) {
	secret := errors.New("page 17 of /var/lib/parley/parley.db")
	for _, test := range []struct {
		name   string
		err    error
		want   chat.Code
		retry  bool // whether waiting helps
		logged bool
	}{
		{"no meeting", ErrNoMeeting, chat.NotFound, false, false},
		{"busy", ErrBusy, chat.Unavailable, true, false},
		{"full", fmt.Errorf("%w: %w", ErrFull, secret), chat.Unavailable, true, false},
		{"failed", fmt.Errorf("%w: %w", ErrFailed, secret), chat.Unavailable, true, false},
		{"damaged", fmt.Errorf("%w: %w", ErrDamaged, secret), chat.Unavailable, true, false},
		{"anything else", secret, chat.Unavailable, true, true},
		{"a refusal", chat.Refuse(chat.Forbidden, "no"), chat.Forbidden, false, false},
		{"a wrapped refusal", fmt.Errorf("deciding: %w", chat.Refuse(chat.Conflict, "no")), chat.Conflict, false, false},
	} {
		for when, store := range map[string]*faulty{"at once": {refuse: test.err}, "afterwards": {fail: test.err}} {
			t.Run(test.name+"/"+when, func(t *testing.T) {
				var log bytes.Buffer
				told := 0
				j := New(store, at(start), Limits{}, func([]Entry) { told++ }, slog.New(slog.NewTextHandler(&log, nil)))
				entry, err := j.Append(t.Context(), hello)
				refusal, ok := errors.AsType[*chat.Error](err)
				if !ok || refusal.Code != test.want || (refusal.RetryAfter > 0) != test.retry {
					t.Errorf("got %#v, want %s, to be tried again: %v", err, test.want, test.retry)
				}
				if strings.Contains(err.Error(), secret.Error()) {
					t.Errorf("the error tells too much: %v", err)
				}
				if logged := log.Len() > 0; logged != test.logged || strings.Contains(log.String(), hello.Content.Payload) {
					t.Errorf("the log says %q", log.String())
				}
				if !reflect.DeepEqual(entry, Entry{}) || told > 0 {
					t.Errorf("nothing was stored, and yet: entry %+v, told %d times", entry, told)
				}
			})
		}
	}
}

// instant is a store that stores everything at once, without looking at it.
type instant struct {
	Store
	flush func()
	done  []func(error)
}

func (s *instant) OnFlush(f func()) { s.flush = f }

func (s *instant) Update(_ func(Tx) error, done func(error)) error {
	s.done = append(s.done, done)
	return nil
}

// commit tells of everything that was handed in.
func (s *instant) commit() {
	for _, done := range s.done {
		done(nil)
	}
	s.flush()
}

func TestPanicOfOneWhoWaitsIsNotThatOfOthers(t *testing.T) {
	var log bytes.Buffer
	store, told := new(instant), 0
	j := New(store, at(start), Limits{}, func([]Entry) { told++; panic("in telling") }, slog.New(slog.DiscardHandler))
	guard := fault.New(slog.New(slog.NewTextHandler(&log, nil)))
	j.GuardBy(guard)
	var heard []string
	for _, name := range []string{"first", "second", "third"} {
		j.Submit(hello, "", func(_ Entry, err error) {
			if name == "second" {
				panic("in an answer")
			}
			if err != nil {
				t.Errorf("the %s heard %v", name, err)
			}
			heard = append(heard, name)
		})
	}
	store.commit()
	if !slices.Equal(heard, []string{"first", "third"}) || told != 1 {
		t.Errorf("%q have heard of their entries, the observer %d times", heard, told)
	}
	if got := guard.Caught().Of(fault.Answer); got != 2 {
		t.Errorf("%d panics were counted, want 2; the log: %s", got, log.String())
	}
}

func TestRepeatIsHandedThrough(t *testing.T) {
	repeat := &chat.Repeated{Message: chat.Message{ID: "earlier"}}
	j := New(&faulty{fail: repeat}, at(start), Limits{}, nil, slog.New(slog.DiscardHandler))
	if _, err := j.Append(t.Context(), hello); !errors.Is(err, repeat) {
		t.Errorf("got %v, want the repeat", err)
	}
}

func TestFailuresOfReadingKeepTheirCause(t *testing.T) {
	j := New(&faulty{fail: ErrDamaged}, at(start), Limits{}, nil, slog.New(slog.DiscardHandler))
	_, position := j.Position(t.Context(), "meeting")
	_, entries := j.Entries(t.Context(), "meeting", 0, 1)
	_, page := j.Page(t.Context(), Query{})
	_, newest := j.Newest(t.Context(), Query{})
	for what, err := range map[string]error{"Position": position, "Entries": entries, "Page": page, "Newest": newest} {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s gave %v, want ErrDamaged", what, err)
		}
	}
}

func TestAppendEndsWithItsContext(t *testing.T) {
	reason := errors.New("no patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	j := New(silent{}, at(start), Limits{}, nil, slog.New(slog.DiscardHandler))
	if _, err := j.Append(ctx, hello); !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

// silent is a store that never answers.
type silent struct{ Store }

func (silent) OnFlush(func())                           {}
func (silent) Update(func(Tx) error, func(error)) error { return nil }

func TestMeetingIsHeldToItsRate(t *testing.T) {
	now := start
	j := New(&faulty{}, func() time.Time { return now }, Limits{Rate: 10, Burst: 3}, func([]Entry) {}, slog.New(slog.DiscardHandler))
	say := func(meeting chat.MeetingID) *chat.Error {
		cmd := hello
		cmd.Meeting = meeting
		_, err := j.Append(t.Context(), cmd)
		refusal, _ := errors.AsType[*chat.Error](err)
		if (refusal == nil) != (err == nil) {
			t.Fatalf("got %v", err)
		}
		return refusal
	}
	for i := range 3 {
		if err := say("a"); err != nil {
			t.Fatalf("message %d of the burst: %v", i+1, err)
		}
	}
	refusal := say("a")
	if refusal == nil || refusal.Code != chat.Limited || refusal.RetryAfter <= 0 {
		t.Fatalf("beyond the burst: %#v, want %s", refusal, chat.Limited)
	}
	if err := say("b"); err != nil {
		t.Errorf("another meeting: %v", err)
	}
	now = now.Add(refusal.RetryAfter)
	if err := say("a"); err != nil {
		t.Errorf("after waiting as told: %v", err)
	}
	if say("a") == nil {
		t.Error("waiting for one brought two")
	}
	now = now.Add(-time.Hour)
	if say("a") == nil {
		t.Error("a clock that steps back brought one more")
	}
	now = now.Add(3 * time.Hour)
	for i := range 3 {
		if err := say("a"); err != nil {
			t.Errorf("message %d after a long pause: %v", i+1, err)
		}
	}
	if say("a") == nil {
		t.Error("a long pause brought more than a burst")
	}
}

func TestDefaultLimits(t *testing.T) {
	for _, test := range []struct {
		limits       Limits
		burst, later int // how many at once, and how many more after a second
	}{
		{Limits{}, 2000, 200},
		{Limits{Rate: 5}, 2000, 5},
		{Limits{Rate: 50, Burst: 7}, 7, 7},
	} {
		now := start
		m := newMeter(test.limits, func() time.Time { return now })
		for _, want := range []int{test.burst, test.later} {
			got := 0
			for m.take("meeting") == 0 {
				got++
			}
			if got != want {
				t.Errorf("%+v: %d were taken, want %d", test.limits, got, want)
			}
			now = now.Add(time.Second)
		}
	}
	unlimited := newMeter(Limits{Rate: -1}, at(start))
	for range 10_000 {
		if wait := unlimited.take("meeting"); wait != 0 {
			t.Fatalf("without limit one had to wait %v", wait)
		}
	}
}

// The bounds of meetings that have been quiet for long take no memory.
func TestQuietMeetingsAreForgotten(t *testing.T) {
	now := start
	m := newMeter(Limits{Rate: 10, Burst: 100}, func() time.Time { return now })
	for i := range 1000 {
		m.take(chat.MeetingID(fmt.Sprint(i)))
	}
	now = now.Add(2 * time.Minute)
	for range 100 {
		m.take("busy")
	}
	if n := len(m.buckets); n != 1 {
		t.Errorf("%d meetings are remembered, want the busy one", n)
	}
	now = now.Add(time.Minute + 5*time.Second)
	m.take("other")
	if n := len(m.buckets); n != 1 {
		t.Errorf("%d meetings are remembered, want the other", n)
	}
}

func TestQueryIsNormalised(t *testing.T) {
	for given, want := range map[int]int{-1: DefaultPage, 0: DefaultPage, 1: 1, MaxPage: MaxPage, MaxPage + 1: MaxPage, math.MaxInt: MaxPage} {
		if got := (Query{Limit: given}).Normalise().Limit; got != want {
			t.Errorf("a limit of %d became %d, want %d", given, got, want)
		}
	}
	for given, want := range map[uint64]uint64{0: math.MaxInt64, 1: 1, math.MaxUint64: math.MaxInt64} {
		if got := (Query{Before: given}).Normalise().Before; got != want {
			t.Errorf("before %d became %d, want %d", given, got, want)
		}
	}
}

// A time that has not come yet means the end, whatever the entries' times are.
func TestPageFromTheFuture(t *testing.T) {
	store := &faulty{}
	j := New(store, at(start), Limits{}, nil, slog.New(slog.DiscardHandler))
	now := start.UnixMilli()
	for _, test := range []struct {
		time     int64
		backward bool
		want     int64
	}{
		{now - 1, true, now - 1},
		{now, true, math.MaxInt64},
		{now + 1, true, math.MaxInt64},
		{now - 1, false, now - 1},
		{now, false, now},
		{now + 1, false, now + 1},
	} {
		if _, err := j.Page(t.Context(), Query{Time: test.time, Backward: test.backward}); err != nil {
			t.Fatal(err)
		}
		if store.asked.Time != test.want {
			t.Errorf("%d ms ahead, backward %v: the store was asked for %d, want %d", test.time-now, test.backward, store.asked.Time, test.want)
		}
	}
}

func TestNewestIsOldestFirst(t *testing.T) {
	store := &faulty{page: Page{Messages: []chat.Message{{ID: "3"}, {ID: "2"}, {ID: "1"}}}}
	j := New(store, at(start), Limits{}, nil, slog.New(slog.DiscardHandler))
	messages, err := j.Newest(t.Context(), Query{
		Meeting: "meeting", Viewer: "me", Receives: true, Filter: PinnedOnly, Time: 5, Limit: 3, Before: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []chat.MessageID
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	if !slices.Equal(ids, []chat.MessageID{"1", "2", "3"}) {
		t.Errorf("got %v, want the oldest first", ids)
	}
	want := Query{
		Meeting: "meeting", Viewer: "me", Receives: true, Filter: Everything, Time: math.MaxInt64, Backward: true, Limit: 3, Before: 9,
	}
	if store.asked != want {
		t.Errorf("the store was asked for %+v, want %+v", store.asked, want)
	}
}

func TestWhatAPageShows(t *testing.T) {
	public := chat.Message{Seq: 5, Author: "ann"}
	pinned := public
	pinned.Pinned = true
	deleted := public
	deleted.DeletedAt = 1
	private := chat.Message{Seq: 5, Author: "ann", Audience: []chat.ParticipantID{"ann", "bob", "cid"}, Pinned: true}
	for _, test := range []struct {
		name    string
		query   Query
		message chat.Message
		want    bool
	}{
		{"a public message", Query{Viewer: "dan"}, public, true},
		{"a deleted one", Query{Viewer: "ann", Filter: Everything}, deleted, false},
		{"one before the bound", Query{Before: 6}, public, true},
		{"one at the bound", Query{Before: 5}, public, false},
		{"one after the bound", Query{Before: 4}, public, false},
		{"a public one among all", Query{Filter: Everything}, public, true},
		{"a public one in a conversation", Query{Viewer: "ann", Filter: Conversation, With: "bob"}, public, false},
		{"an unpinned one among the pinned", Query{Filter: PinnedOnly}, public, false},
		{"a pinned one among the pinned", Query{Filter: PinnedOnly}, pinned, true},
		{"a private one among the public", Query{Viewer: "ann", Receives: true}, private, false},
		{"a private one among all of its author", Query{Viewer: "ann", Filter: Everything}, private, true},
		{"a private one among all of its recipient", Query{Viewer: "bob", Receives: true, Filter: Everything}, private, true},
		{"a private one of one who lost the right", Query{Viewer: "bob", Filter: Everything}, private, false},
		{"a private one of a third", Query{Viewer: "dan", Receives: true, Filter: Everything}, private, false},
		{"a private one of nobody", Query{Receives: true, Filter: Everything}, private, false},
		{"a pinned private one of a third", Query{Viewer: "dan", Receives: true, Filter: PinnedOnly}, private, false},
		{"a pinned private one of its recipient", Query{Viewer: "bob", Receives: true, Filter: PinnedOnly}, private, true},
		{"the conversation of author and recipient", Query{Viewer: "ann", Filter: Conversation, With: "bob"}, private, true},
		{"the same from the other side", Query{Viewer: "bob", Receives: true, Filter: Conversation, With: "ann"}, private, true},
		{"the conversation of two recipients", Query{Viewer: "bob", Receives: true, Filter: Conversation, With: "cid"}, private, false},
		{"a conversation with a third", Query{Viewer: "ann", Filter: Conversation, With: "dan"}, private, false},
		{"a conversation of a third", Query{Viewer: "dan", Receives: true, Filter: Conversation, With: "ann"}, private, false},
		{"an unknown filter", Query{Filter: 99}, public, false},
	} {
		if got := test.query.Normalise().Shows(&test.message); got != test.want {
			t.Errorf("%s: shown %v, want %v", test.name, got, test.want)
		}
	}
}
