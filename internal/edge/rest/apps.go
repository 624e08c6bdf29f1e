package rest

import (
	"context"
	"strings"

	"github.com/parley-chat/parley/internal/directory"
)

type listAppsInput struct {
	PageQuery
	AccountID string `path:"account_id"`
	Search    string `query:"search" doc:"A part of the name."`
	Order     string `query:"sort_order" enum:"ASC,DESC" doc:"By the time of creation. Default DESC."`
}

// listApps shows the apps that the key is for: all of the account, or one.
func (a *api) listApps(ctx context.Context, in *listAppsInput) (list[appWire], error) {
	l := in.list().Normalise()
	l.Search, l.Ascending = in.Search, in.Order == "ASC"
	if who := callerOf(ctx); who.key.App != "" {
		return listOf(onlyApp(who.app, l), wireApp), nil
	}
	page, err := a.directory.Apps(ctx, plainAccount(in.AccountID), l)
	if err != nil {
		return list[appWire]{}, a.fail(ctx, "app", err)
	}
	return listOf(page, wireApp), nil
}

// onlyApp is the list of one app, if it is what is searched for.
func onlyApp(app directory.App, l directory.List) directory.Page[directory.App] {
	page := directory.Page[directory.App]{Offset: l.Offset()}
	if strings.Contains(strings.ToLower(app.Name), strings.ToLower(l.Search)) || sameID(l.Search, string(app.ID)) {
		page.Total = 1
		if l.Offset() == 0 {
			page.Rows = []directory.App{app}
		}
	}
	return page
}

// plainAccount brings the id of an account into the form in which it is kept.
func plainAccount(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }

type createAppInput struct {
	AccountID string `path:"account_id"`
	Body      struct {
		Name string `json:"name,omitempty" doc:"Required."`
	}
}

type newAppWire struct {
	App appWire `json:"app"`
}

// createApp makes an app with the default presets. A key for one app cannot.
func (a *api) createApp(ctx context.Context, in *createAppInput) (newAppWire, error) {
	if callerOf(ctx).key.App != "" {
		return newAppWire{}, &apiError{status: 403, message: "this API key is for one app, and cannot make others"}
	}
	app, err := a.directory.CreateApp(ctx, plainAccount(in.AccountID), in.Body.Name)
	if err != nil {
		return newAppWire{}, a.fail(ctx, "app", err)
	}
	return newAppWire{wireApp(app)}, nil
}
