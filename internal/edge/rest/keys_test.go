package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

// key makes an API key and gives its token.
func (f *fixture) key(app chat.AppID, scopes ...auth.Scope) string {
	f.Helper()
	_, token, err := f.keys.Create(f.Context(), auth.NewAPIKey{App: app, Name: "key", Scopes: scopes})
	if err != nil {
		f.Fatal(err)
	}
	return token
}

// own makes a call of this server's own API.
func (f *fixture) own(token, method, path, body string) reply {
	f.Helper()
	r := httptest.NewRequest(method, path, reader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	return f.send(r)
}

func TestAKeyMayDoWhatItsScopesSay(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		for scope, may := range map[auth.Scope]struct{ read, change bool }{
			auth.Admin: {true, true}, auth.Read: {true, false}, auth.PrivateRead: {}, auth.Compliance: {},
		} {
			of := tenant{App: f.app.App, token: f.key(f.app.ID, scope)}
			for method, allowed := range map[string]bool{"GET": may.read, "POST": may.change} {
				got := f.send(form.request(of, method, "/meetings", nil))
				if allowed != (got.status < 300) {
					t.Errorf("%s with scope %s: status %d", method, scope, got.status)
				}
				if !allowed {
					got.refused(http.StatusForbidden)
				}
			}
		}
	})
}

func TestAKeyForAllAppsMakesAppsAndWorksInEach(t *testing.T) {
	f := start(t)
	all := f.key("", auth.Admin)
	made := f.own(all, "POST", "/client/v4/accounts/"+account+"/realtime/kit/apps", `{"name":"new"}`).object(http.StatusOK)
	app, _ := made["app"].(map[string]any)
	id := chat.AppID(text(t, app, "id"))
	listed := f.own(all, "GET", "/client/v4/accounts/"+account+"/realtime/kit/apps?sort_order=ASC", "").rows()
	if len(listed) != 2 || listed[1].(map[string]any)["name"] != "new" {
		t.Errorf("listed %v", listed)
	}
	for _, form := range forms() {
		of := tenant{token: all}
		of.ID = id
		f.send(form.request(of, "POST", "/meetings", nil)).ok(http.StatusCreated)
		of.ID = "00000000-0000-4000-8000-000000000000"
		if got := f.send(form.request(of, "GET", "/meetings", nil)); got.status != http.StatusForbidden && got.status != http.StatusUnauthorized {
			t.Errorf("an unknown app: status %d", got.status)
		}
	}
	f.own(f.app.token, "POST", "/client/v4/accounts/"+account+"/realtime/kit/apps", `{"name":"new"}`).refused(http.StatusForbidden)
	if rows := f.own(f.app.token, "GET", "/client/v4/accounts/"+account+"/realtime/kit/apps", "").rows(); len(rows) != 1 {
		t.Errorf("a key for one app sees %v", rows)
	}
	for _, body := range []string{``, `{}`, `{"name":""}`, `{"name":7}`, `{"name":"` + strings.Repeat("x", 300) + `"}`} {
		f.own(all, "POST", "/client/v4/accounts/"+account+"/realtime/kit/apps", body).refused(http.StatusBadRequest)
	}
}

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	f := start(t)
	made := f.own(f.app.token, "POST", "/v1/api-keys", `{"name":"dashboard","scopes":["read","read"]}`).object(http.StatusCreated)
	token := text(t, made, "token")
	if made["app_id"] != string(f.app.ID) || fmt.Sprint(made["scopes"]) != "[read]" {
		t.Errorf("made %v", made)
	}
	f.own(token, "GET", "/v1/api-keys", "").ok(http.StatusOK)
	f.own(token, "POST", "/v1/api-keys", `{"name":"more","scopes":["read"]}`).refused(http.StatusForbidden)
	listed := f.own(f.app.token, "GET", "/v1/api-keys", "")
	if rows := listed.rows(); len(rows) != 2 || strings.Contains(string(listed.raw), "token") {
		t.Errorf("listed %s", listed.raw)
	}
	path := "/v1/api-keys/" + text(t, made, "id")
	if revoked := f.own(f.app.token, "DELETE", path, "").object(http.StatusOK); revoked["name"] != "dashboard" {
		t.Errorf("revoked %v", revoked)
	}
	f.own(token, "GET", "/v1/api-keys", "").refused(http.StatusUnauthorized)
	f.own(f.app.token, "DELETE", path, "").refused(http.StatusNotFound)
}

func TestNobodyGivesWhatTheyHaveNot(t *testing.T) {
	f := start(t)
	other := f.tenant("other")
	for body, status := range map[string]int{
		`{"name":"n","scopes":["compliance"]}`:                               http.StatusForbidden,
		`{"name":"n","scopes":["private.read","read"]}`:                      http.StatusForbidden,
		`{"name":"n","scopes":["read"],"app_id":"` + string(other.ID) + `"}`: http.StatusNotFound,
		`{"name":"n","scopes":["everything"]}`:                               http.StatusForbidden,
		`{"name":"n","scopes":[]}`:                                           http.StatusBadRequest,
		`{"scopes":["read"]}`:                                                http.StatusBadRequest,
		`{"name":"n","scopes":["read"],"app_id":"x"}`:                        http.StatusBadRequest,
	} {
		if got := f.own(f.app.token, "POST", "/v1/api-keys", body); got.status != status {
			t.Errorf("%s: status %d, want %d", body, got.status, status)
		}
	}
	foreign := f.own(other.token, "GET", "/v1/api-keys", "").rows()[0].(map[string]any)
	f.own(f.app.token, "DELETE", "/v1/api-keys/"+text(t, foreign, "id"), "").refused(http.StatusNotFound)
	f.own(other.token, "GET", "/v1/api-keys", "").ok(http.StatusOK)
}

func TestAKeyThatAsksTooMuchIsToldToWait(t *testing.T) {
	f := start(t)
	const atOnce = 3500
	for range atOnce {
		f.handler.ServeHTTP(httptest.NewRecorder(), forms()[0].request(f.app, "GET", "/meetings/x", nil))
	}
	got := f.call(forms()[0], "GET", "/meetings", "")
	for got.status == http.StatusOK { // what came back meanwhile
		got = f.call(forms()[0], "GET", "/meetings", "")
	}
	got.refused(http.StatusTooManyRequests)
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("told to wait %q", got.header.Get("Retry-After"))
	}
	other := tenant{App: f.app.App, token: f.key(f.app.ID, auth.Read)}
	f.send(forms()[0].request(other, "GET", "/meetings", nil)).ok(http.StatusOK)
}
