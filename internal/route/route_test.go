package route_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/parley-chat/parley/internal/route"
)

func TestMuxServesWhatItTells(t *testing.T) {
	var mux route.Mux
	mux.Handle("GET /one", http.NotFoundHandler())
	mux.HandleFunc("/two/{id}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.PathValue("id"))) })
	if got := mux.Patterns(); !slices.Equal(got, []string{"GET /one", "/two/{id}"}) {
		t.Errorf("it tells %q", got)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/two/x", nil))
	if w.Body.String() != "x" {
		t.Errorf("it answers %q", w.Body)
	}
}
