package hostile

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
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

// world is a whole server behind real sockets, with an app.
type world struct {
	*testing.T
	ctx    context.Context
	server *server.Server
	addr   string
	app    chat.AppID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	logs.Secret(Scripts()...)
	logs.Secret("secret.txt")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	s, err := server.New(ctx, server.Config{
		Dir: t.TempDir(), PublicURL: "http://parley.example", ICEAddr: "127.0.0.1:0", Logger: logs.Logger("hostile"),
	})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving, s.Handler(), []server.Listener{{Listener: l}}) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	app, err := s.Directory.CreateApp(ctx, "account", "app")
	must(t, err)
	return &world{T: t, ctx: ctx, server: s, addr: l.Addr().String(), app: app.ID}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) meeting(app chat.AppID) chat.MeetingID {
	w.Helper()
	m, err := w.server.Directory.CreateMeeting(w.ctx, app, directory.NewMeeting{Title: "Standup"})
	must(w.T, err)
	return m.ID
}

// meetingOf is where a scene plays.
func (w *world) meetingOf(s *scene) chat.MeetingID { return chat.MeetingID(s.target.Meeting) }

// person is somebody with a token.
type person struct {
	id    chat.ParticipantID
	token string
}

func (w *world) invite(app chat.AppID, meeting chat.MeetingID, name, preset string) person {
	w.Helper()
	p, err := w.server.Directory.AddParticipant(w.ctx, app, meeting, directory.NewParticipant{CustomID: "c-" + name, Name: name, PresetName: preset})
	must(w.T, err)
	logs.Secret(name)
	return person{p.ID, w.token(w.server.Tokens, app, meeting, p.ID, p.Preset)}
}

func (w *world) token(tokens auth.Tokens, app chat.AppID, meeting chat.MeetingID, who chat.ParticipantID, preset chat.PresetID) string {
	w.Helper()
	token, err := tokens.Mint(auth.Identity{App: app, Meeting: meeting, Participant: who}, preset)
	must(w.T, err)
	logs.Secret(token)
	return token
}

func (w *world) enter(p person, meeting chat.MeetingID) *peer.Peer {
	w.Helper()
	c, err := peer.Dial(w.ctx, "ws://"+w.addr, p.token, peer.Options{Meeting: string(meeting)})
	must(w.T, err)
	w.Cleanup(c.Cut)
	_, err = c.Join(w.ctx, "")
	must(w.T, err)
	return c
}

// scene is a meeting under attack, with honest people in it and in another
// one, and what they have said.
type scene struct {
	*world
	alice, bob, carol *peer.Peer
	public, private   *rtkwire.ChatMessage
	elsewhere         *rtkwire.ChatMessage
	target            Target
	rested            usage
}

// The secrets are said in private or elsewhere.
const (
	whisper   = "only-for-bob-to-know"
	apart     = "said-in-another-meeting"
	otherName = "Carol-of-the-other-app"
)

func (w *world) scene() *scene {
	w.Helper()
	meeting := w.meeting(w.app)
	foreign, err := w.server.Directory.CreateApp(w.ctx, "account", "other")
	must(w.T, err)
	other := w.meeting(foreign.ID)
	alice, bob := w.invite(w.app, meeting, "Alice", "group_call_host"), w.invite(w.app, meeting, "Bob", "group_call_host")
	carol := w.invite(foreign.ID, other, otherName, "group_call_host")
	mallory := w.invite(w.app, meeting, "Mallory", "group_call_participant")
	viewer := w.invite(w.app, meeting, "Vic", "webinar_viewer")
	s := &scene{world: w, alice: w.enter(alice, meeting), bob: w.enter(bob, meeting), carol: w.enter(carol, other)}
	link := w.upload(meeting, alice.token)
	farLink := w.upload(other, carol.token)
	s.public, err = s.alice.SendText(w.ctx, "said by Alice")
	must(w.T, err)
	s.private, err = s.alice.Whisper(w.ctx, whisper, s.bob.ID)
	must(w.T, err)
	s.elsewhere, err = s.carol.SendText(w.ctx, apart)
	must(w.T, err)
	past := auth.Tokens{Key: w.server.Tokens.Key, Now: func() time.Time { return time.Now().Add(-2 * auth.TokenLifetime) }}
	mine, err := w.server.Directory.Access(w.ctx, meeting, mallory.id)
	must(w.T, err)
	preset := mine.Participant.Preset
	s.target = Target{
		Addr: w.addr, Meeting: string(meeting), Token: mallory.token, Viewer: viewer.token,
		Foreign: Foreign{
			Peers:        []string{s.alice.ID, s.bob.ID},
			Participants: []string{string(alice.id), string(carol.id)},
			Messages:     []string{s.public.GetChatId(), s.private.GetChatId(), s.elsewhere.GetChatId()},
			Meetings:     []string{string(other)},
			Links:        []string{link, farLink},
			Tokens: map[string]string{
				"expired":                      w.token(past, w.app, meeting, mallory.id, preset),
				"of another meeting":           carol.token,
				"of nobody":                    w.token(w.server.Tokens, w.app, meeting, "00000000-0000-4000-8000-000000000000", preset),
				"of another, for this meeting": w.token(w.server.Tokens, foreign.ID, meeting, carol.id, preset),
			},
			Secrets: []string{whisper, apart, otherName},
		},
	}
	return s
}

