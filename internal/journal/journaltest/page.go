package journaltest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// scripted is a meeting in which everything has happened that a page may show
// or hide: public and private messages of each, to one and to several, edited,
// pinned, unpinned and deleted ones.
func scripted(w *world) *twin {
	tw := newTwin(w, true)
	a, b, c, unhearing := tw.people[0], tw.people[1], tw.people[2], tw.people[3]
	var ids []chat.MessageID
	say := func(cmd chat.SendMessage) {
		ids = append(ids, cmd.ID)
		tw.do(cmd)
		w.clock.advance(3e6) // 3 ms
	}
	for i := range 3 {
		say(a.say(fmt.Sprint("a to all ", i)))
		say(a.say(fmt.Sprint("a to b ", i), b))
		say(b.say(fmt.Sprint("b to all ", i)))
		say(b.say(fmt.Sprint("b to a ", i), a))
		say(b.say(fmt.Sprint("b to a and c ", i), a, c))
		say(c.say(fmt.Sprint("c to b ", i), b))
		say(unhearing.say(fmt.Sprint("deaf to a ", i), a))
		say(unhearing.say(fmt.Sprint("deaf to all ", i)))
	}
	author := func(i int) person {
		return []person{a, a, b, b, b, c, unhearing, unhearing}[i%8]
	}
	for _, i := range []int{0, 3, 4, 6, 9, 17} {
		tw.do(author(i).edit(ids[i], "edited"))
	}
	for _, i := range []int{0, 1, 4, 7, 8, 12, 13, 14, 18, 22} {
		tw.do(author(i).pin(ids[i], true))
	}
	for _, i := range []int{8, 12} {
		tw.do(author(i).pin(ids[i], false))
	}
	for _, i := range []int{2, 3, 13, 16, 20} {
		tw.do(author(i).delete(ids[i]))
	}
	return tw
}

func cursorsAnywhere(_ *testing.T, w *world) {
	tw := scripted(w)
	n := len(tw.model.entries)
	for after := range n + 2 {
		for _, limit := range []int{0, 1, 2, 7, n, n + 1} {
			tw.wantEntries(uint64(after), limit)
		}
	}
}

func pagesOfEachFilter(_ *testing.T, w *world) {
	tw := scripted(w)
	outsider := w.add(w.meeting(true), allowed)
	queries := append(tw.queries(), tw.query(outsider, journal.Everything, true), tw.query(outsider, journal.Everything, false))
	for _, q := range queries {
		for _, q.Limit = range []int{1, 3, journal.MaxPage} {
			tw.wantPages(q)
		}
	}
}

func boundsAreInclusive(t *testing.T, w *world) {
	tw := scripted(w)
	for _, q := range []journal.Query{
		tw.query(tw.people[0], journal.Everything, false),
		tw.query(tw.people[0], journal.Everything, true),
		tw.query(tw.people[1], journal.PublicOnly, true),
		tw.query(tw.people[1], journal.PinnedOnly, false),
	} {
		shown := tw.model.shown(q)
		if len(shown) == 0 {
			t.Fatalf("%s: nothing is shown", describe(q))
		}
		for _, m := range shown {
			q.Limit = 1
			for _, q.Time = range []int64{m.SentAt - 1, m.SentAt, m.SentAt + 1} {
				page := tw.wantPage(q)
				if q.Time == m.SentAt && page.Messages[0].ID != m.ID {
					t.Fatalf("%s: the first is message %d, want %d", describe(q), page.Messages[0].Seq, m.Seq)
				}
			}
		}
	}

	// Through the journal, a time that has not come yet is the end of the
	// journal, also while the times of the entries are ahead of the clock.
	newest := tw.model.shown(tw.query(tw.people[0], journal.Everything, true))[0]
	w.clock.advance(-1e12)
	for _, ahead := range []int64{0, 1, math.MaxInt64 - w.clock.Now().UnixMilli()} {
		q := tw.query(tw.people[0], journal.Everything, true)
		q.Time, q.Limit = w.clock.Now().UnixMilli()+ahead, 1
		page, err := w.journal.Page(w.ctx, q)
		w.must(err)
		if len(page.Messages) != 1 || page.Messages[0].ID != newest.ID {
			t.Errorf("%d ms ahead of the clock the newest message is %v, want message %d", ahead, outline(page.Messages), newest.Seq)
		}
	}
}

