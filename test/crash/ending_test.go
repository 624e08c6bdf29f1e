package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/follow/export/exporttest"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestKill9WhileSessionsEnd: whatever the server was at between the end of a
// session and what webhooks are told of it when it died, meeting.chatSynced
// comes at least once, soon after the next start, with a link to exactly what was
// said in public; and what comes again has the id and the body it had before.
func TestKill9WhileSessionsEnd(t *testing.T) {
	random := seeded(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rounds(30, 3))*time.Minute)
	defer cancel()
	w := &endings{world: &world{T: t, random: random, data: t.TempDir(), web: &http.Client{Transport: &http.Transport{}}}, receiver: newReceiver(t)}
	defer w.web.CloseIdleConnections()
	w.start(ctx)
	var made struct{ Data struct{ ID string } }
	w.must(w.post(ctx, w.rest("/webhooks"), w.child.Token, map[string]any{
		"name": "crash", "url": w.receiver.url, "events": []string{"meeting.started", "meeting.ended", "meeting.participantLeft", "meeting.chatSynced"},
	}, &made))
	w.hook = made.Data.ID
	for range rounds(200, 10) {
		w.strike(ctx)
		if t.Failed() {
			t.FailNow()
		}
	}
	w.child.end(ctx, t, syscall.SIGTERM)
	w.parley(ctx, "verify", w.data)
	t.Logf("%d of %d deliveries were repeats", w.receiver.repeats, w.receiver.count)
}

// endings is a world where sessions end.
type endings struct {
	*world
	receiver *receiver
	hook     string
}

// ending is a session that is to end.
type ending struct {
	meeting string
	said    [][]string // id, payload and isEdited of what is public
}

// endsAtOnce is how many sessions end in one round.
const endsAtOnce = 2

// strike is one round: sessions end, the server dies at some moment of it and is
// started again, and what webhooks are told is looked at.
func (w *endings) strike(ctx context.Context) {
	w.Helper()
	var all []*ending
	for range endsAtOnce {
		all = append(all, w.talk(ctx))
	}
	moment := w.moment()
	var ends sync.WaitGroup
	for _, e := range all {
		to, token := w.rest("/meetings/"+e.meeting+"/active-session/kick-all"), w.child.Token
		ends.Go(func() {
			_, _ = w.do(ctx, http.MethodPost, to, token, nil) // it may die before it answers
		})
	}
	select {
	case <-moment:
	case <-ctx.Done():
		w.Fatal(context.Cause(ctx))
	}
	w.child.end(ctx, w.T, syscall.SIGKILL)
	ends.Wait()
	w.receiver.at(-1)
	w.start(ctx)
	for _, e := range all {
		// One whose end was not stored ends now; of the others there is no live session.
		_, _ = w.do(ctx, http.MethodPost, w.rest("/meetings/"+e.meeting+"/active-session/kick-all"), w.child.Token, nil)
		w.look(ctx, e)
	}
}

// moment comes at a time drawn at random between the end of a session and the
// last that is told of it: by the clock, or when the receiver has been told
// something and has not answered yet.
func (w *endings) moment() <-chan time.Time {
	const within, deliveries = 1300, 4 * endsAtOnce
	if w.random.IntN(2) == 0 {
		return time.After(time.Duration(w.random.IntN(within)) * time.Millisecond)
	}
	return w.receiver.at(w.random.IntN(deliveries))
}

// talk makes a meeting where two say something, in public and not.
func (w *endings) talk(ctx context.Context) *ending {
	w.Helper()
	var made struct{ Data struct{ ID, Token string } }
	w.must(w.post(ctx, w.rest("/meetings"), w.child.Token, map[string]any{"title": "Ending"}, &made))
	e := &ending{meeting: made.Data.ID}
	people := make([]*peer.Peer, 2)
	for i := range people {
		w.must(w.post(ctx, w.rest("/meetings/"+e.meeting+"/participants"), w.child.Token, map[string]any{
			"name": fmt.Sprintf("Person %d", i), "preset_name": "group_call_host", "custom_participant_id": fmt.Sprintf("person-%d", i),
		}, &made))
		p, err := peer.Dial(ctx, w.socket(), made.Data.Token, peer.Options{Meeting: e.meeting})
		w.must(err)
		w.Cleanup(p.Cut)
		_, err = p.Join(ctx, "")
		w.must(err)
		people[i] = p
	}
	for i := range 1 + w.random.IntN(20) {
		w.say(ctx, e, people[i%2], people[1-i%2], fmt.Sprintf("message %d, \"quoted\"\r\n=%d", i, w.random.IntN(1000)))
	}
	return e
}

