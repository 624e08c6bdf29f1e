// Package matrix tests who may do what: every route and every event of a whole
// server, by everybody, to whatever there may be. What is expected stands in
// testdata, as tables to be read; a route or an event without a row fails.
package matrix_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	_ "modernc.org/sqlite"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

// world is a server with two apps. Nothing of the second may be seen by the
// first: all that has a name there is called foreign.
type world struct {
	testing.TB
	ctx        context.Context
	dir        string
	server     *server.Server
	web        *httptest.Server
	own, other directory.App
	presets    map[string]directory.Preset // of the first app, by their names
	homely     chat.MeetingID
	master     string // a key for everything
	stages     map[chat.AppID]*stage
	// Stages that are in the way of events, in either app.
	elsewhere, foreign *stage
	theirs             string // a link to a file of elsewhere
	stopped            time.Time
	ahead              atomic.Int64
}

const foreign = "foreign"

// newWorld makes a server that answers. Run lets it work in the background, too.
func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldAt(t, logs.Logger("matrix"), time.Time{})
}

// newWorldAt makes one with a clock that stands still until tick moves it, if
// there is a time to begin at.
func newWorldAt(t testing.TB, log *slog.Logger, stopped time.Time) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*peer.Timeout)
	t.Cleanup(cancel)
	w := &world{TB: t, ctx: ctx, dir: t.TempDir(), presets: make(map[string]directory.Preset), stages: make(map[chat.AppID]*stage), stopped: stopped}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.server, err = server.New(ctx, server.Config{
		Dir: w.dir, PublicURL: "http://" + listener.Addr().String(), ICEAddr: "127.0.0.1:0", WebhookAllow: server.Loopback(), Logger: log, Now: w.now,
	})
	w.must(err)
	w.web = &httptest.Server{Listener: listener, Config: &http.Server{Handler: w.server.Handler(), ReadHeaderTimeout: time.Minute}}
	w.web.Start()
	t.Cleanup(w.web.Close)
	w.own, err = w.server.Directory.CreateApp(ctx, server.Account, "own")
	w.must(err)
	w.other, err = w.server.Directory.CreateApp(ctx, server.Account, foreign)
	w.must(err)
	w.preset("mute", `{"config":{"view_type":"GROUP_CALL"},"permissions":{"show_participant_list":false,"chat":{"public":{"can_send":false,"text":false,"files":false}}}}`)
	w.preset("stream", `{"config":{"view_type":"LIVESTREAM"},"permissions":{}}`)
	w.preset("hidden", `{"config":{},"permissions":{"hidden_participant":true,"chat":{"private":{"can_send":true,"can_receive":true,"text":true,"files":true}}}}`)
	w.preset("guest", `{"config":{},"permissions":{"waiting_room_type":"SKIP_ON_ACCEPT"}}`)
	return w
}

func (w *world) now() time.Time {
	if w.stopped.IsZero() {
		return time.Now()
	}
	return w.stopped.Add(time.Duration(w.ahead.Load()))
}

// tick moves a clock that stands still to the next second.
func (w *world) tick() { w.ahead.Add(int64(time.Second)) }

// run lets the server work in the background until the test ends.
func (w *world) run() *world {
	w.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.server.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			w.Errorf("the server stopped with: %v", err)
		}
	})
	return w
}

