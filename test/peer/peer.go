// Package peer is a plain client for tests: it speaks the official frames over
// a real socket and hides nothing. It has no reconnects, no outbox and no
// state; tests decide what a client does. Its errors are for tests to fail on.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/gofrs/uuid/v5"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/logs"
)

// Peer is one connection. Requests may be made by any goroutine; pushes are
// taken by one.
type Peer struct {
	// ID is the peer id; Participant who joined, as the server says.
	ID          string
	Participant string

	conn *websocket.Conn
	stop context.CancelFunc
	done chan struct{}
	made atomic.Uint32 // how many request ids

	mu     sync.Mutex
	seen   []*rtkwire.Frame
	grown  chan struct{} // closed and renewed whenever seen grows or the end comes
	err    error
	silent bool
}

// Options change how a peer connects.
type Options struct {
	// ID is the peer id. Default: a fresh one.
	ID string
	// Meeting is the roomID parameter.
	Meeting string
	// TLS is for wss. Default: the system's.
	TLS *tls.Config
	// Silent leaves pings unanswered.
	Silent bool
}

// StatusError is an HTTP answer in place of a socket.
type StatusError int

func (s StatusError) Error() string { return fmt.Sprintf("the server answered %d", int(s)) }

// Dial opens a socket at a base URL such as ws://127.0.0.1:8080.
func Dial(ctx context.Context, base, token string, o Options) (*Peer, error) {
	if o.ID == "" {
		o.ID = uuid.Must(uuid.NewV4()).String()
	}
	logs.Secret(token)
	query := url.Values{
		"roomID": {o.Meeting}, "peerID": {o.ID}, "authToken": {token}, "ping": {"true"}, "capabilities": {"2"},
	}
	options := &websocket.DialOptions{}
	if o.TLS != nil {
		options.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: o.TLS}}
	}
	conn, answer, err := websocket.Dial(ctx, base+"/ws?"+query.Encode(), options)
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			return nil, StatusError(answer.StatusCode)
		}
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	reading, stop := context.WithCancel(context.Background())
	p := &Peer{
		ID: o.ID, conn: conn, stop: stop, done: make(chan struct{}), grown: make(chan struct{}),
		silent: o.Silent,
	}
	go p.read(reading)
	return p, nil
}

func (p *Peer) read(ctx context.Context) {
	defer close(p.done)
	for {
		kind, data, err := p.conn.Read(ctx)
		if err != nil {
			p.note(nil, err)
			return
		}
		if kind == websocket.MessageText {
			if string(data) == protocol.Ping && !p.silent {
				_ = p.conn.Write(ctx, websocket.MessageText, []byte(protocol.Pong))
			}
			continue
		}
		f := new(rtkwire.Frame)
		if err := proto.Unmarshal(data, f); err != nil {
			p.note(nil, fmt.Errorf("a frame of the server cannot be read: %w", err))
			return
		}
		p.note(f, nil)
	}
}

func (p *Peer) note(f *rtkwire.Frame, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f != nil {
		p.seen = append(p.seen, f)
	}
	if err != nil {
		p.err = err
	}
	close(p.grown)
	p.grown = make(chan struct{})
}

// Frames gives all frames that have come so far, oldest first.
func (p *Peer) Frames() []*rtkwire.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*rtkwire.Frame(nil), p.seen...)
}

// Await gives the first frame, of all that came from number from on, that
// match likes, and its number.
func (p *Peer) Await(ctx context.Context, from int, match func(*rtkwire.Frame) bool) (*rtkwire.Frame, int, error) {
	for {
		p.mu.Lock()
		for ; from < len(p.seen); from++ {
			if f := p.seen[from]; match(f) {
				p.mu.Unlock()
				return f, from, nil
			}
		}
		grown, err := p.grown, p.err
		p.mu.Unlock()
		if err != nil {
			return nil, 0, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("waiting for a frame: %w", context.Cause(ctx))
		}
	}
}

// Refused is the error frame that answered a request.
type Refused struct{ Text string }

func (r *Refused) Error() string { return "refused: " + r.Text }

// NewID makes a request id in the form of the official client's. Those are drawn
// by lot, and of a few hundred two are now and then the same; a test would take
// the answer to one for that to the other. So these are counted, in an order that
// is not that of their numbers.
func (p *Peer) NewID() string {
	const odd, tails = 0x9e3779, 1 << 24 // an odd factor leaves them distinct
	return fmt.Sprintf("%s-%06x", p.ID, p.made.Add(1)*odd%tails)
}

