package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/realtime_kit"

	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

// form is one way in which the table is run.
type form struct {
	name   string
	v2     bool
	secure bool
}

var forms = []form{
	{name: "account form, http"},
	{name: "account form, https", secure: true},
	{name: "v2 form, http", v2: true},
	{name: "v2 form, https", v2: true, secure: true},
}

// world is the official client before a server, in one form.
type world struct {
	*testing.T
	ctx     context.Context
	server  address
	form    form
	app     string // of which calls are made
	token   string
	retries int
	tls     *tls.Config
	// called are the methods of the client that were called.
	called map[string]bool

	mu   sync.Mutex
	sent []int // the status of each answer
}

func newWorld(t *testing.T, server address, form form) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*peer.Timeout)
	t.Cleanup(cancel)
	authority, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &world{
		T: t, ctx: ctx, server: server, form: form, app: server.App, token: server.Token,
		tls: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, called: make(map[string]bool),
	}
}

func (w *world) origin() string {
	if w.form.secure {
		return "https://" + w.server.BaseURI
	}
	return w.server.HTTP
}

// client is the official client, with its base URL changed.
func (w *world) client() *realtime_kit.RealtimeKitService {
	transport := &http.Transport{TLSClientConfig: w.tls.Clone()}
	w.Cleanup(transport.CloseIdleConnections)
	options := []option.RequestOption{
		option.WithBaseURL(w.origin() + "/client/v4/"), option.WithAPIToken(w.token), option.WithMaxRetries(w.retries),
		option.WithHTTPClient(&http.Client{Transport: &noting{w, transport}}),
	}
	if w.form.v2 {
		options = append(options, option.WithMiddleware(w.asV2))
	}
	return realtime_kit.NewRealtimeKitService(options...)
}

// asV2 writes a request anew as older clients send it.
func (w *world) asV2(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	prefix := "/client/v4/accounts/" + w.server.Account + "/realtime/kit/" + w.app
	if path, found := strings.CutPrefix(r.URL.Path, prefix); found {
		r.URL.Path = "/v2" + path
		r.SetBasicAuth(w.app, w.token)
	}
	return next(r)
}

// noting notes the status of each answer, repeats included.
type noting struct {
	world *world
	next  http.RoundTripper
}

func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := n.next.RoundTrip(r)
	if err == nil {
		n.world.mu.Lock()
		defer n.world.mu.Unlock()
		n.world.sent = append(n.world.sent, answer.StatusCode)
	}
	return answer, err
}

// statuses gives what was answered since it was last asked.
func (w *world) statuses() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

// try calls a method of the official client, such as "Meetings.New", with what
// its parameters are to hold and the ids of its path, the app's aside.
func (w *world) try(name string, values object, path ...string) (any, error) {
	w.Helper()
	service, method, _ := strings.Cut(name, ".")
	f := reflect.ValueOf(w.client()).Elem().FieldByName(service).MethodByName(method)
	if !f.IsValid() {
		w.Fatalf("the client has no %s", name)
	}
	w.called[name] = true
	w.statuses()
	in := []reflect.Value{reflect.ValueOf(w.ctx)}
	if service != "Apps" {
		in = append(in, reflect.ValueOf(w.app))
	}
	for _, id := range path {
		in = append(in, reflect.ValueOf(id))
	}
	if want := f.Type().NumIn() - 2; len(in) != want {
		w.Fatalf("%s wants %d ids in its path", name, want-len(in)+len(path))
	}
	params := reflect.New(f.Type().In(len(in))).Elem()
	if err := errors.Join(fill(params, object{"account_id": w.server.Account}), fill(params, values)); err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	out := f.Call(append(in, params))
	err, _ := reflect.TypeAssert[error](out[1])
	return out[0].Interface(), err
}

// call is try for what must go well, with one answer of this status.
func (w *world) call(status int, name string, values object, path ...string) answer {
	w.Helper()
	got, err := w.try(name, values, path...)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	if sent := w.statuses(); len(sent) != 1 || sent[0] != status {
		w.Errorf("%s: status %v, want %d", name, sent, status)
	}
	for _, complaint := range judge(got) {
		w.Errorf("%s: %s", name, complaint)
	}
	a := answer{w, name, reflect.ValueOf(got).Elem()}
	a.holds(object{"Success": true})
	return a
}

// answer is what the client has decoded.
type answer struct {
	world *world
	name  string
	value reflect.Value
}

// at finds a value by the client's names for it, such as "Data.0.Title".
func (a answer) at(path string) reflect.Value {
	a.world.Helper()
	v := a.value
	for name := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(name); err == nil && v.Kind() == reflect.Slice {
			if i >= v.Len() {
				a.world.Fatalf("%s: there are only %d in %s", a.name, v.Len(), path)
			}
			v = v.Index(i)
			continue
		}
		if v = v.FieldByName(name); !v.IsValid() {
			a.world.Fatalf("%s: the client knows no %s", a.name, path)
		}
	}
	return v
}

func (a answer) text(path string) string {
	a.world.Helper()
	return a.at(path).String()
}

// holds compares values, found as by at. Of a list, the length is compared with
// a number.
func (a answer) holds(values object) {
	a.world.Helper()
	for path, want := range values {
		got := a.at(path)
		if n, isNumber := want.(int); isNumber && got.Kind() == reflect.Slice {
			if got.Len() != n {
				a.world.Errorf("%s: %d in %s, want %d", a.name, got.Len(), path, n)
			}
			continue
		}
		if w := reflect.ValueOf(want).Convert(got.Type()); !reflect.DeepEqual(got.Interface(), w.Interface()) {
			a.world.Errorf("%s: %s is %#v, want %#v", a.name, path, got.Interface(), want)
		}
	}
}

// refused is try for what must not: the client has to give the error of its own
// type, with this status, and one error in it whose message tells of the cause.
func (w *world) refused(status int, about, name string, values object, path ...string) {
	w.Helper()
	_, err := w.try(name, values, path...)
	refusal, ok := errors.AsType[*realtime_kit.Error](err)
	if !ok {
		w.Errorf("%s: %v, want the client's own error", name, err)
		return
	}
	if refusal.StatusCode != status || len(refusal.Errors) != 1 || refusal.Errors[0].Code == 0 ||
		!strings.Contains(refusal.Errors[0].Message, about) {
		w.Errorf("%s: %v, want %d and a message about %q", name, refusal, status, about)
	}
	if got := w.statuses(); len(got) != 1 {
		w.Errorf("%s: was tried %d times", name, len(got))
	}
}

// join lets somebody into the live session of a meeting.
func (w *world) join(meeting, token string) *peer.Peer {
	w.Helper()
	logs.Secret(token)
	p, err := peer.Dial(w.ctx, "ws"+strings.TrimPrefix(w.origin(), "http"), token, peer.Options{Meeting: meeting, TLS: w.tls.Clone()})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.Cut)
	if _, err := p.Join(w.ctx, ""); err != nil {
		w.Fatal(err)
	}
	return p
}

// stranger is an id that nothing has.
const stranger = "00000000-0000-4000-8000-000000000000"
