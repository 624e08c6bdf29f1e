package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

// Webhooks is what the API manages of webhooks.
type Webhooks interface {
	Create(context.Context, chat.AppID, webhook.Wish) (webhook.Webhook, error)
	Update(context.Context, chat.AppID, webhook.ID, webhook.Wish) (webhook.Webhook, error)
	Replace(context.Context, chat.AppID, webhook.ID, webhook.Wish) (webhook.Webhook, error)
	Get(context.Context, chat.AppID, webhook.ID) (webhook.Webhook, error)
	List(context.Context, chat.AppID) ([]webhook.Webhook, error)
	Delete(context.Context, chat.AppID, webhook.ID) (webhook.Webhook, error)
}

// webhookWish is the body that makes, changes or replaces a webhook.
type webhookWish struct {
	Name    *string         `json:"name,omitempty"`
	URL     *string         `json:"url,omitempty" doc:"An http or https URL on the public Internet, or in a network that the operator allows."`
	Events  []webhook.Event `json:"events,omitempty" doc:"What to be told of."`
	Enabled *bool           `json:"enabled,omitempty" doc:"Default true."`
}

func (w *webhookWish) wish() webhook.Wish {
	if w == nil {
		return webhook.Wish{}
	}
	return webhook.Wish{Name: w.Name, URL: w.URL, Events: w.Events, Enabled: w.Enabled}
}

type webhookWire struct {
	ID        string          `json:"id" format:"uuid"`
	Name      string          `json:"name"`
	URL       string          `json:"url"`
	Events    []webhook.Event `json:"events"`
	Enabled   bool            `json:"enabled"`
	CreatedAt stamp           `json:"created_at"`
	UpdatedAt stamp           `json:"updated_at"`
}

func wireWebhook(w webhook.Webhook) webhookWire {
	return webhookWire{
		ID: string(w.ID), Name: w.Name, URL: w.URL, Events: w.Events, Enabled: w.Enabled,
		CreatedAt: stamp(w.CreatedAt), UpdatedAt: stamp(w.UpdatedAt),
	}
}

// answerWebhook ends a call that gives a webhook.
func (a *api) answerWebhook(ctx context.Context, w webhook.Webhook, err error) (webhookWire, error) {
	if err != nil {
		return webhookWire{}, a.fail(ctx, "webhook", err)
	}
	return wireWebhook(w), nil
}

type createWebhookInput struct {
	Body *webhookWish
}

func (a *api) createWebhook(ctx context.Context, in *createWebhookInput) (webhookWire, error) {
	w, err := a.webhooks.Create(ctx, caller(ctx).ID, in.Body.wish())
	return a.answerWebhook(ctx, w, err)
}

// listWebhooks answers without paging, as the official API does.
func (a *api) listWebhooks(ctx context.Context, _ *struct{}) ([]webhookWire, error) {
	all, err := a.webhooks.List(ctx, caller(ctx).ID)
	if err != nil {
		return nil, a.fail(ctx, "webhook", err)
	}
	wire := make([]webhookWire, len(all))
	for i, w := range all {
		wire[i] = wireWebhook(w)
	}
	return wire, nil
}

// listEvents tells what webhooks can be told of.
func (a *api) listEvents(context.Context, *struct{}) ([]webhook.Event, error) {
	return webhook.Events(), nil
}

// WebhookPath is the path of a webhook.
type WebhookPath struct {
	WebhookID guid `path:"webhook_id"`
}

func (p WebhookPath) id() webhook.ID { return webhook.ID(p.WebhookID) }

func (a *api) getWebhook(ctx context.Context, in *WebhookPath) (webhookWire, error) {
	w, err := a.webhooks.Get(ctx, caller(ctx).ID, in.id())
	return a.answerWebhook(ctx, w, err)
}

type changeWebhookInput struct {
	WebhookPath
	Body *webhookWish
}

func (a *api) updateWebhook(ctx context.Context, in *changeWebhookInput) (webhookWire, error) {
	w, err := a.webhooks.Update(ctx, caller(ctx).ID, in.id(), in.Body.wish())
	return a.answerWebhook(ctx, w, err)
}

func (a *api) replaceWebhook(ctx context.Context, in *changeWebhookInput) (webhookWire, error) {
	w, err := a.webhooks.Replace(ctx, caller(ctx).ID, in.id(), in.Body.wish())
	return a.answerWebhook(ctx, w, err)
}

func (a *api) deleteWebhook(ctx context.Context, in *WebhookPath) (webhookWire, error) {
	w, err := a.webhooks.Delete(ctx, caller(ctx).ID, in.id())
	return a.answerWebhook(ctx, w, err)
}
