// Package webhooktest is the contract of webhook.Store and webhook.Queue: what
// every engine must pass.
package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

// Engine is an engine under test.
type Engine interface {
	webhook.Store
	webhook.Queue
}

// World is an empty engine and what the suite needs besides.
type World struct {
	Engine Engine
	// Apps are two apps that exist.
	Apps [2]chat.AppID
	// Tell stores that an event has happened in an app, as a transaction does
	// that makes it happen.
	Tell func(app chat.AppID, event webhook.Event, at time.Time, body string) error
}

// Run runs the contract.
func Run(t *testing.T, open func(testing.TB) World) {
	for name, test := range map[string]func(*testing.T, World){
		"a webhook is kept as it was given":     kept,
		"webhooks belong to their app":          isolated,
		"an app has only so many webhooks":      bounded,
		"only those who want an event are told": wanted,
		"deliveries come in order, once each":   inOrder,
		"a lease keeps others from the webhook": leased,
		"what fails comes again when it is due": retried,
		"who is gone is disabled":               gone,
		"a disabled webhook waits":              disabled,
		"a deleted webhook gets nothing more":   deleted,
		"old deliveries are forgotten":          forgotten,
		"what is given back was not tried":      givenBack,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// base is the time at which things happen here.
var base = time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)

func (w World) put(t testing.TB, id string, events ...webhook.Event) webhook.Webhook {
	t.Helper()
	hook := webhook.Webhook{
		ID: webhook.ID(id), App: w.Apps[0], Name: "name of " + id, URL: "https://example.com/" + id, Events: events, Enabled: true,
		CreatedAt: base, UpdatedAt: base.Add(time.Second),
	}
	if err := w.Engine.PutWebhook(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	return hook
}

func (w World) tell(t testing.TB, event webhook.Event, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := w.Tell(w.Apps[0], event, base, body); err != nil {
			t.Fatal(err)
		}
	}
}

// take gives the bodies of what can be taken a while after base.
func (w World) take(t testing.TB, after time.Duration) []webhook.Delivery {
	t.Helper()
	now := base.Add(after)
	taken, err := w.Engine.Take(t.Context(), now, now.Add(time.Minute), 100)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func (w World) settle(t testing.TB, outcomes ...webhook.Outcome) {
	t.Helper()
	if err := w.Engine.Settle(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
}

func bodies(deliveries []webhook.Delivery) []string {
	texts := []string{}
	for _, d := range deliveries {
		texts = append(texts, string(d.Webhook)+" "+string(d.Body))
	}
	return texts
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func kept(t *testing.T, w World) {
	made := w.put(t, "a", webhook.MeetingStarted, webhook.ChatSynced)
	got, err := w.Engine.Webhook(t.Context(), made.App, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the webhook", got, made)
	changed, err := w.Engine.ChangeWebhook(t.Context(), made.App, made.ID, func(h *webhook.Webhook) error {
		h.Name, h.URL, h.Events, h.Enabled = "new", "http://example.org", []webhook.Event{webhook.MeetingEnded}, false
		h.UpdatedAt = base.Add(time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.Name, want.URL, want.Events, want.Enabled, want.UpdatedAt = "new", "http://example.org", []webhook.Event{webhook.MeetingEnded}, false, base.Add(time.Hour)
	equal(t, "the changed webhook", changed, want)
	refusal := errors.New("no")
	_, err = w.Engine.ChangeWebhook(t.Context(), made.App, made.ID, func(h *webhook.Webhook) error {
		h.Name = "half done"
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("a refused change gave %v", err)
	}
	all, err := w.Engine.Webhooks(t.Context(), made.App)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the list", all, []webhook.Webhook{want})
}

func isolated(t *testing.T, w World) {
	made := w.put(t, "a", webhook.MeetingStarted)
	other := w.Apps[1]
	_, found := w.Engine.Webhook(t.Context(), other, made.ID)
	_, changed := w.Engine.ChangeWebhook(t.Context(), other, made.ID, func(*webhook.Webhook) error { return nil })
	_, deleted := w.Engine.DeleteWebhook(t.Context(), other, made.ID)
	for what, err := range map[string]error{"finding": found, "changing": changed, "deleting": deleted} {
		if !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("%s it as another app: %v", what, err)
		}
	}
	all, err := w.Engine.Webhooks(t.Context(), other)
	if err != nil || len(all) != 0 {
		t.Errorf("another app sees %+v, %v", all, err)
	}
	if err := w.Tell(other, webhook.MeetingStarted, base, "b"); err != nil {
		t.Fatal(err)
	}
	equal(t, "what is told of another app", bodies(w.take(t, 0)), []string{})
}

func bounded(t *testing.T, w World) {
	for i := range webhook.MaxPerApp {
		w.put(t, fmt.Sprint(i), webhook.MeetingStarted)
	}
	one := webhook.Webhook{ID: "more", App: w.Apps[0], Name: "n", URL: "u", Events: []webhook.Event{webhook.MeetingEnded}, CreatedAt: base, UpdatedAt: base}
	if err := w.Engine.PutWebhook(t.Context(), one); !errors.Is(err, webhook.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	one.App = w.Apps[1]
	if err := w.Engine.PutWebhook(t.Context(), one); err != nil {
		t.Errorf("one of another app: %v", err)
	}
}

func wanted(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted, webhook.MeetingEnded)
	w.put(t, "b", webhook.MeetingEnded)
	w.tell(t, webhook.MeetingStarted, "started")
	w.tell(t, webhook.ParticipantJoined, "joined")
	w.tell(t, webhook.MeetingEnded, "ended")
	got := bodies(w.take(t, 0))
	want := map[string]bool{"a started": true, "a ended": true, "b ended": true}
	for _, body := range got {
		if !want[body] {
			t.Errorf("told %q", body)
		}
		delete(want, body)
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
}

func inOrder(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted)
	var want []string
	for i := range 20 {
		w.tell(t, webhook.MeetingStarted, fmt.Sprint(i))
		want = append(want, fmt.Sprint("a ", i))
	}
	taken := w.take(t, 0)
	equal(t, "the deliveries", bodies(taken), want)
	ids := make(map[string]bool)
	for _, d := range taken {
		ids[d.ID] = true
		if d.Attempts != 0 || d.URL != "https://example.com/a" || d.Event != webhook.MeetingStarted {
			t.Errorf("%+v", d)
		}
		w.settle(t, webhook.Outcome{ID: d.ID, Tried: true, At: base, Status: 200, Delivered: true})
	}
	equal(t, "their ids", len(ids), 20)
	equal(t, "after delivery", bodies(w.take(t, time.Hour)), []string{})
	w.tell(t, webhook.MeetingStarted, "x", "y", "z")
	few, err := w.Engine.Take(t.Context(), base, base.Add(time.Minute), 2)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the first two", bodies(few), []string{"a x", "a y"})
}

func leased(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted)
	w.put(t, "b", webhook.MeetingEnded)
	w.tell(t, webhook.MeetingStarted, "1")
	first := w.take(t, 0)
	w.tell(t, webhook.MeetingStarted, "2")
	w.tell(t, webhook.MeetingEnded, "3")
	equal(t, "while the lease runs", bodies(w.take(t, 59*time.Second)), []string{"b 3"})
	equal(t, "when it has run out", bodies(w.take(t, 60*time.Second)), []string{"a 1", "a 2"})
	equal(t, "what was taken at first", bodies(first), []string{"a 1"})
}

func retried(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "1", "2")
	taken := w.take(t, 0)
	w.settle(t,
		webhook.Outcome{ID: taken[0].ID, Tried: true, At: base, Status: 503, Reason: "busy", Next: base.Add(time.Minute)},
		webhook.Outcome{ID: taken[1].ID, Tried: true, At: base, Status: 404, Reason: "no"},
	)
	equal(t, "too early", bodies(w.take(t, 59*time.Second)), []string{})
	again := w.take(t, time.Minute)
	equal(t, "in time", bodies(again), []string{"a 1"})
	if again[0].ID != taken[0].ID || again[0].Attempts != 1 {
		t.Errorf("%+v, before that %+v", again[0], taken[0])
	}
}

func gone(t *testing.T, w World) {
	made := w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "1")
	taken := w.take(t, 0)
	w.settle(t, webhook.Outcome{ID: taken[0].ID, Tried: true, At: base, Status: 410, Gone: true})
	got, err := w.Engine.Webhook(t.Context(), made.App, made.ID)
	if err != nil || got.Enabled {
		t.Errorf("%+v, %v", got, err)
	}
	w.tell(t, webhook.MeetingStarted, "2")
	equal(t, "what is told then", bodies(w.take(t, time.Hour)), []string{})
}

func disabled(t *testing.T, w World) {
	made := w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "before")
	enable := func(to bool) {
		if _, err := w.Engine.ChangeWebhook(t.Context(), made.App, made.ID, func(h *webhook.Webhook) error {
			h.Enabled = to
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	enable(false)
	w.tell(t, webhook.MeetingStarted, "meanwhile")
	equal(t, "while it is disabled", bodies(w.take(t, 0)), []string{})
	enable(true)
	equal(t, "when it is enabled again", bodies(w.take(t, 0)), []string{"a before"})
}

func deleted(t *testing.T, w World) {
	made := w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "1")
	got, err := w.Engine.DeleteWebhook(t.Context(), made.App, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the deleted webhook", got, made)
	if _, err := w.Engine.Webhook(t.Context(), made.App, made.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("finding it: %v", err)
	}
	equal(t, "what is delivered", bodies(w.take(t, time.Hour)), []string{})
}

func forgotten(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "old")
	if err := w.Tell(w.Apps[0], webhook.MeetingStarted, base.Add(time.Hour), "new"); err != nil {
		t.Fatal(err)
	}
	if err := w.Engine.Forget(context.Background(), base.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	equal(t, "what is left", bodies(w.take(t, time.Hour)), []string{"a new"})
}

func givenBack(t *testing.T, w World) {
	w.put(t, "a", webhook.MeetingStarted)
	w.tell(t, webhook.MeetingStarted, "1")
	taken := w.take(t, 0)
	w.settle(t, webhook.Outcome{ID: taken[0].ID})
	again := w.take(t, 0)
	equal(t, "at once", bodies(again), []string{"a 1"})
	equal(t, "its attempts", again[0].Attempts, 0)
}
