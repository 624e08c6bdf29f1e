package ws

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gofrs/uuid/v5"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/ws/transport"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Bounds of what one peer may have going on.
const (
	// requestRate and requestBurst pace the requests of a peer: one that asks
	// for more is read more slowly.
	requestRate  = 60
	requestBurst = 600
	// maxPending is how many commands of a peer may wait for their commit.
	maxPending = 256
)

// peer is one connection and all that belongs to it. Its requests are handled
// one after the other, by a goroutine that there is while something comes.
type peer struct {
	server  *Server
	conn    *transport.Conn
	feed    *room.Feed
	room    *room.Room
	info    *room.Info // as it connected; Feed.Self is up to date
	meeting place

	pace       *rate.Limiter
	rates      *peerRates
	pending    *semaphore.Weighted
	transports map[string]transportState
	asked      []string        // the stores asked for before joining
	ended      chan struct{}   // closed when End has ended the connection
	ctx        context.Context // ends with the connection
	cancel     context.CancelFunc
	heard      func() bool // keeps the end of all reading from being told
	// looked is the number of changes of the directory as of which the room is
	// known to be up to date about this peer.
	looked uint64
}

// place is what a peer needs to know of its meeting.
type place struct {
	ID    chat.MeetingID
	App   chat.AppID
	Title string // as of its last join
}

func placeOf(m directory.Meeting) place { return place{m.ID, m.App, m.Title} }

// serve takes a connection into its room and has it read until it ends; see
// resume. changes is the number of changes of the directory before its peer was
// looked up.
func (s *Server) serve(conn *transport.Conn, info room.Info, access directory.Access, changes uint64) {
	var p *peer
	s.Faults.Do(fault.Connection, func() { p = s.takeIn(conn, info, access, changes) })
	if p == nil {
		conn.Close(room.ClosedFault.Code, room.ClosedFault.Reason)
		s.readers.Done()
		s.gone(conn)
		return
	}
	p.resume()
}

// takeIn takes a connection into its room, nil where that cannot be.
func (s *Server) takeIn(conn *transport.Conn, info room.Info, access directory.Access, changes uint64) *peer {
	connection, err := s.Hub.Connect(s.ctx, access.Meeting.ID, info)
	if err != nil {
		s.Logger.Debug("a peer could not be taken in", "meeting", access.Meeting.ID, "err", err)
		return nil
	}
	taken := false
	defer func() {
		if !taken { // it has panicked
			connection.Room.Disconnect(connection.Feed, false)
		}
	}()
	if s.changes.made.Load() != changes {
		s.look(hint{meeting: access.Meeting.ID, participant: info.Participant})
	}
	p := s.newPeer(conn, connection, access.Meeting)
	p.looked = changes
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	p.feed.Start(p)
	if connection.Missed != nil && !s.Faults.Do(fault.Connection, func() { p.replay(p.ctx, *connection.Missed) }) {
		p.feed.Close(room.ClosedFault)
	}
	if connection.Outdated {
		p.tellRights(access.Preset)
	}
	p.heard = context.AfterFunc(s.reading, conn.Interrupt)
	taken = true
	return p
}

// resume reads what has come, until nothing more does: then it is called again
// when something comes. It ends what has ended.
func (p *peer) resume() {
	parked, end := false, errFault
	p.server.Faults.Do(fault.Connection, func() { parked, end = p.read(p.ctx) })
	if !parked {
		p.server.Faults.Do(fault.Connection, func() { p.finish(end) })
	}
}

// finish ends a peer that nothing more is read from.
func (p *peer) finish(end error) {
	s := p.server
	defer s.gone(p.conn)
	defer p.cancel()
	p.heard()
	s.Limits.Add(limitOf(end))
	if errors.Is(end, transport.ErrInterrupted) {
		_ = p.pending.Acquire(p.ctx, maxPending)
		s.readers.Done()
		select { // until everything has gone out
		case <-p.ended:
		case <-p.ctx.Done():
		}
	} else {
		defer s.readers.Done()
	}
	code, reason, goodbye := closing(end)
	p.conn.Close(code, reason)
	p.room.Disconnect(p.feed, goodbye)
}

// gone counts a connection out.
func (s *Server) gone(conn *transport.Conn) {
	s.counts.ended(conn)
	s.peers.Done()
}

// newPeer makes the peer of a connection.
func (s *Server) newPeer(conn *transport.Conn, connection *room.Connection, meeting directory.Meeting) *peer {
	pace := rate.NewLimiter(requestRate, requestBurst)
	if s.LiftRates {
		pace.SetLimit(rate.Inf)
	}
	return &peer{
		server: s, conn: conn, feed: connection.Feed, room: connection.Room, info: connection.Info, meeting: placeOf(meeting),
		pace: pace, rates: s.rates.of(connection.Info.Participant),
		pending: semaphore.NewWeighted(maxPending),
		ended:   make(chan struct{}),
	}
}

