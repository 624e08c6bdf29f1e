package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/parley-chat/parley/internal/server"
)

type initCommand struct {
	Data string `help:"Data directory; made if missing. No server may be using it." required:"" type:"path" env:"PARLEY_DATA"`
	App  string `help:"Name of the app." default:"app"`
	JSON bool   `name:"json" help:"Print one line of JSON."`
}

// Run makes an app and prints what its servers need.
func (c initCommand) Run(ctx context.Context, out io.Writer) error {
	app, token, err := server.NewApp(ctx, c.Data, c.App)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(map[string]string{
			"account_id": server.Account, "app_id": string(app), "api_token": token,
		})
	}
	_, err = fmt.Fprintf(out, "account  %s\napp      %s\ntoken    %s\n\nKeep the token: only its hash is stored.\n", server.Account, app, token)
	return err
}
