// Package session is the life of sessions: the first join of a meeting starts
// one, and it ends some time after the last peer has left, at once when
// everybody is sent out or the meeting is closed. What is kept is rows, so
// neither a restart nor a crash ends a session wrongly or leaves one for ever;
// and the rows of peers tell later who was there when. Who is connected at the
// moment is the concern of package room.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Session is one live run of a meeting, as who enters needs to know it.
type Session struct {
	ID        chat.SessionID
	Meeting   chat.MeetingID
	StartedAt time.Time
}

// Arrival is a peer that joins.
type Arrival struct {
	Meeting     chat.MeetingID
	Peer        chat.PeerID
	Participant chat.ParticipantID
	DisplayName string
	// HostHere says that somebody is here who may let others in.
	HostHere bool
	// LetIn is the session into which this participant was let and has not
	// come since, "" for none.
	LetIn chat.SessionID
}

// Store keeps sessions and their peers. All writes are durable when they
// return, and each is one transaction: what is decided is decided on the
// session as it stands there. The suite in sessiontest says the rest.
type Store interface {
	// Enter brings a peer into the live session of its meeting. If there is
	// none, or one whose time has come, it starts one, named fresh; an end that
	// was due later is called off. A peer that is there already stays as it is.
	// The errors are those of package chat: Forbidden when the meeting is closed
	// or the peer id is another's, NotFound when the meeting or the participant
	// is gone, ErrKicked or ErrEnded for a peer that was sent out before; *Waits
	// for one who has to be let in first, by whom no session is started.
	Enter(ctx context.Context, a Arrival, fresh chat.SessionID, now time.Time) (Session, error)
	// Admit lets participants into the live session of a meeting who wait for
	// that; without a session it gives Forbidden.
	Admit(ctx context.Context, meeting chat.MeetingID, ids []chat.ParticipantID) error
	// Kick takes peers out of the live session, if by whom it is done may do so.
	// It does all of it or nothing. Whoever had to be let in has to be again.
	Kick(ctx context.Context, k Kick, now time.Time) (Gone, error)
	// KickAll takes all peers out of the live session and ends it at once. In a
	// meeting that is closed, the operator alone may do this or kick.
	KickAll(ctx context.Context, meeting chat.MeetingID, by *chat.Actor, now time.Time) (Gone, error)
	// End ends the sessions whose time has come, and tells how many. One whose
	// time is further away than the meeting's keep-alive, because the clock was
	// put back, is given that time anew.
	End(ctx context.Context, now time.Time) (int, error)
	// Closed gives meetings that have been closed and still have a live session.
	Closed(context.Context) ([]chat.MeetingID, error)
}

// Rooms are told of what was decided, after it is durable.
type Rooms interface {
	// Kicked says that these peers have been taken out of their meeting.
	Kicked(meeting chat.MeetingID, peers []chat.PeerID)
	// Ended says that these peers have been taken out because the session was
	// ended. by is the peer that asked for it, by the request named; or "".
	Ended(meeting chat.MeetingID, peers []chat.PeerID, by chat.PeerID, request string)
}

// MaxKick is how many peers and participants one Kick may name.
const MaxKick = 500

// Kick is the wish to take some out of the live session of a meeting.
type Kick struct {
	Meeting chat.MeetingID
	// By is the peer that wishes, nil for the operator, who needs no right.
	By *chat.Actor
	// Peers names peers. Those that have left already need not be kicked; an id
	// that was never there is refused.
	Peers []chat.PeerID
	// Participants names participants, who lose all their peers. An id may be
	// that of a single peer, too. Who is not there is refused.
	Participants []string
	// CustomIDs names participants by the ids that the app has given them.
	CustomIDs []string
}

func (k Kick) check() error {
	n := len(k.Peers) + len(k.Participants) + len(k.CustomIDs)
	switch {
	case n == 0:
		return chat.Refuse(chat.Invalid, "name at least one participant")
	case n > MaxKick:
		return chat.Refuse(chat.Limited, "at most %d participants can be removed at once", MaxKick).Beyond("kicked_at_once")
	}
	return nil
}

