// Package session is the life of sessions: the first join of a meeting starts
// one, and it ends some time after the last peer has left. What is kept is
// rows, so neither a restart nor a crash ends a session wrongly or leaves one
// for ever. Who is connected at the moment is the concern of package room.
package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Session is one live run of a meeting.
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
	// HostHere says that somebody is here who may let others in, LetIn that
	// this participant was let in and has not entered since.
	HostHere, LetIn bool
}

// Store keeps sessions and their peers. All writes are durable when they
// return.
type Store interface {
	// Enter brings a peer into the live session of its meeting. If there is
	// none, it starts one, named fresh; an end that was due is called off. A
	// peer that is there already stays as it is. The errors are those of
	// package chat: Forbidden when the meeting is closed or the peer id is
	// another's, NotFound when the meeting or the participant is gone; *Waits
	// for one who has to be let in first, by whom no session is started.
	Enter(ctx context.Context, a Arrival, fresh chat.SessionID, now time.Time) (Session, error)
	// End ends the sessions whose time has come, and tells how many.
	End(ctx context.Context, now time.Time) (int, error)
}

// Keeper ends sessions in time.
type Keeper struct {
	Store  Store
	Now    func() time.Time
	Logger *slog.Logger
}

// checkEvery is the time between two looks at the sessions that are due.
const checkEvery = time.Second

// Run ends sessions as they fall due, until ctx ends.
func (k Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ended, err := k.Store.End(ctx, k.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			k.Logger.Error("sessions that are due could not be ended", "err", err)
		case ended > 0:
			k.Logger.Info("sessions ended", "count", ended)
		}
	}
}
