package rest_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/edge/rest"
)

func TestAppsDoNotSeeEachOthersMeetings(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		meeting := "/meetings/" + text(t, f.meeting(form, `{"title":"secret"}`), "id")
		participant := meeting + "/participants/" + text(t, f.call(form, "POST", meeting+"/participants",
			`{"custom_participant_id":"a","preset_name":"group_call_host"}`).object(http.StatusCreated), "id")
		spy := f.tenant("spy")
		unknown := "/meetings/00000000-0000-4000-8000-000000000000"
		call := func(method, path, body string) reply { return f.send(form.request(spy, method, path, reader(body))) }
		for _, c := range []struct{ method, theirs, none, body string }{
			{"GET", meeting, unknown, ""},
			{"GET", meeting + "/participants", unknown + "/participants", ""},
			{"GET", participant, unknown + "/participants/00000000-0000-4000-8000-000000000001", ""},
			{"POST", meeting + "/participants", unknown + "/participants", `{"custom_participant_id":"s","preset_name":"group_call_host"}`},
		} {
			theirs, none := call(c.method, c.theirs, c.body), call(c.method, c.none, c.body)
			theirs.refused(http.StatusNotFound)
			if string(theirs.raw) != string(none.raw) {
				t.Errorf("%s %s: %s differs from what does not exist: %s", c.method, c.theirs, theirs.raw, none.raw)
			}
		}
		if rows := call("GET", "/meetings?search=secret", "").rows(); len(rows) != 0 {
			t.Errorf("the spy lists %v", rows)
		}
	})
}

func TestAccountFormWantsTheTokenOfThePathsApp(t *testing.T) {
	f := start(t)
	other := f.tenant("other")
	path := func(account, app string) string {
		return "/client/v4/accounts/" + account + "/realtime/kit/" + app + "/meetings"
	}
	own := path(account, string(f.app.ID))
	for what, c := range map[string]struct {
		path, header string
		status       int
	}{
		"good":                     {own, "Bearer " + f.app.token, 200},
		"scheme in lower case":     {own, "bearer " + f.app.token, 200},
		"app without dashes":       {path(account, strings.ReplaceAll(string(f.app.ID), "-", "")), "Bearer " + f.app.token, 200},
		"account in capitals":      {path(strings.ToUpper(account), string(f.app.ID)), "Bearer " + f.app.token, 200},
		"no header":                {own, "", 401},
		"empty token":              {own, "Bearer ", 401},
		"unknown token":            {own, "Bearer parley_AAAA", 401},
		"no API token":             {own, "Bearer hunter2", 401},
		"basic":                    {own, "Basic " + base64.StdEncoding.EncodeToString([]byte(string(f.app.ID)+":"+f.app.token)), 401},
		"another app's token":      {own, "Bearer " + other.token, 403},
		"another account":          {path("ffff", string(f.app.ID)), "Bearer " + f.app.token, 403},
		"an app that is not there": {path(account, "00000000-0000-4000-8000-000000000000"), "Bearer " + f.app.token, 403},
		"no app id":                {path(account, "apps"), "Bearer " + f.app.token, 403},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Header.Set("Authorization", c.header)
		got := f.send(r)
		if c.status == http.StatusOK {
			got.rows()
			continue
		}
		if message := got.refused(c.status); message != "Authentication error" || !strings.Contains(string(got.raw), `"code":10000`) {
			t.Errorf("%s: %s", what, got.raw)
		}
	}
}

func TestV2FormWantsTheAppAndItsToken(t *testing.T) {
	f := start(t)
	other := f.tenant("other")
	encode := func(name, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	}
	for what, c := range map[string]struct {
		header string
		good   bool
	}{
		"good":                {encode(string(f.app.ID), f.app.token), true},
		"without dashes":      {encode(strings.ReplaceAll(string(f.app.ID), "-", ""), f.app.token), true},
		"no header":           {"", false},
		"another app's token": {encode(string(f.app.ID), other.token), false},
		"another app":         {encode(string(other.ID), f.app.token), false},
		"no app":              {encode("", f.app.token), false},
		"no token":            {encode(string(f.app.ID), ""), false},
		"not base64":          {"Basic !!!", false},
		"no colon":            {"Basic " + base64.StdEncoding.EncodeToString([]byte(f.app.token)), false},
		"bearer":              {"Bearer " + f.app.token, false},
	} {
		r := httptest.NewRequest("GET", "/v2/meetings", nil)
		r.Header.Set("Authorization", c.header)
		got := f.send(r)
		if c.good {
			got.rows()
			continue
		}
		if got.refused(http.StatusUnauthorized) != "Unauthorized" || got.body["message"] != "Unauthorized" {
			t.Errorf("%s: %s", what, got.raw)
		}
	}
}

