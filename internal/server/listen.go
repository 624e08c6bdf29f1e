package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Listener is where HTTP is served; with TLS if a configuration is given.
type Listener struct {
	net.Listener
	TLS *tls.Config
}

// Limits of HTTP connections. Bodies have no time limit here: uploads are long,
// and their handler watches over them.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

// Serve serves the handler on all listeners and runs the server, until ctx
// ends or a listener fails; then it stops in order: no new connections, peers
// told to come back, requests finished, data directory closed.
func (s *Server) Serve(ctx context.Context, handler http.Handler, listeners []Listener) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	web := &http.Server{
		Handler: s.gate.Handler(handler), ConnState: s.gate.ConnState, ConnContext: s.gate.ConnContext,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			listener := s.gate.Listener(l, l.TLS != nil)
			if l.TLS != nil {
				listener = tls.NewListener(listener, l.TLS)
			}
			if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serving on %s: %w", l.Addr(), err))
			}
		})
	}
	finish, err := s.start(ctx)
	if err != nil {
		stop(err)
	}

	<-ctx.Done()
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	// Sockets and requests end side by side; only then is the store closed.
	var drained sync.WaitGroup
	drained.Go(func() { s.drain(down) })
	if err := web.Shutdown(down); err != nil {
		_ = web.Close()
	}
	serving.Wait()
	drained.Wait()
	err = finish()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// ListenLoopback listens on the loopback addresses only, IPv4 and where there
// is one IPv6, on the same port. Port 0 takes a free one.
func ListenLoopback(ctx context.Context, port int) ([]net.Listener, error) {
	const tries = 10
	var err error
	for range tries {
		var listeners []net.Listener
		if listeners, err = listenBoth(ctx, port); err == nil || port != 0 {
			return listeners, err
		}
	}
	return nil, err
}

func listenBoth(ctx context.Context, port int) ([]net.Listener, error) {
	var config net.ListenConfig
	v4, err := config.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	v6, err := config.Listen(ctx, "tcp6", fmt.Sprintf("[::1]:%d", v4.Addr().(*net.TCPAddr).Port))
	switch {
	case err == nil:
		return []net.Listener{v4, v6}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		// Browsers would reach somebody else's server half of the time.
		_ = v4.Close()
		return nil, fmt.Errorf("listening: %w", err)
	}
	return []net.Listener{v4}, nil // a machine without IPv6
}
