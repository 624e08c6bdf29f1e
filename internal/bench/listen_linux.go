package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// rest is how long the one thread that reads leaves all lines alone once there
// is nothing to read. Nobody waits in the kernel meanwhile, so that what a server
// writes wakes nobody, at its cost and by chance; delays are longer by as much,
// for all servers alike.
const rest = 100 * time.Microsecond

// readBytes is how much is read at once.
const readBytes = 256 << 10

// descriptor is a socket that the runtime does not watch.
type descriptor struct {
	net.Conn // closed; for the addresses
	fd       int
}

// Write implements io.Writer. What does not fit waits until it does.
func (d descriptor) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n, err := unix.Write(d.fd, b[written:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			room := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(room, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return written, os.NewSyscallError("poll", err)
			}
		case err != nil:
			return written, os.NewSyscallError("write", err)
		}
		written += max(n, 0)
	}
	return written, nil
}

// Close implements io.Closer. The socket is free when all are.
func (d descriptor) Close() error { return unix.Shutdown(d.fd, unix.SHUT_RDWR) }

// unwatched takes a connection from the runtime.
func unwatched(conn net.Conn) (descriptor, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return descriptor{}, fmt.Errorf("a %T cannot be taken from the runtime", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return descriptor{}, err
	}
	d := descriptor{Conn: conn, fd: -1}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { d.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return d, err
	}
	if dupErr != nil {
		return d, os.NewSyscallError("fcntl", dupErr)
	}
	return d, conn.Close()
}

// listener is the one thread that reads all lines.
type listener struct {
	poll int
	mu   sync.RWMutex
	ears map[int32]*ear
}

// listen begins to read the lines that hear is called for.
func (l *load) listen(again func(*Line) error) error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	l.listener = listener{poll: poll, ears: make(map[int32]*ear)}
	l.hearing.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		l.failed(l.read(again))
	})
	return nil
}

// hear has a line read from now on.
func (l *load) hear(line *Line) error {
	d, err := unwatched(line.Conn)
	if err != nil {
		return err
	}
	line.Conn = d
	l.listener.mu.Lock()
	defer l.listener.mu.Unlock()
	l.listener.ears[int32(d.fd)] = &ear{line: line}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(d.fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.listener.poll, unix.EPOLL_CTL_ADD, d.fd, &event))
}

// deaf frees what the listener has, when it has ended.
func (l *load) deaf() {
	for fd := range l.listener.ears {
		_ = unix.Close(int(fd))
	}
	_ = unix.Close(l.listener.poll)
}

// read reads until a line ends, or all are to.
func (l *load) read(again func(*Line) error) error {
	events := make([]unix.EpollEvent, 1024)
	buf := make([]byte, readBytes)
	for !l.over.Load() {
		n, err := unix.EpollWait(l.listener.poll, events, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		if n <= 0 {
			pause := unix.NsecToTimespec(int64(rest))
			_ = unix.Nanosleep(&pause, nil) // not the runtime's, which is coarser
			continue
		}
		if err := l.readSome(events[:n], buf, again); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) readSome(events []unix.EpollEvent, buf []byte, again func(*Line) error) error {
	l.listener.mu.RLock()
	defer l.listener.mu.RUnlock()
	for _, event := range events {
		if err := l.readLine(l.listener.ears[event.Fd], int(event.Fd), buf, again); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) readLine(e *ear, fd int, buf []byte, again func(*Line) error) error {
	n, err := unix.Read(fd, buf[copy(buf, e.kept):])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return io.EOF
	}
	own, err := e.hear(l.heard, buf[:len(e.kept)+n])
	for ; own > 0 && err == nil; own-- {
		err = again(e.line)
	}
	return err
}
