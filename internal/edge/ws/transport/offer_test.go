package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// pieces gives a text frame in three pieces.
func pieces(length int) [][]byte {
	body := bytes.Repeat([]byte("0123456789"), length/10+1)[:length]
	return [][]byte{Header(nil, Text, length), body[:length/3], body[length/3:]}
}

// wantFrames demands whole text frames of these lengths.
func (c *client) wantFrames(lengths ...int) {
	c.Helper()
	for i, want := range lengths {
		h, body := c.frame()
		whole := bytes.Join(pieces(want)[1:], nil)
		if h.OpCode != ws.OpText || !bytes.Equal(body, whole) {
			c.Fatalf("frame %d is a %v of %d bytes, want a text of %d", i, h.OpCode, len(body), want)
		}
	}
}

func TestWhatIsOfferedGoesOutAtOnce(t *testing.T) {
	c := dial(t)
	for _, length := range []int{1, 200, 20_000} {
		if waits, err := c.server.Offer(pieces(length)); waits || err != nil {
			t.Errorf("%d bytes: waits %v, %v", length, waits, err)
		}
	}
	if waits, err := c.server.Offer([][]byte{bytes.Join(pieces(30), nil)}); waits || err != nil {
		t.Errorf("in one piece: waits %v, %v", waits, err)
	}
	c.wantFrames(1, 200, 20_000, 30)
}

// The kernel takes only so much for a peer that does not read. The rest waits,
// nothing gets in between, and no frame is torn.
func TestWhatDoesNotFitIsKeptInOrder(t *testing.T) {
	c := dial(t)
	const length = 100_000
	n := 0
	for waits := false; !waits; n++ {
		var err error
		if waits, err = c.server.Offer(pieces(length)); err != nil {
			t.Fatal(err)
		}
	}
	if waits, err := c.server.Offer(pieces(7)); !waits || err != nil {
		t.Fatalf("behind what waits: waits %v, %v", waits, err)
	}
	written := make(chan error, 2)
	go func() { written <- c.server.Write(pieces(8)) }()
	for range n {
		c.wantFrames(length)
	}
	c.wantFrames(7, 8)
	if err := errors.Join(<-written, c.server.Flush()); err != nil {
		t.Error(err)
	}
	if waits, err := c.server.Offer(pieces(9)); waits || err != nil {
		t.Errorf("afterwards: waits %v, %v", waits, err)
	}
	c.wantFrames(9)
}

// No goodbye is said into the middle of a message.
func TestAMessageThatIsTornEndsWithoutAGoodbye(t *testing.T) {
	c := dial(t)
	for waits := false; !waits; {
		var err error
		if waits, err = c.server.Offer(pieces(100_000)); err != nil {
			t.Fatal(err)
		}
	}
	c.server.Close(CloseGoingAway, "")
	for {
		f, err := readFrame(c.in)
		if err != nil {
			break
		}
		if f.Header.OpCode != ws.OpText {
			t.Fatalf("a %v came after a torn message", f.Header.OpCode)
		}
	}
}

// A connection that is none of the system's own cannot be tried.
func TestWhatCannotBeTriedIsKept(t *testing.T) {
	c := pipe(t)
	if waits, err := c.server.Offer(pieces(10)); !waits || err != nil {
		t.Fatalf("waits %v, %v", waits, err)
	}
	flushed := make(chan error)
	go func() { flushed <- c.server.Flush() }()
	c.wantFrames(10)
	if err := <-flushed; err != nil {
		t.Error(err)
	}
}

// Somebody else is writing, and stuck: whoever offers does not wait for that.
func TestAnOfferDoesNotWaitForAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t)
		written := make(chan error, 1)
		go func() { written <- c.server.Write(pieces(10)) }()
		synctest.Wait()
		if waits, err := c.server.Offer(pieces(20)); !waits || err != nil {
			t.Fatalf("waits %v, %v", waits, err)
		}
		go func() { written <- c.server.Flush() }()
		c.wantFrames(10, 20)
		if err := errors.Join(<-written, <-written); err != nil {
			t.Error(err)
		}
	})
}

// The time for a write is for those that wait, not for the next one.
func TestAnOfferHeedsNoEarlierDeadline(t *testing.T) {
	c := dial(t)
	if err := c.server.conn.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if waits, err := c.server.Offer(pieces(5)); waits || err != nil {
		t.Errorf("waits %v, %v", waits, err)
	}
	c.wantFrames(5)
}

func TestNothingIsOfferedToAClosedConnection(t *testing.T) {
	c := dial(t)
	c.server.Close(CloseGoingAway, "")
	if _, err := c.server.Offer(pieces(5)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	c.wantClosed(CloseGoingAway)
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the goodbye: %v", err)
	}
}

func TestAnOfferToAPeerThatIsGoneFails(t *testing.T) {
	c := dial(t)
	if err := errors.Join(c.Conn.(*net.TCPConn).SetLinger(0), c.Conn.Close()); err != nil {
		t.Fatal(err)
	}
	for {
		waits, err := c.server.Offer(pieces(5))
		if err != nil {
			return
		}
		if waits {
			t.Fatal("it waits for a peer that is gone")
		}
	}
}

// The kernel takes no more than so many pieces in one call.
func TestAnyNumberOfPiecesIsTaken(t *testing.T) {
	c := dial(t)
	const many = maxPieces + 500
	var frames [][]byte
	for range many {
		frames = append(frames, bytes.Join(pieces(3), nil))
	}
	waits, err := c.server.Offer(frames)
	if !waits || err != nil {
		t.Fatalf("waits %v, %v", waits, err)
	}
	if err := c.server.Flush(); err != nil {
		t.Fatal(err)
	}
	for range many {
		c.wantFrames(3)
	}
}

// After a write that failed nobody knows where the stream stands.
func TestNothingFollowsAWriteThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t)
		if err := c.server.Write(pieces(10)); err == nil {
			t.Fatal("a write to nobody has ended well")
		}
		if _, err := c.server.Offer(pieces(20)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("more is taken: %v", err)
		}
		if err := c.server.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it is written on: %v", err)
		}
	})
}

// What is kept whole is no torn message: the peer hears why it ends.
func TestWhatIsKeptWholeLeavesRoomForAGoodbye(t *testing.T) {
	c := pipe(t)
	if _, err := c.server.Offer(pieces(10)); err != nil {
		t.Fatal(err)
	}
	go c.server.Close(CloseGoingAway, "")
	c.wantClosed(CloseGoingAway)
}
