package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/metrics"
	"github.com/parley-chat/parley/internal/tally"
)

// DefaultMetricsAddr is where parley serve shows metrics. The port is outside of
// the range that exporters of Prometheus share, 9100 to 9999, and of those that
// systems give to whoever dials.
const DefaultMetricsAddr = "127.0.0.1:13478"

// observed is what the parts are given to count and to guard by, and what has
// become of it.
type observed struct {
	faults *fault.Guard
	limits *tally.Words
	http   *metrics.HTTP
	since  time.Time
}

func newObserved(log *slog.Logger) *observed {
	return &observed{faults: fault.New(log), limits: tally.NewWords(metrics.LimitNames...), http: metrics.NewHTTP(), since: time.Now()}
}

// Operations answers what operators ask: /metrics in the form of Prometheus,
// /healthz and /readyz. It is not for strangers: metrics tell how much goes on.
func (s *Server) Operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(metrics.Sources{
		Sockets: s.sockets.Counters(), Rooms: s.hub, Journal: s.journal.Counters(), Store: s.store, Uploads: s.uploads.Counters(),
		Exports: s.exports.Counters(), Courier: s.courier, HTTP: s.observed.http, Gate: s.gate.Stats, ICE: s.ice.Stats,
		Limits: s.observed.limits, Faults: s.observed.faults.Caught(), Ready: s.Ready, Version: version(), Started: s.observed.since,
	}))
	s.routeHealth(mux)
	return mux
}

func (s *Server) routeHealth(mux interface {
	HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
}) {
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// listenMetrics opens the listener for operators, if there is to be one. The
// default address may well be taken by another parley on the same machine; that
// is told and no more.
func (s *Server) listenMetrics(ctx context.Context) error {
	addr := s.config.MetricsAddr
	if addr == "" || addr == Off {
		return nil
	}
	var listening net.ListenConfig
	l, err := listening.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		s.operators = l
	case addr == DefaultMetricsAddr && errors.Is(err, syscall.EADDRINUSE):
		s.config.Logger.Warn("no metrics are shown: their address is in use, by another parley perhaps; choose one by --metrics-addr", "addr", addr)
	default:
		return fmt.Errorf("listening for metrics on %s: %w", addr, err)
	}
	return nil
}

// serveOperators answers on the operators' listener until ctx ends.
func (s *Server) serveOperators(ctx context.Context) {
	server := &http.Server{
		Handler: s.sturdy(s.Operations()), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ReadTimeout: headerTimeout, WriteTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	s.config.Logger.Info("metrics are shown", "addr", s.operators.Addr().String())
	if err := server.Serve(s.operators); !errors.Is(err, http.ErrServerClosed) {
		s.config.Logger.Error("metrics are shown no more", "err", err)
	}
}

// surface counts the requests of a handler, and guards against its panics.
func (s *Server) surface(of metrics.Surface, next http.Handler) http.Handler {
	return s.observed.http.Count(of, s.sturdy(next))
}

// sturdySockets lets peers in, and answers those on whom that panics. A socket
// takes the connection away from HTTP, so nothing may wrap the answer.
func (s *Server) sturdySockets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.observed.faults.Do(fault.HTTP, func() { s.sockets.ServeHTTP(w, r) }) {
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	})
}

// internalError is the answer to a request that panicked, in the form of all
// refusals of the API.
const internalError = `{"success":false,"error":{"code":500,"message":"internal error"},` +
	`"errors":[{"code":500,"message":"internal error"}],"messages":[],"result":null}`

// sturdy answers requests whose handler panics, and tells of it. One that has
// been answered in part is cut off, so that it does not look whole.
func (s *Server) sturdy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &beginning{ResponseWriter: w}
		defer func() {
			recovered := recover()
			if recovered == http.ErrAbortHandler { //nolint:errorlint // it is a value to panic with, never wrapped
				panic(recovered)
			}
			if !s.observed.faults.Stopped(fault.HTTP, recovered) {
				return
			}
			if begun.begun {
				panic(http.ErrAbortHandler)
			}
			w.Header().Del("Content-Length")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(internalError))
		}()
		next.ServeHTTP(begun, r)
	})
}

// beginning remembers whether an answer has begun.
type beginning struct {
	http.ResponseWriter
	begun bool
}

func (b *beginning) WriteHeader(status int) {
	b.begun = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *beginning) Write(p []byte) (int, error) {
	b.begun = true
	return b.ResponseWriter.Write(p)
}

// ReadFrom lets files go out the fast way, where there is one.
func (b *beginning) ReadFrom(r io.Reader) (int64, error) {
	b.begun = true
	return io.Copy(b.ResponseWriter, r)
}

// Unwrap is for http.ResponseController.
func (b *beginning) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// pauseAfterFault is the time between a panic of work in the background and its
// next beginning.
const pauseAfterFault = time.Second

// keepOn does work that lasts until ctx ends, and begins it again should it
// panic.
func (s *Server) keepOn(ctx context.Context, work func(context.Context)) {
	for !s.observed.faults.Do(fault.Background, func() { work(ctx) }) {
		select {
		case <-time.After(pauseAfterFault):
		case <-ctx.Done():
			return
		}
	}
}
