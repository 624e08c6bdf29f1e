package journaltest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// Whatever a listing leaves out, its pages together are all the rest, in its
// order.
func listsOfEachFilter(t *testing.T, w *world) {
	tw := scripted(w)
	a := tw.people[0]
	tw.leave()
	tw.arrive()
	tw.do(a.say("in another session, To Everybody"))
	var all []chat.Message
	for _, e := range w.entries(a.Meeting) {
		if e.Event.Kind == chat.MessageSent {
			all = append(all, e.Event.Message)
		}
	}
	middle := all[len(all)/2].SentAt
	unknown := chat.SessionID(w.id())
	for _, l := range []journal.Listing{
		{},
		{Private: true},
		{Deleted: true},
		{Private: true, Deleted: true},
		{Pinned: true},
		{Pinned: true, Private: true, Deleted: true},
		{Text: "to EVERYBODY"},
		{Private: true, Text: "b to a"},
		{Author: a.Participant, Private: true},
		{Kinds: []chat.Kind{chat.Image, chat.Text}},
		{Kinds: []chat.Kind{chat.File}},
		{Session: all[0].Session, Private: true},
		{Session: all[len(all)-1].Session},
		{Session: all[len(all)-1].Session, Private: true, Deleted: true},
		{Session: unknown},
		{From: middle, Private: true},
		{To: middle, Deleted: true},
		{From: middle - 10, To: middle + 10},
		{From: middle - 10, To: middle + 10, Private: true, Deleted: true},
		{From: middle + 1, To: middle, Private: true},
		{From: all[len(all)-1].SentAt + 1, Private: true},
	} {
		l.Meeting = a.Meeting
		for _, l.Limit = range []int{1, 3, journal.MaxListed} {
			for _, l.Forward = range []bool{false, true} {
				w.wantList(t, l, all)
			}
		}
	}
}

// wantList turns the pages of a listing, and holds them against all messages.
func (w *world) wantList(t *testing.T, l journal.Listing, all []chat.Message) {
	t.Helper()
	what := fmt.Sprintf("%+v", l)
	var want []chat.Message
	for i := range all {
		if l.Normalise().Shows(&all[i]) {
			want = append(want, all[i])
		}
	}
	if !l.Forward {
		slices.Reverse(want)
	}
	var got []chat.Message
	for {
		page, err := w.journal.List(w.ctx, l)
		w.must(err)
		if len(page.Messages) > l.Limit {
			t.Fatalf("%s: %d messages on a page", what, len(page.Messages))
		}
		got = append(got, page.Messages...)
		if !page.More || len(got) > len(want) {
			break
		}
		if l.Forward {
			l.From = page.Last + 1
		} else {
			l.To = page.Last - 1
		}
	}
	if !slices.EqualFunc(got, want, func(a, b chat.Message) bool {
		return a.ID == b.ID && a.Content.Payload == b.Content.Payload && a.Pinned == b.Pinned && a.SentAt == b.SentAt && a.DeletedAt == b.DeletedAt
	}) {
		t.Fatalf("%s: the pages are %v, want %v", what, outline(got), outline(want))
	}
}

// What is said, edited and deleted while somebody turns pages neither repeats
// nor hides a message that was there all the time.
func listsWhileOthersWrite(t *testing.T, w *world) {
	a, b, _ := w.three()
	var ids []chat.MessageID
	for i := range 20 {
		ids = append(ids, w.append(a.say(fmt.Sprint(i))).Event.Message.ID)
	}
	for _, forward := range []bool{true, false} {
		l := journal.Listing{Meeting: a.Meeting, Limit: 2, Forward: forward, To: math.MaxInt64}
		seen := make(map[chat.MessageID]int)
		for turn := 0; ; turn++ {
			page, err := w.journal.List(w.ctx, l)
			w.must(err)
			for _, m := range page.Messages {
				seen[m.ID]++
			}
			if !page.More || turn > 100 {
				break
			}
			if l.Forward {
				l.From = page.Last + 1
			} else {
				l.To = page.Last - 1
			}
			if turn < 5 {
				w.append(b.say("meanwhile"))
				w.append(a.edit(ids[19-turn], "edited meanwhile"))
				w.append(b.say("psst", a))
			}
		}
		for _, id := range ids {
			if seen[id] != 1 {
				t.Errorf("forward: %v: a message was seen %d times", forward, seen[id])
			}
		}
	}
}

// All that became of a message is told in order, page by page.
func changesOfAMessage(t *testing.T, w *world) {
	a, b, _ := w.three()
	other := w.append(a.say("another")).Event.Message
	m := w.append(a.say("one")).Event.Message
	w.append(a.edit(m.ID, "two"))
	w.append(b.pin(other.ID, true))
	w.append(b.pin(m.ID, true))
	w.append(a.edit(m.ID, "three"))
	w.append(b.pin(m.ID, false))
	w.append(a.delete(m.ID))

	found, err := w.journal.Message(w.ctx, a.Meeting, m.ID)
	w.must(err)
	if found == nil || found.DeletedAt == 0 || found.Content.Payload != "" {
		t.Fatalf("the deleted message is %+v", found)
	}
	type fact struct {
		kind   chat.EventKind
		actor  chat.ParticipantID
		before string
	}
	want := []fact{
		{chat.MessageEdited, a.Participant, "one"}, {chat.MessagePinned, b.Participant, ""}, {chat.MessageEdited, a.Participant, "two"},
		{chat.MessageUnpinned, b.Participant, ""}, {chat.MessageDeleted, a.Participant, "three"},
	}
	for _, limit := range []int{1, 2, 10} {
		var got []fact
		for after := int64(0); ; {
			changes, err := w.journal.Changes(w.ctx, found, after, limit)
			w.must(err)
			if len(changes) == 0 {
				break
			}
			for _, c := range changes {
				got = append(got, fact{c.Kind, c.Actor, c.Before.Payload})
				after = c.At
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by pages of %d: %v, want %v", limit, got, want)
		}
	}
	for meeting, id := range map[chat.MeetingID]chat.MessageID{a.Meeting: "unknown", w.meeting(true): m.ID} {
		if none, err := w.journal.Message(w.ctx, meeting, id); none != nil || err != nil {
			t.Errorf("a message that is not there is %+v, %v", none, err)
		}
	}
}
