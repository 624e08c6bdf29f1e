// Package server is the only place that knows every part: it makes them from
// the configuration, ties them together, runs them and stops them in order. It
// holds no rule of its own.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/gate"
	"github.com/parley-chat/parley/internal/edge/ice"
	"github.com/parley-chat/parley/internal/edge/rest"
	"github.com/parley-chat/parley/internal/edge/ws"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/metrics"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/route"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/upload"
)

// Server is a whole Parley server in this process. Make it with New, serve its
// Handler, and call Run.
type Server struct {
	// Directory, Keys, Tokens and Sessions are for those who set things up from
	// within.
	Directory *directory.Service
	Sessions  *session.Service
	Keys      auth.APIKeys
	Tokens    auth.Tokens

	config  Config
	store   *sqlite.DB
	hub     *room.Hub
	sockets *ws.Server
	uploads *upload.Service
	ice     *ice.Responder
	signer  *webhook.Signer
	courier *webhook.Courier
	exports *export.Service
	gate    *gate.Gate
	journal *journal.Journal
	handler http.Handler
	// patterns are those of all routes, see Routes.
	patterns []string

	observed  *observed
	health    health
	operators net.Listener // nil where metrics are not shown
}

// New opens the data directory and makes the parts. Call Run, or Close where
// it does not come to that.
func New(ctx context.Context, config Config) (*Server, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	observed := newObserved(config.Logger)
	store, err := sqlite.Open(ctx, sqlite.Config{
		Dir: config.Dir, Synchronous: strings.ToUpper(config.Synchronous), Now: config.Now, Logger: config.Logger,
		Faults: observed.faults,
	})
	if err != nil {
		return nil, err
	}
	config.Logger.Debug("the data directory is open", "dir", config.Dir)
	s := &Server{config: config, store: store, gate: gate.New(config.Gate), observed: observed}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) build(ctx context.Context) error {
	keys, err := s.keys(ctx)
	if err != nil {
		return err
	}
	c := s.config
	if s.ice, err = s.listenICE(keys.ice); err != nil {
		return err
	}
	if err := s.listenMetrics(ctx); err != nil {
		return err
	}
	blobs, err := disk.Open(filepath.Join(c.Dir, "blobs"))
	if err != nil {
		return err
	}
	s.Directory = directory.New(s.store, c.Now)
	s.Keys = auth.APIKeys{Store: s.store, Now: c.Now}
	s.Tokens = auth.Tokens{Key: keys.tokens, Now: c.Now}
	s.uploads, err = upload.New(upload.Config{
		Store: s.store, Blobs: blobs, Tokens: s.Tokens, Directory: s.Directory,
		Key: keys.links, BaseURL: strings.TrimRight(c.PublicURL, "/"), MaxSize: c.MaxUpload, Now: c.Now, Logger: c.Logger,
		Limits: s.observed.limits,
	})
	if err != nil {
		return err
	}
	s.signer = webhook.NewSigner(func(ctx context.Context) ([]byte, error) {
		return s.store.SigningKey(ctx, webhook.NewSigningKey)
	})
	s.courier = webhook.NewCourier(webhook.CourierConfig{
		Queue: s.store, Signer: s.signer, Guard: s.guard(), Now: c.Now, Logger: c.Logger,
	})
	s.exports = export.New(export.Config{
		Store: s.store, Blobs: blobs, Render: s.renderFiles, Key: keys.exports, BaseURL: strings.TrimRight(c.PublicURL, "/"),
		Now: c.Now, Logger: c.Logger, Limits: s.observed.limits,
	})
	codec := ws.Codec{Render: s.render, Faults: s.observed.faults}
	s.hub = room.NewHub(room.Config{Stores: s.store, Now: c.Now, Logger: c.Logger, Faults: s.observed.faults}, codec, nil, s.store)
	s.journal = journal.New(s.store, c.Now, journal.Limits{Rate: c.MessageRate, Burst: c.MessageBurst}, s.hub.Observe, c.Logger)
	s.journal.GuardBy(s.observed.faults)
	s.hub.SetJournal(s.journal)
	s.Sessions = session.New(s.store, s.hub, c.Now, c.Logger)
	s.sockets = ws.New(ws.Config{
		Tokens: s.Tokens, Directory: s.Directory, Hub: s.hub, Journal: s.journal, Sessions: s.Sessions,
		Stores: kv.Stores{Engine: s.store, Observe: s.hub.ObserveStores, Logger: c.Logger},
		Codec:  codec, Parse: s.parse, ICE: s.ice, Now: c.Now, Logger: c.Logger,
		Faults: s.observed.faults, Limits: s.observed.limits, LiftRates: c.LiftPeerRates,
	})
	if err := s.sockets.Watch(); err != nil {
		return err
	}
	s.Directory.Watch(s.sockets)
	s.handler, err = s.routes()
	return err
}

// secrets are the keys of the server, made once and kept in the store.
type secrets struct{ tokens, links, ice, exports []byte }

func (s *Server) keys(ctx context.Context) (secrets, error) {
	var k secrets
	for name, key := range map[string]*[]byte{"participant-tokens": &k.tokens, "links": &k.links, "ice": &k.ice, "exports": &k.exports} {
		var err error
		if *key, err = s.store.Key(ctx, name); err != nil {
			return k, err
		}
	}
	return k, nil
}

