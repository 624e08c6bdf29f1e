package matrix_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestNobodyElseCanTellThatOthersWhisper plays one script twice on servers of
// their own, with and without private traffic between two. All that anybody else
// is shown must be the same: a third participant on the socket and by HTTP, an
// API key that may manage the app but not read what is private, the exports and
// their revalidation, webhooks and logs. The clock is stopped and moved by hand,
// so times have to be the same, too; only ids are made anonymous.
func TestNobodyElseCanTellThatOthersWhisper(t *testing.T) {
	t.Parallel()
	without, with := shownToOthers(t, false), shownToOthers(t, true)
	for _, what := range slices.Sorted(maps.Keys(without)) {
		if a, b := without[what], with[what]; a != b {
			t.Errorf("%s differs without private traffic from with it:\n%s", what, difference(a, b))
		}
	}
	if len(with) != len(without) || len(with) < 100 {
		t.Errorf("%d and %d things were compared", len(without), len(with))
	}
}

// difference gives the first lines that differ.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + "\n" + bs[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(as), len(bs))
}

// script is a meeting of three, of whom two may whisper.
type script struct {
	*stage
	carol    person
	third    *peer.Peer
	whispers bool
	shown    map[string]string
	names    map[string]string
	key      string // manages the app
	hooks    *receiver
}

// shownToOthers plays the script and gives all that others see, by where.
func shownToOthers(t *testing.T, whispers bool) map[string]string {
	var logged syncBuffer
	w := newWorldAt(t, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: timeless})),
		time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)).run()
	s := &script{stage: w.newStage(w.own.ID), whispers: whispers, shown: make(map[string]string), names: make(map[string]string), hooks: newReceiver(t)}
	_, s.key = w.key(w.own.ID, auth.Admin)
	w.call(w.own.ID, "POST /webhooks", `{"name":"own","url":"`+s.hooks.url+`","events":["meeting.started","meeting.ended","meeting.participantJoined","meeting.participantLeft","meeting.chatSynced"]}`, nil)
	s.carol = w.invite(w.own.ID, s.meeting, w.preset("third", `{"config":{},"permissions":`+everyRight+`}`).Name)
	s.step()
	s.third = w.connect(s.carol, peer.Options{Silent: true})
	_, err := s.third.Join(w.ctx, "")
	w.must(err)
	s.play()
	s.note("names of metrics", strings.Join(s.metrics(), "\n"))
	lines := strings.Split(logged.String(), "\n")
	slices.Sort(lines)
	s.note("log", strings.Join(lines, "\n"))
	return s.shown
}

// metrics gives the names of all series, with their labels: operators see how
// much goes on in all, and nothing of whose it is.
func (s *script) metrics() []string {
	s.Helper()
	w := httptest.NewRecorder()
	s.server.Operations().ServeHTTP(w, httptest.NewRequestWithContext(s.ctx, http.MethodGet, "/metrics", nil))
	var names []string
	for line := range strings.Lines(w.Body.String()) {
		if name, _, ok := strings.Cut(line, " "); ok && name != "#" {
			names = append(names, name)
		}
	}
	if len(names) < 50 {
		s.Errorf("only %d series", len(names))
	}
	return names
}

// step moves the clock to the next second, after whatever is private there.
func (s *script) step() {
	s.Helper()
	if s.whispers {
		s.whisper()
	}
	s.tick()
}

// whisper makes private entries of every kind.
func (s *script) whisper() {
	s.Helper()
	for _, kind := range []int32{0, 2, 3} {
		payload := map[int32]string{0: "psst", 2: file(s.uploaded(s.aliceIs)), 3: `{"type":"custom","message":"psst"}`}[kind]
		var m rtkwire.OneChatMessage
		s.must(s.alice.Request(s.ctx, protocol.SendMessageToPeers, &rtkwire.SendToPeers{PeerIds: []string{s.bob.ID}, PayloadType: kind, Payload: payload}, &m))
		id := m.GetMessage().GetChatId()
		s.must(s.bob.Request(s.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: id, Pinned: true}, nil))
		if kind == 0 {
			s.must(s.alice.Request(s.ctx, protocol.EditMessage, &rtkwire.EditMessage{ChatId: id, PayloadType: proto.Int32(0), Payload: proto.String("psst, edited")}, nil))
		} else {
			s.delete(id)
		}
	}
}

