package upload_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/upload"
)

// place is a server for uploads over a real store and a real disk, with one
// meeting, in session, of Alice and Bob.
type place struct {
	*upload.Service
	t         testing.TB
	url       string
	client    *http.Client
	clock     *clock
	store     *sqlite.DB
	blobDir   string
	tokens    auth.Tokens
	directory *directory.Service
	journal   *journal.Journal
	app       directory.App
	meeting   directory.Meeting
	alice     directory.Participant
	bob       directory.Participant
}

// clock is a clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const maxSize = 1 << 20

// open makes a place. wrap, where it is not nil, stands between the service
// and the disk.
func open(t testing.TB, wrap func(blob.Store) blob.Store) *place {
	dir := t.TempDir()
	p := &place{t: t, clock: &clock{now: time.Date(2030, 1, 1, 12, 20, 0, 0, time.UTC)}, blobDir: filepath.Join(dir, "blobs")}
	var err error
	if p.store, err = sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Now: p.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	onDisk, err := disk.Open(p.blobDir)
	if err != nil {
		t.Fatal(err)
	}
	var blobs blob.Store = onDisk
	if wrap != nil {
		blobs = wrap(blobs)
	}
	p.tokens = auth.Tokens{Key: bytes.Repeat([]byte("k"), auth.KeySize), Now: p.clock.Now}
	p.directory = directory.New(p.store, p.clock.Now)
	p.journal = journal.New(p.store, p.clock.Now, journal.Limits{}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
	p.people()

	listener := httptest.NewUnstartedServer(nil)
	p.url = "http://" + listener.Listener.Addr().String()
	p.Service, err = upload.New(upload.Config{
		Store: p.store, Blobs: blobs, Tokens: p.tokens, Directory: p.directory,
		Key: []byte("a key of the tests, long enough"), BaseURL: p.url + "/", MaxSize: maxSize, Now: p.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, path := range upload.Paths {
		mux.Handle(path, p.Service)
	}
	listener.Config.Handler = mux
	listener.Start()
	t.Cleanup(listener.Close)
	p.client = listener.Client()
	return p
}

func (p *place) people() {
	var err error
	ctx := p.t.Context()
	if p.app, err = p.directory.CreateApp(ctx, "account", "app"); err != nil {
		p.t.Fatal(err)
	}
	if p.meeting, err = p.directory.CreateMeeting(ctx, p.app.ID, directory.NewMeeting{}); err != nil {
		p.t.Fatal(err)
	}
	p.alice, p.bob = p.add("alice", "group_call_host"), p.add("bob", "group_call_host")
	for _, who := range []directory.Participant{p.alice, p.bob} {
		arrival := session.Arrival{Meeting: p.meeting.ID, Peer: peerOf(who), Participant: who.ID, DisplayName: who.CustomID}
		if _, err := p.store.Enter(ctx, arrival, "session", p.clock.Now()); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) add(name, preset string) directory.Participant {
	who, err := p.directory.AddParticipant(p.t.Context(), p.app.ID, p.meeting.ID,
		directory.NewParticipant{CustomID: name, PresetName: preset})
	if err != nil {
		p.t.Fatal(err)
	}
	return who
}

func peerOf(who directory.Participant) chat.PeerID { return chat.PeerID("peer-" + who.CustomID) }

func (p *place) token(who auth.Identity) string {
	token, err := p.tokens.Mint(who, "preset")
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

func (p *place) tokenOf(who directory.Participant) string {
	return p.token(auth.Identity{App: p.app.ID, Meeting: p.meeting.ID, Participant: who.ID})
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response
	body string
}

// do sends a request with headers given as name, value, name, value.
func (p *place) do(method, url string, body io.Reader, headers ...string) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply{res, string(text)}
}

// askFor sends a request for an upload.
func (p *place) askFor(token, body string) reply {
	p.t.Helper()
	return p.do("POST", p.url+"/v2/meetings/chat-upload", strings.NewReader(body), "Authorization", "Bearer "+token)
}

// links are the two URLs of an upload.
type links struct {
	Get string `json:"get_location"`
	Put string `json:"put_location"`
}

func (p *place) linksOf(r reply) links {
	p.t.Helper()
	var answer struct {
		Success bool
		Data    links
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.StatusCode != 200 || !answer.Success {
		p.t.Fatalf("asking for an upload gives %d %s", r.StatusCode, r.body)
	}
	return answer.Data
}

// new asks for an upload of Alice's.
func (p *place) new(name string) links {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"roomUUID": string(p.meeting.ID), "filename": name})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.linksOf(p.askFor(p.tokenOf(p.alice), string(body)))
}

// uploaded asks for an upload and puts it.
func (p *place) uploaded(name, content string) links {
	p.t.Helper()
	l := p.new(name)
	wantStatus(p.t, p.put(l, content), 200)
	return l
}

func (p *place) put(l links, content string) reply {
	p.t.Helper()
	return p.do("PUT", l.Put, strings.NewReader(content))
}

func (p *place) get(url string, headers ...string) reply {
	p.t.Helper()
	return p.do("GET", url, nil, headers...)
}

// idOf recognises the upload of a link.
func (p *place) idOf(l links) chat.UploadID {
	p.t.Helper()
	id, ok := p.Links(p.meeting.ID, false).Upload(l.Get)
	if !ok {
		p.t.Fatalf("%s is not recognised", l.Get)
	}
	return id
}

// attach sends a message of Alice's that refers to an upload.
func (p *place) attach(id chat.UploadID) error {
	_, err := p.journal.Append(p.t.Context(), chat.SendMessage{
		Actor: chat.Actor{Meeting: p.meeting.ID, Participant: p.alice.ID, Peer: peerOf(p.alice)},
		ID:    chat.MessageID(fmt.Sprintf("message-%s", id)),
		Content: chat.Content{
			Kind: chat.File, Payload: `{"link":"upload:` + string(id) + `"}`, Uploads: []chat.UploadID{id},
		},
	})
	return err
}

// objects lists the files of the blob store.
func (p *place) objects() []string {
	p.t.Helper()
	var files []string
	err := filepath.WalkDir(p.blobDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return files
}

// wantStatus demands a status, and of a refusal that it is JSON in the form
// that all clients read.
func wantStatus(t testing.TB, r reply, status int) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s gives %d %s, want %d", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.body, status)
	}
	if status < 400 || r.Request.Method == "HEAD" {
		return
	}
	var e struct {
		Success *bool
		Error   struct {
			Code    int
			Message string
		}
		Errors []struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || r.Header.Get("Content-Type") != "application/json" ||
		e.Success == nil || *e.Success || e.Error.Code != status || len(e.Errors) != 1 || e.Errors[0] != e.Error || e.Error.Message == "" {
		t.Fatalf("a refusal is %q of type %s: %v", r.body, r.Header.Get("Content-Type"), err)
	}
}

// pngOf makes a PNG of one colour.
func pngOf(t testing.TB, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		}
	}
}
