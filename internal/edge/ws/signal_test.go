package ws

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// heard gives the broadcasts of an event that came, as type:payload.
func (s *seat) heard(event protocol.Event) []string {
	s.Helper()
	var all []string
	for _, f := range s.frames() {
		if protocol.Event(f.GetEvent()) != event {
			continue
		}
		var m rtkwire.Broadcast
		if err := proto.Unmarshal(f.GetPayload(), &m); err != nil {
			s.Fatal(err)
		}
		if m.GetTimestamp() != uint64(s.time().UnixMilli()) || len(m.GetIds()) > 0 || m.BroadcastType != nil {
			s.Errorf("the broadcast is %v", &m)
		}
		all = append(all, m.GetType()+":"+string(m.GetPayload()))
	}
	return all
}

func wantHeard(t *testing.T, who string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s heard %q, want %q", who, got, want)
	}
}

func TestBroadcastIsAnsweredAndReachesAllWhoHaveJoined(t *testing.T) {
	w := newWorld(t)
	alice, bob, outside := w.sit("alice", ""), w.sit("bob", ""), w.connect(peerOf("carol"), "carol")
	var echo rtkwire.Broadcast
	alice.get(protocol.BroadcastMessage, &rtkwire.Broadcast{
		Type: "typing", Payload: []byte(` {"on": true}`), Timestamp: 1, Ids: []string{"x"},
	}, &echo)
	if echo.GetType() != "typing" || string(echo.GetPayload()) != `{"on":true}` || echo.GetTimestamp() == 1 {
		t.Errorf("the echo is %v", &echo)
	}
	wantHeard(t, "bob", bob.heard(protocol.BroadcastMessage), `typing:{"on":true}`)
	wantHeard(t, "one outside", outside.heard(protocol.BroadcastMessage))
	if words := refusedWith(outside.ask(protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "x"})); words != "join the meeting first" {
		t.Errorf("one outside is told %q", words)
	}
	if words := refusedWith(outside.ask(protocol.BroadcastToEntity, &rtkwire.Broadcast{Type: "x"})); words != "join the meeting first" {
		t.Errorf("one outside is told %q", words)
	}
}

func TestBroadcastToPeersReachesThemAlone(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.sit("alice", ""), w.sit("bob", ""), w.sit("carol", "")
	alice.frames()
	bob.frames()
	raw, _ := alice.request(protocol.BroadcastToEntity, &rtkwire.Broadcast{
		Type: "poke", Payload: []byte("1"), Ids: []string{string(peerOf("bob")), "nobody", "carol", string(peerOf("bob"))},
		BroadcastType: rtkwire.BroadcastScope_SCOPE_PEERS.Enum(),
	})
	alice.handle(t.Context(), raw)
	wantHeard(t, "bob", bob.heard(protocol.BroadcastToEntity), "poke:1")
	wantHeard(t, "carol", carol.heard(protocol.BroadcastToEntity))
	if f := alice.frames(); len(f) != 0 {
		t.Errorf("the caller, who is not named, was sent %v", f)
	}
	alice.get(protocol.BroadcastToEntity, &rtkwire.Broadcast{Type: "self", Ids: []string{string(peerOf("alice"))}}, new(rtkwire.Broadcast))
	if words := refusedWith(alice.ask(protocol.BroadcastToEntity, &rtkwire.Broadcast{Type: "x", Ids: []string{"nobody"}})); !strings.Contains(words, "is here") {
		t.Errorf("naming nobody who is here: %q", words)
	}
}

func TestBroadcastToMeetingsIsForThisOneAlone(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	to := func(ids ...string) *rtkwire.Broadcast {
		return &rtkwire.Broadcast{Type: "x", Payload: []byte("1"), Ids: ids, BroadcastType: rtkwire.BroadcastScope_SCOPE_ROOMS.Enum()}
	}
	alice.get(protocol.BroadcastToEntity, to(string(meeting)), new(rtkwire.Broadcast))
	for _, ids := range [][]string{nil, {"other"}, {string(meeting), "other"}} {
		if words := refusedWith(alice.ask(protocol.BroadcastToEntity, to(ids...))); !strings.Contains(words, "this meeting alone") {
			t.Errorf("%q: %q", ids, words)
		}
	}
	wantHeard(t, "bob", bob.heard(protocol.BroadcastToEntity), "x:1")
}

func TestBroadcastsThatWouldHurtAreRefused(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	bob.frames()
	for want, m := range map[string]*rtkwire.Broadcast{
		"not valid JSON": {Type: "x", Payload: []byte("{")},
		"UTF-8":          {Type: "x", Payload: []byte("\"\xff\"")},
		"too long":       {Type: "x", Payload: []byte(`"` + strings.Repeat("x", content.MaxValue) + `"`)},
		"the type":       {Type: " ", Payload: []byte("1")},
		"256 bytes":      {Type: strings.Repeat("x", 257), Payload: []byte("1")},
		"NUL":            {Type: "a\x00", Payload: []byte("1")},
		"at most 500":    {Type: "x", Ids: make([]string, 501)},
	} {
		for _, event := range []protocol.Event{protocol.BroadcastMessage, protocol.BroadcastToEntity} {
			if event == protocol.BroadcastMessage && len(m.GetIds()) > 0 {
				continue // nobody reads them
			}
			if words := refusedWith(alice.ask(event, m)); !strings.Contains(words, want) {
				t.Errorf("event %d, %s: %q", event, want, words)
			}
			w.advance(time.Second)
		}
	}
	if f := bob.frames(); len(f) != 0 {
		t.Errorf("others were sent %v", f)
	}
}

func TestBroadcastsHaveTheirOwnRate(t *testing.T) {
	alice := newWorld(t).sit("alice", "")
	for range signalBurst {
		alice.get(protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "x"}, new(rtkwire.Broadcast))
	}
	if words := refusedWith(alice.ask(protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "x"})); words != "too many broadcasts, wait a little" {
		t.Errorf("one too many: %q", words)
	}
	alice.say("chat goes on")
	alice.advance(time.Second)
	alice.get(protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "x"}, new(rtkwire.Broadcast))
}
