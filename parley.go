// Package parley is a meeting chat server to embed in a Go program: New makes
// it, Handler is the API and the sockets for any HTTP server, and Run keeps it
// going until its context ends. The command parley is a thin shell over it.
package parley

import (
	"context"
	"net/http"

	"github.com/parley-chat/parley/internal/server"
)

// Config is everything a server can be told; see its fields. Only Dir and
// PublicURL are needed.
type Config = server.Config

// Server is a whole Parley server in this process.
type Server struct{ inner *server.Server }

// New opens the data directory of the configuration, which one process may use
// at a time, and makes a server. Call Run, or Close where it does not come to
// that.
func New(ctx context.Context, config Config) (*Server, error) {
	inner, err := server.New(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Server{inner}, nil
}

// Handler serves the API below /v2/ and /client/v4/, the sockets at /ws, files
// at /v1/, and /healthz and /readyz. Official clients need it served over
// https, under the names api.<base> and socket-edge.<base>.
func (s *Server) Handler() http.Handler { return s.inner.Handler() }

// Operations serves /metrics in the form of Prometheus, and /healthz and
// /readyz. It is for operators, not for strangers; Config.MetricsAddr serves it
// on an address of its own.
func (s *Server) Operations() http.Handler { return s.inner.Operations() }

// Run works until ctx ends; then it tells all peers to come back, waits for
// them to go, and closes the data directory. It may be called once.
func (s *Server) Run(ctx context.Context) error { return s.inner.Run(ctx) }

// Close gives back what New has opened, where Run is never called.
func (s *Server) Close() error { return s.inner.Close() }
