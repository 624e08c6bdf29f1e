package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gofrs/uuid/v5"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
)

const (
	meetings = 8
	people   = 4 // who visit each meeting
	visits   = meetings * people
	sockets  = 2*visits + meetings // each visitor opens two, each host one
)

// Nothing that a stranger chooses makes a series: after twice as many people,
// meetings, messages and refused requests of every kind there are as many series
// as before, and none of their ids, names and texts is in them.
func TestLabelsStayFewUnderLoad(t *testing.T) {
	w := newWorld(t)
	var words words
	words.add(string(w.app.ID), w.key)

	stop := w.scrapeAllTheTime()
	w.crowd("first", &words)
	first := w.settled(sockets)
	w.crowd("second", &words)
	second := w.settled(2 * sockets)
	stop()

	before, after := ofParley(first), ofParley(second)
	for _, name := range after {
		if !slices.Contains(before, name) {
			t.Errorf("the second crowd made a new series: %s", name)
		}
	}
	if len(after) > 500 {
		t.Errorf("there are %d series", len(after))
	}
	for _, s := range second.series {
		for name, value := range s.labels {
			if len(value) > 64 {
				t.Errorf("%s has %s=%q", s.metric, name, value)
			}
		}
	}
	for _, word := range words.all() {
		if strings.Contains(second.text, word) {
			t.Errorf("a scrape tells %q, which somebody chose or is known by", word)
		}
	}

	for name, want := range map[string]float64{
		"parley_sockets": 0, `parley_sockets_closed_total{code="other"}`: 2 * visits, "parley_sockets_opened_total": 2 * sockets,
		"parley_joins_total": 2 * (visits + meetings), `parley_requests_total{outcome="done",request="join"}`: 2 * (visits + meetings),
		`parley_entries_total{kind="sent"}`: 2 * visits * 2, `parley_entries_total{kind="edited"}`: 2 * visits,
		`parley_limits_total{limit="text_length"}`: 2 * visits, `parley_sockets_refused_total{code="unauthorized"}`: 2 * visits,
		"parley_panics_total": 0, "parley_ready": 1,
	} {
		if got, ok := second.values[name]; ok && got != want || !ok && want != 0 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// words are what people choose, and what they are known by.
type words struct {
	mu   sync.Mutex
	list []string
}

func (w *words) add(list ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, list...)
}

func (w *words) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// crowd has people meet in many meetings.
func (w *world) crowd(title string, said *words) {
	w.Helper()
	var all errgroup.Group
	all.SetLimit(8)
	for i := range meetings {
		all.Go(func() error { return w.meet(fmt.Sprintf("%s-meeting-%d", title, i), people, said) })
	}
	if err := all.Wait(); err != nil {
		w.Fatal(err)
	}
}

// meet has a host wait in a meeting while visitors come, do everything once that
// is counted by labels, and leave.
func (w *world) meet(title string, visitors int, said *words) error {
	list, err := w.gather(title, visitors+1)
	if err != nil {
		return err
	}
	for _, p := range list {
		said.add(string(p.meeting.ID), p.meeting.Title, string(p.ID), p.Name, p.CustomID, p.token)
	}
	host, err := w.dial(list[0])
	if err != nil {
		return err
	}
	defer host.Cut()
	said.add(host.ID)
	if _, err := host.Join(w.ctx, ""); err != nil {
		return err
	}
	var all errgroup.Group
	for _, p := range list[1:] {
		all.Go(func() error {
			if err := w.visit(p, host.ID, said); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	host.Leave()
	return nil
}

// visit is what one visitor does.
func (w *world) visit(p person, host string, said *words) error {
	// Each has words of their own, so that whatever became a label would be new.
	own := func(what string) string {
		word := what + "-" + uuid.Must(uuid.NewV4()).String()
		said.add(word)
		logs.Secret(word)
		return word
	}
	c, err := w.dial(p)
	if err != nil {
		return err
	}
	defer c.Cut()
	said.add(c.ID)
	if _, err := c.Join(w.ctx, own("name")); err != nil {
		return err
	}
	m, err := c.SendText(w.ctx, own("text"))
	if err != nil {
		return err
	}
	said.add(m.GetChatId())
	if _, err := c.Whisper(w.ctx, own("whisper"), host); err != nil {
		return err
	}
	if _, err := c.History(w.ctx); err != nil {
		return err
	}
	for what, err := range map[string]error{
		"edit": c.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{ChatId: m.GetChatId(), Payload: proto.String(own("edited"))}, nil),
		"broadcast": c.Request(w.ctx, protocol.BroadcastMessage, &rtkwire.Broadcast{
			Type: own("type"), Payload: []byte(`"` + own("broadcast") + `"`),
		}, nil),
		"store": c.Request(w.ctx, protocol.StoreInsertKeys, &rtkwire.StoreWrite{
			PluginId: string(p.meeting.ID), StoreName: own("store"), Keys: []*rtkwire.StoreKey{{StoreKey: own("key"), Payload: []byte("1")}},
		}, nil),
	} {
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := w.refusals(c, p, own); err != nil {
		return err
	}
	c.Leave()
	return nil
}

// refusals asks for what is refused.
func (w *world) refusals(c *peer.Peer, p person, own func(string) string) error {
	for what, err := range map[string]error{
		"a long text":       c.Request(w.ctx, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: own("long") + strings.Repeat("x", 2000)}, nil),
		"an unknown edit":   c.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{ChatId: own("message"), Payload: proto.String("x")}, nil),
		"an unknown delete": c.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: own("message")}, nil),
		"an unknown event":  c.Request(w.ctx, protocol.Event(unknownEvent(c.ID)), nil, nil),
	} {
		if _, refused := errors.AsType[*peer.Refused](err); !refused {
			return fmt.Errorf("%s gave %w, want a refusal", what, err)
		}
	}
	// The id of somebody else's request: the answer, a refusal, has none of it.
	if err := c.Send(w.ctx, own("foreign"), protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "x"}); err != nil {
		return err
	}
	base := "ws" + strings.TrimPrefix(w.web.URL, "http")
	if _, err := peer.Dial(w.ctx, base, own("token"), peer.Options{Meeting: string(p.meeting.ID)}); !errors.Is(err, peer.StatusError(http.StatusUnauthorized)) {
		return fmt.Errorf("a token that is none gave %w", err)
	}
	for _, r := range []struct{ method, path, key string }{
		{http.MethodGet, "/v2/meetings", w.key},
		{http.MethodGet, "/v2/meetings/" + own("meeting"), w.key},
		{http.MethodGet, "/v2/meetings/" + string(p.meeting.ID), own("key")},
		{strings.ToUpper(strings.ReplaceAll(own("method"), "-", "")), "/" + own("path"), w.key},
		{http.MethodGet, "/v2/meetings?search=" + url.QueryEscape(own("search")), w.key},
		{http.MethodGet, "/files/" + own("file"), own("key")},
	} {
		if err := w.call(r.method, r.path, r.key, ""); err != nil {
			return err
		}
	}
	return w.closeOddly(p, own)
}

