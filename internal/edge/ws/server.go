// Package ws is the socket edge: it lets peers in, reads what they ask, has it
// authorised and carried out, and writes what their room has to say. One
// connection is one peer. The rules of chat are not here but in package chat,
// the order of things in package journal, and who hears what in package room;
// this package translates between them and the frames of package protocol.
//
// A refused request gets an error frame and nothing else happens; a connection
// is closed only for what the protocol of the socket itself forbids.
package ws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/ice"
	"github.com/parley-chat/parley/internal/edge/ws/transport"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/tally"
	"github.com/parley-chat/parley/protocol"
)

// Tokens checks participant tokens.
type Tokens interface {
	Verify(token string) (auth.Identity, error)
}

// Directory looks up who knocks. Its error for nobody is directory.ErrNotFound.
type Directory interface {
	Access(context.Context, chat.MeetingID, chat.ParticipantID) (directory.Access, error)
	// Overrule changes what participants may do, by the wish of one of them.
	Overrule(ctx context.Context, meeting chat.MeetingID, by chat.ParticipantID, wishes []directory.Overrule) error
	Participants(context.Context, chat.AppID, chat.MeetingID, directory.List) (directory.Page[directory.Participant], error)
	PresetNamed(ctx context.Context, app chat.AppID, name string) (directory.Preset, error)
}

// Journal is what peers read and write.
type Journal interface {
	Submit(cmd chat.Command, settles string, done func(journal.Entry, error))
	Newest(context.Context, journal.Query) ([]chat.Message, error)
	Page(context.Context, journal.Query) (journal.Page, error)
}

// Sessions lets peers into sessions and takes them out. The hub is told by it.
type Sessions interface {
	Enter(ctx context.Context, a session.Arrival, fresh chat.SessionID) (session.Session, error)
	Kick(context.Context, session.Kick) (session.Gone, error)
	KickAll(ctx context.Context, meeting chat.MeetingID, by *chat.Actor, request string) (session.Gone, error)
	// Admit lets participants into the live session of a meeting who wait for
	// that; without a session it gives Forbidden.
	Admit(ctx context.Context, meeting chat.MeetingID, ids []chat.ParticipantID) error
}

// Stores keeps what apps share.
type Stores interface {
	Submit(w kv.Write, settles string, done func(error))
}

// Config is what a Server is made of. All but the last three must be set.
type Config struct {
	Tokens    Tokens
	Directory Directory
	Hub       *room.Hub
	Journal   Journal
	Sessions  Sessions
	Stores    Stores
	Codec     Codec
	// Parse checks a payload that a client sent and gives it as stored.
	Parse func(meeting chat.MeetingID, kind chat.Kind, payload string) (chat.Content, error)
	// ICE answers media offers, so that clients think their media connected.
	ICE *ice.Responder
	Now func() time.Time
	// Logger. Default: nothing is logged.
	Logger *slog.Logger
	// Faults stops panics. Default: nobody is told of them.
	Faults *fault.Guard
	// Limits counts which limits were reached. Default: nobody counts.
	Limits *tally.Words
	// LiftRates lets peers send as fast as they can. It is for benchmarks.
	LiftRates bool
}

// Server accepts sockets. It is an http.Handler; make it with New.
type Server struct {
	Config
	rates   *rates
	bodies  bodies
	changes changes
	counts  Counters
	poller  *transport.Poller // nil where each connection has a goroutine that waits

	ctx     context.Context // ends when connections have to end
	stop    context.CancelFunc
	reading context.Context // ends when nothing more is to be read
	silence context.CancelFunc

	mu       sync.Mutex
	draining bool
	peers    sync.WaitGroup // connections
	readers  sync.WaitGroup // those whose requests are not all answered
}

// Timeouts of a connection.
const (
	idleTimeout    = 45 * time.Second
	messageTimeout = 10 * time.Second
	requestTimeout = 15 * time.Second
)

// New makes a server.
func New(config Config) *Server {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	reading, silence := context.WithCancel(ctx)
	s := &Server{
		Config: config, rates: newRates(config.Now), counts: newCounters(),
		ctx: ctx, stop: stop, reading: reading, silence: silence,
	}
	s.rates.lifted = config.LiftRates
	return s
}

// Watch has the system tell where something comes, so that connections that are
// silent need no goroutine, where the system can. It is called before any are
// served; without it each has one.
func (s *Server) Watch() (err error) {
	s.poller, err = transport.NewPoller()
	return err
}

// Close ends what Watch has begun. No connection may be left.
func (s *Server) Close() error { return s.poller.Close() }

