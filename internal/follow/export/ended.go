package export

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

const (
	endedEvery = time.Second
	endedLease = 15 * time.Minute
	endedBatch = 16
)

// Run makes the dumps of sessions that have ended, and has their webhooks told,
// until ctx ends. What is under way then is done again after the next start.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(endedEvery)
	defer tick.Stop()
	for {
		if s.round(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round tells of some sessions that have ended, and whether there may be more.
// One that fails keeps its lease, and is tried again when that has run out.
func (s *Service) round(ctx context.Context) (more bool) {
	now := s.Now()
	ended, err := s.Store.TakeEnded(ctx, now, now.Add(endedLease), endedBatch)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Error("the sessions that have ended cannot be read", "err", err)
		}
		return false
	}
	for _, id := range ended {
		if err := s.sync(ctx, id); err != nil && ctx.Err() == nil {
			s.Logger.Error("the chat of a session that has ended cannot be made ready", "session", id, "err", err)
		}
	}
	return len(ended) == endedBatch && ctx.Err() == nil
}

// sync makes the dump of a session and tells that it is there. Of a session
// where nothing was said nobody is told: there is no chat to be had.
func (s *Service) sync(ctx context.Context, id chat.SessionID) error {
	said, err := s.Store.HasPublic(ctx, id)
	if err != nil {
		return fmt.Errorf("looking for messages: %w", err)
	}
	if !said {
		return s.Store.ToldEnded(ctx, id, "", nil, s.Now())
	}
	session, _, err := s.Dump(ctx, id, CSV)
	if err != nil {
		return err
	}
	link, expires := s.link(id, CSV)
	body, err := webhook.ChatSyncedBody(webhook.Session{
		ID: string(id), Meeting: string(session.Meeting), Title: session.Title, StartedAt: session.StartedAt, EndedAt: session.EndedAt,
		AppID: string(session.App), AppName: session.AppName,
	}, link, expires)
	if err != nil {
		return fmt.Errorf("writing what webhooks are told: %w", err)
	}
	return s.Store.ToldEnded(ctx, id, session.App, body, s.Now())
}
