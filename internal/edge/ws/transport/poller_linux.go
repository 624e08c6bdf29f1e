package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Poller watches connections, so that none of them needs a goroutine, and its
// stack, while nothing comes. Make it with NewPoller.
type Poller struct {
	poll *os.File // an epoll descriptor, which the runtime watches
	raw  syscall.RawConn

	mu    sync.Mutex
	conns []*watched // by descriptor

	stop    chan struct{}
	stopped sync.WaitGroup
}

const (
	// pollEvents is how much news is taken at once.
	pollEvents = 256
	// sweepEvery is how exactly the end of the time for beginning a message is
	// kept.
	sweepEvery = time.Second
)

// NewPoller makes a poller. It is nil where the system has none.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else the runtime does not watch it
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	p := &Poller{poll: os.NewFile(uintptr(fd), "epoll"), stop: make(chan struct{})}
	if p.raw, err = p.poll.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.poll.Close())
	}
	p.stopped.Go(p.run)
	p.stopped.Go(p.sweepAll)
	return p, nil
}

// Close ends the watching, once all connections are closed.
func (p *Poller) Close() error {
	if p == nil {
		return nil
	}
	close(p.stop)
	err := p.poll.Close()
	p.stopped.Wait()
	return err
}

// run passes news on to the connections.
func (p *Poller) run() {
	events := make([]unix.EpollEvent, pollEvents)
	for {
		n := 0
		err := p.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // it was closed
		}
		for _, e := range events[:max(n, 0)] {
			if c := p.at(int(e.Fd)); c != nil {
				c.news(e.Events)
			}
		}
	}
}

func (p *Poller) at(fd int) *watched {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd >= len(p.conns) {
		return nil
	}
	return p.conns[fd]
}

// sweepAll ends the waiting of those whose time is over.
func (p *Poller) sweepAll() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
		p.sweep(time.Now())
	}
}

func (p *Poller) sweep(now time.Time) {
	p.mu.Lock()
	var late []*watched
	for _, c := range p.conns {
		if c != nil && c.late(now) {
			late = append(late, c)
		}
	}
	p.mu.Unlock()
	for _, c := range late {
		c.expire(now)
	}
}

// take takes a connection over from the runtime. It is nil for one that is
// encrypted, or none of the system's own.
func (p *Poller) take(conn net.Conn) (*watched, error) {
	own, ok := conn.(syscall.Conn)
	if p == nil || !ok {
		return nil, nil
	}
	raw, err := own.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, dupErr := -1, error(nil)
	if err := raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	c := &watched{poller: p, fd: fd}
	c.ready.Store(true)
	if err := p.add(c); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	_ = conn.Close() // of the runtime's own descriptor; the connection stays
	return c, nil
}

func (p *Poller) add(c *watched) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.conns) <= c.fd {
		p.conns = append(p.conns, nil)
	}
	p.conns[c.fd] = c
	event := unix.EpollEvent{Fd: int32(c.fd), Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET}
	var failed error
	err := p.raw.Control(func(poll uintptr) { failed = unix.EpollCtl(int(poll), unix.EPOLL_CTL_ADD, c.fd, &event) })
	if err = errors.Join(err, os.NewSyscallError("epoll_ctl", failed)); err != nil {
		p.conns[c.fd] = nil
		return fmt.Errorf("watching a connection: %w", err)
	}
	return nil
}

// watched is a connection that a poller watches: its stream, and who waits for
// it.
type watched struct {
	poller *Poller
	fd     int
	open   sync.RWMutex // held for writing by Close alone

	ready, space atomic.Bool // there may be something to read, or space to write

	mu sync.Mutex
	// Guarded by mu:
	parked   func() // to be called at the next news
	closed   bool
	hungUp   bool // nothing more comes after what is there
	expired  bool
	readBy   time.Time
	writeBy  time.Time
	canRead  chan struct{} // nil until somebody waits
	canWrite chan struct{}
}

// news takes what the kernel tells of the connection.
func (c *watched) news(events uint32) {
	const bad = unix.EPOLLERR | unix.EPOLLHUP
	c.mu.Lock()
	if events&(unix.EPOLLRDHUP|bad) != 0 {
		c.hungUp = true
	}
	if events&(unix.EPOLLOUT|bad) != 0 {
		c.space.Store(true)
		wake(c.canWrite)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|bad) == 0 {
		c.mu.Unlock()
		return
	}
	c.ready.Store(true)
	c.resume()
}

