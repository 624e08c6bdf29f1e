package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/parley-chat/parley/internal/auth"
)

// routes is the table of contents.
func (a *api) routes() error {
	root := humago.New(a.mux, a.description())
	root.UseMiddleware(official)

	// The management API: each line is served in both path forms.
	kit := huma.NewGroup(root)
	kit.UseModifier(bothForms)
	kit.UseMiddleware(a.authenticate, a.once)

	one(kit, http.StatusCreated, "POST /meetings", "create-meeting", "Create a meeting", a.createMeeting)
	many(kit, "GET /meetings", "list-meetings", "List meetings", a.listMeetings)
	one(kit, http.StatusOK, "GET /meetings/{meeting_id}", "get-meeting", "Get a meeting", a.getMeeting)

	one(kit, http.StatusOK, "PATCH /meetings/{meeting_id}", "update-meeting", "Change a meeting", a.updateMeeting)
	one(kit, http.StatusOK, "PUT /meetings/{meeting_id}", "replace-meeting", "Replace a meeting", a.replaceMeeting)

	const participants = "/meetings/{meeting_id}/participants"
	one(kit, http.StatusCreated, "POST "+participants, "add-participant", "Add a participant", a.addParticipant)
	many(kit, "GET "+participants, "list-participants", "List the participants of a meeting", a.listParticipants)
	one(kit, http.StatusOK, "GET "+participants+"/{participant_id}", "get-participant", "Get a participant", a.getParticipant)

	one(kit, http.StatusOK, "PATCH "+participants+"/{participant_id}", "update-participant", "Change a participant", a.updateParticipant)
	one(kit, http.StatusOK, "DELETE "+participants+"/{participant_id}", "delete-participant", "Delete a participant", a.deleteParticipant)
	one(kit, http.StatusOK, "POST "+participants+"/{participant_id}/token", "refresh-token", "Make another token for a participant", a.refreshToken)

	one(kit, http.StatusOK, "POST /presets", "create-preset", "Create a preset", a.createPreset)
	many(kit, "GET /presets", "list-presets", "List presets", a.listPresets)
	one(kit, http.StatusOK, "GET /presets/{preset_id}", "get-preset", "Get a preset", a.getPreset)
	one(kit, http.StatusOK, "PATCH /presets/{preset_id}", "update-preset", "Change a preset", a.updatePreset)
	one(kit, http.StatusOK, "PUT /presets/{preset_id}", "replace-preset", "Replace a preset", a.replacePreset)
	one(kit, http.StatusOK, "DELETE /presets/{preset_id}", "delete-preset", "Delete a preset that nobody has", a.deletePreset)

	const active = "/meetings/{meeting_id}/active-session"
	one(kit, http.StatusOK, "GET "+active, "get-active-session", "Get the live session of a meeting", a.activeSession)
	one(kit, http.StatusOK, "POST "+active+"/kick", "kick", "Take participants out of the live session", a.kick)
	one(kit, http.StatusOK, "POST "+active+"/kick-all", "kick-all", "Take everybody out, and end the session", a.kickAll)

	whole(kit, "GET /sessions", "list-sessions", "List sessions", a.listSessions)
	one(kit, http.StatusOK, "GET /sessions/{session_id}", "get-session", "Get a session", a.getSession)
	whole(kit, "GET /sessions/{session_id}/participants", "list-session-participants", "List who was there", a.listSessionPeers)
	one(kit, http.StatusOK, "GET /sessions/{session_id}/participants/{participant_id}", "get-session-participant", "Get one who was there", a.getSessionPeer)
	one(kit, http.StatusOK, "GET /sessions/{session_id}/chat", "get-session-chat", "Get a link to what was said", a.chatLink)

	one(kit, http.StatusCreated, "POST /webhooks", "create-webhook", "Create a webhook", a.createWebhook)
	one(kit, http.StatusOK, "GET /webhooks", "list-webhooks", "List webhooks", a.listWebhooks)
	one(kit, http.StatusOK, "GET /webhooks/all", "list-webhook-events", "List what webhooks can be told of", a.listEvents)
	one(kit, http.StatusOK, "GET /webhooks/{webhook_id}", "get-webhook", "Get a webhook", a.getWebhook)
	one(kit, http.StatusOK, "PATCH /webhooks/{webhook_id}", "update-webhook", "Change a webhook", a.updateWebhook)
	one(kit, http.StatusOK, "PUT /webhooks/{webhook_id}", "replace-webhook", "Replace a webhook", a.replaceWebhook)
	one(kit, http.StatusOK, "DELETE /webhooks/{webhook_id}", "delete-webhook", "Delete a webhook", a.deleteWebhook)

	// What exists in the account form only.
	account := huma.NewGroup(root)
	account.UseModifier(accountForm)
	account.UseMiddleware(a.authenticate, a.once)

	many(account, "GET /apps", "list-apps", "List apps", a.listApps)
	one(account, http.StatusOK, "POST /apps", "create-app", "Create an app", a.createApp)

	// What only this server has.
	own := huma.NewGroup(root)
	own.UseModifier(ownForm)
	own.UseMiddleware(a.authenticate, a.once)

	one(own, http.StatusCreated, "POST /api-keys", "create-api-key", "Create an API key", a.createAPIKey)
	one(own, http.StatusOK, "GET /api-keys", "list-api-keys", "List API keys", a.listAPIKeys)
	one(own, http.StatusOK, "DELETE /api-keys/{key_id}", "revoke-api-key", "Revoke an API key", a.revokeAPIKey)

	logged := huma.NewGroup(own)
	logged.UseSimpleModifier(scoped(auth.Compliance))
	whole(logged, "GET /audit", "list-audit", "List who did what", a.auditLog)

	// What was said in the meetings of an app.
	said := huma.NewGroup(root)
	said.UseModifier(appForm)
	said.UseMiddleware(a.authenticate, a.once)
	compliance := huma.NewGroup(said)
	compliance.UseSimpleModifier(scoped(auth.Compliance))

	const messages = "/meetings/{meeting_id}/messages"
	whole(said, "GET "+messages, "list-messages", "List messages, or search them", a.listMessages)
	one(said, http.StatusOK, "GET "+messages+"/{message_id}", "get-message", "Get a message", a.getMessage)
	sent(said, "POST "+messages, "send-message", "Send a message", a.sendMessage)
	one(said, http.StatusOK, "PATCH "+messages+"/{message_id}", "edit-message", "Edit a message", a.editMessage)
	one(said, http.StatusOK, "DELETE "+messages+"/{message_id}", "delete-message", "Delete a message", a.deleteMessage)
	one(said, http.StatusOK, "PUT "+messages+"/{message_id}/pin", "pin-message", "Pin a message", a.pinMessage)
	one(said, http.StatusOK, "DELETE "+messages+"/{message_id}/pin", "unpin-message", "Unpin a message", a.unpinMessage)
	whole(compliance, "GET "+messages+"/{message_id}/history", "get-message-history", "List what became of a message", a.messageHistory)

	// What official clients call, with a participant's token.
	a.mux.HandleFunc("GET /v2/internals/participant-details", a.participantDetails)
	a.mux.HandleFunc("POST /v2/internals/rooms", a.roomDetails)
	a.mux.HandleFunc("GET /v2/plugins/user", a.plugins)
	a.mux.HandleFunc("GET /iceservers", a.iceServers)
	a.mux.HandleFunc("GET /v2/meetings/{meeting_id}/active-transcript", a.absent)
	a.mux.HandleFunc("GET /v2/meetings/{meeting_id}/active-livestream", a.absent)
	a.mux.HandleFunc("GET /v2/recordings/active-recording/{meeting_id}", a.absent)

	// Telemetry of official clients; also by host name, see Sinks.
	a.mux.HandleFunc("POST /api/v1/identities/", flags)
	a.mux.HandleFunc("POST /api/v1/message", swallow)
	a.mux.HandleFunc("POST /otel/logs", swallow)
	a.mux.HandleFunc("POST /logs/otel/logs", swallow)

	a.mux.HandleFunc("/", a.unknown)
	return a.serveDescription(root)
}

