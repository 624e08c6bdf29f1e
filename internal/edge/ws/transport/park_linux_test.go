package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// parked parks a connection, reading what is there already, and gives a channel
// that tells when there is news.
func (c *client) parked() <-chan struct{} {
	c.Helper()
	news := make(chan struct{}, 1)
	for !c.server.Park(func() { news <- struct{}{} }) {
		if _, err := c.server.read(); err != nil {
			c.Fatalf("a connection that is not parked has nothing to read: %v", err)
		}
	}
	return news
}

// read takes what has come without waiting for more: the first park of a
// connection finds it unread.
func (c *Conn) read() (int, error) {
	c.watched.ready.Store(false)
	return 0, nil
}

func (c *client) wantRead(want string) {
	c.Helper()
	if _, data, err := c.server.Read(nil); err != nil || string(data) != want {
		c.Fatalf("read %q, %v; want %q", data, err, want)
	}
}

func TestAParkedConnectionIsCalledForEachMessage(t *testing.T) {
	c := dial(t)
	for _, text := range []string{"one", "two", "three"} {
		news := c.parked()
		select {
		case <-news:
			t.Fatal("there is news before anything was sent")
		default:
		}
		c.send(masked(true, ws.OpText, []byte(text)))
		<-news
		c.wantRead(text)
	}
}

// What was read along with an earlier message does not come as news.
func TestAConnectionThatHoldsMessagesIsNotParked(t *testing.T) {
	c := dial(t)
	c.send(join(masked(true, ws.OpText, []byte("one")), masked(true, ws.OpText, []byte("two"))))
	c.wantRead("one")
	if c.server.Park(func() {}) {
		t.Fatal("it is parked on a message that is there")
	}
	c.wantRead("two")
}

func TestWhatComesWithTheUpgradeIsRead(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 3000))
	c := dialWith(t, watching(t), join(masked(true, ws.OpText, []byte("early")), masked(true, ws.OpText, []byte(long))))
	if c.server.Park(func() {}) {
		t.Fatal("it is parked on what is there")
	}
	c.wantRead("early")
	c.wantRead(long)
	news := c.parked()
	c.send(masked(true, ws.OpText, []byte("late")))
	<-news
	c.wantRead("late")
}

// A message that comes in pieces is waited for once it has begun.
func TestAMessageInPiecesIsReadWhole(t *testing.T) {
	c := dial(t)
	news := c.parked()
	raw := masked(true, ws.OpBinary, bytes.Repeat([]byte("y"), 20_000))
	c.send(raw[:1])
	<-news
	go func() {
		for _, piece := range [][]byte{raw[1:7], raw[7:9000], raw[9000:]} {
			_, _ = c.Write(piece)
		}
	}()
	c.wantRead(string(bytes.Repeat([]byte("y"), 20_000)))
}

func TestTheEndOfAParkedConnectionIsNews(t *testing.T) {
	for name, act := range map[string]func(*client){
		"hung up":     func(c *client) { c.Conn.Close() },
		"half closed": func(c *client) { _ = c.Conn.(*net.TCPConn).CloseWrite() },
		"reset": func(c *client) {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			c.Conn.Close()
		},
		"closed here": func(c *client) { c.server.Close(CloseGoingAway, "") },
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t)
			news := c.parked()
			act(c)
			<-news
			if _, _, err := c.server.Read(nil); err == nil {
				t.Error("it can be read from")
			}
			if c.server.Park(func() {}) {
				t.Error("it can be parked")
			}
		})
	}
}

// The last message is read although its sender has hung up.
func TestTheLastMessageIsReadBeforeTheEnd(t *testing.T) {
	c := dial(t)
	news := c.parked()
	c.send(masked(true, ws.OpText, []byte("last")))
	c.Conn.Close()
	<-news
	c.wantRead("last")
	if c.server.Park(func() {}) {
		<-news // of the end, which came later
	}
	if _, _, err := c.server.Read(nil); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
}

func TestInterruptCallsAParkedConnection(t *testing.T) {
	c := dial(t)
	news := c.parked()
	c.server.Interrupt()
	<-news
	if _, _, err := c.server.Read(nil); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	if c.server.Park(func() {}) {
		t.Error("it is parked again")
	}
}

func TestSilenceEndsAParkedConnection(t *testing.T) {
	c := dial(t)
	news := c.parked()
	poller := c.server.config.Poller
	poller.sweep(time.Now().Add(config.Idle - time.Second))
	select {
	case <-news:
		t.Fatal("it is called before its time is over")
	default:
	}
	poller.sweep(time.Now().Add(config.Idle + time.Second))
	<-news
	_, _, err := c.server.Read(nil)
	if closed, ok := errors.AsType[*CloseError](err); !ok || closed.Limit != "idle" {
		t.Errorf("got %v", err)
	}
}

// Nobody watches a connection that is none of the system's own.
func TestAConnectionThatNobodyWatchesIsNotParked(t *testing.T) {
	if pipe(t).server.Park(func() {}) {
		t.Error("it is parked")
	}
}

func TestManyConnectionsAreWatchedAtOnce(t *testing.T) {
	config := watching(t)
	clients := make([]*client, 50)
	news := make([]<-chan struct{}, len(clients))
	for i := range clients {
		clients[i] = dialWith(t, config, nil)
		news[i] = clients[i].parked()
	}
	for round := range 3 {
		for i, c := range clients {
			if (i+round)%2 == 0 {
				c.send(masked(true, ws.OpText, []byte{byte('a' + i%26)}))
			}
		}
		for i, c := range clients {
			if (i+round)%2 == 0 {
				<-news[i]
				c.wantRead(string(rune('a' + i%26)))
				news[i] = c.parked()
			}
		}
	}
	for i := range clients {
		select {
		case <-news[i]:
			t.Errorf("connection %d has news of others", i)
		default:
		}
	}
}
