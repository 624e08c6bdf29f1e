package crash_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
)

// Who is there: two meetings, one of which keeps its chat beyond the session.
const (
	peoplePerMeeting = 4
	voicesPerPerson  = 3
)

// roundTimeout is how long a round may take before the test gives up.
const roundTimeout = 3 * time.Minute

// world is a server, and the people who use it through all its lives.
type world struct {
	*testing.T
	random   *rand.Rand
	data     string
	flags    []string
	child    *child
	web      *http.Client
	meetings []*meeting
	voices   []*voice
	round    int

	mu    sync.Mutex
	files map[string][sha256.Size]byte // what was put, by label
}

// meeting is one with its people.
type meeting struct {
	id     string
	people []*person
}

// person is a participant.
type person struct {
	id, token string
	meeting   *meeting
	voices    []*voice
	// settled is all this person was shown when the last round was judged.
	settled []message
}

// newWorld starts a server on a data directory and invites everybody.
func newWorld(ctx context.Context, t *testing.T, random *rand.Rand, data string, flags ...string) *world {
	t.Helper()
	w := &world{
		T: t, random: random, data: data, flags: flags,
		web: &http.Client{Transport: &http.Transport{}}, files: make(map[string][sha256.Size]byte),
	}
	t.Cleanup(w.hangUp)
	w.start(ctx)
	for _, persist := range []bool{false, true} {
		w.invite(ctx, persist)
	}
	return w
}

// start starts the server on what is in the data directory.
func (w *world) start(ctx context.Context) {
	w.Helper()
	w.child = start(ctx, w.T, w.data, w.flags...)
}

// rest is a URL of the management API.
func (w *world) rest(path string) string {
	c := w.child
	return c.REST + "/accounts/" + c.Account + "/realtime/kit/" + c.App + path
}

// invite makes a meeting with its people, and gives them their voices.
func (w *world) invite(ctx context.Context, persist bool) {
	w.Helper()
	var made struct {
		Data struct{ ID, Token string }
	}
	wish := map[string]any{"title": "Crash", "persist_chat": persist}
	w.must(w.post(ctx, w.rest("/meetings"), w.child.Token, wish, &made))
	m := &meeting{id: made.Data.ID}
	w.meetings = append(w.meetings, m)
	for i := range peoplePerMeeting {
		wish := map[string]any{
			"name": fmt.Sprintf("Person %d", i), "preset_name": "group_call_host", "custom_participant_id": fmt.Sprintf("person-%d", i),
		}
		w.must(w.post(ctx, w.rest("/meetings/"+m.id+"/participants"), w.child.Token, wish, &made))
		p := &person{id: made.Data.ID, token: made.Data.Token, meeting: m}
		m.people = append(m.people, p)
		for k := range voicesPerPerson {
			v := &voice{
				world: w, person: p, number: len(w.voices), id: uuid.Must(uuid.NewV4()).String(), shares: k == 0,
				random: rand.New(rand.NewPCG(w.random.Uint64(), 0)),
			}
			p.voices, w.voices = append(p.voices, v), append(w.voices, v)
		}
	}
}

// socket is where peers connect.
func (w *world) socket() string { return "ws" + strings.TrimPrefix(w.child.HTTP, "http") }

// enter connects all voices.
func (w *world) enter(ctx context.Context) {
	w.Helper()
	for _, v := range w.voices {
		if err := v.enter(ctx, w.socket()); err != nil {
			w.Fatalf("voice %d: %v", v.number, err)
		}
	}
}

// hangUp ends all connections without a word.
func (w *world) hangUp() {
	for _, v := range w.voices {
		if v.peer != nil {
			v.peer.Cut()
		}
	}
	w.web.CloseIdleConnections()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// keep remembers what a file held.
func (w *world) keep(label string, digest [sha256.Size]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[label] = digest
}

// post sends JSON and reads the answer into into.
func (w *world) post(ctx context.Context, to, token string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := w.do(ctx, http.MethodPost, to, token, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// put sends a file to the link for it.
func (w *world) put(ctx context.Context, link string, content []byte) error {
	_, err := w.do(ctx, http.MethodPut, w.local(link), "", content)
	return err
}

// get reads a file.
func (w *world) get(ctx context.Context, link string) ([]byte, error) {
	return w.do(ctx, http.MethodGet, w.local(link), "", nil)
}

// local brings a link to the plain port of the present child.
func (w *world) local(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	return w.child.HTTP + u.RequestURI()
}

// do gives the body of an answer; any status but 2xx is an error.
func (w *world) do(ctx context.Context, method, to, token string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.web.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s was answered %s: %s", method, r.URL.Path, answer.Status, raw)
	}
	return raw, nil
}
