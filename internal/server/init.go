package server

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// Account is the account id of servers that are not told another: there is
// one account to a data directory.
const Account = "00000000000000000000000000000000"

// NewApp makes an app with the default presets and an API token in a data
// directory that no server uses at the moment. The token cannot be shown again.
func NewApp(ctx context.Context, dir, name string) (app chat.AppID, token string, err error) {
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx = AsOperator(ctx, "parley init", "create-app")
	made, err := directory.New(store, time.Now).CreateApp(ctx, Account, name)
	if err != nil {
		return "", "", err
	}
	_, token, err = auth.APIKeys{Store: store}.Create(AsOperator(ctx, "parley init", "create-api-key"), auth.NewAPIKey{App: made.ID, Name: "init", Scopes: auth.Scopes()})
	return made.ID, token, err
}

// AsOperator gives a context in which the operator does something by a command,
// for the audit log.
func AsOperator(ctx context.Context, command, action string) context.Context {
	return audit.With(ctx, audit.Act{By: audit.Operator, Action: action, Route: command})
}

// WithAPIKeys lets do manage the API keys of a data directory, whether or not a
// server is using it. What it does holds at once.
func WithAPIKeys(ctx context.Context, dir string, do func(auth.APIKeys) error) (err error) {
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir, Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(auth.APIKeys{Store: store})
}
