package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/ws"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
)

// tale is a server with one meeting, in which things happen at random.
type tale struct {
	*testing.T
	server  *Server
	codec   ws.Codec
	random  *rand.Rand
	app     chat.AppID
	meeting chat.MeetingID
	people  []chat.Participant
	peers   map[chat.ParticipantID]*room.Connection
	ids     map[chat.ParticipantID]chat.PeerID
	sent    []chat.Message // in the live session, as first sent
	ahead   atomic.Int64
	known   int // histories that came from memory
	asked   int
}

func newTale(t *testing.T, seed uint64, persist bool) *tale {
	tl := &tale{T: t, random: rand.New(rand.NewPCG(seed, 0)), peers: make(map[chat.ParticipantID]*room.Connection), ids: make(map[chat.ParticipantID]chat.PeerID)}
	start := time.Now()
	s, err := New(t.Context(), Config{
		Dir: t.TempDir(), PublicURL: "https://api.example.com", ICEAddr: "127.0.0.1:0", MessageRate: -1,
		Now: func() time.Time { return start.Add(time.Duration(tl.ahead.Load())) }, Logger: slog.New(slog.DiscardHandler),
	})
	tl.must(err)
	tl.server, tl.codec = s, s.sockets.Codec
	t.Cleanup(func() { s.hub.Close(); tl.must(s.Close()) })
	app, err := s.Directory.CreateApp(t.Context(), "account", "app")
	tl.must(err)
	m, err := s.Directory.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{PersistChat: persist, KeepAlive: time.Second})
	tl.must(err)
	tl.app, tl.meeting = app.ID, m.ID
	for i := range 4 {
		p, err := s.Directory.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{
			CustomID: fmt.Sprint(i), Name: fmt.Sprintf("<a>P%d</a>", i), PresetName: "group_call_host",
		})
		tl.must(err)
		tl.people = append(tl.people, chat.Participant{ID: p.ID, Name: p.Name})
	}
	tl.enter()
	return tl
}

func (tl *tale) must(err error) {
	tl.Helper()
	if err != nil {
		tl.Fatal(err)
	}
}

// enter brings everybody into a session.
func (tl *tale) enter() {
	tl.sent = nil
	for _, p := range tl.people {
		peer := chat.PeerID(uuid.Must(uuid.NewV4()).String())
		info := room.Info{Peer: peer, Participant: p.ID, Name: p.Name}
		c, err := tl.server.hub.Connect(tl.Context(), tl.meeting, info)
		tl.must(err)
		arrival := session.Arrival{Meeting: tl.meeting, Peer: peer, Participant: p.ID, DisplayName: p.Name}
		entered, err := tl.server.store.Enter(tl.Context(), arrival, chat.SessionID(uuid.Must(uuid.NewV4()).String()), tl.server.config.Now())
		tl.must(err)
		c.Room.Join(c.Feed, info, room.Session{ID: entered.ID, StartedAt: entered.StartedAt}, []byte("welcome"))
		tl.peers[p.ID], tl.ids[p.ID] = c, peer
	}
}

// next ends the session and starts another.
func (tl *tale) next() {
	for _, c := range tl.peers {
		c.Room.Disconnect(c.Feed, true)
	}
	for _, c := range tl.peers { // until their leaving is recorded
		for _, p := range tl.people {
			tl.must(c.Room.AwaitLeft(tl.Context(), tl.ids[p.ID]))
		}
	}
	tl.ahead.Add(int64(2 * time.Second))
	ended, err := tl.server.store.End(tl.Context(), tl.server.config.Now())
	tl.must(err)
	if ended != 1 {
		tl.Fatalf("%d sessions ended", ended)
	}
	tl.enter()
}

// do carries out commands, all at once, and waits for them.
func (tl *tale) do(commands ...chat.Command) {
	tl.Helper()
	done := make(chan journal.Entry, len(commands))
	for _, c := range commands {
		tl.server.sockets.Journal.Submit(c, "", func(e journal.Entry, _ error) { done <- e })
	}
	for range commands {
		select {
		case e := <-done: // refusals are part of life
			if e.Event.Kind == chat.MessageSent {
				tl.sent = append(tl.sent, e.Event.Message)
			}
		case <-tl.Context().Done():
			tl.Fatal(context.Cause(tl.Context()))
		}
	}
}

func (tl *tale) actor() chat.Actor {
	p := tl.people[tl.random.IntN(len(tl.people))]
	return chat.Actor{Meeting: tl.meeting, Participant: p.ID, Peer: "peer", DisplayName: p.Name}
}

func (tl *tale) say(content chat.Content, whisper bool) chat.Command {
	c := chat.SendMessage{Actor: tl.actor(), ID: chat.MessageID(uuid.Must(uuid.NewV7()).String()), Content: content, Private: whisper}
	if whisper {
		for range 1 + tl.random.IntN(2) {
			c.Recipients = append(c.Recipients, tl.people[tl.random.IntN(len(tl.people))].ID)
		}
	}
	return c
}

func (tl *tale) text() chat.Content {
	return chat.Content{Kind: chat.Text, Payload: fmt.Sprintf("<a>%d</a>%s", tl.random.Int64(), strings.Repeat("x", tl.random.IntN(200)))}
}

