package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/server"
)

// tokenCommand manages API tokens, also while the server runs.
type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make an API token and print it, once."`
	List   tokenListCommand   `cmd:"" help:"List API tokens, without the tokens themselves."`
	Revoke tokenRevokeCommand `cmd:"" help:"Void an API token at once."`
}

type tokenData struct {
	Data string `help:"Data directory. Its server may be running." required:"" type:"path" env:"PARLEY_DATA"`
	JSON bool   `name:"json" help:"Print JSON."`
}

type tokenCreateCommand struct {
	tokenData
	Name  string       `arg:"" help:"What the token is for, for people."`
	App   string       `help:"Id of the app the token is for. Default: all apps." placeholder:"ID"`
	Scope []auth.Scope `help:"What the token may do: admin (everything but the next two), read, private.read (private messages), compliance (what was edited and deleted; the audit log)." enum:"admin,read,private.read,compliance" default:"admin"`
}

// keyLine is a key as it is printed.
type keyLine struct {
	ID        string       `json:"id"`
	App       string       `json:"app_id,omitempty"`
	Name      string       `json:"name"`
	Scopes    []auth.Scope `json:"scopes"`
	CreatedAt time.Time    `json:"created_at"`
	Token     string       `json:"token,omitempty"`
}

func lineOf(k auth.APIKey, token string) keyLine {
	return keyLine{k.ID, string(k.App), k.Name, k.Scopes, k.CreatedAt, token}
}

// Run makes a token and prints it.
func (c tokenCreateCommand) Run(ctx context.Context, out io.Writer) error {
	wish := auth.NewAPIKey{Name: c.Name, Scopes: c.Scope}
	if c.App != "" {
		id, err := uuid.FromString(c.App)
		if err != nil {
			return fmt.Errorf("--app: %q is not the id of an app", c.App)
		}
		wish.App = chat.AppID(id.String())
	}
	ctx = server.AsOperator(ctx, "parley token create", "create-api-key")
	return server.WithAPIKeys(ctx, c.Data, func(keys auth.APIKeys) error {
		key, token, err := keys.Create(ctx, wish)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(out).Encode(lineOf(key, token))
		}
		_, err = fmt.Fprintf(out, "%s\n\nKeep the token: only its hash is stored. Its id is %s.\n", token, key.ID)
		return err
	})
}

type tokenListCommand struct {
	tokenData
}

// Run lists the tokens, oldest first.
func (c tokenListCommand) Run(ctx context.Context, out io.Writer) error {
	return server.WithAPIKeys(ctx, c.Data, func(keys auth.APIKeys) error {
		all, err := keys.List(ctx, "")
		if err != nil {
			return err
		}
		if c.JSON {
			enc := json.NewEncoder(out)
			for _, k := range all {
				if err := enc.Encode(lineOf(k, "")); err != nil {
					return err
				}
			}
			return nil
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tAPP\tSCOPES\tCREATED\tNAME")
		for _, k := range all {
			app := string(k.App)
			if app == "" {
				app = "all"
			}
			scopes := make([]string, len(k.Scopes))
			for i, s := range k.Scopes {
				scopes[i] = string(s)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%q\n", k.ID, app, strings.Join(scopes, ","), k.CreatedAt.Format(time.DateTime), k.Name)
		}
		return table.Flush()
	})
}

type tokenRevokeCommand struct {
	tokenData
	ID string `arg:"" help:"Id of the token, as parley token list shows it."`
}

// Run voids a token.
func (c tokenRevokeCommand) Run(ctx context.Context, out io.Writer) error {
	ctx = server.AsOperator(ctx, "parley token revoke", "revoke-api-key")
	return server.WithAPIKeys(ctx, c.Data, func(keys auth.APIKeys) error {
		key, err := keys.Revoke(ctx, "", c.ID)
		if errors.Is(err, auth.ErrNoKey) {
			return fmt.Errorf("there is no API token with the id %q", c.ID)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(out).Encode(lineOf(key, ""))
		}
		_, err = fmt.Fprintf(out, "The token %q is void.\n", key.Name)
		return err
	})
}