// Gone tells who was taken out.
type Gone struct {
	Session chat.SessionID
	Peers   []GonePeer
}

// GonePeer is a peer that was taken out.
type GonePeer struct {
	ID          chat.PeerID
	Participant chat.ParticipantID
}

// Participants gives whose the peers were, each once, in their order.
func (g Gone) Participants() []chat.ParticipantID {
	seen := make(map[chat.ParticipantID]bool, len(g.Peers))
	var ids []chat.ParticipantID
	for _, p := range g.Peers {
		if !seen[p.Participant] {
			seen[p.Participant] = true
			ids = append(ids, p.Participant)
		}
	}
	return ids
}

func (g Gone) ids() []chat.PeerID {
	ids := make([]chat.PeerID, len(g.Peers))
	for i, p := range g.Peers {
		ids[i] = p.ID
	}
	return ids
}

// ErrNoSession says that the meeting has no live session.
var ErrNoSession = chat.Refuse(chat.NotFound, "this meeting has no live session")

// Service lets peers into sessions and takes them out, and ends sessions in
// time. Make it with New; it is safe for concurrent use.
type Service struct {
	store Store
	rooms Rooms
	now   func() time.Time
	log   *slog.Logger
}

// New makes a service over a store.
func New(store Store, rooms Rooms, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, rooms: rooms, now: now, log: log}
}

// Enter is Store.Enter, at this moment.
func (s *Service) Enter(ctx context.Context, a Arrival, fresh chat.SessionID) (Session, error) {
	return s.store.Enter(ctx, a, fresh, s.now()) //nolint:wrapcheck // refusals are for the one who asked
}

// Admit is Store.Admit.
func (s *Service) Admit(ctx context.Context, meeting chat.MeetingID, ids []chat.ParticipantID) error {
	return s.store.Admit(ctx, meeting, ids) //nolint:wrapcheck // refusals are for the one who asked
}

// Kick takes some out of the live session of a meeting, for good as far as the
// peers are concerned: a peer id that was kicked does not come back, not even
// after a restart. The participants may, by new peers: their tokens stay good.
// The session lives on, and ends as if they had left. The end of ctx does not
// call it off: what may be stored must be told.
func (s *Service) Kick(ctx context.Context, k Kick) (Gone, error) {
	if err := k.check(); err != nil {
		return Gone{}, err
	}
	gone, err := s.store.Kick(context.WithoutCancel(ctx), k, s.now())
	if err != nil {
		return Gone{}, fmt.Errorf("kicking: %w", err)
	}
	s.rooms.Kicked(k.Meeting, gone.ids())
	return gone, nil
}

// KickAll takes everybody out, the one who asks too, and ends the session at
// once. by is nil for the operator; request is that of by.
func (s *Service) KickAll(ctx context.Context, meeting chat.MeetingID, by *chat.Actor, request string) (Gone, error) {
	gone, err := s.store.KickAll(context.WithoutCancel(ctx), meeting, by, s.now())
	if err != nil {
		return Gone{}, fmt.Errorf("ending a session: %w", err)
	}
	var asker chat.PeerID
	if by != nil {
		asker = by.Peer
	}
	s.rooms.Ended(meeting, gone.ids(), asker, request)
	return gone, nil
}

// checkEvery is the time between two looks at the sessions that are due.
const checkEvery = time.Second

// Run ends sessions as they fall due, and those of meetings that have been
// closed, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		if err := s.end(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("sessions that are due could not be ended", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) end(ctx context.Context) error {
	ended, err := s.store.End(ctx, s.now())
	if ended > 0 {
		s.log.Info("sessions ended", "count", ended)
	}
	if err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	closed, err := s.store.Closed(ctx)
	if err != nil {
		return fmt.Errorf("finding closed meetings: %w", err)
	}
	for _, meeting := range closed {
		// One that has ended by itself meanwhile is as well.
		if _, err := s.KickAll(ctx, meeting, nil, ""); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
	}
	return nil
}
