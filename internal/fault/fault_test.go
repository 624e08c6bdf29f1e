package fault

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

func TestAPanicEndsItsOwnWorkAlone(t *testing.T) {
	var log bytes.Buffer
	g := New(slog.New(slog.NewTextHandler(&log, nil)))
	if g.Do(Room, func() { panic("the words of a message") }) {
		t.Error("a panic counts as done")
	}
	if g.Caught().Of(Room) != 1 || g.Caught().Of(Frame) != 0 {
		t.Errorf("counted %d of rooms, %d of frames", g.Caught().Of(Room), g.Caught().Of(Frame))
	}
	said := log.String()
	if strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "where=room") || !strings.Contains(said, "fault_test.go") {
		t.Errorf("logged: %s", said)
	}
	if strings.Contains(said, "the words") {
		t.Errorf("what a panic says may be what people said, and is logged: %s", said)
	}
}

func TestTheSamePanicIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	g := New(slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		g.Do(Room, func() { panic(1) })
	}
	g.Do(Room, func() { panic("another") })
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 || g.Caught().Of(Room) != 4 {
		t.Errorf("%d lines of two different panics, %d counted of 4", n, g.Caught().Of(Room))
	}
}

func TestMistakesOfTheRuntimeAreTold(t *testing.T) {
	var log bytes.Buffer
	var none []int
	New(slog.New(slog.NewTextHandler(&log, nil))).Do(Frame, func() { none[len(none)]++ })
	if !strings.Contains(log.String(), "index out of range") {
		t.Errorf("logged: %s", log.String())
	}
}

func TestWhatGoesWellIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	g, did := New(slog.New(slog.NewTextHandler(&log, nil))), false
	if !g.Do(Room, func() { did = true }) || !did || log.Len() > 0 || g.Caught().Of(Room) != 0 {
		t.Errorf("did %v, logged %q", did, log.String())
	}
}

func TestNobodyNeedsToBeTold(t *testing.T) {
	var g *Guard
	if g.Do(Room, func() { panic(1) }) {
		t.Error("a panic counts as done")
	}
	if g.Caught().Of(Room) != 0 {
		t.Error("nil has counted")
	}
}

// Goexit, by which tests end, is no panic; nothing is stopped and nothing told.
func TestGoexitIsNoPanic(t *testing.T) {
	var log bytes.Buffer
	g := New(slog.New(slog.NewTextHandler(&log, nil)))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Do(Room, func() { runtime.Goexit() })
	}()
	<-ended
	if log.Len() > 0 || g.Caught().Of(Room) != 0 {
		t.Errorf("logged %q", log.String())
	}
}
