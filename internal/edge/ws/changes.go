package ws

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// This file brings changes of the directory to open sockets: Server is a
// directory.Watcher. What it is told is a hint that something is to be looked
// at anew; what it does goes by what the directory says then, so hints may come
// in any order, twice, or for what nobody here has heard of. The looking is
// done in the background, soon, and is tried again when the store fails.

// MeetingChanged implements directory.Watcher. Everybody is sent out of a
// meeting that was closed, and told what they may do under other rules.
func (s *Server) MeetingChanged(_ context.Context, m directory.Meeting) {
	s.changed(hint{meeting: m.ID})
}

// ParticipantChanged implements directory.Watcher. The peers of the participant
// are told what they may do now, and all others how it is called.
func (s *Server) ParticipantChanged(_ context.Context, p directory.Participant) {
	s.changed(hint{meeting: p.Meeting, participant: p.ID})
}

// ParticipantDeleted implements directory.Watcher. The peers of the participant
// are sent out.
func (s *Server) ParticipantDeleted(_ context.Context, p directory.Participant) {
	s.changed(hint{meeting: p.Meeting, participant: p.ID})
}

// PresetChanged implements directory.Watcher. All who have the preset are told
// what they may do now.
func (s *Server) PresetChanged(_ context.Context, p directory.Preset) {
	s.changed(hint{preset: p.ID})
}

// hint names what is to be looked at anew: all who have a preset, a whole
// meeting, or one participant of it.
type hint struct {
	preset      chat.PresetID
	meeting     chat.MeetingID
	participant chat.ParticipantID
}

// changes are the hints that wait.
type changes struct {
	// made counts the changes, so that who has read before one and acts after
	// it finds out.
	made atomic.Uint64

	mu      sync.Mutex
	hints   []hint
	waits   map[hint]bool // which hints wait
	working bool
}

// lookAgain is the time between two looks when the store fails.
const lookAgain = time.Second

// changed takes the hint of a change.
func (s *Server) changed(h hint) {
	s.changes.made.Add(1)
	s.look(h)
}

// look looks at something anew, in the background.
func (s *Server) look(h hint) {
	c := &s.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits[h] {
		return
	}
	if !c.working {
		if !s.beginWork() {
			return // whoever comes back is looked at then
		}
		c.working = true
		go s.followChanges(s.reading)
	}
	if c.waits == nil {
		c.waits = make(map[hint]bool)
	}
	c.waits[h] = true
	c.hints = append(c.hints, h)
}

// beginWork counts work in the background in, unless the server drains.
func (s *Server) beginWork() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.peers.Add(1)
	}
	return !s.draining
}

// followChanges works off the hints, and ends when none is left or ctx ends.
func (s *Server) followChanges(ctx context.Context) {
	defer s.peers.Done()
	for {
		h, ok := s.changes.next(ctx)
		if !ok {
			return
		}
		var err error
		s.Faults.Do(fault.Background, func() { err = s.follow(ctx, h) })
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("a change cannot be brought to those who are here", "err", err)
			select {
			case <-time.After(lookAgain):
			case <-ctx.Done():
			}
			s.look(h)
		}
	}
}

func (c *changes) next(ctx context.Context) (hint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hints) == 0 || ctx.Err() != nil {
		c.working, c.hints, c.waits = false, nil, nil
		return hint{}, false
	}
	h := c.hints[0]
	c.hints = c.hints[1:]
	delete(c.waits, h)
	return h, true
}

// follow looks at what a hint names.
func (s *Server) follow(ctx context.Context, h hint) error {
	meetings := []chat.MeetingID{h.meeting}
	if h.preset != "" {
		meetings = s.Hub.Open()
	}
	for _, id := range meetings {
		r, err := s.Hub.Opened(ctx, id)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		if err := s.followIn(ctx, r, id, h); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) followIn(ctx context.Context, r *room.Room, meeting chat.MeetingID, h hint) error {
	if h.participant != "" {
		_, err := s.revise(ctx, r, meeting, h.participant)
		return err
	}
	for _, p := range r.People() {
		if h.preset != "" && p.Preset != h.preset {
			continue
		}
		found, err := s.revise(ctx, r, meeting, p.Participant)
		if err != nil {
			return err
		}
		// Everybody has been sent out.
		if found == closed {
			return nil
		}
	}
	return nil
}

// finding is what looking a participant up has shown of the meeting.
type finding int

const (
	nothing finding = iota // the participant is gone
	open
	closed
)

// revise makes the room know of a participant what the directory knows.
func (s *Server) revise(ctx context.Context, r *room.Room, meeting chat.MeetingID, id chat.ParticipantID) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	access, err := s.Directory.Access(ctx, meeting, id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		r.Expel(id, frame(protocol.Kick, freshID(), &rtkwire.PeerInfo{Peer: &rtkwire.Peer{}}))
		return nothing, nil
	case err != nil:
		return nothing, err
	case !access.Meeting.Active:
		r.Dismiss(frame(protocol.KickAll, freshID(), &rtkwire.PeerInfo{Peer: &rtkwire.Peer{}}))
		return closed, nil
	}
	info, err := s.infoOf(access, "")
	if err != nil {
		return nothing, err
	}
	patch, err := patchOf(access.Preset)
	if err != nil {
		return nothing, err
	}
	r.Revise(info, updateFrame(freshID(), id, patch))
	return open, nil
}
