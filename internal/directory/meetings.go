package directory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// NewMeeting is what may be wished of a new meeting. The zero value is a
// meeting without a title that forgets its chat with each session.
type NewMeeting struct {
	Title       string
	PersistChat bool
	// KeepAlive is in whole seconds, at most MaxKeepAlive; 0 means
	// DefaultKeepAlive.
	KeepAlive time.Duration
	Rules     chat.Rules
	Settings  Settings
}

func (m NewMeeting) check() error {
	if err := checkText("title", m.Title, MaxTitle); err != nil {
		return err
	}
	if err := checkKeepAlive(m.KeepAlive); err != nil {
		return err
	}
	if err := m.Rules.Check(); err != nil {
		return err
	}
	if err := checkConfig("ai_config", m.Settings.AIConfig); err != nil {
		return err
	}
	return checkConfig("recording_config", m.Settings.RecordingConfig)
}

// CreateMeeting makes a meeting of an app, open for everybody added to it.
func (s *Service) CreateMeeting(ctx context.Context, app chat.AppID, wish NewMeeting) (Meeting, error) {
	if wish.KeepAlive == 0 {
		wish.KeepAlive = DefaultKeepAlive
	}
	wish.Rules.Mode = cmp.Or(wish.Rules.Mode, chat.ModeEveryone)
	if err := wish.check(); err != nil {
		return Meeting{}, err
	}
	id, err := newID()
	if err != nil {
		return Meeting{}, err
	}
	epoch, err := newID()
	if err != nil {
		return Meeting{}, err
	}
	now := s.clock()
	meeting := Meeting{
		ID: chat.MeetingID(id), App: app, Title: wish.Title, Active: true, PersistChat: wish.PersistChat,
		KeepAlive: wish.KeepAlive, Rules: wish.Rules, Settings: wish.Settings, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.store.PutMeeting(ctx, meeting, epoch); err != nil {
		return Meeting{}, fmt.Errorf("creating a meeting: %w", err)
	}
	return meeting, nil
}

// Meeting finds a meeting of an app.
func (s *Service) Meeting(ctx context.Context, app chat.AppID, id chat.MeetingID) (Meeting, error) {
	meeting, err := s.store.Meeting(ctx, app, id)
	if err != nil {
		return Meeting{}, fmt.Errorf("finding a meeting: %w", err)
	}
	return meeting, nil
}

// MeetingChange is what may be changed of a meeting; nil leaves a thing as it
// is.
type MeetingChange struct {
	Title       *string
	Active      *bool
	PersistChat *bool
	// KeepAlive is as in NewMeeting, but not 0.
	KeepAlive *time.Duration
	// Rules changes the rules as they stand.
	Rules func(*chat.Rules)
	// Settings changes the settings as they stand.
	Settings func(*Settings)
}

// UpdateMeeting changes a meeting.
func (s *Service) UpdateMeeting(ctx context.Context, app chat.AppID, id chat.MeetingID, change MeetingChange) (Meeting, error) {
	return s.changeMeeting(ctx, app, id, func(m *Meeting) error {
		set(&m.Title, change.Title)
		set(&m.Active, change.Active)
		set(&m.PersistChat, change.PersistChat)
		set(&m.KeepAlive, change.KeepAlive)
		if change.Rules != nil {
			change.Rules(&m.Rules)
		}
		if change.Settings != nil {
			change.Settings(&m.Settings)
		}
		return nil
	})
}

// ReplaceMeeting gives a meeting all the details of a new one. Whether it is
// open is none of them.
func (s *Service) ReplaceMeeting(ctx context.Context, app chat.AppID, id chat.MeetingID, wish NewMeeting) (Meeting, error) {
	if wish.KeepAlive == 0 {
		wish.KeepAlive = DefaultKeepAlive
	}
	return s.changeMeeting(ctx, app, id, func(m *Meeting) error {
		m.Title, m.PersistChat, m.KeepAlive = wish.Title, wish.PersistChat, wish.KeepAlive
		m.Rules, m.Settings = wish.Rules, wish.Settings
		m.Rules.Mode = cmp.Or(m.Rules.Mode, chat.ModeEveryone)
		return nil
	})
}

func (s *Service) changeMeeting(ctx context.Context, app chat.AppID, id chat.MeetingID, change func(*Meeting) error) (Meeting, error) {
	changed, err := s.store.ChangeMeeting(ctx, app, id, func(m *Meeting) error {
		if err := change(m); err != nil {
			return err
		}
		m.UpdatedAt = s.after(m.UpdatedAt)
		return NewMeeting{Title: m.Title, KeepAlive: m.KeepAlive, Rules: m.Rules, Settings: m.Settings}.check()
	})
	if err != nil {
		return Meeting{}, fmt.Errorf("changing a meeting: %w", err)
	}
	s.watch.MeetingChanged(ctx, changed)
	return changed, nil
}

// Meetings lists the meetings of an app.
func (s *Service) Meetings(ctx context.Context, app chat.AppID, list List) (Page[Meeting], error) {
	return page(list, "meetings", func(l List) ([]Meeting, int, error) { return s.store.Meetings(ctx, app, l) })
}
