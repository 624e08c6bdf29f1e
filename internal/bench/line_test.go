package bench

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// pair gives a line and the other end of its connection.
func pair(t *testing.T, mark string) (*Line, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { _ = errors.Join(here.Close(), there.Close()) })
	l := &Line{Conn: here, Message: []byte("head 00000000 " + NewText(60) + " tail"), Count: 5, Mark: mark}
	if err := l.prepare(0x1a); err != nil {
		t.Fatal(err)
	}
	return l, there
}

func TestAMessageIsStampedWithTimeLineAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, there := pair(t, "")
		go func() { _ = errors.Join(l.Send(), l.Send()) }()
		got := make([]byte, 2*len(l.Message))
		if _, err := io.ReadFull(there, got); err != nil {
			t.Fatal(err)
		}
		var now [16]byte
		putHex(now[:], uint64(time.Now().UnixNano()), 16)
		for i, count := range []string{"00000001", "00000002"} {
			message := got[i*len(l.Message):][:len(l.Message)]
			if want := "head " + count + " " + stampMark + string(now[:]) + "0000001a "; !bytes.HasPrefix(message, []byte(want)) {
				t.Errorf("message %d is %q, want it to begin with %q", i, message, want)
			}
		}
	})
}

// hear has a line hear what arrives in pieces of a size.
func hear(t *testing.T, l *Line, text []byte, size int) (h *Heard, own int) {
	t.Helper()
	h = newHeard(2, 1)
	e := ear{line: l}
	for len(text) > 0 {
		n := min(size, len(text))
		some, err := e.hear(h, append(bytes.Clone(e.kept), text[:n]...))
		if err != nil {
			t.Fatal(err)
		}
		own += some
		text = text[n:]
	}
	return h, own
}

func TestDeliveriesAreCountedHoweverTheyAreCut(t *testing.T) {
	for size := 1; size < 300; size++ {
		l, _ := pair(t, "")
		own := bytes.Clone(l.Message)
		other := bytes.Replace(own, []byte("0000001a"), []byte("0000001b"), 1)
		text := bytes.Join([][]byte{own, other, other, own, []byte("the end ~#stam")}, nil)
		h, back := hear(t, l, text, size)
		if got := h.deliveries.Load(); got != 4 || back != 2 {
			t.Fatalf("in pieces of %d: %d deliveries, %d of its own; want 4 and 2", size, got, back)
		}
		if h.bytes.Load() != int64(len(text)) || len(h.delays) != 4 {
			t.Fatalf("in pieces of %d: %d bytes and %d delays", size, h.bytes.Load(), len(h.delays))
		}
	}
}

func TestAnotherMarkCountsTheLinesOwn(t *testing.T) {
	l, _ := pair(t, `"seq":`)
	h, own := hear(t, l, []byte(`{"seq":1}{"seq":2}`), 5)
	if got := h.deliveries.Load(); got != 2 || own != 2 {
		t.Errorf("%d deliveries, %d of its own; want 2 and 2", got, own)
	}
}

func TestPingsAreAnswered(t *testing.T) {
	l, there := pair(t, "")
	l.Ping, l.Pong = []byte("ping"), []byte("pong")
	go func() { _, _ = (&ear{line: l}).hear(newHeard(1, 0), []byte("something ping")) }()
	answer := make([]byte, 4)
	if _, err := io.ReadFull(there, answer); err != nil || string(answer) != "pong" {
		t.Errorf("the answer is %q, %v", answer, err)
	}
}

func TestAServerThatFallsSilentIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeard(1, 0)
		h.add(1, 10)
		if err := h.await(t.Context(), 2); !errors.Is(err, errSilent) {
			t.Errorf("got %v, want %v", err, errSilent)
		}
		if err := h.await(t.Context(), 1); err != nil {
			t.Errorf("what was delivered is not seen: %v", err)
		}
	})
}

func TestFramesOfClientsHaveTheLengthTheySay(t *testing.T) {
	for size, head := range map[int]int{0: 6, 125: 6, 126: 8, 65535: 8, 65536: 14} {
		frame := ClientFrame(2, make([]byte, size))
		if len(frame) != head+size || frame[0] != 0x82 || frame[1]&0x80 == 0 {
			t.Errorf("a frame of %d is %d bytes and begins %x", size, len(frame), frame[:2])
		}
	}
}

func TestMediansAreOfEachFigure(t *testing.T) {
	got := Medians([]Result{{CPU: 3, P50: 1, Messages: 5}, {CPU: 1, P50: 9, Messages: 7}, {CPU: 2, P50: 4, Messages: 6}})
	if want := (Result{CPU: 2, P50: 4, Messages: 6}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