func (s *script) play() {
	s.Helper()
	session := s.session()
	peers := ids{
		"meeting_id": string(s.meeting), "session_id": session, "participant_id": string(s.carol.id), "preset_id": string(s.carol.preset),
	}
	links := map[string]string{"csv": s.export(session, "csv"), "safe-csv": s.export(session, "safe-csv")}
	s.step()
	s.follow("before anything was said", links)
	s.step()
	first := s.public()
	s.step()
	need[*rtkwire.ChatMessage](s)(s.third.SendText(s.ctx, "of a third"))
	s.step()
	s.must(s.bob.Request(s.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: first, Pinned: true}, nil))
	s.step()
	s.edited()
	s.step()
	s.deleted()
	s.step()
	tags := s.follow("when all was said", links)
	s.step()
	s.revalidate(links, tags)
	s.askAll()
	s.browse(peers.with("message_id", first)) // which ends the session
	s.follow("when all was managed", links)
	told := s.hooks.until(s.ctx, s, webhook.ChatSynced, string(s.meeting))
	for i, f := range s.third.Frames() {
		s.note(fmt.Sprintf("frame %03d", i), f.String())
	}
	for i, body := range told {
		clear(s.names) // peers are listed, and sent out, in no order
		told[i] = s.anonymous(body)
	}
	slices.Sort(told)
	s.note("webhooks", strings.Join(told, "\n"))
}

// session gives the id of the session.
func (s *script) session() string {
	s.Helper()
	var info rtkwire.RoomInfo
	s.must(s.third.Request(s.ctx, protocol.GetRoomInfo, nil, &info))
	return info.GetRoom().GetRoomUuid()
}

func (s *script) export(session, format string) string {
	s.Helper()
	var link struct {
		URL string `json:"chat_download_url"`
	}
	s.call(s.own.ID, "GET /sessions/"+session+"/chat?format="+format, "", &link)
	return strings.TrimPrefix(link.URL, s.web.URL)
}

// follow reads the exports, and gives their tags.
func (s *script) follow(when string, links map[string]string) map[string]string {
	s.Helper()
	tags := make(map[string]string)
	for _, format := range slices.Sorted(maps.Keys(links)) {
		got := s.ask(call{method: http.MethodGet, path: links[format]}, "")
		s.note("export "+format+" "+when, got.bare(nil))
		tags[format] = got.header.Get("ETag")
	}
	return tags
}

// revalidate asks whether an export has changed: a change that nobody may see
// is none.
func (s *script) revalidate(links, tags map[string]string) {
	s.Helper()
	for _, format := range slices.Sorted(maps.Keys(links)) {
		r := need[*http.Request](s)(http.NewRequestWithContext(s.ctx, http.MethodGet, s.web.URL+links[format], nil))
		r.Header.Set("If-None-Match", tags[format])
		got := need[*http.Response](s)(http.DefaultTransport.RoundTrip(r))
		got.Body.Close()
		s.note("revalidated "+format, got.Status)
	}
}

// askAll has the third participant send every event there is, and ask for every
// page of messages.
func (s *script) askAll() {
	s.Helper()
	numbers := eventNumbers(s)
	leaves := []string{"LeaveRoom", "KickAll", "JoinRoom", "MediaToggleProducer", "MediaAudioActivity", "Kick"}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if !slices.Contains(leaves, name) {
			_ = s.third.Request(s.ctx, numbers[name], nil, nil)
		}
	}
	pinned := &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}}
	with := func(p *peer.Peer) *rtkwire.PageFilter {
		return &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: p.Participant}}
	}
	for _, filter := range []*rtkwire.PageFilter{nil, pinned, with(s.alice), with(s.bob)} {
		for _, size := range []int32{0, 1, 3} {
			s.must(s.third.Request(s.ctx, protocol.GetPaginatedMessages, &rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true, Size: size, Filters: filter}, nil))
			s.must(s.third.Request(s.ctx, protocol.GetPaginatedMessages, &rtkwire.PageRequest{Size: size, Filters: filter}, nil))
		}
	}
	for _, term := range []string{"psst", "own"} {
		s.must(s.third.Request(s.ctx, protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: term, TimeStamp: 1 << 50, Reversed: true}, nil))
	}
	s.must(s.third.Request(s.ctx, protocol.GetUserPresets, &rtkwire.UserIds{UserIds: []string{s.alice.Participant}}, nil))
}