// methods tells which methods the path of a request is served for, "" for
// none.
func (a *api) methods(r *http.Request) string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.WithContext(r.Context())
		probe.Method = method
		if _, pattern := a.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}

// one registers an operation that answers with one thing.
func one[I, T any](to huma.API, status int, route, id, summary string, handle func(context.Context, *I) (T, error)) {
	type answer struct{ Body single[T] }
	huma.Register(to, operation(to, status, route, id, summary), func(ctx context.Context, in *I) (*answer, error) {
		data, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		return &answer{Body: single[T]{Success: true, Data: data}}, nil
	})
}

// many registers an operation that answers with one page of a list.
func many[I, T any](to huma.API, route, id, summary string, handle func(context.Context, *I) (list[T], error)) {
	type answer struct{ Body list[T] }
	huma.Register(to, operation(to, http.StatusOK, route, id, summary), func(ctx context.Context, in *I) (*answer, error) {
		page, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		return &answer{Body: page}, nil
	})
}

func operation(to huma.API, status int, route, id, summary string) huma.Operation {
	method, path, _ := strings.Cut(route, " ")
	return huma.Operation{
		OperationID: id, Summary: summary, Method: method, Path: path, DefaultStatus: status,
		// A body that fills the limit counts as over it.
		MaxBodyBytes: maxBody + 1,
		Responses:    map[string]*huma.Response{"default": refusalResponse(to.OpenAPI().Components.Schemas)},
	}
}

