package directory

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
)

// NewParticipant is what may be wished of a new participant. CustomID and
// PresetName are required.
type NewParticipant struct {
	// CustomID need not be unique: the same person may be added twice.
	CustomID      string
	Name, Picture string
	PresetName    string
}

func (p NewParticipant) check() error {
	if err := checkRequired("custom_participant_id", p.CustomID, MaxCustomID); err != nil {
		return err
	}
	if err := checkRequired("preset_name", p.PresetName, MaxName); err != nil {
		return err
	}
	if err := checkText("name", p.Name, MaxName); err != nil {
		return err
	}
	return checkPicture(p.Picture)
}

// AddParticipant adds a person to a meeting of an app. An unknown preset gives
// ErrNoPreset, which is an ErrNotFound.
func (s *Service) AddParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, wish NewParticipant) (Participant, error) {
	if err := wish.check(); err != nil {
		return Participant{}, err
	}
	id, err := newID()
	if err != nil {
		return Participant{}, err
	}
	now := s.clock()
	p := Participant{
		ID: chat.ParticipantID(id), Meeting: meeting, CustomID: wish.CustomID, Name: wish.Name, Picture: wish.Picture,
		PresetName: wish.PresetName, CreatedAt: now, UpdatedAt: now,
	}
	if p.Preset, err = s.store.PutParticipant(ctx, app, p); err != nil {
		return Participant{}, fmt.Errorf("adding a participant: %w", err)
	}
	return p, nil
}

// Participant finds a participant of a meeting of an app.
func (s *Service) Participant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (Participant, error) {
	p, err := s.store.Participant(ctx, app, meeting, id)
	if err != nil {
		return Participant{}, fmt.Errorf("finding a participant: %w", err)
	}
	return p, nil
}

// ParticipantChange is what may be changed of a participant; nil leaves a thing
// as it is.
type ParticipantChange struct {
	Name, Picture, PresetName *string
	// Muted takes from a participant what the preset allows them to write, to
	// all and to some, or gives it back. Hosts who are in the meeting do the
	// same by changing permissions, and undo it. Another preset ends it.
	Muted *bool
}

// UpdateParticipant changes a participant. An unknown preset gives ErrNoPreset.
func (s *Service) UpdateParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID, change ParticipantChange) (Participant, error) {
	changed, err := s.store.ChangeParticipant(ctx, app, meeting, id, func(p *Participant) error {
		set(&p.Name, change.Name)
		set(&p.Picture, change.Picture)
		if change.PresetName != nil && *change.PresetName != p.PresetName {
			p.PresetName, p.Override = *change.PresetName, nil
		}
		if change.Muted != nil {
			laid, err := mute(p.Override, *change.Muted)
			if err != nil {
				return err
			}
			p.Override = laid
		}
		p.UpdatedAt = s.after(p.UpdatedAt)
		return NewParticipant{CustomID: p.CustomID, Name: p.Name, Picture: p.Picture, PresetName: p.PresetName}.check()
	})
	if err != nil {
		return Participant{}, fmt.Errorf("changing a participant: %w", err)
	}
	s.watch.ParticipantChanged(ctx, changed)
	return changed, nil
}

// DeleteParticipant takes a participant out of a meeting and gives the
// participant as it was. Its tokens are void from then on; what it has said
// stays.
func (s *Service) DeleteParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (Participant, error) {
	deleted, err := s.store.DeleteParticipant(ctx, app, meeting, id)
	if err != nil {
		return Participant{}, fmt.Errorf("deleting a participant: %w", err)
	}
	s.watch.ParticipantDeleted(ctx, deleted)
	return deleted, nil
}

// Participants lists the participants of a meeting of an app.
func (s *Service) Participants(ctx context.Context, app chat.AppID, meeting chat.MeetingID, list List) (Page[Participant], error) {
	return page(list, "participants", func(l List) ([]Participant, int, error) {
		return s.store.Participants(ctx, app, meeting, l)
	})
}
