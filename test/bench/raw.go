package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/parley-chat/parley/internal/bench"
)

// raw is the least a server does that stores what it is told before it says so:
// everything that waits is appended to one file by one write and one fdatasync,
// and then goes back to those who sent it. It knows nothing of meetings, so what
// it stores a second is what a disk, a socket and group commit allow.
type raw struct {
	dir  string
	size *int // of a frame that it writes
}

func (raw) Name() string { return "raw" }

func (r raw) Start(ctx context.Context, _, _ int) (*bench.Process, error) {
	dir, err := os.MkdirTemp(r.dir, "raw")
	if err != nil {
		return nil, err
	}
	return bench.Start(ctx, "raw", dir)
}

func (r raw) Join(ctx context.Context, p *bench.Process, room, person int) (*bench.Line, error) {
	return (&floor{size: r.size}).Join(ctx, p, room, person)
}

// rawLog is the file, and what waits for it.
type rawLog struct {
	file *os.File

	mu      sync.Mutex
	news    sync.Cond // of mu
	frames  []byte    // one after the other
	waiting []rawAuthor
	failure error
	ended   bool
	done    chan struct{} // closed when commit has returned
}

func newRawLog(file *os.File) *rawLog {
	l := &rawLog{file: file, done: make(chan struct{})}
	l.news.L = &l.mu
	return l
}

// end waits until nothing more is written.
func (l *rawLog) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.news.Signal()
	<-l.done
}

// rawAuthor is who sent the frame that ends at a place.
type rawAuthor struct {
	conn net.Conn
	end  int
}

// serveRaw is the process of a raw.
func serveRaw(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("raw needs a folder")
	}
	file, err := os.Create(filepath.Join(args[0], "log"))
	if err != nil {
		return err
	}
	log := newRawLog(file)
	go log.commit()
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		log.end()
		return errors.Join(err, file.Close())
	}
	_, _ = fmt.Fprintln(out, l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			log.end()
			return errors.Join(err, file.Close())
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 4<<10)
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			if _, err := io.WriteString(conn, switching); err != nil {
				return
			}
			_ = log.serve(conn, in)
		}()
	}
}

// serve has everything stored that comes by a connection.
func (l *rawLog) serve(conn net.Conn, in *bufio.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		frame, err := readFrame(in, buf)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.frames = append(l.frames, frame...)
		l.waiting = append(l.waiting, rawAuthor{conn, len(l.frames)})
		err = l.failure
		l.mu.Unlock()
		if err != nil {
			return err
		}
		l.news.Signal()
	}
}

// commit stores what waits, again and again.
func (l *rawLog) commit() {
	defer close(l.done)
	var frames []byte
	var waiting []rawAuthor
	for {
		l.mu.Lock()
		for len(l.waiting) == 0 && !l.ended {
			l.news.Wait()
		}
		if l.ended {
			l.mu.Unlock()
			return
		}
		frames, l.frames = l.frames, frames[:0]
		waiting, l.waiting = l.waiting, waiting[:0]
		l.mu.Unlock()
		_, err := l.file.Write(frames)
		if err == nil {
			err = syncData(l.file)
		}
		if err != nil {
			l.mu.Lock()
			l.failure = err
			l.mu.Unlock()
			return // who waits is never answered, and the load says so
		}
		from := 0
		for _, w := range waiting {
			_, _ = w.conn.Write(frames[from:w.end]) // one that is gone costs nothing
			from = w.end
		}
	}
}