// The path forms.
const (
	accountPrefix = "/client/v4/accounts/{account_id}/realtime/kit"
	appPrefix     = accountPrefix + "/{app_id}"
	v2Prefix      = "/v2"
	ownPrefix     = "/v1"
)

// bothForms registers an operation under the account and app, and under v2.
func bothForms(op *huma.Operation, next func(*huma.Operation)) {
	form(op, next, appPrefix, "", "bearer", "account_id", "app_id")
	form(op, next, v2Prefix, "-v2", "basic")
}

// accountForm registers an operation under the account alone.
func accountForm(op *huma.Operation, next func(*huma.Operation)) {
	form(op, next, accountPrefix, "", "bearer", "account_id")
}

// ownForm registers an operation that the official API has not.
func ownForm(op *huma.Operation, next func(*huma.Operation)) { form(op, next, ownPrefix, "", "bearer") }

// appForm registers an operation on what belongs to an app, that the official API
// has not.
func appForm(op *huma.Operation, next func(*huma.Operation)) {
	form(op, next, ownPrefix+"/apps/{app_id}", "", "bearer", "app_id")
}

// scoped has operations take a scope of their own.
func scoped(s auth.Scope) func(*huma.Operation) {
	return func(op *huma.Operation) { op.Metadata = map[string]any{scopeKey: s} }
}

func form(op *huma.Operation, next func(*huma.Operation), prefix, suffix, security string, params ...string) {
	o := *op
	o.Path = prefix + op.Path
	o.OperationID = op.OperationID + suffix
	o.Security = []map[string][]string{{security: {}}}
	o.Parameters = nil
	for _, name := range params {
		o.Parameters = append(o.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	o.Parameters = append(o.Parameters, op.Parameters...)
	next(&o)
}

// description is the head of the OpenAPI document, and the settings of huma.
func (a *api) description() huma.Config {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Parley", Version: "1", Description: "Meetings, participants and presets of a Parley server."},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An API token."},
					"basic":  {Type: "http", Scheme: "basic", Description: "The app's id, and an API token as the password."},
				},
			},
		},
		// Errors go by the second name.
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{a.translateRefusal},
	}
	config.AllowAdditionalPropertiesByDefault = true
	return config
}

// schemaName calls a thing in the OpenAPI document what the API calls it.
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "Wire", "")
}

// serveDescription serves the OpenAPI document of all that was registered,
// without huma's own errors, which are never sent.
func (a *api) serveDescription(root huma.API) error {
	schemas := root.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	document, err := json.Marshal(root.OpenAPI())
	if err != nil {
		return fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	return a.servePage(root.OpenAPI(), slices.Sorted(maps.Keys(root.OpenAPI().Paths)))
}
