package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
)

// NewPreset is what may be wished of a new preset. All is required, but only
// the outermost keys of the three objects that make its body: what they leave
// out is as in the presets an app begins with.
type NewPreset struct {
	Name                    string
	Config, Permissions, UI json.RawMessage
}

// parts joins the objects to a body, or to a part of one.
func (p NewPreset) parts() ([]byte, error) {
	parts := make(map[string]json.RawMessage, 3)
	for name, part := range map[string]json.RawMessage{"config": p.Config, "permissions": p.Permissions, "ui": p.UI} {
		if len(part) > 0 {
			parts[name] = part
		}
	}
	joined, err := json.Marshal(parts)
	if err != nil {
		return nil, chat.Refuse(chat.Invalid, "the preset is not valid JSON")
	}
	return joined, nil
}

func (p NewPreset) check() error {
	if err := checkRequired("name", p.Name, MaxName); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		json json.RawMessage
	}{{"config", p.Config}, {"permissions", p.Permissions}, {"ui", p.UI}} {
		if trimmed := bytes.TrimSpace(part.json); len(trimmed) == 0 || string(trimmed) == "null" {
			return chat.Refuse(chat.Invalid, "%q is required", part.name)
		}
	}
	return nil
}

// body gives the whole body that the wish describes.
func (p NewPreset) body() (json.RawMessage, error) {
	parts, err := p.parts()
	if err != nil {
		return nil, err
	}
	body := defaultBody()
	if err := body.merge(parts); err != nil {
		return nil, err
	}
	return body.encode()
}

// CreatePreset makes a preset of an app. A name that is in use gives ErrTaken.
func (s *Service) CreatePreset(ctx context.Context, app chat.AppID, wish NewPreset) (Preset, error) {
	if err := wish.check(); err != nil {
		return Preset{}, err
	}
	body, err := wish.body()
	if err != nil {
		return Preset{}, err
	}
	id, err := newID()
	if err != nil {
		return Preset{}, err
	}
	now := s.clock()
	preset := Preset{ID: chat.PresetID(id), App: app, Name: wish.Name, Body: body, CreatedAt: now, UpdatedAt: now}
	if err := s.store.PutPreset(ctx, preset); err != nil {
		return Preset{}, fmt.Errorf("creating a preset: %w", err)
	}
	return preset, nil
}

// UpdatePreset changes those values of a preset that the wish names, however
// deep; an empty name leaves the name. A name that another preset has gives
// ErrTaken.
func (s *Service) UpdatePreset(ctx context.Context, app chat.AppID, id chat.PresetID, wish NewPreset) (Preset, error) {
	parts, err := wish.parts()
	if err != nil {
		return Preset{}, err
	}
	return s.changePreset(ctx, app, id, func(p *Preset) error {
		if wish.Name != "" {
			p.Name = wish.Name
		}
		var body PresetBody
		if err := json.Unmarshal(p.Body, &body); err != nil {
			return fmt.Errorf("reading preset %s: %w", p.ID, err)
		}
		if err := body.merge(parts); err != nil {
			return err
		}
		p.Body, err = body.encode()
		return err
	})
}

// ReplacePreset gives a preset all the values of a new one.
func (s *Service) ReplacePreset(ctx context.Context, app chat.AppID, id chat.PresetID, wish NewPreset) (Preset, error) {
	if err := wish.check(); err != nil {
		return Preset{}, err
	}
	body, err := wish.body()
	if err != nil {
		return Preset{}, err
	}
	return s.changePreset(ctx, app, id, func(p *Preset) error {
		p.Name, p.Body = wish.Name, body
		return nil
	})
}

func (s *Service) changePreset(ctx context.Context, app chat.AppID, id chat.PresetID, change func(*Preset) error) (Preset, error) {
	changed, err := s.store.ChangePreset(ctx, app, id, func(p *Preset) error {
		if err := change(p); err != nil {
			return err
		}
		p.UpdatedAt = s.after(p.UpdatedAt)
		return checkRequired("name", p.Name, MaxName)
	})
	if err != nil {
		return Preset{}, fmt.Errorf("changing a preset: %w", err)
	}
	s.watch.PresetChanged(ctx, changed)
	return changed, nil
}

// DeletePreset deletes a preset that nobody has, and gives it as it was. One
// that participants have, in whatever meeting, gives ErrInUse.
func (s *Service) DeletePreset(ctx context.Context, app chat.AppID, id chat.PresetID) (Preset, error) {
	deleted, err := s.store.DeletePreset(ctx, app, id)
	if err != nil {
		return Preset{}, fmt.Errorf("deleting a preset: %w", err)
	}
	return deleted, nil
}

// Preset finds a preset of an app.
func (s *Service) Preset(ctx context.Context, app chat.AppID, id chat.PresetID) (Preset, error) {
	preset, err := s.store.Preset(ctx, app, id)
	if err != nil {
		return Preset{}, fmt.Errorf("finding a preset: %w", err)
	}
	return preset, nil
}

// PresetNamed finds a preset of an app by its name, to the letter.
func (s *Service) PresetNamed(ctx context.Context, app chat.AppID, name string) (Preset, error) {
	preset, err := s.store.PresetNamed(ctx, app, name)
	if err != nil {
		return Preset{}, fmt.Errorf("finding a preset: %w", err)
	}
	return preset, nil
}

// Presets lists the presets of an app.
func (s *Service) Presets(ctx context.Context, app chat.AppID, list List) (Page[Preset], error) {
	return page(list, "presets", func(l List) ([]Preset, int, error) { return s.store.Presets(ctx, app, l) })
}
