package matrix_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/internal/session"
)

// caller is somebody who calls routes: a way to make the Authorization header
// of a request in one of the forms.
type caller struct {
	name   string
	header func(form) string
}

// form is one of the ways in which routes are called.
type form string

const (
	accountForm form = "account"
	v2Form      form = "v2"
	plainForm   form = ""
)

// accountPath is how the account form begins.
const accountPath = "/client/v4/accounts/{account_id}/realtime/kit"

// formOf tells the form of a route, and the route without it.
func formOf(route string) (form, string) {
	method, path, _ := strings.Cut(route, " ")
	switch {
	case strings.HasPrefix(path, accountPath+"/{app_id}/"):
		return accountForm, method + " " + strings.TrimPrefix(path, accountPath+"/{app_id}")
	case strings.HasPrefix(path, accountPath+"/"):
		return accountForm, method + " account:" + strings.TrimPrefix(path, accountPath)
	case strings.HasPrefix(path, "/v2/") && aims[method+" "+strings.TrimPrefix(path, "/v2")] != nil:
		return v2Form, method + " " + strings.TrimPrefix(path, "/v2")
	}
	return plainForm, route
}

// keyCallers are those who call with API keys, or with none.
func (w *world) keyCallers() []caller {
	w.Helper()
	plain := func(token string) func(form) string {
		return func(f form) string {
			if f == v2Form {
				return basic(string(w.own.ID), token)
			}
			return "Bearer " + token
		}
	}
	key := func(app chat.AppID, scopes ...auth.Scope) func(form) string {
		_, token := w.key(app, scopes...)
		return plain(token)
	}
	_, admin := w.key(w.own.ID, auth.Admin)
	revoked, void := w.key(w.own.ID, auth.Admin)
	_, err := w.server.Keys.Revoke(w.ctx, w.own.ID, revoked)
	w.must(err)
	meeting := w.meeting(w.own.ID)
	host := w.invite(w.own.ID, meeting, "group_call_host")
	return []caller{
		{"none", func(form) string { return "" }},
		{"bad", plain("parley_AAAA")},
		{"revoked", plain(void)},
		{"host", plain(host.token)},
		{"swap", func(f form) string { // the right key in the form of the other
			if f == v2Form {
				return "Bearer " + admin
			}
			return basic(string(w.own.ID), admin)
		}},
		{"other", key(w.other.ID, auth.Admin)},
		{"private", key(w.own.ID, auth.PrivateRead)},
		{"compl", key(w.own.ID, auth.Compliance)},
		{"read", key(w.own.ID, auth.Read)},
		{"read+p", key(w.own.ID, auth.Read, auth.PrivateRead)},
		{"read+c", key(w.own.ID, auth.Read, auth.Compliance)},
		{"read+p+c", key(w.own.ID, auth.Read, auth.PrivateRead, auth.Compliance)},
		{"admin", plain(admin)},
		{"allread", key("", auth.Read)},
		{"all", key("", auth.Admin)},
	}
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// call is one request of a route, ready but for who makes it.
type call struct {
	method, path, body string
	// hide is what in an answer names the object, which is no part of the answer.
	hide []string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) ask(c call, authorization string) answer {
	w.Helper()
	if c.method == socketMethod {
		return w.upgrade(c.path, authorization)
	}
	r := need[*http.Request](w)(http.NewRequestWithContext(w.ctx, c.method, w.web.URL+c.path, strings.NewReader(c.body)))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer got.Body.Close()
	body := need[[]byte](w)(io.ReadAll(got.Body))
	return answer{got.StatusCode, got.Header, string(body)}
}

// upgrade asks for a socket to a meeting and closes it again. The token of the
// header goes where clients put it.
func (w *world) upgrade(meeting, authorization string) answer {
	w.Helper()
	query := url.Values{
		"roomID": {meeting}, "peerID": {freshID()}, "authToken": {strings.TrimPrefix(authorization, "Bearer ")}, "ping": {"true"},
	}
	socket, got, err := websocket.Dial(w.ctx, w.socketURL()+"/ws?"+query.Encode(), nil)
	if err == nil {
		_ = socket.CloseNow()
		return answer{status: http.StatusSwitchingProtocols}
	}
	if got == nil {
		w.Fatal(err)
	}
	body := need[[]byte](w)(io.ReadAll(got.Body))
	return answer{got.StatusCode, got.Header, string(body)}
}

// decode reads the body of an answer.
func (w *world) decode(a answer, into any) {
	w.Helper()
	w.must(json.Unmarshal([]byte(a.body), into))
}

// refused tells whether an answer is a refusal.
func (a answer) refused() bool { return a.status >= 400 }

// bare gives all of an answer but what names the object and the moment.
func (a answer) bare(hide []string) string {
	h := a.header.Clone()
	h.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %q\n", name, h[name])
	}
	b.WriteString(a.body)
	text := b.String()
	for _, id := range hide {
		text = strings.ReplaceAll(text, id, "(object)")
	}
	return text
}

