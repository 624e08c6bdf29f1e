package ws

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/ice"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/tally"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// world is a server whose surroundings are a page of memory: it decides by
// package chat and keeps what happened in a list.
type world struct {
	testing.TB
	server *Server

	mu      sync.Mutex
	clock   time.Time
	rights  map[chat.ParticipantID]chat.Permissions
	entries []journal.Entry
	now     map[chat.MessageID]chat.Message // messages as they stand
	entered []chat.PeerID
	left    []chat.PeerID
	stores  map[kv.Name]kv.Item
	totals  kv.Totals
	seen    map[chat.PeerID]uint64
	faults  []string // what the server logged as an error

	entering chan struct{} // if set, entering a session waits until it is closed
	leaving  chan struct{} // the same for recording that a peer left
	submits  func(chat.Actor)
	reading  func()              // called before a page is read
	telling  func(journal.Entry) // called before a room makes the frame of an entry
	render   func(chat.Content)  // called before a payload is rendered
}

const meeting = chat.MeetingID("11111111-1111-4111-8111-111111111111")

// everything is what a host may do.
var everything = chat.Permissions{
	Public:  chat.PublicChat{Send: true, Text: true, Files: true},
	Private: chat.PrivateChat{Send: true, Receive: true, Text: true, Files: true}, EditDisplayName: true, SeePeers: true,
}

