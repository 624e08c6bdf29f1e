package room

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// told gives what a returning peer has to be told.
func (w *world) told(c *Connection) []string {
	w.Helper()
	if c.Missed == nil {
		w.Fatalf("%s is not known", c.info.Peer)
	}
	entries, err := c.Room.Said(c.Missed.After, c.Missed.Slot.Seq)
	c.Missed.Slot.Fill(nil)
	if err != nil {
		w.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		texts = append(texts, e.Event.Message.Content.Payload)
	}
	return texts
}

func (w *world) entriesRead() int {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.journal.reads
}

func TestMissedEntriesComeFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a, b := w.join("a1"), w.join("b1")
		a.Room.Disconnect(a.Feed, false)
		w.say("one")
		w.say("two")
		<-time.After(11 * time.Second) // b answers a ping, a still has to be told
		b.Ponged()
		<-time.After(10 * time.Second)
		w.say("three")
		if got, want := w.told(w.connect("a1")), []string{"one", "two", "three"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if n := w.entriesRead(); n != 0 {
			t.Errorf("the journal was read %d times", n)
		}
	})
}

func TestEntriesThatAllHaveAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		a, b := w.join("a1"), w.join("b1")
		for n := range 100 {
			w.say(fmt.Sprint(n))
		}
		for range 3 {
			<-time.After(10 * time.Second)
			a.Ponged()
			b.Ponged()
			w.sent(a)
			w.sent(b)
		}
		a.Room.mu.Lock()
		defer a.Room.mu.Unlock()
		if len(a.Room.said) != 0 || a.Room.saidBytes != 0 {
			t.Errorf("%d entries of %d bytes are kept", len(a.Room.said), a.Room.saidBytes)
		}
	})
}

func TestMissedEntriesAreBounded(t *testing.T) {
	for name, text := range map[string]string{"by number": "x", "by bytes": strings.Repeat("x", 10_000)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.join("a1")
			a.Room.Disconnect(a.Feed, false)
			for n := range 3000 {
				w.say(fmt.Sprint(n, " ", text))
			}
			got := w.told(w.connect("a1"))
			bytes := 0
			for i, s := range got {
				bytes += len(s)
				if want := fmt.Sprint(3000-len(got)+i, " ", text); s != want {
					t.Fatalf("told %.10q, want %.10q: they must be the newest, in order", s, want)
				}
			}
			if len(got) > maxSaid || bytes > maxSaidBytes || len(got) < 70 {
				t.Errorf("told %d entries of %d bytes", len(got), bytes)
			}
		})
	}
}

func TestWhatWasDeletedIsNotToldAgain(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	a.Room.Disconnect(a.Feed, false)
	w.say("secret")
	gone := w.journal.commit(meeting, "")
	gone.Event.Kind, gone.Event.Message.Seq, gone.Event.Message.DeletedAt = chat.MessageDeleted, 1, 99
	gone.Event.Before.Payload = "secret"
	w.hub.Observe([]journal.Entry{gone})
	back := w.connect("a1")
	entries, err := back.Room.Said(0, 2)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Event.Message.DeletedAt != 99 || strings.Contains(fmt.Sprintf("%+v", e), "secret") {
			t.Errorf("kept %+v", e)
		}
	}
	back.Missed.Slot.Fill(nil)
}

func TestAfterARestartWhatAllMissedIsReadOnce(t *testing.T) {
	w := newWorld(t)
	for n := range 10 {
		w.journal.commit(meeting, fmt.Sprint(n+1))
	}
	w.sessions.session = session
	for i := range 20 {
		w.sessions.kept = append(w.sessions.kept, Kept{Info: infoOf(chat.PeerID(fmt.Sprintf("%c1", 'a'+rune(i)))), Seen: uint64(5 + i%5)})
	}
	for i, k := range w.sessions.kept {
		got := w.told(w.connect(k.Peer))
		if want := 10 - int(k.Seen); len(got) != want || got[want-1] != "10" {
			t.Errorf("peer %d is told %q, want %d", i, got, want)
		}
	}
	if n := w.entriesRead(); n != 1 {
		t.Errorf("the journal was read %d times", n)
	}
}

func TestPeersAreSentAwayWhereWhatTheyMissedCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.journal.commit(meeting, "one")
	w.sessions.session = session
	w.sessions.kept = []Kept{{Info: infoOf("a1")}, {Info: infoOf("b1"), Seen: 1}}
	w.journal.fault = nil
	w.journal.unreadable = true
	a, b := w.connect("a1"), w.connect("b1")
	if _, err := a.Room.Said(a.Missed.After, a.Missed.Slot.Seq); !errors.Is(err, ErrUnread) {
		t.Errorf("a hole gave %v", err)
	}
	if got := w.told(b); len(got) != 0 {
		t.Errorf("told %q", got)
	}
}
