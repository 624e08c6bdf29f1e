package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// callerKey finds who calls in the context of a request.
type callerKey struct{}

// identity is who calls: for which app, by which key.
type identity struct {
	app directory.App
	key auth.APIKey
	act audit.Act // what the request does
}

// caller gives the app that a request is for. Only what runs behind
// authenticate may ask.
func caller(ctx context.Context) directory.App { return callerOf(ctx).app }

func callerOf(ctx context.Context) identity {
	who, _ := ctx.Value(callerKey{}).(identity)
	return who
}

// authenticate lets a request through if the API key that comes with it is for
// the app of the path, and may do such things. A path that names another
// account or app is refused whether or not that exists.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	who, refusal := a.identify(ctx)
	if refusal == nil {
		refusal = a.allow(ctx, who.key)
	}
	if refusal != nil {
		a.refuseIn(ctx, refusal)
		return
	}
	who.act = actOf(ctx, who)
	inner := context.WithValue(ctx.Context(), callerKey{}, who)
	if ctx.Method() != http.MethodGet {
		inner = audit.With(inner, who.act)
	}
	next(huma.WithContext(ctx, inner))
}

// scopeKey is where an operation says which scope it takes, if not that of its
// method.
const scopeKey = "scope"

// allow tells whether a key may do what an operation does, and now.
func (a *api) allow(ctx huma.Context, key auth.APIKey) *apiError {
	scope, said := ctx.Operation().Metadata[scopeKey].(auth.Scope)
	if !said {
		scope = auth.Admin
		if ctx.Method() == http.MethodGet {
			scope = auth.Read
		}
	}
	if !key.May(scope) {
		return &apiError{status: http.StatusForbidden, message: fmt.Sprintf("this API key has not the scope %q", scope)}
	}
	if wait := a.pace.take(key.ID); wait > 0 {
		a.limits.Add("api_rate")
		return &apiError{status: http.StatusTooManyRequests, message: "too many requests by this API key", retryAfter: wait}
	}
	return nil
}

func (a *api) identify(ctx huma.Context) (identity, *apiError) {
	if strings.HasPrefix(ctx.Operation().Path, v2Prefix+"/") {
		return a.identifyBasic(ctx)
	}
	return a.identifyBearer(ctx)
}

// identifyBearer is the account form: Bearer <API token>.
func (a *api) identifyBearer(ctx huma.Context) (identity, *apiError) {
	key, refusal := a.keyOf(ctx.Context(), bearer(ctx.Header("Authorization")), &apiError{
		status: http.StatusUnauthorized, edgeCode: 10000, message: "Authentication error", challenge: "Bearer",
	})
	if refusal != nil {
		return identity{}, refusal
	}
	forbidden := &apiError{status: http.StatusForbidden, edgeCode: 10000, message: "Authentication error"}
	return a.appOf(ctx.Context(), key, ctx.Param("account_id"), ctx.Param("app_id"), forbidden)
}

// identifyBasic is the v2 form: Basic base64(app id:API token).
func (a *api) identifyBasic(ctx huma.Context) (identity, *apiError) {
	unauthorized := &apiError{
		status: http.StatusUnauthorized, message: "Unauthorized", bare: true, challenge: `Basic realm="parley"`,
	}
	name, password := basic(ctx.Header("Authorization"))
	key, refusal := a.keyOf(ctx.Context(), password, unauthorized)
	if refusal != nil {
		return identity{}, refusal
	}
	if name == "" {
		return identity{}, unauthorized
	}
	return a.appOf(ctx.Context(), key, "", name, unauthorized)
}

// keyOf finds the key of an API token.
func (a *api) keyOf(ctx context.Context, token string, unauthorized *apiError) (auth.APIKey, *apiError) {
	key, err := a.keys.Check(ctx, token)
	if errors.Is(err, auth.ErrUnauthorized) {
		a.log.DebugContext(ctx, "an API call was not let in", "err", err)
		return auth.APIKey{}, unauthorized
	}
	if err != nil {
		return auth.APIKey{}, a.fail(ctx, "app", err)
	}
	return key, nil
}

// appOf finds the app that a key is used for: the one named, or the key's own
// where none is. A key for all apps that names none is for none in particular.
func (a *api) appOf(ctx context.Context, key auth.APIKey, account, named string, forbidden *apiError) (identity, *apiError) {
	id := key.App
	switch {
	case named == "":
	case key.App == "":
		plain, ok := parseGUID(named)
		if !ok {
			return identity{}, forbidden
		}
		id = chat.AppID(plain)
	case !sameID(named, string(key.App)):
		return identity{}, forbidden
	}
	if id == "" {
		return identity{key: key}, nil
	}
	app, err := a.directory.App(ctx, id)
	if errors.Is(err, directory.ErrNotFound) {
		return identity{}, forbidden
	}
	if err != nil {
		return identity{}, a.fail(ctx, "app", err)
	}
	if account != "" && !sameID(account, app.Account) {
		return identity{}, forbidden
	}
	return identity{app: app, key: key}, nil
}

// bearer gives the token of an Authorization header, "" for none.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// basic gives the name and password of an Authorization header, "" for none.
func basic(header string) (name, password string) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", ""
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", ""
	}
	name, password, _ = strings.Cut(string(decoded), ":")
	return name, password
}

// sameID compares ids with and without dashes, in any case.
func sameID(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	return plain(a) == plain(b)
}
