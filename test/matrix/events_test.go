package matrix_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestWhoMaySendWhichEvent has peers of every kind send every event about
// everything. What is refused is told to nobody else.
func TestWhoMaySendWhichEvent(t *testing.T) {
	t.Parallel()
	numbers := eventNumbers(t)
	handledEventsHaveNames(t, numbers)
	w := newWorld(t).run()
	found := table{}
	cells := make([][]string, len(eventCases))
	for _, kind := range peerKinds {
		found.columns = append(found.columns, kind.name)
		for i, outcome := range w.everyEvent(t, kind) {
			cells[i] = append(cells[i], outcome)
		}
	}
	for i, c := range eventCases {
		found.rows = append(found.rows, row{c.event, c.object, cells[i]})
	}
	compare(t, "events.txt", found)
	for name := range numbers {
		if !slices.ContainsFunc(eventCases, func(c eventCase) bool { return c.event == name }) {
			t.Errorf("nobody has decided who may send the event %s: give it cases", name)
		}
	}
}

// eventNumbers are the events that package protocol knows.
func eventNumbers(t testing.TB) map[string]protocol.Event {
	t.Helper()
	readEvents.Do(func() { events = parsedEvents(t) })
	return events
}

var (
	readEvents sync.Once
	events     map[string]protocol.Event
)

func parsedEvents(t testing.TB) map[string]protocol.Event {
	t.Helper()
	file := need[*ast.File](t)(parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "protocol", "event.go"), nil, 0))
	numbers := make(map[string]protocol.Event)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Event" {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("the event %s is no plain number", spec.Names[0].Name)
			}
			numbers[spec.Names[0].Name] = protocol.Event(need[uint64](t)(strconv.ParseUint(literal.Value, 0, 32)))
		}
		return true
	})
	if len(numbers) < 90 {
		t.Fatalf("found only %d events", len(numbers))
	}
	return numbers
}

// handledEventsHaveNames demands that the socket handles no event but those of
// package protocol, so that none is left out here.
func handledEventsHaveNames(t *testing.T, numbers map[string]protocol.Event) {
	t.Helper()
	handled := 0
	for _, path := range need[[]string](t)(filepath.Glob(filepath.Join("..", "..", "internal", "edge", "ws", "*.go"))) {
		file := need[*ast.File](t)(parser.ParseFile(token.NewFileSet(), path, nil, 0))
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "handlers" {
				return true
			}
			for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
				key, ok := element.(*ast.KeyValueExpr).Key.(*ast.SelectorExpr)
				if !ok {
					t.Errorf("%s handles an event that has no name", path)
					continue
				}
				if _, ok := numbers[key.Sel.Name]; !ok {
					t.Errorf("%s handles %s, which is no event of package protocol", path, key.Sel.Name)
				}
				handled++
			}
			return false
		})
	}
	if handled < 40 {
		t.Errorf("found only %d handled events", handled)
	}
}

// everyEvent has one kind of peer send everything, and gives the outcomes.
func (w *world) everyEvent(t *testing.T, kind peerKind) []string {
	t.Helper()
	s := w.newScene(kind)
	outcomes := make([]string, len(eventCases))
	texts := make(map[string]string)
	for i, c := range eventCases {
		at := s
		if c.alone {
			at = w.newScene(kind)
		}
		outcome, text := at.try(c)
		if outcome == closed { // a peer that was sent out does not stay for long
			s = w.newScene(kind)
			outcome, text = s.try(c)
		}
		outcomes[i] = outcome
		if c.like == "" {
			continue
		}
		like := c.event + " " + c.like
		if first, ok := texts[like]; ok && first != outcome+" "+text {
			t.Errorf("%s, %s: about %q it is %q, and about others that look the same %q", c.event, kind.name, c.object, outcome+" "+text, first)
		}
		texts[like] = outcome + " " + text
	}
	return outcomes
}

// closed is the outcome where the connection has ended.
const closed = "closed"

// try sends the event of a case. While one is refused, the others hear nothing.
func (s *scene) try(c eventCase) (outcome, text string) {
	s.Helper()
	event := numberOf(s, c.event)
	payload := c.payload(s)
	waited := s.waiting()
	before, quiet := s.fence(s.alice)
	outcome, text = s.send(event, payload)
	if outcome != "no" {
		return outcome, text
	}
	after, now := s.fence(s.alice)
	var heard []*rtkwire.Frame
	for _, f := range s.alice.Frames()[quiet:now] {
		mine := strings.HasPrefix(f.GetId(), s.alice.ID+"-") // the answer to the fence
		if !mine && !late[protocol.Event(f.GetEvent())] {
			heard = append(heard, f)
		}
	}
	if len(heard) > 0 {
		s.Errorf("%s | %s: refused, and yet the others heard %v", c.event, c.object, heard)
	}
	if wait := s.waiting(); !slices.Equal(before, after) || !slices.Equal(waited, wait) {
		s.Errorf("%s | %s: refused, and yet there are %v and wait %v, instead of %v and %v", c.event, c.object, after, wait, before, waited)
	}
	return outcome, text
}