// command wishes for anything.
func (tl *tale) command() chat.Command {
	if n := tl.random.IntN(10); n < 5 || len(tl.sent) == 0 {
		return tl.say(tl.text(), n < 2)
	}
	m := tl.sent[tl.random.IntN(len(tl.sent))]
	author := chat.Actor{Meeting: tl.meeting, Participant: m.Author, Peer: m.Peer}
	switch tl.random.IntN(3) {
	case 0:
		return chat.EditMessage{Actor: author, Message: m.ID, Content: tl.text()}
	case 1:
		return chat.DeleteMessage{Actor: author, Message: m.ID}
	}
	return chat.PinMessage{Actor: author, Message: m.ID, Pinned: tl.random.IntN(2) == 0}
}

// look compares what everybody is given from memory with what the store gives.
func (tl *tale) look() {
	tl.Helper()
	for _, p := range tl.people {
		access, err := tl.server.Directory.Access(tl.Context(), tl.meeting, p.ID)
		tl.must(err)
		receives := tl.random.IntN(2) == 0
		c := tl.peers[p.ID]
		got, err := c.Room.History(tl.Context(), c.Feed, room.Reader{
			Participant: p.ID, Receives: receives, Meeting: access.Meeting.UpdatedAt.UnixMilli(),
		})
		tl.must(err)
		got.Slot.Fill(nil)
		tl.asked++
		if !got.Known {
			continue
		}
		tl.known++
		want := tl.fresh(journal.Query{Meeting: tl.meeting, Viewer: p.ID, Receives: receives, Before: got.Slot.Seq + 1})
		if have := bytes.Join(got.Messages, nil); !bytes.Equal(have, want) {
			tl.Fatalf("%d bytes from memory differ from %d of the store, at %d", len(have), len(want), got.Slot.Seq)
		}
	}
}

// fresh is the answer as the store gives it.
func (tl *tale) fresh(q journal.Query) []byte {
	q.Limit = room.HistoryCount
	messages, err := tl.server.sockets.Journal.Newest(tl.Context(), q)
	tl.must(err)
	slices.Reverse(messages)
	var parts [][]byte
	size := 0
	for i := range messages {
		part := tl.codec.Message(&messages[i])
		if size += len(part); size > room.HistoryBytes {
			break
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return bytes.Join(parts, nil)
}

// wantKnown demands that memory was of use.
func (tl *tale) wantKnown(least float64) {
	tl.Helper()
	if share := float64(tl.known) / float64(tl.asked); share < least {
		tl.Errorf("%d of %d histories came from memory", tl.known, tl.asked)
	}
}

func TestHistoryFromMemoryIsThatOfTheStore(t *testing.T) {
	t.Parallel()
	for _, persist := range []bool{false, true} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("persist %v, seed %d", persist, seed), func(t *testing.T) {
				t.Parallel()
				tl := newTale(t, seed, persist)
				for range 40 {
					switch tl.random.IntN(20) {
					case 0:
						tl.next()
					case 1:
						other := tl.random.IntN(2) == 0
						_, err := tl.server.Directory.UpdateMeeting(t.Context(), tl.app, tl.meeting, directory.MeetingChange{PersistChat: &other})
						tl.must(err)
					case 2:
						tl.ahead.Add(int64(time.Hour))
					}
					tl.do(tl.command())
					tl.do(tl.command(), tl.command())
					tl.look()
				}
				tl.wantKnown(0.9)
			})
		}
	}
}

// TestLongHistoryFromMemoryIsThatOfTheStore goes beyond what a history may
// hold, by number and by bytes.
func TestLongHistoryFromMemoryIsThatOfTheStore(t *testing.T) {
	t.Parallel()
	big := func(tl *tale) chat.Content {
		return chat.Content{Kind: chat.Custom, Payload: `{"message":"` + strings.Repeat("y", 15<<10+tl.random.IntN(1000)) + `"}`}
	}
	for name, content := range map[string]func(*tale) chat.Content{"many": (*tale).text, "large": big} {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asked before %v", name, warm), func(t *testing.T) {
				t.Parallel()
				tl := newTale(t, 1, true)
				if warm {
					tl.look()
				}
				commands := make([]chat.Command, map[string]int{"many": 1400, "large": 330}[name])
				for i := range commands {
					commands[i] = tl.say(content(tl), i%50 == 0)
				}
				tl.do(commands...)
				tl.look()
				for range 8 {
					tl.do(tl.command(), tl.command(), tl.command())
					tl.look()
				}
				// So many deletions that the window no longer reaches back far enough.
				var deletions []chat.Command
				for _, m := range tl.sent[len(tl.sent)/2:] {
					deletions = append(deletions, chat.DeleteMessage{
						Actor: chat.Actor{Meeting: tl.meeting, Participant: m.Author, Peer: m.Peer}, Message: m.ID,
					})
				}
				tl.do(deletions...)
				tl.look()
				tl.look()
				tl.wantKnown(0.9)
			})
		}
	}
}

// TestWhispersBeyondMemoryAreReadFromTheStore whispers more than is kept.
func TestWhispersBeyondMemoryAreReadFromTheStore(t *testing.T) {
	t.Parallel()
	tl := newTale(t, 1, true)
	tl.look()
	for range 8 {
		commands := make([]chat.Command, 50)
		for i := range commands {
			commands[i] = tl.say(chat.Content{Kind: chat.Custom, Payload: `{"message":"` + strings.Repeat("z", 8<<10) + `"}`}, i > 0)
		}
		tl.do(commands...)
		tl.look()
	}
	if tl.known == tl.asked {
		t.Error("more whispers than are kept came from memory")
	}
	tl.known, tl.asked = 0, 0
	commands := make([]chat.Command, room.HistoryCount)
	for i := range commands {
		commands[i] = tl.say(tl.text(), false)
	}
	tl.do(commands...)
	tl.look() // whispers are now too old to matter
	tl.wantKnown(1)
}
