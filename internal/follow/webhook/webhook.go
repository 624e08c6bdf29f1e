// Package webhook tells an app's own servers what happens in its meetings: it
// keeps which addresses want to hear of what, makes the bodies as receivers of
// the official product know them, signs them, and delivers them at least once.
//
// A delivery is a row, stored in the transaction of what it tells of; nothing
// that has happened is told of only by a process that may die. Deciding what
// happens, and when, is not this package's business.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
)

// Event is the name of something that webhooks can be told of.
type Event string

// The events that this server tells of.
const (
	MeetingStarted    Event = "meeting.started"
	MeetingEnded      Event = "meeting.ended"
	ParticipantJoined Event = "meeting.participantJoined"
	ParticipantLeft   Event = "meeting.participantLeft"
	ChatSynced        Event = "meeting.chatSynced"
)

// Events are all names that a webhook may list, in the order in which they are
// shown: those of the official product. What this server has not, such as
// recordings, may be asked for and never comes.
func Events() []Event {
	return []Event{
		MeetingStarted, MeetingEnded, ParticipantJoined, ParticipantLeft, ChatSynced,
		"recording.statusUpdate", "livestreaming.statusUpdate", "meeting.transcript", "meeting.summary",
	}
}

// ID names a webhook.
type ID string

// Webhook is an address that wants to hear of events of an app.
type Webhook struct {
	ID      ID
	App     chat.AppID
	Name    string
	URL     string
	Events  []Event
	Enabled bool
	// CreatedAt and UpdatedAt are in whole milliseconds.
	CreatedAt, UpdatedAt time.Time
}

// Wants tells whether the webhook is to be told of an event.
func (w Webhook) Wants(e Event) bool { return w.Enabled && slices.Contains(w.Events, e) }

// ErrNotFound says that the app has no such webhook.
var ErrNotFound = errors.New("no such webhook")

// ErrTooMany says that the app has as many webhooks as it may have.
var ErrTooMany = errors.New("too many webhooks")

// Limits.
const (
	// MaxPerApp is how many webhooks an app may have.
	MaxPerApp = 50
	// MaxName and MaxURL bound a webhook's texts, in bytes.
	MaxName = 256
	MaxURL  = 2048
)

// Store keeps webhooks. Each method is one transaction, and durable when it
// returns. A webhook asked for with another app gives ErrNotFound.
type Store interface {
	// PutWebhook gives ErrTooMany where the app has MaxPerApp.
	PutWebhook(context.Context, Webhook) error
	Webhook(context.Context, chat.AppID, ID) (Webhook, error)
	// Webhooks lists the webhooks of an app, oldest first.
	Webhooks(context.Context, chat.AppID) ([]Webhook, error)
	// ChangeWebhook stores what change makes of the webhook as it stands.
	// change may be called more than once; its errors are given on.
	ChangeWebhook(ctx context.Context, app chat.AppID, id ID, change func(*Webhook) error) (Webhook, error)
	// DeleteWebhook gives the webhook as it was. What waits to be delivered to
	// it is given up.
	DeleteWebhook(context.Context, chat.AppID, ID) (Webhook, error)
}

// Service manages webhooks. It is safe for concurrent use. What it refuses, it
// refuses with a *chat.Error of code Invalid, with ErrTooMany or ErrNotFound.
type Service struct {
	Store Store
	Now   func() time.Time
	// Guard says which addresses may be called.
	Guard Guard
}

// Wish is what may be wished of a webhook; nil leaves a thing as it is. A new
// webhook needs all but Enabled, which is true by default.
type Wish struct {
	Name, URL *string
	Events    []Event // nil for none named
	Enabled   *bool
}

func (s *Service) clock() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// Create makes a webhook.
func (s *Service) Create(ctx context.Context, app chat.AppID, wish Wish) (Webhook, error) {
	id, err := uuid.NewV4()
	if err != nil {
		return Webhook{}, fmt.Errorf("making an id: %w", err)
	}
	now := s.clock()
	w := Webhook{ID: ID(id.String()), App: app, Enabled: true, CreatedAt: now, UpdatedAt: now}
	wish.into(&w)
	if err := s.check(w); err != nil {
		return Webhook{}, err
	}
	if err := s.Store.PutWebhook(ctx, w); err != nil {
		return Webhook{}, fmt.Errorf("creating a webhook: %w", err)
	}
	return w, nil
}