// late are the events of which a room tells at most once a second: they may be
// about what was before. What they tell of is compared instead.
var late = map[protocol.Event]bool{protocol.GetWaitingRoomRequests: true, protocol.RoomPeerCount: true}

// waiting gives who waits to be let in. It is Bob who asks: together with the
// fences it is more than one connection may ask without being slowed down.
func (s *scene) waiting() []string {
	s.Helper()
	var list rtkwire.WaitingRoom
	s.must(s.bob.Request(s.ctx, protocol.GetWaitingRoomRequests, nil, &list))
	var ids []string
	for _, p := range list.GetRequests() {
		ids = append(ids, p.GetPeerId())
	}
	return ids
}

// fence waits until everything that was said before has reached a peer, and
// tells who is there and how many frames it has got.
func (s *scene) fence(p *peer.Peer) (here []string, frames int) {
	s.Helper()
	var list rtkwire.RoomPeers
	s.must(p.Request(s.ctx, protocol.GetRoomPeersInfo, nil, &list))
	for _, p := range list.GetPeers() {
		here = append(here, p.GetPeerId())
	}
	slices.Sort(here)
	return here, len(p.Frames())
}

// unanswered are the events that may be without an answer.
var unanswered = map[protocol.Event]bool{
	protocol.Kick: true, protocol.BroadcastToEntity: true, protocol.MediaToggleProducer: true, protocol.MediaAudioActivity: true,
}

// send sends an event and tells what comes of it: ok, empty for an answer with
// nothing in it, no for a refusal, - for no answer.
func (s *scene) send(event protocol.Event, payload proto.Message) (outcome, text string) {
	s.Helper()
	id := s.subject.NewID()
	if err := s.subject.Send(s.ctx, id, event, payload); err != nil {
		return closed, ""
	}
	if unanswered[event] {
		// Requests are handled one after the other.
		if err := s.subject.Request(s.ctx, protocol.GetStagePeers, nil, nil); err != nil {
			return closed, ""
		}
		if !slices.ContainsFunc(s.subject.Frames(), func(f *rtkwire.Frame) bool { return f.GetId() == id }) {
			return "-", ""
		}
	}
	f, _, err := s.subject.Await(s.ctx, 0, func(f *rtkwire.Frame) bool { return f.GetId() == id })
	switch {
	case errors.Is(s.ctx.Err(), err) && err != nil:
		s.Fatalf("event %d: %v", event, err)
	case err != nil:
		return closed, ""
	case protocol.Event(f.GetEvent()) == protocol.Error:
		var e rtkwire.EdgeError
		s.must(proto.Unmarshal(f.GetPayload(), &e))
		return "no", e.GetErrorMessage()
	case event == protocol.JoinRoom:
		var joined rtkwire.PeerInfo
		s.must(proto.Unmarshal(f.GetPayload(), &joined))
		if joined.GetPeer().GetWaitlisted() {
			return "waits", ""
		}
	case len(f.GetPayload()) == 0:
		return "empty", ""
	}
	return "ok", ""
}

// numberOf finds the number of an event, or reads that of one without a name.
func numberOf(t testing.TB, name string) protocol.Event {
	t.Helper()
	if number, ok := eventNumbers(t)[name]; ok {
		return number
	}
	return protocol.Event(need[uint64](t)(strconv.ParseUint(name, 0, 32)))
}

// peerKind is a kind of peer.
type peerKind struct {
	name string
	// preset is what the peer has in the end; it begins as a participant of a
	// group call, who says something.
	preset string
	rules  chat.Rules
	become func(*scene)
}

