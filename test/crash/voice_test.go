package crash_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// How much a voice asks for in one round. It stays below the limits of a
// connection (180 texts at once, 1 MiB behind), a participant (540 texts) and a
// meeting (2,000), all of which start anew with the server.
const (
	wishesPerVoice = 150
	filesPerVoice  = 8  // among them, of each person's first voice
	window         = 32 // how many wait for their answers at a time
)

// voice is one connection of a person. It comes back under the same peer id
// after each strike. In a round it is used by one goroutine.
type voice struct {
	world  *world
	person *person
	number int
	id     string // the peer id
	random *rand.Rand
	shares bool // whether it sends files

	// Of this connection:
	peer   *peer.Peer
	next   int    // the first frame not looked at yet
	missed []told // what it was told when it came back

	// Of this round:
	heard  []told           // what it was told
	wishes map[string]*wish // what it asked for, by the ids of the requests
	files  int
	own    []string // messages of its own that it may change
	others []string // messages that it may pin

	// accounts are what it heard in each round, in short.
	accounts [][]step
}

// wish is something a voice asked for.
type wish struct {
	kind   kind
	target string // the message to be changed
	author string
	label  string // what the message shall say
	to     string // the audience
	fate   fate
	id     string // of the message, where it was granted
}

// fate is what became of a wish, as far as the one who asked was told.
type fate int

const (
	open fate = iota
	granted
	refused // nothing has happened
)

// outcomeUnknown is the one refusal after which it may have happened: the
// commit failed.
const outcomeUnknown = "the server cannot store messages now"

// enter connects and joins. What the server tells a returning peer comes
// before the answer.
func (v *voice) enter(ctx context.Context, base string) error {
	p, err := peer.Dial(ctx, base, v.person.token, peer.Options{ID: v.id, Meeting: v.person.meeting.id})
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	v.peer, v.next, v.missed = p, 0, nil
	if _, err := p.Join(ctx, ""); err != nil {
		return fmt.Errorf("joining: %w", err)
	}
	return v.takeMissed(ctx)
}

// takeMissed takes the frames up to the answer of the join.
func (v *voice) takeMissed(ctx context.Context) error {
	for {
		f, at, err := v.peer.Await(ctx, v.next, anything)
		if err != nil {
			return err
		}
		v.next = at + 1
		if protocol.Event(f.GetEvent()) == protocol.JoinRoom {
			var joined rtkwire.PeerInfo
			if err := proto.Unmarshal(f.GetPayload(), &joined); err != nil || joined.GetPeer().GetPeerId() == v.id {
				return err
			}
		}
		t, ok, err := decode(f)
		if err != nil {
			return err
		}
		if ok {
			v.missed = append(v.missed, t)
		}
	}
}

func anything(*rtkwire.Frame) bool { return true }

// load counts the answers that all voices get, and closes moment at the one
// that was chosen.
type load struct {
	left   atomic.Int64
	moment chan struct{}
	struck atomic.Bool // from here on connections may end
}

func (l *load) answered() {
	if l.left.Add(-1) == 0 {
		close(l.moment)
	}
}

// talk asks and listens until the connection ends.
func (v *voice) talk(ctx context.Context, l *load) error {
	v.heard, v.wishes, v.files, v.own, v.others = nil, make(map[string]*wish), 0, nil, nil
	waiting, left := 0, wishesPerVoice
	for {
		for ; waiting < window && left > 0; left-- {
			if err := v.ask(ctx); err != nil {
				left = 0 // the connection has ended; what came before that is still to be read
				break
			}
			waiting++
		}
		f, at, err := v.peer.Await(ctx, v.next, anything)
		switch {
		case err != nil && l.struck.Load() && ctx.Err() == nil:
			return nil
		case err != nil:
			return fmt.Errorf("voice %d after %d frames: %w", v.number, v.next, err)
		}
		v.next = at + 1
		answered, err := v.hear(f)
		if err != nil {
			return err
		}
		if answered {
			waiting--
			l.answered()
		}
	}
}

// hear takes one frame, and tells whether it answers a wish.
func (v *voice) hear(f *rtkwire.Frame) (answers bool, err error) {
	w := v.wishes[f.GetId()]
	if protocol.Event(f.GetEvent()) == protocol.Error {
		var e rtkwire.EdgeError
		if err := proto.Unmarshal(f.GetPayload(), &e); err != nil {
			return false, fmt.Errorf("reading a refusal: %w", err)
		}
		if w == nil {
			return false, fmt.Errorf("nothing was asked that could be refused: %s", e.GetErrorMessage())
		}
		if e.GetErrorMessage() != outcomeUnknown {
			w.fate = refused
		}
		return true, nil
	}
	t, ok, err := decode(f)
	if err != nil || !ok {
		return false, err
	}
	v.heard = append(v.heard, t)
	switch {
	case t.kind == said && w != nil && t.message.link == "":
		v.own = append(v.own, t.id)
	case t.kind == said:
		v.others = append(v.others, t.id)
	}
	if w != nil {
		w.fate, w.id = granted, t.id
	}
	return w != nil, nil
}

