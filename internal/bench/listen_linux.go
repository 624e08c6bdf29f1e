package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
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

// listen has one thread read all lines.
func (l *load) listen(again func(*Line) error) error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	ears := make(map[int32]*ear, len(l.lines))
	for _, line := range l.lines {
		d, err := unwatched(line.Conn)
		if err != nil {
			return err
		}
		line.Conn = d
		ears[int32(d.fd)] = &ear{line: line}
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(d.fd)}
		if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, d.fd, &event); err != nil {
			return os.NewSyscallError("epoll_ctl", err)
		}
	}
	l.hearing.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		l.failed(l.read(poll, ears, again))
		_ = unix.Close(poll)
		for fd := range ears {
			_ = unix.Close(int(fd))
		}
	})
	return nil
}

// read reads until a line ends.
func (l *load) read(poll int, ears map[int32]*ear, again func(*Line) error) error {
	events := make([]unix.EpollEvent, 1024)
	buf := make([]byte, readBytes)
	for {
		n, err := unix.EpollWait(poll, events, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		if n <= 0 {
			pause := unix.NsecToTimespec(int64(rest))
			_ = unix.Nanosleep(&pause, nil) // not the runtime's, which is coarser
			continue
		}
		for _, event := range events[:n] {
			if err := l.readLine(ears[event.Fd], int(event.Fd), buf, again); err != nil {
				return err
			}
		}
	}
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