// browse calls every route about the meeting, first those that read: with the
// key, and where that is asked for, with the third participant's token.
func (s *script) browse(about ids) {
	s.Helper()
	reading := func(route string) bool { return strings.HasPrefix(route, "GET ") }
	routes := slices.DeleteFunc(s.server.Routes(), func(r string) bool { return !strings.Contains(r, " ") || strings.Contains(r, "{id}") })
	slices.SortStableFunc(routes, func(a, b string) int {
		switch {
		case reading(a) == reading(b):
			return 0
		case reading(a):
			return -1
		}
		return 1
	})
	bodies := make(map[string]string)
	for _, route := range routes {
		_, short := formOf(route)
		if aims[short] == nil {
			s.Fatalf("nobody has decided what others see by the route %q: give it aims", route)
		}
		bodies[route] = aims[short][0].at(s.world, route).body
	}
	// From here on the clock stands still: some of what changes is recorded a
	// little later.
	for _, route := range routes {
		f, _ := formOf(route)
		known := ids{"webhook_id": freshID(), "key_id": freshID()}
		maps.Copy(known, about)
		method, path := s.fill(route, known)
		for _, query := range []string{"", "?q=psst&search=psst", "?per_page=1&limit=1"} {
			if query != "" && !reading(route) {
				continue
			}
			header := "Bearer " + s.key
			switch {
			case f == v2Form:
				header = basic(string(s.own.ID), s.key)
			case !managed(route):
				header = "Bearer " + s.carol.token
			}
			got := s.ask(call{method: method, path: path + query, body: bodies[route]}, header)
			s.note("route "+route+query, got.bare(nil))
		}
	}
}

var (
	anyUUID  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+|parley_[A-Z2-7]+`)
	tail     = regexp.MustCompile(`\(id \d+\)-[0-9a-f]{6}\b`)
	anyPort  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	anySig   = regexp.MustCompile(`sig=[\w-]+`)
	anyKey   = regexp.MustCompile(`-----BEGIN PUBLIC KEY-----[^-]+`)
)

// note keeps what was shown somewhere.
func (s *script) note(where, text string) { s.shown[where] += s.anonymous(text) + "\n" }

// anonymous replaces every id by the number of its first appearance.
func (s *script) anonymous(text string) string {
	text = anyToken.ReplaceAllString(text, "(token)")
	text = anyUUID.ReplaceAllStringFunc(text, func(id string) string {
		if s.names[id] == "" {
			s.names[id] = fmt.Sprintf("(id %d)", len(s.names))
		}
		return s.names[id]
	})
	text = tail.ReplaceAllString(text, "(request)")
	text = anyPort.ReplaceAllString(text, "(address)")
	text = anySig.ReplaceAllString(text, "sig")
	return anyKey.ReplaceAllString(text, "(key)")
}

// timeless leaves the times out of a log.
func timeless(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// receiver notes what webhooks tell it.
type receiver struct {
	url  string
	told chan string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{told: make(chan string, 100)}
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		if body, err := io.ReadAll(q.Body); err == nil {
			r.told <- string(body)
		}
	}))
	t.Cleanup(web.Close)
	r.url = web.URL
	return r
}

// until gives what was told of a meeting up to an event.
func (r *receiver) until(ctx context.Context, t testing.TB, event webhook.Event, meeting string) []string {
	t.Helper()
	var told []string
	for {
		select {
		case body := <-r.told:
			if !strings.Contains(body, meeting) {
				continue
			}
			told = append(told, body)
			if strings.Contains(body, string(event)) {
				return told
			}
		case <-ctx.Done():
			t.Fatalf("told only %q", told)
		}
	}
}