// Turning pages works through the journal too, while the times of the entries
// are ahead of the clock.
func pagesAheadOfTheClock(t *testing.T, w *world) {
	tw := scripted(w)
	w.clock.advance(-time.Hour)
	for _, filter := range []journal.Filter{journal.PublicOnly, journal.PinnedOnly, journal.Everything} {
		for _, backward := range []bool{false, true} {
			q := tw.query(tw.people[0], filter, backward)
			want, got := outline(tw.model.shown(q)), []string{}
			for q.Limit = 2; ; {
				page, err := w.journal.Page(w.ctx, q)
				w.must(err)
				got = append(got, outline(page.Messages)...)
				if !page.More || len(got) > len(want) {
					break
				}
				q.Time = page.Messages[len(page.Messages)-1].SentAt + 1
				if backward {
					q.Time -= 2
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: the pages are %v, want %v", describe(q), got, want)
			}
		}
	}
}

func pageBeforeAnEntry(_ *testing.T, w *world) {
	tw := scripted(w)
	for _, q := range []journal.Query{
		tw.query(tw.people[0], journal.Everything, true),
		tw.query(tw.people[1], journal.Everything, false),
		tw.query(tw.people[1], journal.PublicOnly, true),
		tw.query(tw.people[0], journal.PinnedOnly, true),
	} {
		for before := range len(tw.model.entries) + 3 {
			q.Before = uint64(before)
			for _, q.Limit = range []int{2, journal.MaxPage} {
				tw.wantPage(q)
			}
		}
	}
}

func deletedIsGone(t *testing.T, w *world) {
	a, b, _ := w.three()
	public := w.append(a.say("public secret")).Event.Message.ID
	private := w.append(a.say("private secret", b)).Event.Message.ID
	w.append(b.pin(public, true))
	w.append(b.pin(private, true))
	w.append(a.edit(public, "another secret"))
	w.append(a.delete(public))
	w.append(a.delete(private))

	for _, viewer := range []person{a, b} {
		for _, filter := range []journal.Filter{journal.PublicOnly, journal.Conversation, journal.PinnedOnly, journal.Everything} {
			for _, backward := range []bool{false, true} {
				q := journal.Query{Meeting: a.Meeting, Viewer: viewer.Participant, Receives: true, Filter: filter, Backward: backward}
				if backward {
					q.Time = math.MaxInt64
				}
				if q.With = a.Participant; viewer.Participant == a.Participant {
					q.With = b.Participant
				}
				page, err := w.journal.Page(w.ctx, q)
				w.must(err)
				if len(page.Messages) > 0 || page.More {
					t.Errorf("%s: %v, more: %v; want nothing", describe(q), outline(page.Messages), page.More)
				}
			}
		}
	}
	for _, e := range w.entries(a.Meeting) {
		m := e.Event.Message
		if m.Content.Payload != "" || m.Pinned || m.DeletedAt == 0 {
			t.Errorf("entry %d shows its deleted message as %+v", e.Seq, m)
		}
	}
	w.refused(chat.NotFound, b.pin(public, false))
}

// Whatever a third asks for, with the right to receive or without, they get
// the public messages and nothing else.
func privateStaysPrivate(t *testing.T, w *world) {
	a, b, third := w.three()
	outsider := w.joined(w.meeting(true), allowed)[0]
	public := w.append(a.say("public")).Event.Message.ID
	private := w.append(a.say("private", b)).Event.Message.ID
	w.append(b.say("answer", a))
	w.append(a.pin(public, true))
	w.append(b.pin(private, true))
	w.append(a.edit(private, "still private"))

	for _, viewer := range []person{third, outsider} {
		for _, with := range []person{a, b, third} {
			for _, filter := range []journal.Filter{journal.PublicOnly, journal.Conversation, journal.PinnedOnly, journal.Everything} {
				for _, receives := range []bool{false, true} {
					for _, backward := range []bool{false, true} {
						q := journal.Query{
							Meeting: a.Meeting, Viewer: viewer.Participant, Receives: receives,
							Filter: filter, With: with.Participant, Backward: backward,
						}
						if backward {
							q.Time = math.MaxInt64
						}
						want := []string{"public"}
						if filter == journal.Conversation {
							want = []string{}
						}
						page, err := w.journal.Page(w.ctx, q)
						w.must(err)
						wantTexts(t, describe(q), page.Messages, want...)
					}
				}
			}
		}
	}
	for _, e := range w.entries(a.Meeting) {
		if own, ok := e.Own[third.Participant]; ok {
			t.Errorf("entry %d has the number %d for one who must not know of it", e.Seq, own)
		}
	}
}

// The same public script with and without private traffic of others looks the
// same to a third: the same messages, and the same numbers.
func privateTrafficIsNotCounted(t *testing.T, w *world) {
	play := func(whispers bool) (seen []string) {
		a, b, third := w.three()
		whisper := func(cmd func() chat.Command) {
			if whispers {
				w.append(cmd())
			}
		}
		var secret chat.MessageID
		whisper(func() chat.Command { c := a.say("psst", b); secret = c.ID; return c })
		first := w.append(a.say("one"))
		whisper(func() chat.Command { return b.pin(secret, true) })
		toThird := w.append(b.say("for you", third))
		whisper(func() chat.Command { return a.edit(secret, "pssst") })
		w.append(b.pin(first.Event.Message.ID, true))
		whisper(func() chat.Command { return a.delete(secret) })
		whisper(func() chat.Command { return b.say("psst yourself", a) })
		w.append(third.say("three"))
		w.append(a.edit(first.Event.Message.ID, "uno"))
		w.append(b.edit(toThird.Event.Message.ID, "for your eyes"))

		for _, e := range w.entries(a.Meeting) {
			if e.Event.Message.VisibleTo(third.Participant) {
				seen = append(seen, fmt.Sprintf("entry pub %d own %d: %d %q", e.Pub, e.Own[third.Participant], e.Event.Kind, e.Event.Message.Content.Payload))
			}
		}
		for _, m := range w.everything(third) {
			seen = append(seen, fmt.Sprintf("message %q pinned: %v", m.Content.Payload, m.Pinned))
		}
		return append(seen, fmt.Sprintf("head pub %d", w.position(a.Meeting).Pub))
	}
	without, with := play(false), play(true)
	if !slices.Equal(without, with) {
		t.Errorf("without private traffic a third sees\n%q\nwith it\n%q", without, with)
	}
}

func earlierSessionsAreHidden(t *testing.T, w *world) {
	tw := newTwin(w, false)
	a, b := tw.people[0], tw.people[1]
	first, second := a.say("in the first session"), a.say("private in the first session", b)
	tw.do(first, second, a.pin(first.ID, true))
	tw.wantAll()
	tw.leave()
	tw.wantAll() // nobody is there: nothing is visible
	tw.do(a.say("too late"))

	tw.arrive()
	tw.wantAll()
	tw.do(a.edit(first.ID, "x"), a.delete(second.ID), b.pin(first.ID, false)) // not found
	tw.do(a.say("in the second session"), b.say("private in the second session", a))
	tw.wantAll()
	if n := len(w.everything(b)); n != 2 {
		t.Errorf("%d messages are visible in the second session, want 2", n)
	}
}

func earlierSessionsArePersisted(t *testing.T, w *world) {
	tw := newTwin(w, true)
	a, b := tw.people[0], tw.people[1]
	first, second := a.say("in the first session"), a.say("private in the first session", b)
	tw.do(first, second)
	tw.leave()
	tw.wantAll()
	tw.arrive()
	tw.do(b.say("in the second session"), a.edit(first.ID, "edited in the second session"), b.pin(second.ID, true))
	tw.wantAll()
	if n := len(w.everything(b)); n != 3 {
		t.Errorf("%d messages are visible in the second session, want 3", n)
	}
}