func newWorld(t testing.TB) *world {
	w := &world{
		TB: t, clock: time.UnixMilli(1_700_000_000_000), rights: make(map[chat.ParticipantID]chat.Permissions),
		now: make(map[chat.MessageID]chat.Message), seen: make(map[chat.PeerID]uint64), stores: make(map[kv.Name]kv.Item),
	}
	responder, err := ice.Listen(ice.Config{Secret: []byte("sixteen bytes at least"), UDP: ice.Endpoint{Addr: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(&faultLog{w})
	guard := fault.New(logger)
	codec := Codec{Render: func(_ chat.MeetingID, c chat.Content) string {
		if w.render != nil {
			w.render(c)
		}
		return c.Payload
	}, Faults: guard}
	hub := room.NewHub(room.Config{Stores: shelf{w}, Logger: logger, Faults: guard}, roomCodec{codec, w}, roomJournal{w}, roomSessions{w})
	w.server = New(Config{
		Tokens: tokens{}, Directory: people{w}, Hub: hub, Journal: memory{w}, Sessions: entrance{w}, Codec: codec,
		Stores: kv.Stores{Engine: shelf{w}, Observe: hub.ObserveStores, Logger: logger},
		Parse:  parse, ICE: responder, Now: w.time, Logger: logger, Faults: guard, Limits: tally.NewWords("message_rate"),
	})
	t.Cleanup(func() {
		hub.Close()
		responder.Close()
		for _, fault := range w.faults {
			t.Errorf("logged: %s", fault)
		}
	})
	return w
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(by)
}

func (w *world) permissions(id chat.ParticipantID) chat.Permissions {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.rights[id]; ok {
		return p
	}
	return everything
}

// roomCodec is the codec as rooms have it.
type roomCodec struct {
	Codec
	*world
}

func (c roomCodec) Entry(e journal.Entry) []byte {
	if c.telling != nil {
		c.telling(e)
	}
	return c.Codec.Entry(e)
}

// faultLog notes what a server must not have to say.
type faultLog struct{ *world }

func (l *faultLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (l *faultLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *faultLog) WithGroup(string) slog.Handler                    { return l }
func (l *faultLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, text)
	return nil
}

// tokens takes the name of a participant for their token, or name@meeting.
type tokens struct{}

func (tokens) Verify(token string) (auth.Identity, error) {
	if token == "" {
		return auth.Identity{}, auth.ErrUnauthorized
	}
	name, where, found := strings.Cut(token, "@")
	if !found {
		where = string(meeting)
	}
	return auth.Identity{App: "app", Meeting: chat.MeetingID(where), Participant: chat.ParticipantID(name)}, nil
}

// people knows everybody, but for nobody, and fails to look for broken.
type people struct{ *world }

func (p people) Access(_ context.Context, m chat.MeetingID, id chat.ParticipantID) (directory.Access, error) {
	switch id {
	case "nobody":
		return directory.Access{}, directory.ErrNotFound
	case "broken":
		return directory.Access{}, errors.New("no disk")
	}
	r := p.permissions(id)
	body := fmt.Sprintf(`{"permissions":{"can_edit_display_name":%v,"show_participant_list":%v,"chat":{"public":{"can_send":%v,"text":%v,"files":%v},`+
		`"private":{"can_send":%v,"can_receive":%v,"text":%v,"files":%v}}}}`,
		r.EditDisplayName, r.SeePeers, r.Public.Send, r.Public.Text, r.Public.Files,
		r.Private.Send, r.Private.Receive, r.Private.Text, r.Private.Files)
	return directory.Access{
		App: directory.App{ID: "app"}, Meeting: directory.Meeting{ID: m, Title: "Standup", Active: true},
		Participant: directory.Participant{ID: id, Meeting: m, Name: strings.ToUpper(string(id)), CustomID: "c-" + string(id)},
		Preset:      directory.Preset{ID: "preset", Body: []byte(body)},
	}, nil
}

func (p people) Overrule(context.Context, chat.MeetingID, chat.ParticipantID, []directory.Overrule) error {
	return directory.ErrNotFound
}

func (p people) Participants(context.Context, chat.AppID, chat.MeetingID, directory.List) (directory.Page[directory.Participant], error) {
	return directory.Page[directory.Participant]{}, nil
}

func (p people) PresetNamed(context.Context, chat.AppID, string) (directory.Preset, error) {
	return directory.Preset{}, errors.New("not in this world")
}

// entrance lets everybody into the session.
type entrance struct{ *world }

func (e entrance) Enter(ctx context.Context, a session.Arrival, _ chat.SessionID) (session.Session, error) {
	if e.entering != nil {
		select {
		case <-e.entering:
		case <-ctx.Done():
			return session.Session{}, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.entered = append(e.entered, a.Peer)
	return session.Session{ID: "s", Meeting: a.Meeting, StartedAt: time.Unix(1_600_000_000, 0)}, nil
}

func (e entrance) Admit(context.Context, chat.MeetingID, []chat.ParticipantID) error { return nil }

// Kick takes out whom it is told to, if the asker may.
func (e entrance) Kick(_ context.Context, k session.Kick) (session.Gone, error) {
	asker := chat.Participant{Permissions: e.permissions(k.By.Participant)}
	if err := chat.MayKick(&asker, false); err != nil {
		return session.Gone{}, err
	}
	e.server.Hub.Kicked(k.Meeting, k.Peers)
	return session.Gone{}, nil
}

func (e entrance) KickAll(_ context.Context, m chat.MeetingID, by *chat.Actor, request string) (session.Gone, error) {
	asker := chat.Participant{Permissions: e.permissions(by.Participant)}
	if err := chat.MayKick(&asker, false); err != nil {
		return session.Gone{}, err
	}
	e.mu.Lock()
	entered := slices.Clone(e.entered)
	e.mu.Unlock()
	e.server.Hub.Ended(m, entered, by.Peer, request)
	return session.Gone{}, nil
}

// parse takes any string of a known kind.
func parse(_ chat.MeetingID, kind chat.Kind, payload string) (chat.Content, error) {
	if kind == chat.Text {
		return chat.NewText(payload)
	}
	if kind < chat.Text || kind > chat.Custom {
		return chat.Content{}, chat.Refuse(chat.Invalid, "there is no such kind")
	}
	return chat.Content{Kind: kind, Payload: payload}, chat.CheckString(payload)
}

// memory is the journal as the server sees it.
type memory struct{ *world }

func (m memory) Submit(cmd chat.Command, settles string, done func(journal.Entry, error)) {
	if m.submits != nil {
		m.submits(cmd.By())
	}
	entry, err := m.append(cmd, settles)
	if err != nil {
		done(journal.Entry{}, err)
		return
	}
	m.server.Hub.Observe([]journal.Entry{entry})
	done(entry, nil)
}

func (m memory) append(cmd chat.Command, settles string) (journal.Entry, error) {
	participant := func(id chat.ParticipantID) chat.Participant {
		return chat.Participant{ID: id, Permissions: m.permissions(id)}
	}
	actor := participant(cmd.By().Participant)
	state := chat.State{Active: true, Session: "s", Actor: &actor}
	for _, id := range cmd.Touches().Recipients {
		state.Recipients = append(state.Recipients, participant(id))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if touched, ok := m.now[cmd.Touches().Message]; ok {
		state.Message = &touched
	}
	event, err := chat.Decide(cmd, state)
	if err != nil {
		return journal.Entry{}, err
	}
	seq := uint64(len(m.entries) + 1)
	at := m.clock.UnixMilli() + int64(seq)
	switch event.Kind {
	case chat.MessageSent:
		event.Message.Seq, event.Message.SentAt = seq, at
	case chat.MessageEdited:
		event.Message.EditedAt = at
	case chat.MessageDeleted:
		event.Message.DeletedAt = at
	}
	m.now[event.Message.ID] = event.Message
	entry := journal.Entry{Meeting: event.Message.Meeting, Seq: seq, At: at, Event: event, Settles: settles}
	m.entries = append(m.entries, entry)
	return entry, nil
}

func (m memory) Entries(_ context.Context, _ chat.MeetingID, after uint64, limit int) ([]journal.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := slices.Clone(m.entries[after:])
	for i := range found {
		found[i].Event.Message = m.now[found[i].Event.Message.ID]
		found[i].Settles = ""
	}
	return found[:min(limit, len(found))], nil
}

func (m memory) Newest(ctx context.Context, q journal.Query) ([]chat.Message, error) {
	q.Filter = journal.Everything
	page, err := m.Page(ctx, q)
	return page.Messages, err
}

func (m memory) Page(_ context.Context, q journal.Query) (journal.Page, error) {
	if m.reading != nil {
		m.reading()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	q = q.Normalise()
	var page journal.Page
	for _, e := range m.entries {
		message := m.now[e.Event.Message.ID]
		if e.Event.Kind == chat.MessageSent && q.Shows(&message) {
			page.Messages = append(page.Messages, message)
		}
	}
	return page, nil
}

// roomJournal and roomSessions are the memory as rooms see it.
type roomJournal struct{ *world }

func (j roomJournal) Position(_ context.Context, m chat.MeetingID) (journal.Head, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return journal.Head{Meeting: m, Seq: uint64(len(j.entries)), Active: true, Session: "s"}, nil
}

func (j roomJournal) Recent(ctx context.Context, m chat.MeetingID, limits journal.RecentLimits) (journal.Recent, error) {
	if j.reading != nil {
		j.reading()
	}
	head, err := j.Position(ctx, m)
	if err != nil {
		return journal.Recent{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	r := journal.Recent{Head: head, Whole: true}
	for _, e := range j.entries[:head.Seq] {
		message := j.now[e.Event.Message.ID]
		switch {
		case e.Event.Kind != chat.MessageSent || message.DeletedAt != 0:
		case message.Public():
			r.Public = append(r.Public, message)
		default:
			r.Private = append(r.Private, message)
		}
	}
	return r, nil
}

func (j roomJournal) Entries(ctx context.Context, m chat.MeetingID, after uint64, limit int) ([]journal.Entry, error) {
	return memory(j).Entries(ctx, m, after, limit)
}

type roomSessions struct{ *world }

func (roomSessions) Peers(context.Context, chat.MeetingID) (room.Session, []room.Kept, error) {
	return room.Session{ID: "s"}, nil, nil
}

func (roomSessions) Live(context.Context) ([]chat.MeetingID, error) { return nil, nil }

func (s roomSessions) Left(_ context.Context, _ chat.SessionID, peer chat.PeerID) error {
	if s.leaving != nil {
		<-s.leaving
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, peer)
	return nil
}

func (s roomSessions) Seen(_ context.Context, seen []room.Seen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range seen {
		s.seen[one.Peer] = one.Seq
	}
	return nil
}

// shelf keeps stores as an engine does.
type shelf struct{ *world }

func (s shelf) PutKeys(w kv.Write, done func(kv.Change, error)) error {
	s.mu.Lock()
	state := kv.State{Active: true, Session: "s", Participant: true, Totals: s.totals, Before: make(map[string]kv.Item)}
	for _, pair := range w.Pairs {
		if i, ok := s.stores[kv.Name{Store: w.Store, Key: pair.Key}]; ok {
			state.Before[pair.Key] = i
		}
	}
	c, totals, err := kv.Decide(w, state, s.clock.UnixMilli())
	if err == nil {
		s.totals = totals
		for _, i := range c.Items {
			s.stores[i.Name] = i
		}
	}
	s.mu.Unlock()
	done(c, err)
	return nil
}

func (s shelf) Keys(context.Context, chat.MeetingID) (kv.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return kv.Snapshot{Session: "s", Items: slices.Collect(maps.Values(s.stores))}, nil
}

// seat is a peer without a socket: requests are handed in, and what would be
// written is read.
type seat struct {
	*world
	*peer
	n int
}

// peerOf makes a peer id for a participant: always the same.
func peerOf(participant string) chat.PeerID {
	return chat.PeerID(fmt.Sprintf("%08x-0000-4000-8000-000000000000", []byte(participant + "....")[:4]))
}

// connect takes a peer in, as ServeHTTP and serve do with a socket.
func (w *world) connect(id chat.PeerID, participant string) *seat {
	w.Helper()
	access, err := w.server.access(w.Context(), meeting, chat.ParticipantID(participant))
	if err != nil {
		w.Fatal(err)
	}
	info, err := w.server.infoOf(access, id)
	if err != nil {
		w.Fatal(err)
	}
	connection, err := w.server.Hub.Connect(w.Context(), meeting, info)
	if err != nil {
		w.Fatal(err)
	}
	s := &seat{world: w, peer: w.server.newPeer(nil, connection, access.Meeting)}
	if connection.Missed != nil {
		s.replay(w.Context(), *connection.Missed)
	}
	return s
}

// sit connects, and joins under a name; "" for the participant's own.
func (w *world) sit(participant, name string) *seat {
	w.Helper()
	s := w.connect(peerOf(participant), participant)
	s.ask(protocol.JoinRoom, &rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{DisplayName: name}})
	s.frames()
	return s
}

// frames gives all that would be written now.
func (s *seat) frames() []*rtkwire.Frame {
	s.Helper()
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	var raw []byte
	for {
		bufs, err := s.feed.Next(ended, nil)
		if err != nil {
			break
		}
		for _, b := range bufs {
			raw = append(raw, b...)
		}
	}
	frames, err := unframe(raw)
	if err != nil {
		s.Fatal(err)
	}
	return frames
}

// unframe reads the bytes of a connection as a browser does; pings and pongs
// of the protocol are left out.
func unframe(raw []byte) ([]*rtkwire.Frame, error) {
	var frames []*rtkwire.Frame
	for len(raw) > 0 {
		kind, payload, rest, err := cut(raw)
		if err != nil {
			return nil, err
		}
		raw = rest
		if kind == 0x81 && (string(payload) == protocol.Ping || string(payload) == protocol.Pong) {
			continue
		}
		f := new(rtkwire.Frame)
		if err := proto.Unmarshal(payload, f); err != nil || kind != 0x82 {
			return nil, fmt.Errorf("a message of kind %#x: %w", kind, err)
		}
		if f.Payload == nil || f.Id == nil {
			return nil, fmt.Errorf("event %d has no payload or no id", f.GetEvent())
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// cut takes one WebSocket message off the front.
func cut(raw []byte) (kind byte, payload, rest []byte, err error) {
	short := errors.New("the bytes end in the middle of a message")
	if len(raw) < 2 {
		return 0, nil, nil, short
	}
	start, size := 2, int(raw[1])
	switch size {
	case 126:
		if len(raw) < 4 {
			return 0, nil, nil, short
		}
		start, size = 4, int(binary.BigEndian.Uint16(raw[2:]))
	case 127:
		if len(raw) < 10 {
			return 0, nil, nil, short
		}
		start, size = 10, int(binary.BigEndian.Uint64(raw[2:]))
	}
	if len(raw) < start+size {
		return 0, nil, nil, short
	}
	return raw[0], raw[start : start+size], raw[start+size:], nil
}

// request encodes a request with a fresh id.
func (s *seat) request(event protocol.Event, payload proto.Message) (raw []byte, id string) {
	s.n++
	id = fmt.Sprintf("%s-%d", s.info.Peer, s.n)
	f := &rtkwire.Frame{Event: uint32(event), Id: &id}
	if payload != nil {
		var err error
		if f.Payload, err = proto.Marshal(payload); err != nil {
			s.Fatal(err)
		}
	}
	raw, err := proto.Marshal(f)
	if err != nil {
		s.Fatal(err)
	}
	return raw, id
}

// ask makes a request and gives the frame that answers it. What else came is
// dropped.
func (s *seat) ask(event protocol.Event, payload proto.Message) *rtkwire.Frame {
	s.Helper()
	raw, id := s.request(event, payload)
	s.handle(s.Context(), raw)
	var answer *rtkwire.Frame
	for _, f := range s.frames() {
		if f.GetId() == id {
			if answer != nil {
				s.Errorf("event %d was answered twice", event)
			}
			answer = f
		}
	}
	if answer == nil {
		s.Fatalf("event %d was not answered", event)
	}
	return answer
}

// get is ask for what must succeed.
func (s *seat) get(event protocol.Event, payload, into proto.Message) {
	s.Helper()
	answer := s.ask(event, payload)
	if protocol.Event(answer.GetEvent()) != event {
		s.Fatalf("event %d was answered by %d: %q", event, answer.GetEvent(), refusedWith(answer))
	}
	if err := proto.Unmarshal(answer.GetPayload(), into); err != nil {
		s.Fatal(err)
	}
}

// refusedWith gives the words of an error frame, "" for another.
func refusedWith(f *rtkwire.Frame) string {
	var e rtkwire.EdgeError
	if protocol.Event(f.GetEvent()) != protocol.Error || proto.Unmarshal(f.GetPayload(), &e) != nil {
		return ""
	}
	return e.GetErrorMessage()
}

// texts gives the payloads of the messages among frames.
func texted(frames []*rtkwire.Frame) []string {
	var texts []string
	for _, f := range frames {
		switch protocol.Event(f.GetEvent()) {
		case protocol.SendMessageToRoom, protocol.SendMessageToPeers:
			var m rtkwire.OneChatMessage
			if proto.Unmarshal(f.GetPayload(), &m) == nil {
				texts = append(texts, m.GetMessage().GetPayload())
			}
		}
	}
	return texts
}

func (s *seat) say(text string) {
	s.Helper()
	s.get(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text}, new(rtkwire.OneChatMessage))
}
