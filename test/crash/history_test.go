package crash_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"

	"github.com/parley-chat/parley/protocol/rtkwire"
)

// histories reads, through the socket, all that each person may see, in the
// order of time.
func (w *world) histories(ctx context.Context) map[*person][]message {
	w.Helper()
	all := make(map[*person][]message)
	for _, m := range w.meetings {
		public := w.public(ctx, m)
		for _, p := range m.people {
			all[p] = append(slices.Clone(public), w.private(ctx, p)...)
			slices.SortFunc(all[p], func(a, b message) int { return cmp.Compare(a.at, b.at) })
			w.comparePins(ctx, p, all[p])
		}
	}
	return all
}

// public reads the public messages of a meeting in both directions.
func (w *world) public(ctx context.Context, m *meeting) []message {
	w.Helper()
	forward := w.pages(ctx, m.people[0].voices[0], nil, false)
	backward := w.pages(ctx, m.people[1].voices[0], nil, true)
	slices.Reverse(backward)
	if !slices.EqualFunc(forward, backward, message.same) {
		w.Errorf("read forwards there are %d messages, read backwards %d, or others", len(forward), len(backward))
	}
	return forward
}

// private reads a person's conversations with everybody else, each message
// once. A message to two is in both conversations of its author.
func (w *world) private(ctx context.Context, p *person) []message {
	w.Helper()
	var all []message
	known := make(map[string]message)
	for _, other := range p.meeting.people {
		if other == p {
			continue
		}
		with := &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: other.id}}
		for _, m := range w.pages(ctx, p.voices[0], with, false) {
			if before, ok := known[m.id]; !ok {
				all, known[m.id] = append(all, m), m
			} else if !m.same(before) {
				w.Errorf("message %s is not the same in two conversations", m.id)
			}
		}
	}
	return all
}

// comparePins reads the pinned messages of a person and compares them with
// what the history says.
func (w *world) comparePins(ctx context.Context, p *person, history []message) {
	w.Helper()
	want := slices.DeleteFunc(slices.Clone(history), func(m message) bool { return !m.pinned })
	got := w.pages(ctx, p.voices[0], &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}}, false)
	if !slices.EqualFunc(got, want, message.same) {
		w.Errorf("%d messages are listed as pinned, in the history %d are", len(got), len(want))
	}
}

// pages reads all messages that a filter shows, by pages of any size.
func (w *world) pages(ctx context.Context, v *voice, filter *rtkwire.PageFilter, backward bool) []message {
	w.Helper()
	ask := &rtkwire.PageRequest{Size: int32(200 + w.random.IntN(800)), Reversed: backward, Filters: filter}
	if backward {
		ask.TimeStamp = 1 << 50
	}
	var all []message
	for more := true; more; {
		page, err := v.peer.Page(ctx, ask)
		if err != nil {
			w.Fatalf("reading the page at %d: %v", ask.GetTimeStamp(), err)
		}
		messages, err := messagesOf(page.GetMessages())
		w.must(err)
		all, more = append(all, messages...), page.GetNext()
		switch {
		case len(messages) == 0:
			more = false
		case backward:
			ask.TimeStamp = all[len(all)-1].at - 1
		default:
			ask.TimeStamp = all[len(all)-1].at + 1
		}
	}
	return all
}

// compareFiles reads the files of some messages and compares them with what
// was put. It tells how many there were.
func (w *world) compareFiles(ctx context.Context, messages []message) int {
	w.Helper()
	files := 0
	for _, m := range messages {
		if m.link == "" {
			continue
		}
		files++
		content, err := w.get(ctx, m.link)
		if err != nil {
			w.Errorf("the file %q cannot be read: %v", m.label, err)
			continue
		}
		if sha256.Sum256(content) != w.files[m.label] {
			w.Errorf("the file %q has other content than was put, %d bytes", m.label, len(content))
		}
	}
	return files
}
