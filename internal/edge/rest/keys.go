package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

// This file manages API keys: an addition of this server to the official API.
// A key for one app manages the keys of that app, and nobody can give what they
// have not.

type apiKeyWire struct {
	ID        string       `json:"id" format:"uuid"`
	AppID     *string      `json:"app_id" doc:"The app the key is for; null for all apps."`
	Name      string       `json:"name"`
	Scopes    []auth.Scope `json:"scopes"`
	CreatedAt stamp        `json:"created_at"`
	// Token is there only when the key was just made.
	Token string `json:"token,omitempty"`
}

func wireAPIKey(k auth.APIKey) apiKeyWire {
	return apiKeyWire{ID: k.ID, AppID: orNull(string(k.App)), Name: k.Name, Scopes: k.Scopes, CreatedAt: stamp(k.CreatedAt)}
}

type createAPIKeyInput struct {
	Body struct {
		AppID  *string      `json:"app_id,omitempty" doc:"The app the key is for. Default: that of the key that makes it; null for all apps."`
		Name   string       `json:"name,omitempty" doc:"Required. For people."`
		Scopes []auth.Scope `json:"scopes,omitempty" doc:"Required. Some of admin, read, private.read, compliance."`
	}
}

func (a *api) createAPIKey(ctx context.Context, in *createAPIKeyInput) (apiKeyWire, error) {
	by := callerOf(ctx).key
	wish := auth.NewAPIKey{App: by.App, Name: in.Body.Name, Scopes: in.Body.Scopes}
	if in.Body.AppID != nil {
		id, ok := parseGUID(*in.Body.AppID)
		if !ok {
			return apiKeyWire{}, badRequest(`"app_id" must be a valid GUID`)
		}
		wish.App = chat.AppID(id)
	}
	if !by.Covers(wish.App) {
		return apiKeyWire{}, &apiError{status: 404, message: "there is no such app"}
	}
	for _, s := range wish.Scopes {
		if !by.May(s) {
			return apiKeyWire{}, &apiError{status: 403, message: "an API key can only give scopes that it has itself"}
		}
	}
	key, token, err := a.keys.Create(ctx, wish)
	if err != nil {
		return apiKeyWire{}, a.fail(ctx, "app", err)
	}
	wire := wireAPIKey(key)
	wire.Token = token
	return wire, nil
}

func (a *api) listAPIKeys(ctx context.Context, _ *struct{}) ([]apiKeyWire, error) {
	keys, err := a.keys.List(ctx, callerOf(ctx).key.App)
	if err != nil {
		return nil, a.fail(ctx, "API key", err)
	}
	wire := make([]apiKeyWire, len(keys))
	for i, k := range keys {
		wire[i] = wireAPIKey(k)
	}
	return wire, nil
}

type apiKeyPath struct {
	ID guid `path:"key_id"`
}

func (a *api) revokeAPIKey(ctx context.Context, in *apiKeyPath) (apiKeyWire, error) {
	key, err := a.keys.Revoke(ctx, callerOf(ctx).key.App, string(in.ID))
	if err != nil {
		return apiKeyWire{}, a.fail(ctx, "API key", err)
	}
	return wireAPIKey(key), nil
}
