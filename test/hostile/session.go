package hostile

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/raw"
)

// session is a socket of the attacker that reads what comes, and answers
// pings.
type session struct {
	*raw.Conn
	id       string // the peer id
	attacker *Attacker

	mu      sync.Mutex
	writing sync.Mutex
	number  int
	// Guarded by mu:
	answers map[string]*rtkwire.Frame // by the tail of the request's id
	grown   chan struct{}             // closed and renewed with each answer, and at the end
	end     error
}

func (a *Attacker) query(token, peer string) string {
	return url.Values{
		"roomID": {a.Meeting}, "peerID": {peer}, "authToken": {token}, "ping": {"true"}, "capabilities": {"2"},
	}.Encode()
}

// open opens a socket and does not join.
func (a *Attacker) open(ctx context.Context, token, peer string) (*session, error) {
	c, err := a.dial(ctx, a.query(token, peer))
	if err != nil {
		return nil, err
	}
	s := &session{Conn: c, id: peer, attacker: a, answers: make(map[string]*rtkwire.Frame), grown: make(chan struct{})}
	a.reads.Go(s.read)
	return s, nil
}

// join opens a socket with the attacker's token and joins.
func (a *Attacker) join(ctx context.Context) (*session, error) { return a.joinWith(ctx, a.Token) }

func (a *Attacker) joinWith(ctx context.Context, token string) (*session, error) {
	s, err := a.open(ctx, token, newID())
	if err != nil {
		return nil, err
	}
	answer, err := s.ask(ctx, protocol.JoinRoom, marshal(&rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{PeerId: s.id}}))
	if err == nil && isRefusal(answer) {
		err = fmt.Errorf("joining: %s", refusalOf(answer))
	}
	return s, err
}

func (s *session) read() {
	for {
		f, err := s.Next()
		if err == nil && f.Op == raw.Close {
			err = closedError(f.Code())
		}
		if err != nil {
			s.note("", nil, err)
			return
		}
		s.attacker.hear(f.Payload)
		switch f.Op {
		case raw.Text:
			if string(f.Payload) == protocol.Ping {
				_ = s.write(raw.Message(raw.Text, []byte(protocol.Pong)))
			}
		case raw.Binary:
			frame := new(rtkwire.Frame)
			if err := proto.Unmarshal(f.Payload, frame); err != nil {
				s.note("", nil, fmt.Errorf("a frame of the server cannot be read: %w", err))
				return
			}
			if id := frame.GetId(); len(id) > len(s.id) && id[:len(s.id)] == s.id {
				s.note(id[len(s.id)+1:], frame, nil)
			}
		}
	}
}

// closedError is the server's close code.
type closedError uint16

func (c closedError) Error() string { return fmt.Sprintf("the server closed with %d", uint16(c)) }

func (s *session) note(tail string, f *rtkwire.Frame, end error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f != nil {
		s.answers[tail] = f
	}
	if end != nil && s.end == nil {
		s.end = end
	}
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *session) write(data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.Write(data)
	return err
}

// throw sends a request and gives the tail of its id.
func (s *session) throw(event protocol.Event, payload []byte) (string, error) {
	s.mu.Lock()
	s.number++
	tail := fmt.Sprint(s.number)
	s.mu.Unlock()
	return tail, s.throwAs(s.id+"-"+tail, event, payload)
}

func (s *session) throwAs(id string, event protocol.Event, payload []byte) error {
	f := marshal(&rtkwire.Frame{Event: uint32(event), Id: &id, Payload: payload})
	if len(f) > protocol.MaxMessage {
		return errTooLong
	}
	return s.write(raw.Message(raw.Binary, f))
}

// errTooLong says that a request does not fit into a message.
var errTooLong = errors.New("the request is longer than a message may be")

// ask sends a request and waits for its answer.
func (s *session) ask(ctx context.Context, event protocol.Event, payload []byte) (*rtkwire.Frame, error) {
	tail, err := s.throw(event, payload)
	if err != nil {
		return nil, err
	}
	return s.await(ctx, tail)
}

func (s *session) await(ctx context.Context, tail string) (*rtkwire.Frame, error) {
	for {
		s.mu.Lock()
		f, grown, end := s.answers[tail], s.grown, s.end
		delete(s.answers, tail)
		s.mu.Unlock()
		switch {
		case f != nil:
			return f, nil
		case end != nil:
			return nil, end
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the answer to request %s: %w", tail, context.Cause(ctx))
		}
	}
}

// settled waits until everything sent before has been handled.
func (s *session) settled(ctx context.Context) error {
	_, err := s.ask(ctx, protocol.GetConnectedRoomsDump, nil)
	return err
}

// closed waits for the server's close frame and demands one of these codes.
func (s *session) closed(ctx context.Context, codes ...uint16) error {
	_, err := s.await(ctx, "never")
	if code, ok := errors.AsType[closedError](err); ok && slices.Contains(codes, uint16(code)) {
		return nil
	}
	return fmt.Errorf("instead of closing with one of %d: %w", codes, err)
}

func isRefusal(f *rtkwire.Frame) bool { return protocol.Event(f.GetEvent()) == protocol.Error }

func refusalOf(f *rtkwire.Frame) string {
	var e rtkwire.EdgeError
	if err := proto.Unmarshal(f.GetPayload(), &e); err != nil {
		return err.Error()
	}
	return e.GetErrorMessage()
}

// mustBeRefused demands an error frame.
func (s *session) mustBeRefused(ctx context.Context, what string, event protocol.Event, payload []byte) error {
	answer, err := s.ask(ctx, event, payload)
	if errors.Is(err, errTooLong) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !isRefusal(answer) {
		return fmt.Errorf("%s: event %#x was carried out", what, event)
	}
	return nil
}

func marshal(m proto.Message) []byte {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err != nil {
		panic(err) // a mistake of the attacker
	}
	return raw
}

// unmarshal reads the answer to an event.
func unmarshal(f *rtkwire.Frame, event protocol.Event, into proto.Message) error {
	if isRefusal(f) {
		return errors.New(refusalOf(f))
	}
	if got := protocol.Event(f.GetEvent()); got != event {
		return fmt.Errorf("event %#x was answered by %#x", event, got)
	}
	return proto.Unmarshal(f.GetPayload(), into)
}
