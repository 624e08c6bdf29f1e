package ws

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// FuzzFrame hands in any bytes as a request, of a peer that has joined and of
// one that has not. Each is answered, or is of an event that expects no
// answer; nothing panics; what comes out can be read; and nobody who has not
// joined gets anything stored.
func FuzzFrame(f *testing.F) {
	const placeholder = "00000000-0000-4000-8000-000000000000"
	paths, _ := filepath.Glob(filepath.Join("..", "..", "..", "protocol", "testdata", "client-*.txt"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if parts := strings.Split(lines.Text(), "\t"); len(parts) == 3 {
				raw, err := hex.DecodeString(parts[1])
				if err != nil {
					f.Fatal(err)
				}
				// All ids become the one of the peer that will say this.
				var frame rtkwire.Frame
				if err := proto.Unmarshal(raw, &frame); err != nil {
					f.Fatal(err)
				}
				raw = bytes.ReplaceAll(raw, []byte(frame.GetId()[:36]), []byte(placeholder))
				f.Add(raw, true)
				f.Add(raw, false)
			}
		}
	}
	f.Add([]byte{0xff}, true)
	w := newWorld(f)
	bob := w.sit("bob", "")
	f.Fuzz(func(t *testing.T, raw []byte, joined bool) {
		w := w.under(t)
		s := w.connect(placeholder, "alice")
		defer func() {
			s.room.Disconnect(s.feed, true)
			s.settle(bob)
		}()
		if joined {
			s.ask(protocol.JoinRoom, nil)
		}
		w.submits = func(a chat.Actor) {
			if a.Peer != s.info.Peer || a.Participant != "alice" || !s.room.Joined(s.feed) {
				t.Errorf("%s of %s is heard and has not joined", a.Peer, a.Participant)
			}
		}
		stored := len(w.entries)
		s.handle(t.Context(), raw)
		frames := s.frames()
		if len(w.faults) > 0 {
			t.Fatalf("logged: %q", w.faults)
		}
		if !joined && len(w.entries) > stored {
			t.Error("something was stored for a peer that has not joined")
		}
		s.checkAnswers(t, raw, frames)
	})
}

// under gives the world to one run of a fuzz target, rested.
func (w *world) under(t testing.TB) *world {
	w.TB = t
	w.faults = nil
	w.clock = w.clock.Add(time.Hour) // all limits are far away again
	// The message that a recording edits, pins and deletes.
	const known = "d9c3b5c4-bce1-46cf-9e4b-15b5538378d7"
	w.now[known] = chat.Message{
		ID: known, Meeting: meeting, Session: "s", Author: "alice", Content: chat.Content{Payload: "hello"},
	}
	return w
}

// settle forgets what has piled up.
func (s *seat) settle(other *seat) {
	other.frames()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entered, s.left = nil, nil; len(s.entries) > 1000 {
		clear(s.now)
	}
}

// checkAnswers demands that a request is answered once and first of all by
// what settles it.
func (s *seat) checkAnswers(t *testing.T, raw []byte, frames []*rtkwire.Frame) {
	var f rtkwire.Frame
	if err := proto.Unmarshal(raw, &f); err != nil {
		if len(frames) != 1 || refusedWith(frames[0]) == "" {
			t.Fatalf("bytes that are no frame got %v", frames)
		}
		return
	}
	event := protocol.Event(f.GetEvent())
	if event == protocol.MediaToggleProducer || event == protocol.MediaAudioActivity {
		return
	}
	if len(frames) != 1 {
		t.Fatalf("event %#x got %d answers", event, len(frames))
	}
	answer := frames[0]
	if got := protocol.Event(answer.GetEvent()); got != event && got != protocol.Error {
		t.Errorf("event %#x was answered by %#x", event, got)
	}
	if answer.GetId() != f.GetId() && len(f.GetId()) <= protocol.MaxFrameID {
		t.Errorf("request %q was answered as %q", f.GetId(), answer.GetId())
	}
}
