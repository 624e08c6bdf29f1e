// Package socket tests what peers see, through real sockets against a whole
// server in this process.
package socket_test

import (
	"context"
	"database/sql"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

// world is a running server with one app and one meeting.
type world struct {
	*testing.T
	ctx     context.Context
	dir     string
	server  *server.Server
	web     *httptest.Server
	app     directory.App
	meeting directory.Meeting
	stop    func()
	// ahead is by how much the server's clock is ahead.
	ahead atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peer.Timeout*3)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, dir: t.TempDir()}
	w.start()
	var err error
	if w.app, err = w.server.Directory.CreateApp(ctx, "account", "app"); err != nil {
		t.Fatal(err)
	}
	w.meeting = w.newMeeting(directory.NewMeeting{Title: "Standup"})
	return w
}

// start starts the server on what is in the directory.
func (w *world) start() {
	w.Helper()
	s, err := server.New(w.ctx, server.Config{
		Dir: w.dir, PublicURL: "https://api.example.com", ICEAddr: "127.0.0.1:0", Logger: logs.Logger("socket"),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	if err != nil {
		w.Fatal(err)
	}
	w.server, w.web = s, httptest.NewServer(s.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			w.Errorf("the server stopped with: %v", err)
		}
		w.web.Close()
	})
	w.Cleanup(func() { w.stop() })
}

// restart stops the server in order and starts it again.
func (w *world) restart() {
	w.Helper()
	w.stop()
	w.start()
}

func (w *world) newMeeting(wish directory.NewMeeting) directory.Meeting {
	w.Helper()
	m, err := w.server.Directory.CreateMeeting(w.ctx, w.app.ID, wish)
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// person is somebody with a token for the world's meeting.
type person struct {
	id      chat.ParticipantID
	meeting chat.MeetingID
	token   string
}

func (w *world) invite(name, preset string) person {
	w.Helper()
	return w.inviteTo(w.meeting.ID, name, preset)
}

func (w *world) inviteTo(meeting chat.MeetingID, name, preset string) person {
	w.Helper()
	p, err := w.server.Directory.AddParticipant(w.ctx, w.app.ID, meeting, directory.NewParticipant{
		CustomID: "c-" + name, Name: name, PresetName: preset,
	})
	if err != nil {
		w.Fatal(err)
	}
	token, err := w.server.Tokens.Mint(auth.Identity{App: w.app.ID, Meeting: meeting, Participant: p.ID}, p.Preset)
	if err != nil {
		w.Fatal(err)
	}
	logs.Secret(token, name, "c-"+name)
	return person{p.ID, meeting, token}
}

func (w *world) url() string { return "ws" + strings.TrimPrefix(w.web.URL, "http") }

// connect opens a socket and does not join.
func (w *world) connect(p person, o peer.Options) *peer.Peer {
	w.Helper()
	if o.Meeting == "" {
		o.Meeting = string(p.meeting)
	}
	c, err := peer.Dial(w.ctx, w.url(), p.token, o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Cut)
	return c
}

// join opens a socket and joins.
func (w *world) join(p person) *peer.Peer {
	w.Helper()
	c := w.connect(p, peer.Options{})
	w.must(c.Join(w.ctx, ""))
	return c
}

// enter invites somebody who may do everything, and joins.
func (w *world) enter(name string) *peer.Peer {
	w.Helper()
	return w.join(w.invite(name, "group_call_host"))
}

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) say(p *peer.Peer, text string) *rtkwire.ChatMessage {
	w.Helper()
	m, err := p.SendText(w.ctx, text)
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// await waits for the next frame of an event from frame number from on, and
// decodes it.
func (w *world) await(p *peer.Peer, from int, event protocol.Event, into proto.Message) int {
	w.Helper()
	f, at, err := p.Await(w.ctx, from, func(f *rtkwire.Frame) bool { return protocol.Event(f.GetEvent()) == event })
	if err != nil {
		w.Fatalf("event %d did not come: %v", event, err)
	}
	if err := proto.Unmarshal(f.GetPayload(), into); err != nil {
		w.Fatal(err)
	}
	return at + 1
}

// awaitText waits until a public message with this text has come, and gives
// the texts that came before it, and it.
func (w *world) awaitText(p *peer.Peer, from int, text string) []string {
	w.Helper()
	var texts []string
	for {
		var m rtkwire.OneChatMessage
		from = w.await(p, from, protocol.SendMessageToRoom, &m)
		texts = append(texts, m.GetMessage().GetPayload())
		if m.GetMessage().GetPayload() == text {
			return texts
		}
	}
}

func (w *world) history(p *peer.Peer) []string {
	w.Helper()
	messages, err := p.History(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = m.GetPayload()
	}
	return texts
}

// awaitRow waits until a query on the server's database gives 1.
func (w *world) awaitRow(query string, args ...any) {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "parley.db")+"?mode=ro")
	w.must(nil, err)
	defer db.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var found int
		w.must(nil, db.QueryRowContext(w.ctx, "SELECT EXISTS ("+query+")", args...).Scan(&found))
		if found == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("no row for %s", query)
		}
	}
}

// session gives the id of the session that a peer is in.
func (w *world) session(p *peer.Peer) string {
	w.Helper()
	var info rtkwire.RoomInfo
	w.must(nil, p.Request(w.ctx, protocol.GetRoomInfo, nil, &info))
	return info.GetRoom().GetRoomUuid()
}