func (s *Server) listenICE(secret []byte) (*ice.Responder, error) {
	c := s.config
	udp, err := iceEndpoint(c.ICEAddr, c.ICEAdvertise)
	if err != nil {
		return nil, err
	}
	tcp, err := iceEndpoint(c.ICETCPAddr, c.ICETCPAdvertise)
	if err != nil {
		return nil, err
	}
	return ice.Listen(ice.Config{Secret: secret, UDP: udp, TCP: tcp, Logger: c.Logger, Faults: s.observed.faults})
}

func (s *Server) guard() webhook.Guard { return webhook.Guard{Allow: s.config.WebhookAllow} }

// parse checks a payload from a client.
func (s *Server) parse(meeting chat.MeetingID, kind chat.Kind, payload string) (chat.Content, error) {
	return content.Parse(kind, payload, s.uploads.Links(meeting, s.config.ExternalLinks))
}

// render gives a payload as official clients get it.
func (s *Server) render(meeting chat.MeetingID, c chat.Content) string {
	if c.Kind == chat.Text {
		return content.ForOfficialUI(c.Payload)
	}
	return s.renderFiles(meeting, c)
}

// renderFiles gives a payload with links to its files, and else as it was said.
func (s *Server) renderFiles(meeting chat.MeetingID, c chat.Content) string {
	return content.Render(c, func(id chat.UploadID, name string) string { return s.uploads.Link(meeting, id, name) })
}

func (s *Server) routes() (http.Handler, error) {
	mux, calls := new(route.Mux), new(route.Mux)
	api, err := rest.New(rest.Config{
		Mux:       calls,
		Directory: s.Directory, APIKeys: s.Keys, Tokens: s.Tokens, Logger: s.config.Logger, Limits: s.observed.limits,
		Webhooks: &webhook.Service{Store: s.store, Now: s.config.Now, Guard: s.guard()},
		Sessions: s.store, Kicks: s.Sessions, Exports: s.exports,
		Journal: s.journal, Audit: s.store, Parse: s.parse, Render: s.renderFiles,
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/ws", s.sturdySockets())
	for _, path := range upload.Paths {
		mux.Handle(path, s.surface(metrics.Files, rest.CORS(s.uploads)))
	}
	s.routeHealth(mux)
	mux.Handle(export.Path, s.surface(metrics.Files, rest.CORS(s.exports)))
	mux.Handle("GET "+webhook.KeyPath, s.surface(metrics.REST, rest.CORS(s.signer)))
	mux.Handle("/", s.surface(metrics.REST, api))
	s.patterns = slices.Concat(mux.Patterns(), s.uploads.Patterns(), calls.Patterns())
	return mux, nil
}

// Routes lists the patterns of what Handler serves, in the form of
// http.ServeMux. Those that hand on to another mux stand beside what that
// serves.
func (s *Server) Routes() []string { return slices.Clone(s.patterns) }

// Handler serves the API and the sockets. Serve it over https for official
// clients, which know nothing else.
func (s *Server) Handler() http.Handler { return s.handler }

// Run works in the background until ctx ends. Then it tells all peers to come
// back, waits for them to go, stores what is left and closes the data
// directory. It is called once, and Close is not needed after it.
func (s *Server) Run(ctx context.Context) error {
	finish, err := s.start(ctx)
	if err != nil {
		return errors.Join(err, finish())
	}
	<-ctx.Done()
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	s.drain(draining)
	return finish()
}

// drain ends the sockets. Peers that cannot be told in time find out by
// themselves.
func (s *Server) drain(ctx context.Context) {
	s.health.stopping.Store(true)
	if err := s.sockets.Drain(ctx); err != nil {
		s.config.Logger.Warn("not all peers could be told that the server stops", "err", err)
	}
}

// start starts the work in the background. finish, to be called after the
// sockets have been drained, ends it and closes the store; it is never nil.
func (s *Server) start(ctx context.Context) (finish func() error, err error) {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	finish = func() error {
		stop()
		work.Wait()
		s.hub.Close()
		return s.Close()
	}
	if s.operators != nil {
		work.Go(func() { s.serveOperators(background) })
	}
	switch err := s.hub.Restore(ctx); {
	case err != nil && ctx.Err() != nil:
		return finish, nil //nolint:nilerr // stopped before it had started, which is no failure
	case err != nil:
		return finish, fmt.Errorf("restoring the live sessions: %w", err)
	}
	s.health.restored.Store(true)
	for _, run := range []func(context.Context){s.hub.Run, s.uploads.Run, s.courier.Run, s.exports.Run, s.Sessions.Run} {
		work.Go(func() { s.keepOn(background, run) })
	}
	work.Go(func() {
		if err := s.ice.Run(background); err != nil {
			s.config.Logger.Error("the ICE responder has stopped; new peers cannot finish joining", "err", err)
		}
	})
	return finish, nil
}

// Close gives back what New has opened. Run does so by itself.
func (s *Server) Close() error {
	var errs []error
	if s.operators != nil {
		_ = s.operators.Close() // closed already where it was served on
	}
	if s.ice != nil {
		errs = append(errs, s.ice.Close())
	}
	if s.sockets != nil {
		errs = append(errs, s.sockets.Close())
	}
	return errors.Join(append(errs, s.store.Close())...)
}