// Update changes what the wish names.
func (s *Service) Update(ctx context.Context, app chat.AppID, id ID, wish Wish) (Webhook, error) {
	return s.change(ctx, app, id, wish.into)
}

// Replace changes everything; a webhook that is not said to be disabled is
// enabled.
func (s *Service) Replace(ctx context.Context, app chat.AppID, id ID, wish Wish) (Webhook, error) {
	return s.change(ctx, app, id, func(w *Webhook) {
		w.Name, w.URL, w.Events, w.Enabled = "", "", nil, true
		wish.into(w)
	})
}

func (s *Service) change(ctx context.Context, app chat.AppID, id ID, change func(*Webhook)) (Webhook, error) {
	changed, err := s.Store.ChangeWebhook(ctx, app, id, func(w *Webhook) error {
		change(w)
		if now := s.clock(); now.After(w.UpdatedAt) {
			w.UpdatedAt = now
		}
		return s.check(*w)
	})
	if err != nil {
		return Webhook{}, fmt.Errorf("changing a webhook: %w", err)
	}
	return changed, nil
}

func (w Wish) into(of *Webhook) {
	if w.Name != nil {
		of.Name = *w.Name
	}
	if w.URL != nil {
		of.URL = *w.URL
	}
	if w.Events != nil {
		of.Events = nil
		for _, e := range w.Events {
			if !slices.Contains(of.Events, e) {
				of.Events = append(of.Events, e)
			}
		}
	}
	if w.Enabled != nil {
		of.Enabled = *w.Enabled
	}
}

func (s *Service) check(w Webhook) error {
	switch {
	case w.Name == "":
		return chat.Refuse(chat.Invalid, `"name" is required`)
	case len(w.Name) > MaxName || !utf8.ValidString(w.Name) || strings.IndexByte(w.Name, 0) >= 0:
		return chat.Refuse(chat.Invalid, `"name" must have at most %d bytes of valid UTF-8, without NUL`, MaxName).Beyond("field_length")
	case len(w.Events) == 0:
		return chat.Refuse(chat.Invalid, `"events" must name at least one event`)
	}
	for _, e := range w.Events {
		if !slices.Contains(Events(), e) {
			return chat.Refuse(chat.Invalid, `"events" must be some of %s`, names(Events()))
		}
	}
	return s.checkURL(w.URL)
}

func names(events []Event) string {
	texts := make([]string, len(events))
	for i, e := range events {
		texts[i] = string(e)
	}
	return strings.Join(texts, ", ")
}

// checkURL refuses what could never be called, or must not be: see Guard.
// Where a name leads is looked at when it is called, each time.
func (s *Service) checkURL(text string) error {
	if text == "" {
		return chat.Refuse(chat.Invalid, `"url" is required`)
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > MaxURL || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return chat.Refuse(chat.Invalid, `"url" must be an http or https URL of at most %d bytes`, MaxURL).Beyond("field_length")
	}
	if u.User != nil {
		return chat.Refuse(chat.Invalid, `"url" must not hold a name or a password`)
	}
	if err := s.Guard.CheckHost(u.Hostname()); err != nil {
		return chat.Refuse(chat.Invalid, `"url" must not lead to this server's own network`)
	}
	return nil
}

// Get finds a webhook of an app.
func (s *Service) Get(ctx context.Context, app chat.AppID, id ID) (Webhook, error) {
	w, err := s.Store.Webhook(ctx, app, id)
	if err != nil {
		return Webhook{}, fmt.Errorf("finding a webhook: %w", err)
	}
	return w, nil
}

// List gives the webhooks of an app, oldest first.
func (s *Service) List(ctx context.Context, app chat.AppID) ([]Webhook, error) {
	all, err := s.Store.Webhooks(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("listing webhooks: %w", err)
	}
	return all, nil
}

// Delete deletes a webhook and gives it as it was.
func (s *Service) Delete(ctx context.Context, app chat.AppID, id ID) (Webhook, error) {
	w, err := s.Store.DeleteWebhook(ctx, app, id)
	if err != nil {
		return Webhook{}, fmt.Errorf("deleting a webhook: %w", err)
	}
	return w, nil
}
