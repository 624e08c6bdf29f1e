package room

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

func (w *world) signal(from *Connection, text string, to ...chat.PeerID) error {
	if len(to) == 0 {
		return from.Room.Signal(from.Feed, Signal(text+"\n"))
	}
	return from.Room.SignalTo(from.Feed, Signal(text+"\n"), to)
}

func (w *world) mustSignal(from *Connection, text string, to ...chat.PeerID) {
	w.Helper()
	if err := w.signal(from, text, to...); err != nil {
		w.Fatal(err)
	}
}

func TestSignalsStandAtTheirPlaceAmongEntries(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	w.sent(a)
	w.say("one")
	w.mustSignal(a, "~typing")
	w.say("two")
	for _, c := range []*Connection{a, b} {
		w.wantSent(c, "one ~typing two")
	}
}

func TestSignalsReachOnlyThoseNamed(t *testing.T) {
	w := newWorld(t)
	a, b, tab, c := w.join("a1"), w.join("b1"), w.join("b2"), w.join("c1")
	for _, p := range []*Connection{a, b, tab, c} {
		w.sent(p)
	}
	w.mustSignal(a, "~to-b1", "b1", "b1", "gone")
	w.mustSignal(a, "~to-both", "c1", "a1")
	w.wantSent(a, "~to-both")
	w.wantSent(b, "~to-b1")
	w.wantSent(tab, "")
	w.wantSent(c, "~to-both")
	if err := w.signal(a, "~nobody", "gone"); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("a signal to nobody gives %v", err)
	}
}

func TestSignalsAreNotForWhoHasNotJoined(t *testing.T) {
	w := newWorld(t)
	a, outside := w.join("a1"), w.connect("b1")
	w.mustSignal(a, "~all")
	if err := w.signal(a, "~you", "b1"); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("naming one who has not joined gives %v", err)
	}
	w.wantSent(outside, "")
}

func TestSignalsAreNotKeptForWhoIsAway(t *testing.T) {
	w := newWorld(t)
	a, b := w.join("a1"), w.join("b1")
	b.Room.Disconnect(b.Feed, false)
	w.mustSignal(a, "~missed")
	back := w.connect("b1")
	back.Missed.Slot.Fill(nil)
	w.wantSent(back, "")
}

func TestSignalsPassByWhoLagsAndCloseNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, slow := w.join("a1"), w.join("b1")
		w.sent(a)
		long := strings.Repeat("x", 15<<10)
		for i := range 200 {
			w.mustSignal(a, fmt.Sprintf("~%d%s", i, long))
			w.sent(a) // it keeps up
			time.Sleep(time.Second)
		}
		w.say("one")
		if slow.signals > maxSignals {
			t.Errorf("%d bytes of signals wait for a slow peer", slow.signals)
		}
		got := strings.Fields(w.sent(slow))
		if len(got) < 10 || len(got) > 20 || got[len(got)-1] != "one" {
			t.Errorf("the slow peer got %d frames, the last of them %.20q", len(got), got[len(got)-1])
		}
		w.wantEnd(slow, nil)
		w.mustSignal(a, "~again")
		w.wantSent(slow, "~again")
		w.hub.Close()
	})
}

func TestWhoSignalsIsAnsweredEvenIfItLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		b := w.join("b1")
		for range 40 {
			w.mustSignal(b, strings.Repeat("x", 15<<10))
			time.Sleep(time.Second)
		}
		w.mustSignal(a, "~mine")
		if got := w.sent(a); !strings.HasSuffix(got, " ~mine") {
			t.Errorf("the answer is missing: %d bytes, ending in %q", len(got), got[max(0, len(got)-10):])
		}
		w.hub.Close()
	})
}

func TestARoomTakesOnlySoManySignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		taken := 0
		for ; taken < 1000 && w.signal(a, "~") == nil; taken++ {
			w.sent(a)
		}
		if taken != signalBurst {
			t.Errorf("%d signals were taken at once", taken)
		}
		if err := w.signal(a, "~"); chat.CodeOf(err) != chat.Limited {
			t.Errorf("one too many gives %v", err)
		}
		time.Sleep(time.Second)
		w.mustSignal(a, "~")
		w.sent(a)
		time.Sleep(time.Minute)
		bytes := 0
		for w.signal(a, strings.Repeat("x", 15<<10)) == nil {
			bytes += 15 << 10
			w.sent(a)
		}
		if bytes > signalBytesAtOnce || bytes < signalBytesAtOnce-32<<10 {
			t.Errorf("%d bytes were taken at once", bytes)
		}
		w.hub.Close()
	})
}
