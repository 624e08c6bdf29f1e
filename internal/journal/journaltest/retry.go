package journaltest

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// wantMessage demands the message an entry brought.
func wantMessage(tb testing.TB, got chat.Message, first journal.Entry) {
	tb.Helper()
	if want := first.Event.Message; !reflect.DeepEqual(got, want) {
		tb.Fatalf("the repeat gave\n%+v\nwant\n%+v", got, want)
	}
}

// again makes the send a new try: the server mints a new id for each.
func again(c chat.SendMessage) chat.SendMessage {
	c.ID = chat.MessageID(string(c.ID) + "'")
	return c
}

func repeatedSendIsOneMessage(t *testing.T, w *world) {
	a, b, c := w.three()
	public := called("public", a.say("hello"))
	first := w.append(public)
	private := called("private", a.say("psst", b, c))
	second := w.append(private)
	w.append(b.say("in between"))

	wantMessage(t, w.repeated(again(public)), first)
	private.Recipients = []chat.ParticipantID{c.Participant, a.Participant, b.Participant, c.Participant}
	wantMessage(t, w.repeated(again(private)), second)

	if n := len(w.entries(a.Meeting)); n != 3 {
		t.Errorf("there are %d entries, want 3", n)
	}
	if n := len(w.tape.of(t, a.Meeting, 3)); n != 3 {
		t.Errorf("the observer was told of %d entries, want 3", n)
	}
}

func repeatedSendAtTheSameTime(t *testing.T, w *world) {
	a, b, _ := w.three()
	const tries = 16
	for range 10 {
		clientID := w.id()
		var all sync.WaitGroup
		entries := make([]journal.Entry, tries)
		errs := make([]error, tries)
		gate := w.block() // so that some share a transaction
		for i := range tries {
			all.Go(func() { entries[i], errs[i] = w.journal.Append(w.ctx, called(clientID, a.say("hello", b))) })
		}
		close(gate.goOn)
		all.Wait()
		first := -1
		for i, err := range errs {
			if err != nil {
				continue
			}
			if first >= 0 {
				t.Fatalf("two sends with one client id became entries %d and %d", entries[first].Seq, entries[i].Seq)
			}
			first = i
		}
		if first < 0 {
			t.Fatalf("no send was stored: %v", errs)
		}
		for i, err := range errs {
			if i == first {
				continue
			}
			repeat, ok := errors.AsType[*chat.Repeated](err)
			if !ok {
				t.Fatalf("a send at the same time gave %v", err)
			}
			wantMessage(t, repeat.Message, entries[first])
		}
	}
	if n := len(w.entries(a.Meeting)); n != 10 {
		t.Errorf("there are %d entries, want 10", n)
	}
}

func repeatOutlivesTheMessage(t *testing.T, w *world) {
	people := w.joined(w.meeting(false), allowed)
	a := people[0]
	send := called("mine", a.say("hello"))
	first := w.append(send)
	edited := w.append(a.edit(send.ID, "hello all"))
	wantMessage(t, w.repeated(again(send)), edited)
	deleted := w.append(a.delete(send.ID))
	got := w.repeated(again(send))
	wantMessage(t, got, deleted)
	if got.ID != first.Event.Message.ID || got.SentAt != first.At || got.DeletedAt == 0 || got.Content.Payload != "" {
		t.Errorf("the repeat of a deleted message gave %+v", got)
	}
	w.refused(chat.Conflict, called("mine", a.say("something else")))

	w.endSession(a.join(), a)
	wantMessage(t, w.repeated(again(send)), deleted)
	if n := len(w.entries(a.Meeting)); n != 3 {
		t.Errorf("there are %d entries, want 3", n)
	}
}

func repeatOutlivesTheProcess(t *testing.T, w *world) {
	a, b, _ := w.three()
	public, private := called("public", a.say("hello")), called("private", a.say("psst", b))
	first, second := w.append(public), w.append(private)
	for _, end := range []func(){w.crash, w.close} {
		end()
		w.open()
		wantMessage(t, w.repeated(again(public)), first)
		wantMessage(t, w.repeated(again(private)), second)
		w.refused(chat.Conflict, called("public", a.say("other")))
		if n := len(w.entries(a.Meeting)); n != 2 {
			t.Fatalf("there are %d entries, want 2", n)
		}
	}
}

func clientIDWithOtherContentIsRefused(t *testing.T, w *world) {
	a, b, c := w.three()
	w.append(called("public", a.say("hello")))
	w.append(called("private", a.say("hello", b)))
	w.refused(chat.Conflict, called("public", a.say("Hello")))
	w.refused(chat.Conflict, called("public", a.say("hello", b)))
	w.refused(chat.Conflict, called("private", a.say("hello")))
	w.refused(chat.Conflict, called("private", a.say("hello", c)))
	w.refused(chat.Conflict, called("private", a.say("hello", b, c)))
	toNobody := called("public", a.say("hello"))
	toNobody.Private = true
	w.refused(chat.Conflict, toNobody)
	otherKind := called("public", a.say("hello"))
	otherKind.Content.Kind = chat.Custom
	w.refused(chat.Conflict, otherKind)
	if n := len(w.entries(a.Meeting)); n != 2 {
		t.Errorf("there are %d entries, want 2", n)
	}
}

func clientIDsOfOthersDoNotMeet(t *testing.T, w *world) {
	a, b, _ := w.three()
	elsewhere := w.joined(w.meeting(true), allowed)[0]
	w.append(called("1", a.say("hello")))
	w.append(called("1", b.say("hello")))
	w.append(called("1", elsewhere.say("hello")))
	w.append(called("2", a.say("hello")))
	w.append(a.say("hello"))
	w.append(a.say("hello"))
	if n := len(w.entries(a.Meeting)); n != 5 {
		t.Errorf("there are %d entries, want 5", n)
	}
}
