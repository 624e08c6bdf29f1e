// Package route has a ServeMux that can tell what it serves, so that a test can
// demand of every route that somebody has decided who may use it.
package route

import (
	"net/http"
	"slices"
)

// Mux is an http.ServeMux that remembers its patterns. The zero value is ready.
// Routes are made before it serves, by one goroutine.
type Mux struct {
	http.ServeMux
	patterns []string
}

// Handle registers a handler, as that of http.ServeMux does.
func (m *Mux) Handle(pattern string, handler http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.Handle(pattern, handler)
}

// HandleFunc registers a function, as that of http.ServeMux does.
func (m *Mux) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(handler))
}

// Patterns gives what was registered, in that order.
func (m *Mux) Patterns() []string { return slices.Clone(m.patterns) }
