package journaltest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// byApp is a send of the app itself, under a key.
func (w *world) byApp(meeting chat.MeetingID, key, text string, to ...person) chat.SendMessage {
	by := person{w, chat.Actor{Meeting: meeting, Participant: chat.AppAuthor(w.app), DisplayName: "Bot", App: w.app}}
	cmd := by.say(text, to...)
	cmd.Key = key
	return cmd
}

func appsSpeakInTheirMeetings(t *testing.T, w *world) {
	a, b, third := w.three()
	said := w.append(w.byApp(a.Meeting, "", "hear, hear")).Event.Message
	whispered := w.append(w.byApp(a.Meeting, "", "psst", a)).Event.Message
	for _, p := range []person{a, b, third} {
		want := []string{"hear, hear"}
		if p.Participant == a.Participant {
			want = append(want, "psst")
		}
		wantTexts(t, "what is seen", w.everything(p), want...)
	}
	if said.Author != chat.AppAuthor(w.app) || said.DisplayName != "Bot" || said.Peer != "" || len(whispered.Audience) != 2 {
		t.Errorf("the app said %+v and %+v", said, whispered)
	}
	forB := b.say("through the app")
	forB.App, forB.Peer, forB.DisplayName = w.app, "", ""
	if m := w.append(forB).Event.Message; m.Author != b.Participant || m.DisplayName != "Zoë" {
		t.Errorf("for somebody the app said %+v", m)
	}
	w.entries(a.Meeting)

	foreign := w.byApp(a.Meeting, "", "from elsewhere")
	foreign.App = "another app"
	w.refused(chat.NotFound, foreign)
	asApp := foreign
	asApp.Participant = chat.AppAuthor(asApp.App)
	w.refused(chat.NotFound, asApp)
	w.refused(chat.Conflict, w.byApp(w.meeting(true), "", "to nobody"))
}

func appsDeleteAtAnyTime(t *testing.T, w *world) {
	people := w.joined(w.meeting(false), allowed)
	a, live := people[0], people[0].join()
	old := w.append(a.say("old")).Event.Message
	w.endSession(live, a)
	w.append(chat.DeleteMessage{Actor: w.byApp(a.Meeting, "", "").Actor, Message: old.ID})
	found, err := w.journal.Message(w.ctx, a.Meeting, old.ID)
	w.must(err)
	if found == nil || found.DeletedAt == 0 {
		t.Errorf("the message is %+v", found)
	}
	w.entries(a.Meeting)
}

func keysMakeOneMessage(t *testing.T, w *world) {
	a, b, _ := w.three()
	first := w.byApp(a.Meeting, "key", "once")
	sent := w.append(first).Event.Message
	again := first
	again.ID = chat.MessageID(w.id())
	if m := w.repeated(again); m.ID != sent.ID {
		t.Errorf("the repeated send is %s, want %s", m.ID, sent.ID)
	}
	w.close()
	w.open()
	if m := w.repeated(again); m.ID != sent.ID {
		t.Errorf("after opening again it is %s, want %s", m.ID, sent.ID)
	}
	for what, other := range map[string]chat.SendMessage{
		"another text": w.byApp(a.Meeting, "key", "twice"), "private": w.byApp(a.Meeting, "key", "once", b),
		"another meeting": w.byApp(w.joined(w.meeting(true), allowed)[0].Meeting, "key", "once"),
	} {
		if _, err := w.journal.Append(w.ctx, other); chat.CodeOf(err) != chat.Conflict {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}
	w.append(w.byApp(a.Meeting, "another key", "once"))
	w.append(chat.DeleteMessage{Actor: first.Actor, Message: sent.ID})
	if m := w.repeated(again); m.ID != sent.ID || m.DeletedAt == 0 {
		t.Errorf("after its deletion the repeated send is %+v", m)
	}
	w.clock.advance(journal.KeysFor - time.Second)
	w.repeated(again)
	w.clock.advance(2 * time.Second)
	if e := w.append(again); e.Event.Message.ID != again.ID {
		t.Errorf("a day later it is %s", e.Event.Message.ID)
	}
	w.repeated(again)
}

func keysAtTheSameTime(t *testing.T, w *world) {
	a, _, _ := w.three()
	var mu sync.Mutex
	ids := make(map[chat.MessageID]int)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			e, err := w.journal.Append(w.ctx, w.byApp(a.Meeting, fmt.Sprint("key ", i%2), "once"))
			id := e.Event.Message.ID
			if again, ok := errors.AsType[*chat.Repeated](err); ok {
				id, err = again.Message.ID, nil
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[id]++
		})
	}
	all.Wait()
	if n := len(w.entries(a.Meeting)); n != 2 || len(ids) != 2 {
		t.Errorf("two keys became %d entries, answered as %v", n, ids)
	}
}