// covered demands a row for each route, and gives the routes in order of the
// forms.
func covered(t *testing.T, routes []string) []string {
	t.Helper()
	var walked []string
	used := make(map[string]bool)
	for _, route := range routes {
		if handsOn[route] || slices.Contains(walked, route) {
			continue
		}
		_, short := formOf(route)
		if aims[short] == nil {
			t.Errorf("nobody has decided who may use the route %q: give it aims", route)
			continue
		}
		used[short] = true
		walked = append(walked, route)
	}
	for short := range aims {
		if !used[short] {
			t.Errorf("there are aims for a route %q that is not there", short)
		}
	}
	slices.SortStableFunc(walked, func(a, b string) int {
		af, _ := formOf(a)
		bf, _ := formOf(b)
		return strings.Compare(string(af), string(bf))
	})
	return walked
}

// title is what a route is called in the tables.
func title(route string) string {
	f, short := formOf(route)
	return strings.TrimSpace(string(f) + " " + strings.Replace(short, "account:", "", 1))
}

// TestWhoMayCallWhichRoute has everybody call every route about everything.
func TestWhoMayCallWhichRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t).run()
	t.Run("keys", func(t *testing.T) { w.everybodyCalls(t, "keys.txt", w.keyCallers()) })
	guest := w.invite(w.own.ID, w.home(), "guest")
	w.join(guest)
	waiting := caller{"waiting", bearer(guest.token)}
	t.Run("tokens", func(t *testing.T) { w.everybodyCalls(t, "tokens.txt", append(w.tokenCallers(), waiting)) })
}

func (w *world) everybodyCalls(t *testing.T, file string, callers []caller) {
	found := table{}
	for _, c := range callers {
		found.columns = append(found.columns, c.name)
	}
	for _, route := range covered(t, w.server.Routes()) {
		f, short := formOf(route)
		objects := aims[short]
		if file == "tokens.txt" && managed(route) {
			objects = objects[:1] // no token gets so far that it mattered
		}
		for _, aim := range objects {
			r := row{what: title(route), object: aim.object}
			var call *call
			for _, who := range callers {
				if call == nil {
					c := aim.at(w, route)
					call = &c
				}
				got := w.ask(*call, who.header(f))
				r.cells = append(r.cells, strconv.Itoa(got.status))
				if strings.Contains(got.body, foreign) && !maySeeForeign(who.name, route) {
					t.Errorf("%s, %s: shown what is foreign: %s", r.name(), who.name, got.body)
				}
				if got.refused() && who.header(f) != "" && strings.Contains(got.body, who.header(f)) {
					t.Errorf("%s, %s: the answer repeats the credentials", r.name(), who.name)
				}
				if !got.refused() && call.method != http.MethodGet {
					call = nil // it may be gone
				}
			}
			found.rows = append(found.rows, r)
		}
	}
	compare(t, file, found)
}

// managed tells whether a route is called with API keys.
func managed(route string) bool {
	f, short := formOf(route)
	return f != plainForm || strings.Contains(short, "/v1/api-keys") || strings.Contains(short, "/v1/apps/")
}

// namesApp tells whether the app that a route is for goes with the call, and is
// not that of the key.
func namesApp(route string) bool {
	f, _ := formOf(route)
	return f == v2Form || strings.Contains(route, "{app_id}")
}

func maySeeForeign(who, route string) bool {
	switch who {
	case "all", "allread", "foreign":
		return true
	case "other":
		return !namesApp(route)
	}
	return false
}

// TestForeignAndUnknownLookTheSame compares the answers about what is another
// app's, or another meeting's, or deleted, with those about what never was.
// Neither stores anything.
func TestForeignAndUnknownLookTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t).idle()
	keys := some(w.keyCallers(), "none", "other", "read", "admin") // to one for all apps nothing is foreign
	tokens := some(w.tokenCallers(), "none", "member", "host", "foreign", "elsewhere")
	compared := 0
	commits := w.commits()
	for _, route := range covered(t, w.server.Routes()) {
		f, short := formOf(route)
		alike := make(map[string][]call)
		names := make(map[string][]string)
		for _, aim := range aims[short] {
			if aim.like != "" {
				alike[aim.like] = append(alike[aim.like], aim.at(w, route))
				names[aim.like] = append(names[aim.like], aim.object)
			}
		}
		for like, calls := range alike {
			if len(calls) < 2 {
				t.Errorf("%s: nothing to compare %s with", route, like)
			}
			callers := tokens
			if managed(route) {
				callers = keys
			}
			for _, who := range callers {
				if who.name == "other" && !namesApp(route) {
					continue // to whom the foreign is its own
				}
				before := commits()
				first := w.ask(calls[0], who.header(f))
				for i, c := range calls[1:] {
					got := w.ask(c, who.header(f))
					if a, b := first.bare(calls[0].hide), got.bare(c.hide); a != b {
						t.Errorf("%s, %s: about %q it is\n%s\nand about %q\n%s", route, who.name, names[like][0], a, names[like][i+1], b)
					}
					compared++
				}
				if commits() != before {
					t.Errorf("%s, %s: something was stored", route, who.name)
				}
			}
		}
	}
	if compared < 400 {
		t.Errorf("only %d answers were compared", compared)
	}
}

