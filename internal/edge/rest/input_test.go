package rest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
)

// described is an operation as the description has it.
type described struct {
	method, path    string
	hasBody, isList bool
	singles         []string // parameters of the query that are no lists
}

// operations gives all operations that the description tells of, with ids of
// nothing in their paths but those of the app.
func (f *fixture) operations() []described {
	f.Helper()
	var all []described
	paths, _ := f.send(httptest.NewRequest("GET", "/openapi.json", nil)).body["paths"].(map[string]any)
	for path, item := range paths {
		for method, raw := range item.(map[string]any) {
			op, isOperation := raw.(map[string]any)
			if !isOperation {
				continue
			}
			d := described{method: strings.ToUpper(method), path: path, hasBody: op["requestBody"] != nil}
			params, _ := op["parameters"].([]any)
			for _, p := range params {
				p := p.(map[string]any)
				if schema := p["schema"].(map[string]any); p["in"] == "query" && schema["items"] == nil {
					d.singles = append(d.singles, p["name"].(string))
				}
			}
			d.isList = slices.ContainsFunc(params, func(p any) bool { return p.(map[string]any)["name"] == "page_no" })
			all = append(all, d)
		}
	}
	if len(all) < 70 {
		f.Fatalf("only %d operations are described", len(all))
	}
	return all
}

// ask makes a call of an operation, with an id in the place of each of its own.
func (f *fixture) ask(method, path, id, query, body string) reply {
	f.Helper()
	path = strings.NewReplacer("{account_id}", account, "{app_id}", string(f.app.ID)).Replace(path)
	for {
		before, rest, found := strings.Cut(path, "{")
		if !found {
			break
		}
		_, after, _ := strings.Cut(rest, "}")
		path = before + id + after
	}
	r := httptest.NewRequest(method, path+query, reader(body))
	if strings.HasPrefix(path, "/v2/") {
		r.SetBasicAuth(string(f.app.ID), f.app.token)
	} else {
		r.Header.Set("Authorization", "Bearer "+f.app.token)
	}
	return f.send(r)
}

const nothing = "00000000-0000-4000-8000-000000000000"

func TestEveryOperationRefusesWhatIsNoBody(t *testing.T) {
	f := start(t)
	f.app.token = f.key("", auth.Scopes()...)
	for _, op := range f.operations() {
		if !op.hasBody {
			continue
		}
		for _, body := range []string{`{"name":`, `[1]`, `"text"`, `7`, "{\"name\":\"\xff\"}", `{} {}`} {
			if got := f.ask(op.method, op.path, nothing, "", body); !strings.HasPrefix(got.refused(http.StatusBadRequest), "BAD_REQUEST: ") {
				t.Errorf("%s %s with %q: %s", op.method, op.path, body, got.raw)
			}
		}
		f.ask(op.method, op.path, nothing, "", `{"unknown":"`+strings.Repeat("x", 1<<20)+`"}`).refused(http.StatusRequestEntityTooLarge)
	}
}

func TestEveryOperationRefusesWhatIsNoID(t *testing.T) {
	f := start(t)
	f.app.token = f.key("", auth.Scopes()...)
	for _, op := range f.operations() {
		if !strings.Contains(strings.NewReplacer("{account_id}", "", "{app_id}", "").Replace(op.path), "{") {
			continue
		}
		body := ""
		if op.hasBody {
			body = "{}"
		}
		for _, id := range []string{"nonsense", "1", strings.Repeat("9", 500), "%00", "%F0%9F%98%80"} {
			got := f.ask(op.method, op.path, id, "", body)
			if got.status != http.StatusNotFound { // a name may stand there that nothing has
				got.refused(http.StatusBadRequest)
			}
		}
	}
}

func TestEveryListHasPages(t *testing.T) {
	f := start(t)
	f.app.token = f.key("", auth.Scopes()...)
	for _, op := range f.operations() {
		if !op.isList {
			continue
		}
		for query, want := range map[string]int{
			"?page_no=0&per_page=0": http.StatusOK, "?page_no=": http.StatusOK, "?page_no=1000000000&per_page=100": http.StatusOK,
			"?page_no=-1": http.StatusBadRequest, "?per_page=-1": http.StatusBadRequest, "?page_no=one": http.StatusBadRequest,
			"?page_no=1.5": http.StatusBadRequest,
		} {
			got := f.ask(op.method, op.path, nothing, query, "")
			if got.status == http.StatusNotFound && want == http.StatusOK {
				continue // a list of nothing
			}
			if got.status != want {
				t.Errorf("%s %s%s: status %d, want %d", op.method, op.path, query, got.status, want)
			}
		}
	}
}

func TestEveryPathTellsItsMethods(t *testing.T) {
	f := start(t)
	f.app.token = f.key("", auth.Scopes()...)
	allowed := make(map[string][]string)
	for _, op := range f.operations() {
		allowed[op.path] = append(allowed[op.path], op.method)
	}
	for path, methods := range allowed {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(methods, method) || strings.HasSuffix(path, "/webhooks/all") { // which is no id of a webhook
				continue
			}
			got := f.ask(method, path, nothing, "", "")
			got.refused(http.StatusMethodNotAllowed)
			for _, m := range methods {
				if !strings.Contains(got.header.Get("Allow"), m) {
					t.Errorf("%s %s: Allow is %q, want %v", method, path, got.header.Get("Allow"), methods)
				}
			}
		}
	}
}

// One of two values would hold, and nobody could tell which. Lists are
// TestListsInAQueryMayAlsoBeGivenOneByOne's.
func TestParametersThatAreGivenTwiceAreRefused(t *testing.T) {
	f := start(t)
	f.app.token = f.key("", auth.Scopes()...)
	tried := 0
	for _, op := range f.operations() {
		for _, name := range op.singles {
			query := "?" + name + "=1&unknown=1&unknown=2&" + name + "=1"
			if message := f.ask(op.method, op.path, nothing, query, "{}").refused(http.StatusBadRequest); !strings.Contains(message, `"`+name+`" may be given once`) {
				t.Errorf("%s %s%s: %s", op.method, op.path, query, message)
			}
			tried++
		}
	}
	if tried < 60 {
		t.Errorf("only %d parameters were tried", tried)
	}
}