// ServeHTTP lets a peer in. Whoever may not come in gets an HTTP status and no
// socket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	changes := s.changes.made.Load()
	info, access, err := s.admit(r)
	if err != nil {
		s.counts.Refused.Add(string(chat.CodeOf(err)))
		s.Limits.Add(limitOf(err))
		status, text := statusOf(err)
		if status == http.StatusInternalServerError && r.Context().Err() == nil {
			s.Logger.Error("a peer could not be let in", "err", err)
		}
		http.Error(w, text, status)
		return
	}
	if !s.begin() {
		http.Error(w, "the server restarts", http.StatusServiceUnavailable)
		return
	}
	conn, err := transport.Accept(w, r, transport.Config{
		MaxMessage: protocol.MaxMessage, Idle: idleTimeout, Message: messageTimeout, Poller: s.poller,
	})
	if err != nil {
		s.readers.Done()
		s.peers.Done()
		s.Logger.Debug("a socket could not be opened", "err", err)
		return
	}
	s.counts.Open.Add(1)
	s.counts.Opened.Add(1)
	// From here on the connection lives without the HTTP request: what that
	// holds can be freed.
	go s.serve(conn, info, access, changes)
}

// begin counts a connection in, unless the server drains.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.peers.Add(1)
	s.readers.Add(1)
	return true
}

// Drain refuses further peers and reads no more requests. When those that were
// read have been answered, it lets everything go out, tells the peers to come
// back, and returns when all are gone or ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.silence()
	defer s.stop()
	answered := waitFor(ctx, &s.readers)
	s.Hub.Drain()
	if err := errors.Join(answered, waitFor(ctx, &s.peers)); err != nil {
		return fmt.Errorf("draining sockets: %w", err)
	}
	return nil
}

func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// admit checks who knocks: the token, the meeting it is for, the peer id.
func (s *Server) admit(r *http.Request) (room.Info, directory.Access, error) {
	query := r.URL.Query()
	identity, err := s.Tokens.Verify(query.Get("authToken"))
	if err != nil {
		return room.Info{}, directory.Access{}, chat.Refuse(chat.Unauthorized, "the token is not valid")
	}
	if query.Get("roomID") != string(identity.Meeting) {
		return room.Info{}, directory.Access{}, chat.Refuse(chat.Forbidden, "the token is for another meeting")
	}
	peer, err := uuid.FromString(query.Get("peerID"))
	if err != nil || peer.String() != query.Get("peerID") {
		return room.Info{}, directory.Access{}, chat.Refuse(chat.Invalid, "the peer id must be a UUID")
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	access, err := s.access(ctx, identity.Meeting, identity.Participant)
	if err != nil {
		return room.Info{}, directory.Access{}, err
	}
	if access.App.ID != identity.App {
		return room.Info{}, directory.Access{}, chat.Refuse(chat.Unauthorized, "the token is not valid")
	}
	info, err := s.infoOf(access, chat.PeerID(peer.String()))
	if err != nil {
		return room.Info{}, access, err
	}
	return info, access, s.Hub.Admits(ctx, access.Meeting.ID, info.Peer, info.Participant)
}

// access looks up a participant, who must exist, in a meeting that is open.
func (s *Server) access(ctx context.Context, meeting chat.MeetingID, participant chat.ParticipantID) (directory.Access, error) {
	access, err := s.Directory.Access(ctx, meeting, participant)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return access, chat.Refuse(chat.Unauthorized, "the token is not valid")
	case err != nil:
		return access, err
	case !access.Meeting.Active:
		return access, chat.Refuse(chat.Forbidden, "the meeting is closed")
	}
	return access, nil
}

// infoOf describes a participant as a peer.
func (s *Server) infoOf(a directory.Access, peer chat.PeerID) (room.Info, error) {
	body, err := s.bodies.read(a.Preset)
	if err != nil {
		return room.Info{}, err
	}
	p := a.Participant
	return room.Info{
		Peer: peer, Participant: p.ID, CustomID: p.CustomID, Name: p.Name, Picture: p.Picture,
		Preset: p.Preset, PresetName: p.PresetName, Given: p.Name, Rights: body.rights, Revision: body.revision,
	}, nil
}

// statusOf turns a refusal to let a peer in into an HTTP answer.
func statusOf(err error) (int, string) {
	refused, ok := errors.AsType[*chat.Error](err)
	if !ok {
		return http.StatusInternalServerError, "internal error"
	}
	switch refused.Code {
	case chat.Invalid:
		return http.StatusBadRequest, refused.Message
	case chat.Unauthorized:
		return http.StatusUnauthorized, refused.Message
	case chat.Forbidden:
		return http.StatusForbidden, refused.Message
	case chat.NotFound:
		return http.StatusNotFound, refused.Message
	case chat.Conflict:
		return http.StatusConflict, refused.Message
	case chat.Limited:
		return http.StatusTooManyRequests, refused.Message
	case chat.Unavailable:
		return http.StatusServiceUnavailable, refused.Message
	case chat.Internal:
	}
	return http.StatusInternalServerError, "internal error"
}