func TestParticipantTokensOpenNoManagement(t *testing.T) {
	f := start(t)
	form := forms()[0]
	meeting := "/meetings/" + text(t, f.meeting(form, ""), "id")
	token := text(t, f.call(form, "POST", meeting+"/participants",
		`{"custom_participant_id":"a","preset_name":"group_call_host"}`).object(http.StatusCreated), "token")
	f.send(form.request(tenant{App: f.app.App, token: token}, "GET", meeting, nil)).refused(http.StatusUnauthorized)
	f.send(forms()[1].request(tenant{App: f.app.App, token: token}, "GET", meeting, nil)).refused(http.StatusUnauthorized)
}

func TestAppsAndPresetsAreListed(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		f.tenant("another")
		if rows := f.call(form, "GET", "/presets", "").rows(); len(rows) != 5 {
			t.Errorf("%d presets, want 5", len(rows))
		}
		got := f.call(form, "GET", "/presets?search=viewer&per_page=1", "").rows()
		if row, ok := got[0].(map[string]any); len(got) != 1 || !ok || row["name"] != "webinar_viewer" || len(row) != 4 {
			t.Errorf("the preset searched for is %v", got)
		}
		apps := func(query string) reply {
			r := httptest.NewRequest("GET", "/client/v4/accounts/"+account+"/realtime/kit/apps"+query, nil)
			r.Header.Set("Authorization", "Bearer "+f.app.token)
			return f.send(r)
		}
		for query, want := range map[string]int{"": 1, "?search=AP": 1, "?sort_order=ASC": 1, "?search=other": 0, "?page_no=2": 0} {
			rows := apps(query).rows()
			if len(rows) != want {
				t.Errorf("%s: apps %v, want %d", query, rows, want)
			}
			if want == 1 && rows[0].(map[string]any)["id"] != string(f.app.ID) {
				t.Errorf("%s: another app is listed", query)
			}
		}
		apps("?sort_order=UP").refused(http.StatusBadRequest)
	})
}

func TestUnknownPathsAndMethods(t *testing.T) {
	f := start(t)
	for _, path := range []string{"/", "/v2", "/v2/", "/v2/nothing", "/client/v4/accounts/a/nothing", "/client/v4", "/logs/", "/v2/meetings/a/b/c"} {
		f.send(httptest.NewRequest("GET", path, nil)).refused(http.StatusNotFound)
	}
	got := f.send(httptest.NewRequest("DELETE", "/v2/meetings", nil))
	if got.refused(http.StatusMethodNotAllowed); got.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow is %q", got.header.Get("Allow"))
	}
}

func TestAnswersAreNotCached(t *testing.T) {
	f := start(t)
	got := f.call(forms()[0], "GET", "/meetings", "")
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers are %v", got.header)
	}
}

func TestDescriptionNamesBothForms(t *testing.T) {
	f := start(t)
	got := f.send(httptest.NewRequest("GET", "/openapi.json", nil))
	paths, ok := got.body["paths"].(map[string]any)
	if !ok || got.body["openapi"] != "3.1.0" {
		t.Fatalf("no OpenAPI document: %.200s", got.raw)
	}
	for _, path := range []string{"/v2/meetings/{meeting_id}", "/client/v4/accounts/{account_id}/realtime/kit/{app_id}/meetings/{meeting_id}"} {
		if paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
	for _, never := range []string{"problem+json", "ErrorModel", "Wire"} {
		if strings.Contains(string(got.raw), never) {
			t.Errorf("it speaks of %s", never)
		}
	}
}

func TestServerWithOtherPathsMountsTheEdge(t *testing.T) {
	f := start(t)
	mux := http.NewServeMux()
	teapot := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	mux.HandleFunc("/", teapot)
	mux.HandleFunc("POST /v2/meetings/chat-upload", teapot)
	for _, path := range rest.Paths() {
		mux.Handle(path, f.handler)
	}
	outer := rest.CORS(rest.Sinks(mux))
	for path, want := range map[string]bool{
		"POST api.localhost/v2/meetings": true, "GET api.localhost/v2/internals/participant-details": true,
		"GET api.localhost/client/v4/accounts/a/realtime/kit/apps": true, "GET api.localhost/iceservers": true,
		"POST api.localhost/api/v1/identities/": true, "POST api.localhost/api/v1/message": true,
		"POST api.localhost/otel/logs": true, "POST api.localhost/logs/otel/logs": true,
		"GET api.localhost/openapi.json": true, "GET location.localhost/": true, "GET flags.localhost/any": true,
		"GET localhost/": false, "GET localhost/demo": false, "POST api.localhost/v2/meetings/chat-upload": false,
	} {
		method, target, _ := strings.Cut(path, " ")
		w := httptest.NewRecorder()
		outer.ServeHTTP(w, httptest.NewRequest(method, "https://"+target, nil))
		if got := w.Code != http.StatusTeapot && w.Code != http.StatusNotFound; got != want {
			t.Errorf("%s: status %d; answered by the edge: %v, want %v", path, w.Code, got, want)
		}
	}
}

func TestNewWantsItsParts(t *testing.T) {
	if _, err := rest.New(rest.Config{}); err == nil {
		t.Error("made an edge over nothing")
	}
}
