package rest

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// presetWish is the body that makes, changes or replaces a preset. What is in
// it the directory reads and checks; the document shows the whole shape.
type presetWish struct {
	Name        string          `json:"name"`
	Config      json.RawMessage `json:"config"`
	Permissions json.RawMessage `json:"permissions"`
	UI          json.RawMessage `json:"ui"`
}

// presetShape is presetWish as the document shows it.
type presetShape struct {
	Name string `json:"name"`
	directory.PresetBody
}

// Schema implements huma.SchemaProvider. Nothing is required: what is, depends
// on the call, and the directory says so in words.
func (presetWish) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[presetShape](), false, "")
	s.Required = nil
	for name, schema := range r.Map() {
		if strings.HasPrefix(name, "Preset") {
			schema.Required = nil
			schema.PrecomputeMessages()
		}
	}
	return &s
}

// wishOf gives the wish of a body, which may be missing.
func wishOf(body *presetWish) directory.NewPreset {
	if body == nil {
		return directory.NewPreset{}
	}
	return directory.NewPreset(*body)
}

type presetWire struct {
	ID          string          `json:"id" format:"uuid"`
	Name        string          `json:"name"`
	Config      json.RawMessage `json:"config"`
	Permissions json.RawMessage `json:"permissions"`
	UI          json.RawMessage `json:"ui"`
	CreatedAt   stamp           `json:"created_at"`
	UpdatedAt   stamp           `json:"updated_at"`
}

func (a *api) wirePreset(ctx context.Context, p directory.Preset) (presetWire, error) {
	var wire presetWire
	if err := json.Unmarshal(p.Body, &wire); err != nil {
		return wire, a.fail(ctx, "preset", err)
	}
	wire.ID, wire.Name, wire.CreatedAt, wire.UpdatedAt = string(p.ID), p.Name, stamp(p.CreatedAt), stamp(p.UpdatedAt)
	return wire, nil
}

// answerPreset ends a call that gives a preset.
func (a *api) answerPreset(ctx context.Context, p directory.Preset, err error) (presetWire, error) {
	if err != nil {
		return presetWire{}, a.fail(ctx, "preset", err)
	}
	return a.wirePreset(ctx, p)
}

type createPresetInput struct {
	Body *presetWish
}

func (a *api) createPreset(ctx context.Context, in *createPresetInput) (presetWire, error) {
	p, err := a.directory.CreatePreset(ctx, caller(ctx).ID, wishOf(in.Body))
	return a.answerPreset(ctx, p, err)
}

type listPresetsInput struct {
	PageQuery
	Search string `query:"search" doc:"A part of the name."`
}

func (a *api) listPresets(ctx context.Context, in *listPresetsInput) (list[presetRowWire], error) {
	l := in.list()
	l.Search = in.Search
	page, err := a.directory.Presets(ctx, caller(ctx).ID, l)
	if err != nil {
		return list[presetRowWire]{}, a.fail(ctx, "app", err)
	}
	return listOf(page, wirePresetRow), nil
}

// PresetPath is the path of a preset.
type PresetPath struct {
	PresetID guid `path:"preset_id"`
}

func (p PresetPath) id() chat.PresetID { return chat.PresetID(p.PresetID) }

func (a *api) getPreset(ctx context.Context, in *PresetPath) (presetWire, error) {
	p, err := a.directory.Preset(ctx, caller(ctx).ID, in.id())
	return a.answerPreset(ctx, p, err)
}

type changePresetInput struct {
	PresetPath
	Body *presetWish
}

func (a *api) updatePreset(ctx context.Context, in *changePresetInput) (presetWire, error) {
	p, err := a.directory.UpdatePreset(ctx, caller(ctx).ID, in.id(), wishOf(in.Body))
	return a.answerPreset(ctx, p, err)
}

func (a *api) replacePreset(ctx context.Context, in *changePresetInput) (presetWire, error) {
	p, err := a.directory.ReplacePreset(ctx, caller(ctx).ID, in.id(), wishOf(in.Body))
	return a.answerPreset(ctx, p, err)
}

func (a *api) deletePreset(ctx context.Context, in *PresetPath) (presetWire, error) {
	p, err := a.directory.DeletePreset(ctx, caller(ctx).ID, in.id())
	return a.answerPreset(ctx, p, err)
}
