// Package rest is the HTTP edge: the REST API by which an app's own servers
// manage meetings and participants, in both of its path forms, and the calls
// that official clients make beside the socket. It translates and guards; what
// it manages is the directory's. Uploads and the socket have edges of their
// own.
package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/route"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/tally"
)

// Directory is what the API manages.
type Directory interface {
	App(context.Context, chat.AppID) (directory.App, error)
	Apps(ctx context.Context, account string, list directory.List) (directory.Page[directory.App], error)
	CreateApp(ctx context.Context, account, name string) (directory.App, error)
	CreateMeeting(context.Context, chat.AppID, directory.NewMeeting) (directory.Meeting, error)
	Meeting(context.Context, chat.AppID, chat.MeetingID) (directory.Meeting, error)
	Meetings(context.Context, chat.AppID, directory.List) (directory.Page[directory.Meeting], error)
	UpdateMeeting(context.Context, chat.AppID, chat.MeetingID, directory.MeetingChange) (directory.Meeting, error)
	ReplaceMeeting(context.Context, chat.AppID, chat.MeetingID, directory.NewMeeting) (directory.Meeting, error)
	AddParticipant(context.Context, chat.AppID, chat.MeetingID, directory.NewParticipant) (directory.Participant, error)
	Participant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID) (directory.Participant, error)
	Participants(context.Context, chat.AppID, chat.MeetingID, directory.List) (directory.Page[directory.Participant], error)
	UpdateParticipant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID, directory.ParticipantChange) (directory.Participant, error)
	DeleteParticipant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID) (directory.Participant, error)
	CreatePreset(context.Context, chat.AppID, directory.NewPreset) (directory.Preset, error)
	Preset(context.Context, chat.AppID, chat.PresetID) (directory.Preset, error)
	UpdatePreset(context.Context, chat.AppID, chat.PresetID, directory.NewPreset) (directory.Preset, error)
	ReplacePreset(context.Context, chat.AppID, chat.PresetID, directory.NewPreset) (directory.Preset, error)
	DeletePreset(context.Context, chat.AppID, chat.PresetID) (directory.Preset, error)
	Presets(context.Context, chat.AppID, directory.List) (directory.Page[directory.Preset], error)
	Access(context.Context, chat.MeetingID, chat.ParticipantID) (directory.Access, error)
}

// Sessions is what the API shows of sessions.
type Sessions interface {
	Sessions(context.Context, chat.AppID, session.List) ([]session.Record, int, error)
	Session(context.Context, chat.AppID, chat.SessionID) (session.Record, error)
	Active(context.Context, chat.AppID, chat.MeetingID) (session.Record, error)
	SessionPeers(context.Context, chat.AppID, chat.SessionID, session.PeerList) ([]session.Peer, int, error)
	SessionPeer(context.Context, chat.AppID, chat.SessionID, chat.PeerID) (session.Peer, error)
}

// Kicks takes people out of live sessions.
type Kicks interface {
	Kick(context.Context, session.Kick) (session.Gone, error)
	KickAll(ctx context.Context, meeting chat.MeetingID, by *chat.Actor, request string) (session.Gone, error)
}

// Exports makes links to what was said in sessions.
type Exports interface {
	Link(context.Context, chat.AppID, chat.SessionID, export.Format) (string, time.Time, error)
}

// Tokens makes and checks the tokens of participants.
type Tokens interface {
	Mint(auth.Identity, chat.PresetID) (string, error)
	Verify(token string) (auth.Identity, error)
}

// APIKeys makes, checks and revokes the keys by which apps call the API.
type APIKeys interface {
	Check(ctx context.Context, token string) (auth.APIKey, error)
	Create(context.Context, auth.NewAPIKey) (key auth.APIKey, token string, err error)
	List(context.Context, chat.AppID) ([]auth.APIKey, error)
	Revoke(ctx context.Context, app chat.AppID, id string) (auth.APIKey, error)
}

// Config is what the edge needs. All but Mux and Logger must be set.
type Config struct {
	Directory Directory
	Tokens    Tokens
	APIKeys   APIKeys
	Webhooks  Webhooks
	Sessions  Sessions
	Kicks     Kicks
	Exports   Exports
	Journal   Journal
	Audit     Audit
	// Parse checks a payload as clients send it, and Render gives one with links
	// to its files.
	Parse  func(chat.MeetingID, chat.Kind, string) (chat.Content, error)
	Render func(chat.MeetingID, chat.Content) string
	// Mux gets the routes, and can tell them. Default: one of its own.
	Mux *route.Mux
	// Logger gets faults, and at level debug why somebody was not let in. It
	// never gets tokens, names or titles. Default: nothing is logged.
	Logger *slog.Logger
	// Limits counts which limits were reached. Default: nobody counts.
	Limits *tally.Words
}

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// api holds what the handlers share.
type api struct {
	directory Directory
	tokens    Tokens
	keys      APIKeys
	webhooks  Webhooks
	sessions  Sessions
	kicks     Kicks
	exports   Exports
	limits    *tally.Words
	journal   Journal
	audit     Audit
	parse     func(chat.MeetingID, chat.Kind, string) (chat.Content, error)
	render    func(chat.MeetingID, chat.Content) string
	log       *slog.Logger
	mux       *route.Mux
	pace      *pace
}

// Paths lists the patterns of http.ServeMux under which the handler of New
// wants to be mounted by a server that answers other paths too. Such a server
// wraps all it has in Sinks, and that in CORS.
func Paths() []string {
	return []string{"/client/v4/", "/v2/", "/iceservers", "/api/v1/", "/otel/", "/logs/", "/openapi", "/openapi.json", "/v1/api-keys", "/v1/api-keys/", "/v1/apps/", "/v1/audit"}
}

// New makes the handler for everything this edge answers. It answers every
// path, unknown ones with a JSON 404, and carries CORS and Sinks itself.
func New(config Config) (http.Handler, error) {
	if config.Directory == nil || config.Tokens == nil || config.APIKeys == nil || config.Webhooks == nil ||
		config.Sessions == nil || config.Kicks == nil || config.Exports == nil ||
		config.Journal == nil || config.Audit == nil || config.Parse == nil || config.Render == nil {
		return nil, errors.New("the REST edge lacks one of the parts that it manages")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Mux == nil {
		config.Mux = new(route.Mux)
	}
	a := &api{
		directory: config.Directory, tokens: config.Tokens, keys: config.APIKeys, webhooks: config.Webhooks,
		sessions: config.Sessions, kicks: config.Kicks, exports: config.Exports,
		log: config.Logger, limits: config.Limits, mux: config.Mux, pace: newPace(time.Now),
		journal: config.Journal, audit: config.Audit, parse: config.Parse, render: config.Render,
	}
	if err := a.routes(); err != nil {
		return nil, err
	}
	return CORS(Sinks(private(a.mux))), nil
}

// private keeps answers out of caches, and browsers from guessing their type.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// unknown answers what no route is there for.
func (a *api) unknown(w http.ResponseWriter, r *http.Request) {
	if allowed := a.methods(r); allowed != "" {
		w.Header().Set("Allow", allowed)
		a.refuse(w, &apiError{status: http.StatusMethodNotAllowed, message: "method not allowed"})
		return
	}
	message := "there is nothing at this path"
	if thing := mediaThing(r.URL.Path); thing != "" {
		message = "this server carries chat only and has no " + thing
	}
	a.refuse(w, &apiError{status: http.StatusNotFound, message: message})
}

var _ huma.StatusError = (*apiError)(nil)
