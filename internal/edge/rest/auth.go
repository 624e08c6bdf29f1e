package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
)

// callerKey finds the calling app in the context of a request.
type callerKey struct{}

// caller gives the app whose token came with the request. Only what runs
// behind authenticate may ask.
func caller(ctx context.Context) directory.App {
	app, _ := ctx.Value(callerKey{}).(directory.App)
	return app
}

// authenticate lets a request through to the app its token is for. A path that
// names another account or app is refused whether or not that exists.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	app, refusal := a.identify(ctx)
	if refusal != nil {
		for name, values := range refusal.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(refusal.status)
		_ = writeJSON(ctx.BodyWriter(), refusal)
		return
	}
	next(huma.WithContext(ctx, context.WithValue(ctx.Context(), callerKey{}, app)))
}

func (a *api) identify(ctx huma.Context) (directory.App, *apiError) {
	if strings.HasPrefix(ctx.Operation().Path, accountPrefix) {
		return a.identifyBearer(ctx)
	}
	return a.identifyBasic(ctx)
}

// identifyBearer is the account form: Bearer <API token>.
func (a *api) identifyBearer(ctx huma.Context) (directory.App, *apiError) {
	app, refusal := a.appOf(ctx.Context(), bearer(ctx.Header("Authorization")), &apiError{
		status: http.StatusUnauthorized, edgeCode: 10000, message: "Authentication error", challenge: "Bearer",
	})
	if refusal != nil {
		return directory.App{}, refusal
	}
	pathApp := ctx.Param("app_id")
	if !sameID(ctx.Param("account_id"), app.Account) || (pathApp != "" && !sameID(pathApp, string(app.ID))) {
		return directory.App{}, &apiError{status: http.StatusForbidden, edgeCode: 10000, message: "Authentication error"}
	}
	return app, nil
}

// identifyBasic is the v2 form: Basic base64(app id:API token).
func (a *api) identifyBasic(ctx huma.Context) (directory.App, *apiError) {
	unauthorized := &apiError{
		status: http.StatusUnauthorized, message: "Unauthorized", bare: true, challenge: `Basic realm="parley"`,
	}
	name, password := basic(ctx.Header("Authorization"))
	app, refusal := a.appOf(ctx.Context(), password, unauthorized)
	if refusal != nil {
		return directory.App{}, refusal
	}
	if !sameID(name, string(app.ID)) {
		return directory.App{}, unauthorized
	}
	return app, nil
}

// appOf finds the app of an API token, or gives the refusal of the path form.
func (a *api) appOf(ctx context.Context, token string, unauthorized *apiError) (directory.App, *apiError) {
	id, err := a.keys.Check(ctx, token)
	if errors.Is(err, auth.ErrUnauthorized) {
		a.log.DebugContext(ctx, "an API call was not let in", "err", err)
		return directory.App{}, unauthorized
	}
	if err != nil {
		return directory.App{}, a.fail(ctx, "app", err)
	}
	app, err := a.directory.App(ctx, id)
	if err != nil {
		return directory.App{}, a.fail(ctx, "app", err)
	}
	return app, nil
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