// errFault is the end of a connection whose work has panicked.
var errFault = errors.New("a mistake in the program")

// closing tells from the end of the reading which code to close with, and
// whether the peer has said that it leaves.
func closing(end error) (code uint16, reason string, goodbye bool) {
	if errors.Is(end, errFault) {
		return room.ClosedFault.Code, room.ClosedFault.Reason, false
	}
	closed, ok := errors.AsType[*transport.CloseError](end)
	if !ok {
		return transport.CloseGoingAway, "", false
	}
	if closed.Peer {
		return closed.Code, "", closed.Code == transport.CloseNormal || closed.Code == transport.CloseGoingAway
	}
	return closed.Code, closed.Reason, false
}

// Offer implements room.Outlet.
func (p *peer) Offer(frames [][]byte) (waits bool, err error) {
	p.server.counts.wrote(frames)
	return p.conn.Offer(frames)
}

// Flush implements room.Outlet.
func (p *peer) Flush() error { return p.conn.Flush() }

// End implements room.Outlet. The reader, who shares the connection, sees the end
// of it.
func (p *peer) End(err error) {
	defer close(p.ended)
	if closed, ok := errors.AsType[*room.Closed](err); ok {
		p.server.Limits.Add(limitOf(closed))
		p.conn.Close(closed.Code, closed.Reason)
		return
	}
	p.server.Limits.Add(writeLimit(err))
	p.conn.Close(room.ClosedBehind.Code, room.ClosedBehind.Reason)
	p.cancel() // what its requests wait for does not come any more
}

// read handles what the peer says, until it says nothing and resume will be
// called, which parked says, or until the connection ends.
func (p *peer) read(ctx context.Context) (parked bool, err error) {
	lent := messages.Get().(*[]byte) //nolint:forcetypeassert // nothing else is put there
	defer messages.Put(lent)
	for {
		if p.conn.Park(p.resume) {
			return true, nil
		}
		kind, data, err := p.conn.Read(*lent)
		if err != nil {
			return false, err
		}
		if cap(data) <= 8<<10 {
			*lent = data[:0]
		}
		if !p.pace.Allow() {
			p.server.Limits.Add("request_rate")
			if err := p.pace.Wait(ctx); err != nil {
				return false, err
			}
		}
		if kind == transport.Text {
			p.keepAlive(string(data))
		} else {
			p.handle(ctx, data)
		}
		held, err := p.feed.AwaitRoom(ctx)
		if held {
			p.server.Limits.Add("pending_answers")
		}
		if err != nil {
			return false, err
		}
	}
}

// messages are lent to those who read.
var messages = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// keepAlive takes the text messages: the answer to a ping, and the ping of
// clients that ping themselves. Others are ignored.
func (p *peer) keepAlive(text string) {
	switch text {
	case protocol.Pong:
		p.feed.Ponged()
	case protocol.Ping:
		p.feed.Answer(pongFrame)
	}
}

var pongFrame = append(transport.Header(nil, transport.Text, len(protocol.Pong)), protocol.Pong...)

