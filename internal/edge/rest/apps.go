package rest

import (
	"context"
	"strings"

	"github.com/parley-chat/parley/internal/directory"
)

type listAppsInput struct {
	PageQuery
	Search string `query:"search" doc:"A part of the name."`
	Order  string `query:"sort_order" enum:"ASC,DESC" doc:"By the time of creation."`
}

// listApps shows the apps that the token is for. A token is for one app: the
// others of the account are not its business.
func (a *api) listApps(ctx context.Context, in *listAppsInput) (list[appWire], error) {
	app := caller(ctx)
	l := in.list().Normalise()
	page := directory.Page[directory.App]{Offset: l.Offset()}
	if strings.Contains(strings.ToLower(app.Name), strings.ToLower(in.Search)) {
		page.Total = 1
		if l.Offset() == 0 {
			page.Rows = []directory.App{app}
		}
	}
	return listOf(page, wireApp), nil
}
