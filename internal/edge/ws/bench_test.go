package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The benchmarks of this file have their clients in another process, this
// binary run again, so that what is measured is the server's alone.

const listenersEnv = "PARLEY_BENCH_LISTENERS"

func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv(listenersEnv)); len(args) == 3 {
		if err := listen(args[0], args[1], args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// listen opens connections, some of each meeting, joins with each, and then
// answers every number read from standard input with a line when as many bytes
// have come on all together.
func listen(address, connections, perMeeting string) error {
	n, err := strconv.Atoi(connections)
	if err != nil {
		return err
	}
	each, err := strconv.Atoi(perMeeting)
	if err != nil {
		return err
	}
	var got, due atomic.Int64
	come := make(chan struct{}, 1)
	count := func(bytes int) {
		if total := got.Add(int64(bytes)); total >= due.Load() {
			select {
			case come <- struct{}{}:
			default:
			}
		}
	}
	for i := range n {
		c, err := openListener(address, i, i/each)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		go c.discard(count)
		go c.stayAlive()
	}
	_, _ = fmt.Fprintln(os.Stdout, "connected")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		more, err := strconv.ParseInt(in.Text(), 10, 64)
		if err != nil {
			return err
		}
		if more == 0 { // the count begins here
			due.Store(got.Load())
		}
		for due.Add(more); got.Load() < due.Load(); {
			<-come
		}
		_, _ = fmt.Fprintln(os.Stdout, "come")
	}
	return in.Err()
}

type listener struct {
	net.Conn
	in *bufio.Reader
}

func openListener(address string, n, meeting int) (listener, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return listener{}, err
	}
	id := fmt.Sprintf("%08x-0000-4000-8000-000000000000", n)
	fmt.Fprintf(conn, "GET /ws?roomID=m%d&peerID=%s&authToken=p%d@m%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", meeting, id, n, meeting)
	c := listener{conn, bufio.NewReaderSize(conn, 512)}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		return c, fmt.Errorf("answered %v, %w", answer, err)
	}
	f := &rtkwire.Frame{Event: uint32(protocol.JoinRoom), Id: proto.String(id + "-1")}
	raw, err := proto.Marshal(f)
	if err != nil {
		return c, err
	}
	return c, c.say(0x82, raw)
}

// say sends a short message, masked with zeros.
func (c listener) say(kind byte, payload []byte) error {
	_, err := c.Write(append([]byte{kind, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
	return err
}

func (c listener) discard(count func(int)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.in.Read(buf)
		count(n)
		if err != nil {
			return
		}
	}
}

// stayAlive answers pings without looking for them.
func (c listener) stayAlive() {
	for tick := time.Tick(4 * time.Second); ; <-tick {
		if c.say(0x81, []byte(protocol.Pong)) != nil {
			return
		}
	}
}

// listeners is that process as the benchmark sees it.
type listeners struct {
	*testing.B
	in  io.Writer
	out *bufio.Reader
}

func (w *world) listeners(b *testing.B, connections, perMeeting int) listeners {
	web := httptest.NewServer(w.server)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	process := exec.Command(self)
	process.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", listenersEnv, web.Listener.Addr(), connections, perMeeting))
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = process.Wait()
		_ = w.server.Drain(w.Context())
		web.Close()
	})
	l := listeners{b, in, bufio.NewReader(out)}
	l.line()
	return l
}

func (l listeners) line() {
	l.Helper()
	if _, err := l.out.ReadString('\n'); err != nil {
		l.Fatal("the listeners have gone: ", err)
	}
}

// await waits until so many more bytes have come.
func (l listeners) await(more int) {
	l.Helper()
	fmt.Fprintln(l.in, more)
	l.line()
}

// cpu is the time that this process has used.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkDeliver tells entries to 500 peers of one room by sockets. One
// operation is one delivery; s/M is the server's seconds of CPU for a million.
func BenchmarkDeliver(b *testing.B) {
	const peers = 500
	for _, inFlight := range []int{1, 32} {
		b.Run(fmt.Sprint(inFlight, " in flight"), func(b *testing.B) {
			w := newWorld(b)
			l := w.listeners(b, peers, peers)
			r, err := w.server.Hub.Room(b.Context(), "m0")
			if err != nil {
				b.Fatal(err)
			}
			for len(r.Participants(ids(peers))) < peers {
				<-time.After(10 * time.Millisecond)
			}
			<-time.After(500 * time.Millisecond) // what the joins have caused goes out
			l.await(0)
			entries := make([]journal.Entry, inFlight)
			bytes := 0
			for i := range entries {
				entries[i] = journal.Entry{
					Meeting: "m0", Event: chat.Event{Kind: chat.MessageSent, Message: message()},
					Settles: string(peerOf("alice")) + "-abcdef",
				}
				entries[i].Event.Message.Content.Payload = strings.Repeat("x", 100)
				bytes += len(w.server.Codec.Entry(entries[i]))
			}
			seq := uint64(0)
			used := cpu(b)
			b.ResetTimer()
			done := 0
			for ; done < b.N; done += peers * inFlight {
				for i := range entries {
					seq++
					entries[i].Seq = seq
				}
				w.server.Hub.Observe(entries)
				l.await(bytes * peers)
			}
			b.StopTimer()
			b.ReportMetric((cpu(b)-used).Seconds()/float64(done)*1e6, "s/M")
		})
	}
}

func ids(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
	}
	return names
}

// BenchmarkIdle holds connections that have joined and say nothing, 20 in a
// meeting. B/conn is the memory of the process, as the kernel counts it.
func BenchmarkIdle(b *testing.B) {
	const connections = 5000
	for b.Loop() {
		w := newWorld(b)
		before := resident(b)
		w.listeners(b, connections, 20)
		for deadline := time.Now().Add(30 * time.Second); ; {
			w.mu.Lock()
			n := len(w.entered)
			w.mu.Unlock()
			if n == connections {
				break
			}
			if time.Now().After(deadline) {
				b.Fatalf("%d have joined", n)
			}
			<-time.After(10 * time.Millisecond)
		}
		<-time.After(12 * time.Second) // a round of pings
		after := resident(b)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(after-before)/connections, "B/conn")
		b.ReportMetric(float64(m.HeapInuse)/connections, "heapB/conn")
		b.ReportMetric(float64(m.StackInuse)/connections, "stackB/conn")
		b.ReportMetric(float64(runtime.NumGoroutine())/connections, "goroutines/conn")
	}
}

// resident gives the memory of this process, all garbage collected.
func resident(b *testing.B) int {
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kib, err := strconv.Atoi(strings.Fields(string(rest))[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib << 10
}