// handle carries out one request.
func (p *peer) handle(ctx context.Context, data []byte) {
	var f rtkwire.Frame
	if err := proto.Unmarshal(data, &f); err != nil {
		p.refuse(request{}, chat.Refuse(chat.Invalid, "the frame cannot be read"))
		return
	}
	req := request{event: protocol.Event(f.GetEvent()), id: f.GetId(), payload: f.GetPayload()}
	if err := p.checkID(req.id); err != nil {
		if len(req.id) > protocol.MaxFrameID {
			req.id = ""
		}
		p.refuse(req, err)
		return
	}
	h, ok := handlers[req.event]
	switch {
	case !ok:
		p.refuse(req, unknown(req.event))
		return
	case h.joined && !p.room.Joined(p.feed):
		if h.waiting != nil && p.room.Waits(p.feed) {
			h.do = h.waiting
			break
		}
		p.refuse(req, chat.Refuse(chat.Forbidden, "join the meeting first"))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := p.guard(ctx, h, req); err != nil {
		p.refuse(req, err)
		return
	}
	p.server.counts.handled(req.event)
}

// guard carries out a request so that a fault of the server in it costs this
// request and not everybody's connections.
func (p *peer) guard(ctx context.Context, h handler, req request) (err error) {
	defer func() {
		if p.server.Faults.Stopped(fault.Request, recover()) {
			err = chat.Refuse(chat.Internal, "internal error")
		}
	}()
	if h.known {
		if err := p.lookUp(ctx); err != nil {
			return err
		}
	}
	return h.do(p, ctx, req)
}

// lookUp makes the room know what the peer may do at this moment, if the
// directory has changed since it was last looked at. The room hears of each
// change by itself, and soon; but a request may be faster, and what is forbidden
// is forbidden from the moment in which the change was answered.
func (p *peer) lookUp(ctx context.Context) error {
	made := p.server.changes.made.Load()
	if made == p.looked {
		return nil
	}
	found, err := p.server.revise(ctx, p.room, p.meeting.ID, p.info.Participant)
	switch {
	case err != nil:
		return err
	case found == nothing:
		return chat.Refuse(chat.Unauthorized, "you are no longer a participant of this meeting")
	case found == closed:
		return chat.Refuse(chat.Forbidden, "the meeting is closed")
	}
	p.looked = made
	return nil
}

// request is a frame that a peer has sent.
type request struct {
	event   protocol.Event
	id      string
	payload []byte
}

// read decodes the payload.
func (r request) read(into proto.Message) error {
	if err := proto.Unmarshal(r.payload, into); err != nil {
		return chat.Refuse(chat.Invalid, "the payload of event %d cannot be read", r.event)
	}
	return nil
}

// checkID demands that a request is named after its own peer: the id goes out
// to everybody, where a forged one would settle another's request and a long
// one would be multiplied.
func (p *peer) checkID(id string) error {
	own := string(p.info.Peer) + "-"
	if len(id) <= len(own) || len(id) > protocol.MaxFrameID || id[:len(own)] != own {
		return chat.Refuse(chat.Invalid, "the id of a request must be the peer id, a dash and a short tail").Beyond("frame_id")
	}
	return nil
}

// answer answers a request.
func (p *peer) answer(req request, payload proto.Message) error {
	p.feed.Answer(frame(req.event, req.id, payload))
	return nil
}

// refuse answers a request with an error. Only refusals are shown; for
// anything else the log knows more.
func (p *peer) refuse(req request, err error) {
	refused, ok := errors.AsType[*chat.Error](err)
	if !ok {
		refused = p.failed(req, err)
	}
	p.server.counts.refused(req.event, refused.Code)
	p.server.Limits.Add(refused.Limit)
	p.feed.Answer(refusal(req.event, req.id, refused.Message))
}

// failed gives what is shown of what is no refusal. That the store is full,
// has failed or is damaged, it has logged itself.
func (p *peer) failed(req request, err error) *chat.Error {
	switch {
	case errors.Is(err, journal.ErrBusy):
		return &chat.Error{Code: chat.Unavailable, Message: "the server is busy", RetryAfter: time.Second, Limit: "write_queue"}
	case errors.Is(err, journal.ErrFull), errors.Is(err, journal.ErrFailed):
		return &chat.Error{Code: chat.Unavailable, Message: "the server cannot store anything now", RetryAfter: 5 * time.Second}
	case errors.Is(err, context.Canceled), errors.Is(err, journal.ErrDamaged):
	default:
		p.server.Logger.Error("a request failed", "event", req.event, "meeting", p.meeting.ID, "err", err)
	}
	return chat.Refuse(chat.Internal, "internal error")
}

// replay tells a returning peer what it missed, as ordinary events. The feed
// keeps everything newer back until that is done. One that missed more than the
// room remembers is told the newest, and has all of the history from
// getMessages.
func (p *peer) replay(ctx context.Context, missed room.Missed) {
	var frames []byte
	defer func() { missed.Slot.Fill(frames) }()
	entries, err := p.room.Said(missed.After, missed.Slot.Seq)
	if err != nil {
		p.feed.Close(room.ClosedFault)
		return
	}
	for _, e := range entries {
		if p.concerns(e, p.info.Rights) {
			frames = append(frames, p.again(e)...)
		}
	}
	stored, err := p.missedStores(ctx, missed)
	if err != nil {
		p.server.Logger.Error("a returning peer cannot be told what it missed of the stores", "meeting", p.meeting.ID, "err", err)
		p.feed.Close(room.ClosedFault)
		return
	}
	frames = append(frames, stored...)
}

// again gives the frame of an entry that is told again. One that cannot be made
// is left out: without that the peer would come back to it again and again.
func (p *peer) again(e journal.Entry) (frame []byte) {
	defer func() { p.server.Faults.Stopped(fault.Frame, recover()) }()
	p.server.counts.Replayed.Add(1)
	return p.server.Codec.Entry(e)
}

// concerns tells whether this peer may see an entry that is told again, by the
// same rule as getMessages. The sending of a message deleted since is left out:
// the deletion follows.
func (p *peer) concerns(e journal.Entry, rights chat.Permissions) bool {
	m := &e.Event.Message
	if !m.VisibleTo(p.info.Participant) {
		return false
	}
	if !m.Public() && m.Author != p.info.Participant && !rights.Receives() {
		return false
	}
	return m.DeletedAt == 0 || e.Event.Kind == chat.MessageDeleted
}

// newMessageID mints the id of a message before it is appended.
func newMessageID() (chat.MessageID, error) {
	id, err := uuid.NewV7()
	return chat.MessageID(id.String()), err
}