// resume wakes who reads. It gives mu free.
func (c *watched) resume() {
	wake(c.canRead)
	parked := c.parked
	c.parked = nil
	c.mu.Unlock()
	if parked != nil {
		go parked()
	}
}

func wake(waiting chan struct{}) {
	select {
	case waiting <- struct{}{}:
	default: // it is nil, or has been told
	}
}

// park has fn called when there is something to read, or the time for that is
// over, unless that is so already.
func (c *watched) park(fn func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready.Load() || c.hungUp || c.closed || c.expired || past(c.readBy) {
		return false
	}
	c.parked = fn
	return true
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (c *watched) late(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parked != nil && !c.readBy.IsZero() && !now.Before(c.readBy)
}

// expire ends the waiting of one whose time is over, unless it has begun anew.
func (c *watched) expire(now time.Time) {
	c.mu.Lock()
	if c.parked == nil || c.readBy.IsZero() || now.Before(c.readBy) {
		c.mu.Unlock()
		return
	}
	c.expired = true
	c.resume()
}

// Read implements io.Reader.
func (c *watched) Read(p []byte) (int, error) {
	for {
		c.ready.Store(false)
		n, err := c.read(p)
		switch {
		case n > 0:
			if n == len(p) {
				c.ready.Store(true) // there may be more
			}
			return n, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if err := c.wait(&c.canRead, &c.ready, &c.readBy); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		default:
			return 0, io.EOF
		}
	}
}

func (c *watched) read(p []byte) (int, error) {
	c.open.RLock()
	defer c.open.RUnlock()
	c.mu.Lock()
	closed, expired := c.closed, c.expired || past(c.readBy)
	c.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case expired:
		return 0, os.ErrDeadlineExceeded
	}
	n, err := unix.Read(c.fd, p)
	return max(n, 0), os.NewSyscallError("read", err)
}

// wait waits until the flag is set, or the deadline is over.
func (c *watched) wait(waiting *chan struct{}, flag *atomic.Bool, deadline *time.Time) error {
	for {
		c.mu.Lock()
		if *waiting == nil {
			*waiting = make(chan struct{}, 1)
		}
		told, by, closed := *waiting, *deadline, c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return net.ErrClosed
		case flag.Load():
			return nil
		case past(by):
			return os.ErrDeadlineExceeded
		case by.IsZero():
			<-told
		default:
			over := time.NewTimer(time.Until(by))
			select {
			case <-told:
			case <-over.C:
			}
			over.Stop()
		}
	}
}

// Write implements io.Writer.
func (c *watched) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		c.space.Store(false)
		n, err := c.try([][]byte{p[written:]})
		written += n
		if err != nil {
			return written, err
		}
		if n == 0 {
			if err := c.wait(&c.canWrite, &c.space, &c.writeBy); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// try writes what goes out at once.
func (c *watched) try(frames [][]byte) (int, error) {
	c.open.RLock()
	defer c.open.RUnlock()
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	return writeOnce(c.fd, frames)
}

// Close implements io.Closer.
func (c *watched) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	wake(c.canWrite)
	c.resume()
	c.poller.mu.Lock()
	c.poller.conns[c.fd] = nil
	c.poller.mu.Unlock()
	c.open.Lock()
	defer c.open.Unlock()
	err := unix.Close(c.fd)
	c.fd = -1
	return os.NewSyscallError("close", err)
}

// CloseWrite tells the peer that nothing more comes.
func (c *watched) CloseWrite() error {
	c.open.RLock()
	defer c.open.RUnlock()
	if c.fd < 0 {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(c.fd, unix.SHUT_WR))
}

// SetReadDeadline is that of net.Conn.
func (c *watched) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.readBy = t
	if past(t) {
		c.resume()
		return nil
	}
	wake(c.canRead)
	c.mu.Unlock()
	return nil
}

// SetWriteDeadline is that of net.Conn.
func (c *watched) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	wake(c.canWrite)
	return nil
}