var peerKinds = []peerKind{
	{name: "outside", preset: member, become: func(s *scene) { s.subject = s.connect(s.who, peer.Options{}) }},
	{name: "waiting", become: func(s *scene) {
		s.who = s.invite(s.own.ID, s.meeting, "guest")
		s.subject = s.join(s.who)
	}},
	{name: "kicked", preset: member, become: func(s *scene) {
		s.must(s.alice.Send(s.ctx, s.alice.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{s.subject.ID}}))
		s.await(s.subject, protocol.Kick)
	}},
	{name: "mute", preset: "mute"},
	{name: "viewer", preset: "webinar_viewer"},
	{name: "stream", preset: "stream"},
	{name: "hidden", preset: "hidden"},
	{name: "member", preset: member},
	{name: "host", preset: "group_call_host"},
	{name: "ruled", preset: member, rules: chat.Rules{Mode: chat.ModeHosts, HostsPin: true}},
	{name: "off", preset: "group_call_host", rules: chat.Rules{Mode: chat.ModeOff}},
}

const member = "group_call_participant"

// scene is a stage with everybody that an event may be about, and the one who
// sends.
type scene struct {
	*stage
	who          person
	subject      *peer.Peer
	ghost, guest *peer.Peer // hidden, and waiting
	waiter       person     // whose peer guest is
	absent       person     // added, and not here
	elsewhere    *stage     // in another meeting
	foreign      *stage
	said         map[string]said // for each event that is about messages
	// Links to files, of the subject, of Alice, and of another meeting.
	file, alices, elsewheres string
}

// said are messages, by their ids.
type said struct{ public, private, others, toMe, unseen, deleted string }

func (w *world) newScene(kind peerKind) *scene {
	w.Helper()
	if w.elsewhere == nil {
		w.elsewhere, w.foreign = w.newStage(w.own.ID), w.newStage(w.other.ID)
		w.theirs = w.uploaded(w.elsewhere.aliceIs)
	}
	s := &scene{stage: w.newStage(w.own.ID), elsewhere: w.elsewhere, foreign: w.foreign, said: make(map[string]said)}
	s.who = s.invite(s.own.ID, s.meeting, member)
	s.subject = s.join(s.who)
	s.file = s.uploaded(s.who)
	s.alices = s.uploaded(s.aliceIs)
	s.elsewheres = w.theirs
	for _, event := range []string{"EditMessage", "DeleteMessage", "PinMessage"} {
		say := func(from *peer.Peer) string {
			return need[*rtkwire.ChatMessage](s)(from.SendText(s.ctx, "own")).GetChatId()
		}
		whisper := func(from, to *peer.Peer) string {
			return need[*rtkwire.ChatMessage](s)(from.Whisper(s.ctx, "own", to.ID)).GetChatId()
		}
		s.said[event] = said{
			public: say(s.subject), private: whisper(s.subject, s.alice), others: say(s.alice),
			toMe: whisper(s.alice, s.subject), unseen: whisper(s.alice, s.bob), deleted: s.deleted(),
		}
	}
	s.ghost = s.join(s.invite(s.own.ID, s.meeting, "hidden"))
	s.waiter, s.guest = s.knock()
	s.absent = s.invite(s.own.ID, s.meeting, member)
	if kind.rules != (chat.Rules{}) {
		need[directory.Meeting](s)(s.server.Directory.UpdateMeeting(s.ctx, s.own.ID, s.meeting, directory.MeetingChange{
			Rules: func(r *chat.Rules) { *r = kind.rules },
		}))
		s.await(s.subject, protocol.UpdateUserPreset)
	}
	if kind.preset != member && kind.preset != "" {
		s.give(s.who, kind.preset)
		s.await(s.subject, protocol.UpdateUserPreset)
	}
	if kind.become != nil {
		kind.become(s)
	}
	return s
}

// knock brings another who waits.
func (s *scene) knock() (person, *peer.Peer) {
	s.Helper()
	p := s.invite(s.own.ID, s.meeting, "guest")
	return p, s.join(p)
}

// newcomer brings another who is there.
func (s *scene) newcomer(preset string) *peer.Peer {
	s.Helper()
	return s.join(s.invite(s.own.ID, s.meeting, preset))
}

// await waits until a peer has been told of an event.
func (w *world) await(p *peer.Peer, event protocol.Event) {
	w.Helper()
	_, _, err := p.Await(w.ctx, 0, func(f *rtkwire.Frame) bool { return protocol.Event(f.GetEvent()) == event })
	w.must(err)
}

// uploaded puts up a file and gives the link to it.
func (w *world) uploaded(p person) string {
	w.Helper()
	get, put := w.upload(p)
	if got := w.ask(call{method: "PUT", path: strings.TrimPrefix(put, w.web.URL), body: "bytes"}, ""); got.refused() {
		w.Fatalf("an upload is refused: %s", got.body)
	}
	return get
}

func file(link string) string { return fmt.Sprintf(`{"link":%q,"name":"own.txt","size":5}`, link) }
