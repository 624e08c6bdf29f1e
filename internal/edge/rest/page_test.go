package rest_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheDescriptionIsAPageForPeople(t *testing.T) {
	f := start(t)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, httptest.NewRequest("GET", "/openapi", nil))
	page := w.Body.String()
	for _, op := range f.operations() {
		if !strings.Contains(page, ">"+op.method+" "+op.path+"</h2>") {
			t.Errorf("%s %s is not on the page", op.method, op.path)
		}
	}
	if w.Header().Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(page, "<script") || strings.Contains(page, "http:") ||
		!strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%v", w.Header())
	}
}