// say says something; some of it in private, and some is edited or deleted.
// What is acknowledged and public is noted.
func (w *endings) say(ctx context.Context, e *ending, by, to *peer.Peer, text string) {
	w.Helper()
	kind := w.random.IntN(8)
	if kind == 0 && len(e.said) > 0 { // without a public one there is no file
		_, err := by.Whisper(ctx, text, to.ID)
		w.must(err)
		return
	}
	m, err := by.SendText(ctx, text)
	w.must(err)
	switch {
	case kind == 1 && len(e.said) > 0:
		w.must(by.Request(ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: m.GetChatId()}, nil))
		return
	case kind == 2:
		text += ", edited"
		w.must(by.Request(ctx, protocol.EditMessage, &rtkwire.EditMessage{ChatId: m.GetChatId(), Payload: &text}, nil))
	}
	e.said = append(e.said, []string{m.GetChatId(), text, fmt.Sprint(kind == 2)})
}

// look waits for what is told of a session and follows the link.
func (w *endings) look(ctx context.Context, e *ending) {
	w.Helper()
	waiting, cancel := context.WithTimeoutCause(ctx, peer.Timeout, fmt.Errorf("meeting %s: meeting.chatSynced does not come", e.meeting))
	defer cancel()
	told, err := w.receiver.synced(waiting, e.meeting)
	w.must(err)
	if told.hook != w.hook {
		w.Errorf("told by webhook %s, want %s", told.hook, w.hook)
	}
	file, err := w.get(ctx, told.link)
	w.must(err)
	rows, err := exporttest.Parse(string(file))
	w.must(err)
	var got [][]string
	for _, r := range rows[1:] {
		got = append(got, []string{r[0], r[8], r[6]})
	}
	if !slices.EqualFunc(got, e.said, slices.Equal) {
		w.Errorf("meeting %s: the file holds %q, and acknowledged was %q", e.meeting, got, e.said)
	}
}

// receiver is told by webhooks, through all the lives of the server.
type receiver struct {
	*testing.T
	url string

	mu     sync.Mutex
	bodies map[string]string       // by the id of the delivery
	chats  map[string]announcement // by the meeting
	ended  map[string]string       // the id of the delivery, by event and session
	grown  chan struct{}
	// left counts down to the delivery that is to be the last one; below 0 all
	// are taken.
	left           int
	last           chan time.Time
	count, repeats int
}

// announcement is what meeting.chatSynced tells.
type announcement struct{ hook, id, link string }

func newReceiver(t *testing.T) *receiver {
	r := &receiver{
		T: t, bodies: make(map[string]string), chats: make(map[string]announcement), ended: make(map[string]string), grown: make(chan struct{}), left: -1,
	}
	web := httptest.NewServer(r)
	t.Cleanup(web.Close)
	r.url = web.URL + "/hook"
	return r
}

// at gives what comes with the delivery after so many more, whose answer is then
// held back until the connection ends; -1 for none.
func (r *receiver) at(more int) <-chan time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.last = more, make(chan time.Time, 1)
	return r.last
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(_ http.ResponseWriter, q *http.Request) {
	raw, err := io.ReadAll(q.Body)
	if err != nil {
		return // the server died over it
	}
	if r.note(q.Header, raw) {
		<-q.Context().Done()
	}
}

// note notes a delivery, and tells whether it is not to be answered.
func (r *receiver) note(header http.Header, raw []byte) bool {
	var body struct {
		Event, SessionID, MeetingID, ChatDownloadURL string
		Meeting                                      struct{ SessionID string }
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		r.Errorf("a delivery is no JSON: %v", err)
	}
	id := header.Get("Rtk-Uuid")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if before, again := r.bodies[id]; again {
		r.repeats++
		if before != string(raw) {
			r.Errorf("delivery %s was %s and is %s", id, before, raw)
		}
	}
	r.bodies[id] = string(raw)
	if body.Event == "meeting.ended" || body.Event == "meeting.chatSynced" {
		what := body.Event + " of " + strings.TrimSpace(body.SessionID+body.Meeting.SessionID)
		if before, again := r.ended[what]; again && before != id {
			r.Errorf("%s comes as %s and as %s", what, before, id)
		}
		r.ended[what] = id
	}
	if body.Event == "meeting.chatSynced" {
		r.chats[body.MeetingID] = announcement{header.Get("Rtk-Webhook-Id"), id, body.ChatDownloadURL}
	}
	close(r.grown)
	r.grown = make(chan struct{})
	if r.left == 0 {
		select {
		case r.last <- time.Time{}:
		default:
		}
		return true
	}
	if r.left > 0 {
		r.left--
	}
	return false
}

// synced waits until the chat of a meeting's session is told of.
func (r *receiver) synced(ctx context.Context, meeting string) (announcement, error) {
	for {
		r.mu.Lock()
		t, known := r.chats[meeting]
		grown := r.grown
		r.mu.Unlock()
		if known {
			return t, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return announcement{}, context.Cause(ctx)
		}
	}
}