// TestAnotherAppAndNoneLookTheSame does the same for the app that a path, or
// the name that goes with the key, names.
func TestAnotherAppAndNoneLookTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t).idle()
	_, admin := w.key(w.own.ID, auth.Admin)
	none := freshID()
	for _, route := range covered(t, w.server.Routes()) {
		f, short := formOf(route)
		if !managed(route) || !namesApp(route) {
			continue
		}
		c := aims[short][0].at(w, route)
		header := func(app string) string {
			if f == v2Form {
				return basic(app, admin)
			}
			return "Bearer " + admin
		}
		to := func(app string) answer {
			at := c
			at.path = strings.Replace(c.path, string(w.own.ID), app, 1)
			return w.ask(at, header(app))
		}
		theirs, nobodys := to(string(w.other.ID)), to(none)
		if !theirs.refused() || theirs.bare(nil) != nobodys.bare(nil) {
			t.Errorf("%s: of another app it is\n%s\nand of none\n%s", route, theirs.bare(nil), nobodys.bare(nil))
		}
	}
}

// TestWhatIsRefusedChangesNothing has everybody do what the tables refuse, and
// demands that nothing at all is stored.
func TestWhatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).idle()
	tried := 0
	commits := w.commits()
	keys := some(w.keyCallers(), "none", "revoked", "other", "read", "host", "admin")
	tokens := some(w.tokenCallers(), "expired", "foreign", "deleted", "closed", "elsewhere", "mute")
	for _, route := range covered(t, w.server.Routes()) {
		f, short := formOf(route)
		callers := tokens
		if managed(route) {
			callers = keys
		}
		for _, aim := range aims[short] {
			c := aim.at(w, route)
			if c.method == http.MethodGet {
				continue
			}
			for _, who := range callers {
				before := commits()
				got := w.ask(c, who.header(f))
				if !got.refused() {
					break // the last, who may
				}
				tried++
				if commits() != before {
					t.Errorf("%s | %s, %s: refused with %d, and something was stored", title(route), aim.object, who.name, got.status)
				}
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d were refused", tried)
	}
}

var param = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// fill puts ids into the path of a route.
func (w *world) fill(route string, ids map[string]string) (method, path string) {
	w.Helper()
	method, path, _ = strings.Cut(route, " ")
	return method, param.ReplaceAllStringFunc(path, func(name string) string {
		name = strings.Trim(name, "{}.")
		switch id, ok := ids[name]; {
		case ok:
			return id
		case name == "account_id":
			return server.Account
		case name == "app_id":
			return string(w.own.ID)
		}
		w.Fatalf("%s: nobody knows which %s", route, name)
		return ""
	})
}

// some gives those of the callers with these names.
func some(callers []caller, names ...string) []caller {
	return slices.DeleteFunc(callers, func(c caller) bool { return !slices.Contains(names, c.name) })
}

func bearer(token string) func(form) string { return func(form) string { return "Bearer " + token } }

// tokenCallers are participants, and those who might be taken for some. Most
// are, or were, of one meeting, the home.
func (w *world) tokenCallers() []caller {
	w.Helper()
	home := w.home()
	who := func(preset string) person { return w.invite(w.own.ID, home, preset) }
	forger, past := w.server.Tokens, w.server.Tokens
	forger.Key = make([]byte, auth.KeySize)
	past.Now = func() time.Time { return time.Now().Add(-auth.TokenLifetime - time.Second) }
	member := who("group_call_participant")
	disguised := member
	disguised.app = w.other.ID
	deleted := who("group_call_host")
	_, err := w.server.Directory.DeleteParticipant(w.ctx, w.own.ID, home, deleted.id)
	w.must(err)
	closed := w.invite(w.own.ID, w.meeting(w.own.ID), "group_call_host")
	w.close(closed.meeting)
	kicked := who("group_call_participant")
	_, peerID := w.enter(kicked)
	need[session.Gone](w)(w.server.Sessions.Kick(w.ctx, session.Kick{Meeting: home, Peers: []chat.PeerID{peerID}}))
	callers := []caller{{"none", func(form) string { return "" }}, {"bad", bearer("eyJhbGciOiJub25lIn0.e30.")}}
	for _, c := range []struct {
		name string
		person
	}{
		{"forged", w.withToken(member, forger)},
		{"expired", w.withToken(member, past)},
		{"otherapp", w.withToken(disguised, w.server.Tokens)},
		{"foreign", w.invite(w.other.ID, w.meeting(w.other.ID), "group_call_host")},
		{"deleted", deleted},
		{"closed", closed},
		{"kicked", kicked},
		{"elsewhere", w.invite(w.own.ID, w.meeting(w.own.ID), "group_call_host")},
		{"mute", who("mute")},
		{"viewer", who("webinar_viewer")},
		{"stream", who("stream")},
		{"hidden", who("hidden")},
		{"member", member},
		{"host", who("group_call_host")},
	} {
		callers = append(callers, caller{c.name, bearer(c.token)})
	}
	return callers
}
