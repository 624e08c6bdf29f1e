package hostile

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// patience is how long one attack may take.
const patience = time.Minute

// TestHonestPeopleComeToNoHarm plays every attack on a meeting of its own. While
// the attacker is at it, and after it has gone, everybody else is served at
// once; nothing of theirs was read or changed; they were sent nothing that
// harms an official client; and nothing is left behind.
func TestHonestPeopleComeToNoHarm(t *testing.T) {
	w := newWorld(t)
	warm(w)
	for _, attack := range Attacks() {
		t.Run(attack.Name, func(t *testing.T) {
			under := &world{T: t, ctx: w.ctx, server: w.server, addr: w.addr, app: w.app}
			s := under.scene()
			s.rested = measure()
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			a := New(s.target)
			defer a.Close()
			if err := attack.Run(ctx, a); err != nil {
				t.Error(err)
			}
			s.checkService(t, "during")
			a.Close()
			s.checkService(t, "after")
			for _, secret := range a.Leaks() {
				t.Errorf("the attacker was told %q", secret)
			}
			s.checkUntouched(t)
			s.checkFrames(t)
			s.alice.Leave()
			s.bob.Leave()
			s.carol.Leave()
			s.awaitRest(t)
		})
	}
}

// warm lets everything be made that is made once.
func warm(w *world) {
	s := w.scene()
	s.checkService(w.T, "before")
	s.alice.Leave()
	s.bob.Leave()
	s.carol.Leave()
}

func TestJudgeFindsWhatHarms(t *testing.T) {
	text := func(m *rtkwire.ChatMessage) *rtkwire.Frame {
		m.ChatId, m.UserId, m.CreatedAtMs = "id", "user", proto.Uint64(1)
		return frameOf(protocol.SendMessageToRoom, &rtkwire.OneChatMessage{Message: m})
	}
	broadcast := func(payload string) *rtkwire.Frame {
		return frameOf(protocol.BroadcastMessage, &rtkwire.Broadcast{Type: "t", Payload: []byte(payload)})
	}
	peerNamed := func(p *rtkwire.Peer) *rtkwire.Frame { return frameOf(protocol.JoinRoom, &rtkwire.PeerInfo{Peer: p}) }
	plain := &rtkwire.PeerFlags{RecorderType: "NONE"}
	for name, f := range map[string]*rtkwire.Frame{
		"no payload":              {Event: uint32(protocol.GetMessages), Id: proto.String("x")},
		"bytes that are none":     {Event: uint32(protocol.GetMessages), Id: proto.String("x"), Payload: []byte{0xff}},
		"no message":              frameOf(protocol.EditMessage, &rtkwire.OneChatMessage{}),
		"no peer":                 peerNamed(nil),
		"a recorder":              peerNamed(&rtkwire.Peer{Flags: &rtkwire.PeerFlags{RecorderType: ""}}),
		"a picture that runs":     peerNamed(&rtkwire.Peer{Flags: plain, DisplayPictureUrl: proto.String("javascript:1")}),
		"a name that is a link":   peerNamed(&rtkwire.Peer{Flags: plain, DisplayName: "<A HREF=x>"}),
		"a text that is a link":   text(&rtkwire.ChatMessage{Payload: "x <a href='javascript:1'>"}),
		"an empty text":           text(&rtkwire.ChatMessage{}),
		"an image that runs":      text(&rtkwire.ChatMessage{PayloadType: 1, Payload: "javascript:1"}),
		"a file that is no JSON":  text(&rtkwire.ChatMessage{PayloadType: 2, Payload: "x"}),
		"a file without a size":   text(&rtkwire.ChatMessage{PayloadType: 2, Payload: `{"link":"https://x.example/","name":"a"}`}),
		"a file that runs":        text(&rtkwire.ChatMessage{PayloadType: 2, Payload: `{"link":"data:x","name":"a","size":1}`}),
		"a custom script":         text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"html":"<script>1</script>"}`}),
		"a custom handler":        text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"html":"<img src=x onerror=1>"}`}),
		"a custom link that runs": text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"html":"<a href=\"javascript:1\">x</a>"}`}),
		"a custom null":           text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"files":[null]}`}),
		"a custom prototype":      text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"a":{"__proto__":1}}`}),
		"an unknown kind":         text(&rtkwire.ChatMessage{PayloadType: 4, Payload: "x"}),
		"a broadcast of no JSON":  broadcast("x"),
		"a broadcast prototype":   broadcast(`{"__proto__":1}`),
	} {
		if err := Judge(f); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	for name, f := range map[string]*rtkwire.Frame{
		"a text":            text(&rtkwire.ChatMessage{Payload: "<b>a</b> <abbr> 1 < a"}),
		"an image":          text(&rtkwire.ChatMessage{PayloadType: 1, Payload: "https://x.example/a.png"}),
		"a file":            text(&rtkwire.ChatMessage{PayloadType: 2, Payload: `{"link":"https://x.example/","name":"a","size":0}`}),
		"a custom message":  text(&rtkwire.ChatMessage{PayloadType: 3, Payload: `{"type":"x","html":"<b>on = off</b>","files":[{"link":"https://x.example/"}]}`}),
		"a peer":            peerNamed(&rtkwire.Peer{Flags: plain, DisplayName: "Alice"}),
		"a broadcast":       broadcast(`{"a":1}`),
		"an event it skips": {Event: 0x7777},
	} {
		if err := Judge(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func frameOf(event protocol.Event, m proto.Message) *rtkwire.Frame {
	return &rtkwire.Frame{Event: uint32(event), Id: proto.String("x"), Payload: marshal(m)}
}
