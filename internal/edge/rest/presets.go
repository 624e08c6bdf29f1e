package rest

import "context"

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