// upload puts a file and gives the link to read it.
func (w *world) upload(meeting chat.MeetingID, token string) string {
	w.Helper()
	a := New(Target{Addr: w.addr})
	status, body, err := a.call(w.ctx, http.MethodPost, "/v2/meetings/chat-upload", token, fmt.Sprintf(`{"roomUUID":%q,"filename":"secret.txt"}`, meeting))
	must(w.T, err)
	_, put, found := strings.Cut(string(body), `"put_location":"`)
	_, get, ok := strings.Cut(string(body), `"get_location":"`)
	if status != http.StatusOK || !found || !ok {
		w.Fatalf("asking for an upload was answered %d %s", status, body)
	}
	put, get = strings.ReplaceAll(cut(put), `\u0026`, "&"), strings.ReplaceAll(cut(get), `\u0026`, "&")
	u, err := url.Parse(put)
	must(w.T, err)
	if status, body, err := a.call(w.ctx, http.MethodPut, u.RequestURI(), "", "the content of a file"); err != nil || status != http.StatusOK {
		w.Fatalf("putting a file was answered %d %s, %v", status, body, err)
	}
	return get
}

func cut(s string) string {
	before, _, _ := strings.Cut(s, `"`)
	return before
}

// usage is what the process uses.
type usage struct {
	goroutines int
	heap       uint64
}

func measure() usage {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// What an attack may leave behind, once the attacker has gone: a page of the
// room's log, rates of the attacker, buffers that will be used again.
const (
	maxGoroutines = 10
	maxHeap       = 12 << 20
)

// awaitRest waits until the server has come to rest.
func (s *scene) awaitRest(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(40 * time.Second); ; <-tick.C {
		now := measure()
		if now.goroutines <= s.rested.goroutines+maxGoroutines && now.heap <= s.rested.heap+maxHeap {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("left behind: %d goroutines, before %d; %d KiB of heap, before %d\n%s", now.goroutines, s.rested.goroutines,
				now.heap>>10, s.rested.heap>>10, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// promptly is how soon honest people have to be served while the attacker is
// at it. It has room for the race detector and for busy machines.
const promptly = 5 * time.Second

// checkService has everybody say something and hear it.
func (s *scene) checkService(t *testing.T, when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, promptly)
	defer cancel()
	for _, p := range []*peer.Peer{s.alice, s.carol} {
		text := "still here " + when + " " + newID()
		from := len(s.bob.Frames())
		if _, err := p.SendText(ctx, text); err != nil {
			t.Fatalf("%s, an honest message: %v", when, err)
		}
		if p == s.carol {
			continue
		}
		if _, _, err := s.bob.Await(ctx, from, func(f *rtkwire.Frame) bool {
			var m rtkwire.OneChatMessage
			return protocol.Event(f.GetEvent()) == protocol.SendMessageToRoom && proto.Unmarshal(f.GetPayload(), &m) == nil && m.GetMessage().GetPayload() == text
		}); err != nil {
			t.Fatalf("%s, Bob was not told: %v", when, err)
		}
	}
}

// checkUntouched demands that what others have said is as they said it.
func (s *scene) checkUntouched(t *testing.T) {
	t.Helper()
	bobID := s.bob.Participant
	for _, c := range []struct {
		who    *peer.Peer
		want   *rtkwire.ChatMessage
		filter *rtkwire.PageFilter
	}{
		{s.alice, s.public, nil},
		{s.alice, s.private, &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: bobID}}},
		{s.carol, s.elsewhere, nil},
	} {
		page, err := c.who.Page(s.ctx, &rtkwire.PageRequest{TimeStamp: c.want.GetCreatedAtMs(), Size: 1, Filters: c.filter})
		must(t, err)
		if len(page.GetMessages()) != 1 {
			t.Fatalf("%q is gone", c.want.GetPayload())
		}
		got := page.GetMessages()[0]
		if c.want == s.public {
			got.Pinned = c.want.GetPinned() // which everybody may
		}
		if !proto.Equal(got, c.want) {
			t.Errorf("what was %v has become %v", c.want, got)
		}
	}
}

// checkFrames judges all that honest people were sent.
func (s *scene) checkFrames(t *testing.T) {
	t.Helper()
	for _, p := range []*peer.Peer{s.alice, s.bob, s.carol} {
		for _, f := range p.Frames() {
			if err := Judge(f); err != nil {
				t.Error(err)
			}
		}
	}
}