// unknownEvent is the number of an event that there is not, another for each peer.
func unknownEvent(id string) uint32 {
	n := uint32(0)
	for _, b := range []byte(id) {
		n = n*31 + uint32(b)
	}
	return 1<<20 + n%(1<<20)
}

// closeOddly opens a socket and ends it by a code and a reason of its own.
func (w *world) closeOddly(p person, own func(string) string) error {
	id := own("peer")[len("peer-"):]
	query := url.Values{"roomID": {string(p.meeting.ID)}, "peerID": {id}, "authToken": {p.token}}
	conn, _, err := websocket.Dial(w.ctx, "ws"+strings.TrimPrefix(w.web.URL, "http")+"/ws?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	return conn.Close(websocket.StatusCode(3000+unknownEvent(id)%1000), own("why"))
}

// scrapeAllTheTime scrapes from two goroutines until it is stopped, and demands
// that counters never go back and that histograms add up.
func (w *world) scrapeAllTheTime() (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	var all errgroup.Group
	for range 2 {
		all.Go(func() error {
			var last scrape
			tick := time.NewTicker(25 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				now, err := w.scrape()
				if err != nil {
					return err
				}
				if err := now.follows(last); err != nil {
					return err
				}
				last = now
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
			return nil
		})
	}
	return func() {
		w.Helper()
		cancel()
		if err := all.Wait(); err != nil {
			w.Error(err)
		}
	}
}

// follows tells whether a scrape can be a later one of the same server.
func (s scrape) follows(last scrape) error {
	for name, before := range last.values {
		metric, _, _ := strings.Cut(name, "{")
		now, still := s.values[name]
		switch {
		case !strings.HasPrefix(metric, "parley_"):
		case !still:
			return fmt.Errorf("%s is gone", name)
		case now < before && (strings.HasSuffix(metric, "_total") || strings.HasSuffix(metric, "_count") || strings.HasSuffix(metric, "_bucket")):
			return fmt.Errorf("%s went back from %v to %v", name, before, now)
		}
	}
	for name, count := range s.values {
		if histogram, ok := strings.CutSuffix(name, "_count"); ok && strings.HasPrefix(name, "parley_") && s.values[histogram+`_bucket{le="+Inf"}`] != count {
			return fmt.Errorf("%s is %v, and its buckets hold %v", name, count, s.values[histogram+`_bucket{le="+Inf"}`])
		}
	}
	return nil
}

// settled scrapes when everybody has left and been counted.
func (w *world) settled(want float64) scrape {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := w.scrape()
		if err != nil {
			w.Fatal(err)
		}
		closed := 0.0
		for name, value := range got.values {
			if strings.HasPrefix(name, "parley_sockets_closed_total{") {
				closed += value
			}
		}
		if got.values["parley_sockets"] == 0 && closed >= want && got.values["parley_members"] == 0 {
			return got
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("%v sockets are open, %v members here, and %v have been closed, want %v", got.values["parley_sockets"], got.values["parley_members"], closed, want)
		}
	}
}

// ofParley are the names of the series that are ours, in order.
func ofParley(s scrape) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.values)), func(name string) bool { return !strings.HasPrefix(name, "parley_") })
}