// idle has the server, which does not run, closed when the test ends.
func (w *world) idle() *world {
	w.Helper()
	w.Cleanup(func() { w.must(w.server.Close()) })
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// need gives a value that was made, or ends the test.
func need[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// preset makes a preset of the first app. What body does not name is as in those
// that an app begins with: public chat, and all can be seen.
func (w *world) preset(name, body string) directory.Preset {
	w.Helper()
	p := w.presetOf(w.own.ID, name, body)
	w.presets[name] = p
	return p
}

func (w *world) presetOf(app chat.AppID, name, body string) directory.Preset {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	var wish struct{ Config, Permissions json.RawMessage }
	w.must(json.Unmarshal([]byte(body), &wish))
	return need[directory.Preset](w)(w.server.Directory.CreatePreset(w.ctx, app, directory.NewPreset{
		Name: name, Config: wish.Config, Permissions: wish.Permissions, UI: json.RawMessage(`{}`),
	}))
}

func (w *world) meeting(app chat.AppID) chat.MeetingID {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	title := "own"
	if app == w.other.ID {
		title = foreign
	}
	return need[directory.Meeting](w)(w.server.Directory.CreateMeeting(w.ctx, app, directory.NewMeeting{Title: title})).ID
}

// person is somebody with a token.
type person struct {
	app     chat.AppID
	meeting chat.MeetingID
	id      chat.ParticipantID
	preset  chat.PresetID
	token   string
}

// invite adds somebody to a meeting.
func (w *world) invite(app chat.AppID, meeting chat.MeetingID, preset string) person {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	name := "own"
	if app == w.other.ID {
		name = foreign
	}
	p := need[directory.Participant](w)(w.server.Directory.AddParticipant(w.ctx, app, meeting, directory.NewParticipant{
		CustomID: name, Name: name, PresetName: preset,
	}))
	return w.withToken(person{app: app, meeting: meeting, id: p.ID, preset: p.Preset}, w.server.Tokens)
}

// withToken gives a person a token that somebody mints.
func (w *world) withToken(p person, by auth.Tokens) person {
	w.Helper()
	p.token = need[string](w)(by.Mint(auth.Identity{App: p.app, Meeting: p.meeting, Participant: p.id}, p.preset))
	logs.Secret(p.token)
	return p
}

// key makes an API key; "" is for all apps.
func (w *world) key(app chat.AppID, scopes ...auth.Scope) (id, token string) {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	name := "own"
	if app == w.other.ID {
		name = foreign
	}
	key, token, err := w.server.Keys.Create(w.ctx, auth.NewAPIKey{App: app, Name: name, Scopes: scopes})
	w.must(err)
	logs.Secret(token)
	return key.ID, token
}

// enter records somebody as being in the live session of the meeting, without
// a socket.
func (w *world) enter(p person) (chat.SessionID, chat.PeerID) {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	id := chat.PeerID(freshID())
	name := "own"
	if p.app == w.other.ID {
		name = foreign
	}
	s := need[session.Session](w)(w.server.Sessions.Enter(w.ctx, session.Arrival{
		Meeting: p.meeting, Peer: id, Participant: p.id, DisplayName: name,
	}, chat.SessionID(freshID())))
	return s.ID, id
}

// connect opens a socket and does not join.
func (w *world) connect(p person, o peer.Options) *peer.Peer {
	w.Helper()
	w.tick() // no two of anything are made at the same time
	if o.Meeting == "" {
		o.Meeting = string(p.meeting)
	}
	c := need[*peer.Peer](w)(peer.Dial(w.ctx, w.socketURL(), p.token, o))
	w.Cleanup(c.Cut)
	return c
}

// join opens a socket and joins, or begins to wait.
func (w *world) join(p person) *peer.Peer {
	w.Helper()
	c := w.connect(p, peer.Options{})
	_, err := c.Join(w.ctx, "")
	w.must(err)
	return c
}

func (w *world) socketURL() string { return "ws" + strings.TrimPrefix(w.web.URL, "http") }

func freshID() string { return uuid.Must(uuid.NewV4()).String() }

// commits tells whether anything was stored between two calls: the numbers
// that it gives differ.
func (w *world) commits() func() int64 {
	w.Helper()
	db := need[*sql.DB](w)(sql.Open("sqlite", "file:"+filepath.Join(w.dir, "parley.db")+"?mode=ro"))
	conn := need[*sql.Conn](w)(db.Conn(w.ctx))
	w.Cleanup(sync.OnceFunc(func() { _ = conn.Close(); _ = db.Close() }))
	return func() int64 {
		var version int64
		w.must(conn.QueryRowContext(w.ctx, `PRAGMA data_version`).Scan(&version))
		return version
	}
}
