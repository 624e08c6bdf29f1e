package metrics

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Labels have values that the code gives. One that could be an id, a name or an
// address would grow without end, and tell of people.
var labels = []string{
	"version", "go", "code", "request", "outcome", "bytes", "kind", "reason", "limit", "where", "surface", "status", "step",
}

func TestTheTableKeepsToItsRules(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range Families() {
		switch {
		case !strings.HasPrefix(f.Name, "parley_") || seen[f.Name]:
			t.Errorf("%s is not a name of its own", f.Name)
		case strings.HasSuffix(f.Name, "_total") != (f.Type == "counter"):
			t.Errorf("%s is a %s", f.Name, f.Type)
		case !strings.HasSuffix(f.Help, ".") || strings.Trim(f.Act[len(f.Act)-1:], ".?") != "":
			t.Errorf("%s does not say in sentences what it means and what to do", f.Name)
		case strings.ContainsAny(f.Help+f.Act, "|\n"):
			t.Errorf("%s breaks the table of docs/metrics.md", f.Name)
		case f.Type == "histogram" && len(f.Labels) > 0:
			t.Errorf("%s is a histogram with labels, which are not filled", f.Name)
		}
		seen[f.Name] = true
		for _, label := range f.Labels {
			if !slices.Contains(labels, label) {
				t.Errorf("%s has the label %q, of which nobody has said that its values are few", f.Name, label)
			}
		}
	}
}

func TestLimitsAreInOrder(t *testing.T) {
	if !slices.IsSorted(LimitNames) || len(slices.Compact(slices.Clone(LimitNames))) != len(LimitNames) {
		t.Errorf("the limits are not in order, or there twice: %q", LimitNames)
	}
}

func TestRequestsAreCountedByTheirAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"nothing said":    {func(http.ResponseWriter) {}, "2xx"},
		"a body alone":    {func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) }, "2xx"},
		"a refusal":       {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "4xx"},
		"a fault":         {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, "5xx"},
		"an announcement": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(http.StatusSeeOther) }, "3xx"},
		"a second status": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); w.WriteHeader(http.StatusNotFound) }, "2xx"},
		"a late status":   {func(w http.ResponseWriter) { _, _ = w.Write(nil); w.WriteHeader(http.StatusNotFound) }, "2xx"},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHTTP()
			for _, surface := range []Surface{REST, Files} {
				h.Count(surface, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) })).
					ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}
			got := make(map[string]uint64)
			h.each(func(surface, status string, n uint64) { got[surface+" "+status] = n })
			if len(got) != 2 || got["rest "+test.want] != 1 || got["files "+test.want] != 1 {
				t.Errorf("counted %v, want %s of each", got, test.want)
			}
			if n, _, _ := h.took.Snapshot(); n != 1 {
				t.Errorf("the time of %d requests was taken, want that of REST alone", n)
			}
		})
	}
}
