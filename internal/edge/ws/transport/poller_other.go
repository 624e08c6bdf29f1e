//go:build !linux

package transport

import "net"

// Poller would watch connections.
type Poller struct{}

// NewPoller makes a poller. It is nil where the system has none.
func NewPoller() (*Poller, error) { return nil, nil }

// Close ends the watching.
func (*Poller) Close() error { return nil }

func (*Poller) take(net.Conn) (*watched, error) { return nil, nil }

// watched would be a connection that a poller watches.
type watched struct{ net.Conn }

func (*watched) park(func()) bool { return false }

func (*watched) try([][]byte) (int, error) { return 0, nil }

func (*watched) CloseWrite() error { return nil }