// Send sends a request and does not wait.
func (p *Peer) Send(ctx context.Context, id string, event protocol.Event, payload proto.Message) error {
	logs.Secret(said(payload)...)
	f := &rtkwire.Frame{Event: uint32(event), Id: proto.String(id)}
	if payload != nil {
		raw, err := proto.Marshal(payload)
		if err != nil {
			return err
		}
		f.Payload = raw
	}
	raw, err := proto.Marshal(f)
	if err != nil {
		return err
	}
	return p.Write(ctx, websocket.MessageBinary, raw)
}

// said gives what a request holds that no log may hold.
func said(payload proto.Message) []string {
	switch m := payload.(type) {
	case *rtkwire.SendToRoom:
		return []string{m.GetPayload()}
	case *rtkwire.SendToPeers:
		return []string{m.GetPayload()}
	case *rtkwire.EditMessage:
		return []string{m.GetPayload()}
	case *rtkwire.JoinRoomRequest:
		return []string{m.GetPeer().GetDisplayName()}
	case *rtkwire.Broadcast:
		return []string{string(m.GetPayload())}
	case *rtkwire.StoreWrite:
		var all []string
		for _, k := range m.GetKeys() {
			all = append(all, string(k.GetPayload()))
		}
		return all
	}
	return nil
}

// Write sends any message.
func (p *Peer) Write(ctx context.Context, kind websocket.MessageType, data []byte) error {
	return p.conn.Write(ctx, kind, data)
}

// Request sends a request and decodes its answer into answer, which may be
// nil. A refusal gives a *Refused.
func (p *Peer) Request(ctx context.Context, event protocol.Event, payload, answer proto.Message) error {
	p.mu.Lock()
	from := len(p.seen)
	p.mu.Unlock()
	id := p.NewID()
	if err := p.Send(ctx, id, event, payload); err != nil {
		return err
	}
	f, _, err := p.Await(ctx, from, func(f *rtkwire.Frame) bool { return f.GetId() == id })
	if err != nil {
		return err
	}
	if protocol.Event(f.GetEvent()) == protocol.Error {
		var e rtkwire.EdgeError
		if err := proto.Unmarshal(f.GetPayload(), &e); err != nil {
			return err
		}
		return &Refused{e.GetErrorMessage()}
	}
	if protocol.Event(f.GetEvent()) != event {
		return fmt.Errorf("event %d was answered with event %d", event, f.GetEvent())
	}
	if f.Payload == nil {
		return errors.New("the answer has no payload")
	}
	if answer == nil {
		return nil
	}
	return proto.Unmarshal(f.GetPayload(), answer)
}

// Join joins the room under a proposed name, "" for none.
func (p *Peer) Join(ctx context.Context, name string) (*rtkwire.Peer, error) {
	var answer rtkwire.PeerInfo
	err := p.Request(ctx, protocol.JoinRoom, &rtkwire.JoinRoomRequest{
		Peer: &rtkwire.Peer{PeerId: p.ID, DisplayName: name},
	}, &answer)
	p.Participant = answer.GetPeer().GetUserId()
	return answer.GetPeer(), err
}

// SendText says something to everybody and gives the message as stored.
func (p *Peer) SendText(ctx context.Context, text string) (*rtkwire.ChatMessage, error) {
	var answer rtkwire.OneChatMessage
	err := p.Request(ctx, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text}, &answer)
	return answer.GetMessage(), err
}

// Whisper says something to the peers named.
func (p *Peer) Whisper(ctx context.Context, text string, peers ...string) (*rtkwire.ChatMessage, error) {
	var answer rtkwire.OneChatMessage
	err := p.Request(ctx, protocol.SendMessageToPeers, &rtkwire.SendToPeers{PeerIds: peers, Payload: text}, &answer)
	return answer.GetMessage(), err
}

// History gives what a client is given when it joins, oldest first.
func (p *Peer) History(ctx context.Context) ([]*rtkwire.ChatMessage, error) {
	var answer rtkwire.ChatMessages
	err := p.Request(ctx, protocol.GetMessages, nil, &answer)
	return answer.GetMessages(), err
}

// Page gives one page of messages.
func (p *Peer) Page(ctx context.Context, request *rtkwire.PageRequest) (*rtkwire.Page, error) {
	var answer rtkwire.Page
	err := p.Request(ctx, protocol.GetPaginatedMessages, request, &answer)
	return &answer, err
}

// Leave closes with a goodbye.
func (p *Peer) Leave() {
	_ = p.conn.Close(websocket.StatusNormalClosure, "")
	p.stop()
	<-p.done
}

// Cut ends the connection without a word.
func (p *Peer) Cut() {
	_ = p.conn.CloseNow()
	p.stop()
	<-p.done
}

// Closed waits for the end of the connection and gives the code of the
// server's close frame, -1 if there was none.
func (p *Peer) Closed(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return int(websocket.CloseStatus(p.err)), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Timeout is how long tests wait for what must come.
const Timeout = 20 * time.Second