// ask asks for something, drawn at random.
func (v *voice) ask(ctx context.Context) error {
	switch n := v.random.IntN(100); {
	case n < 12 && len(v.own) > 0:
		return v.edit(ctx)
	case n < 16 && len(v.own) > 0:
		i := v.random.IntN(len(v.own))
		target := v.own[i]
		v.own = slices.Delete(v.own, i, i+1)
		return v.send(ctx, wish{kind: deleted, target: target}, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: target})
	case n < 24 && len(v.others) > 0:
		return v.pin(ctx)
	case n < 38:
		return v.whisper(ctx)
	case n < 48 && v.shares && v.files < filesPerVoice:
		if payload, label, err := v.upload(ctx); err == nil {
			return v.send(ctx, wish{kind: said, label: label}, protocol.SendMessageToRoom,
				&rtkwire.SendToRoom{PayloadType: payloadTypeFile, Payload: payload})
		}
	}
	text := v.text()
	return v.send(ctx, wish{kind: said, label: text}, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text})
}

// send remembers a wish, then sends it.
func (v *voice) send(ctx context.Context, w wish, event protocol.Event, payload proto.Message) error {
	// By chance alone, ids as clients make them would meet now and then.
	id := fmt.Sprintf("%s-%06x", v.id, len(v.wishes))
	w.author = v.person.id
	v.wishes[id] = &w
	return v.peer.Send(ctx, id, event, payload)
}

func (v *voice) edit(ctx context.Context) error {
	target, text := v.own[v.random.IntN(len(v.own))], v.text()
	return v.send(ctx, wish{kind: edited, target: target, label: text}, protocol.EditMessage,
		&rtkwire.EditMessage{ChatId: target, PayloadType: proto.Int32(0), Payload: proto.String(text)})
}

func (v *voice) pin(ctx context.Context) error {
	w := wish{kind: pinned, target: v.others[v.random.IntN(len(v.others))]}
	if v.random.IntN(3) == 0 {
		w.kind = unpinned
	}
	return v.send(ctx, w, protocol.PinMessage, &rtkwire.PinMessage{ChatId: w.target, Pinned: w.kind == pinned})
}

// whisper says something to one or two others, by any of their voices.
func (v *voice) whisper(ctx context.Context) error {
	to, peers := []string{v.person.id}, []string(nil)
	for range 1 + v.random.IntN(2) {
		other := v.person.meeting.people[v.random.IntN(len(v.person.meeting.people))]
		if other != v.person {
			to = append(to, other.id)
			peers = append(peers, other.voices[v.random.IntN(len(other.voices))].id)
		}
	}
	text := v.text()
	if len(peers) == 0 {
		return v.send(ctx, wish{kind: said, label: text}, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text})
	}
	slices.Sort(to)
	audience := strings.Join(slices.Compact(to), " ")
	return v.send(ctx, wish{kind: said, label: text, to: audience}, protocol.SendMessageToPeers,
		&rtkwire.SendToPeers{PeerIds: peers, Payload: text})
}

// title is a name that nothing else in the test has.
func (v *voice) title() string {
	return fmt.Sprintf("round %d voice %d wish %d", v.world.round, v.number, len(v.wishes))
}

// text is one that was never said before. Most are short, some as long as they
// may be.
func (v *voice) text() string {
	length := v.random.IntN(60)
	if v.random.IntN(20) == 0 {
		length = v.random.IntN(900)
	}
	return v.title() + " " + strings.Repeat("é😀", length/2)
}

// upload puts a file and gives the payload of a message that refers to it.
// Where it fails, the server is not there any more or does not let it.
func (v *voice) upload(ctx context.Context) (payload, label string, err error) {
	v.files++
	label = v.title() + ".bin"
	content := make([]byte, 1+v.random.IntN(96<<10))
	for i := range content {
		content[i] = byte(v.random.Uint32())
	}
	var answer struct {
		Data struct {
			Get string `json:"get_location"`
			Put string `json:"put_location"`
		} `json:"data"`
	}
	wish := map[string]string{"roomUUID": v.person.meeting.id, "filename": label}
	if err := v.world.post(ctx, v.world.child.HTTP+"/v2/meetings/chat-upload", v.person.token, wish, &answer); err != nil {
		return "", "", err
	}
	if err := v.world.put(ctx, answer.Data.Put, content); err != nil {
		return "", "", err
	}
	v.world.keep(label, sha256.Sum256(content))
	raw, err := json.Marshal(file{Name: label, Size: len(content), Link: answer.Data.Get})
	return string(raw), label, err
}

// account keeps what was heard in this round, in short.
func (v *voice) account() {
	steps := make([]step, len(v.heard))
	for i, h := range v.heard {
		steps[i] = step{h.kind, h.id}
	}
	v.accounts = append(v.accounts, steps)
}
