package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

// This file says, edits, deletes and pins messages in the name of the app, or
// for a participant. What is said goes the way of all messages, so those who
// are there see it at once, and it is decided there.

// maxKey bounds the Idempotency-Key, in bytes.
const maxKey = 255

// ContentWish is what a message is to say. Which of the fields may be there
// depends on the type. Like all that bodies embed, it has to be exported to be
// seen by huma.
type ContentWish struct {
	Type   string          `json:"type,omitempty" enum:"text,image,file,custom" doc:"Default text."`
	Text   *string         `json:"text,omitempty" doc:"Of a text. It is shown as it is: it is no HTML."`
	Link   *string         `json:"link,omitempty" doc:"Of an image or a file: the link that its upload gave, or where the server takes links to other places, any http or https URL."`
	Name   *string         `json:"name,omitempty" doc:"Of a file."`
	Size   *int64          `json:"size,omitempty" doc:"Of a file, required: its length in bytes."`
	Custom json.RawMessage `json:"custom,omitempty" doc:"Of a custom message: an object. The official clients show its message, html, files, images and videos."`
}

// content checks what is to be said, and makes it what is stored.
func (a *api) content(meeting guid, w ContentWish) (chat.Content, error) {
	kind := kindOf[w.Type]
	allowed := map[chat.Kind][]string{
		chat.Text: {"text"}, chat.Image: {"link"}, chat.File: {"link", "name", "size"}, chat.Custom: {"custom"},
	}[kind]
	given := map[string]bool{
		"text": w.Text != nil, "link": w.Link != nil, "name": w.Name != nil, "size": w.Size != nil, "custom": len(object(w.Custom)) > 0,
	}
	for _, field := range []string{"text", "link", "name", "size", "custom"} {
		if given[field] && !slices.Contains(allowed, field) {
			return chat.Content{}, badRequest("%q does not belong to a message of the type %q", field, kind)
		}
	}
	for _, field := range allowed {
		if !given[field] && field != "name" {
			return chat.Content{}, badRequest("%q is required for a message of the type %q", field, kind)
		}
	}
	payload, err := w.payload(kind)
	if err != nil {
		return chat.Content{}, err
	}
	c, err := a.parse(chat.MeetingID(meeting), kind, payload)
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Code == chat.Invalid {
		return chat.Content{}, badRequest("%q: %s", allowed[0], e.Message)
	}
	return c, err
}

// payload puts what was sent into the form in which clients send it.
func (w ContentWish) payload(kind chat.Kind) (string, error) {
	switch kind {
	case chat.Text:
		return *w.Text, nil
	case chat.Image:
		return *w.Link, nil
	case chat.File:
		var name string
		if w.Name != nil {
			name = *w.Name
		}
		var payload bytes.Buffer
		err := writeJSON(&payload, struct {
			Link string `json:"link"`
			Name string `json:"name"`
			Size int64  `json:"size"`
		}{*w.Link, name, *w.Size})
		return payload.String(), err
	case chat.Custom:
	}
	return string(w.Custom), nil
}

// ForWish says in whose name something is done.
type ForWish struct {
	ParticipantID string `json:"participant_id,omitempty" doc:"The participant for whom this is done, with the participant's rights. Default: the app itself."`
}

// actor is who wishes: the app of the caller, or a participant.
func (a *api) actor(ctx context.Context, meeting guid, participant string) (chat.Actor, error) {
	who := callerOf(ctx)
	actor := chat.Actor{
		Meeting: chat.MeetingID(meeting), App: who.app.ID, Participant: chat.AppAuthor(who.app.ID), SeesPrivate: who.key.May(auth.PrivateRead),
	}
	if participant == "" {
		return actor, nil
	}
	id, ok := parseGUID(participant)
	if !ok {
		return actor, badRequest(`"participant_id" must be a valid GUID`)
	}
	if actor.Participant = chat.ParticipantID(id); actor.AsApp() {
		return actor, badRequest(`"participant_id" must be that of a participant`)
	}
	return actor, nil
}

// sendWish is the body that sends a message.
type sendWish struct {
	ContentWish
	ForWish
	SenderName string   `json:"sender_name,omitempty" doc:"The name the app is shown by. Default: that of the app. A participant has one already."`
	Recipients []string `json:"recipients,omitempty" doc:"The participants to whom the message is private. Default: it is for everybody."`
}

type sendMessageInput struct {
	MeetingPath
	Key  string `header:"Idempotency-Key" doc:"Any text of at most 255 visible ASCII characters. For a day, the same message sent again in the same app with the same key is the first one, and another message with it is refused (409)."`
	Body sendWish
}

type sentAnswer struct {
	Status   int
	Replayed string `header:"Idempotency-Replayed" doc:"true where the message had been sent before."`
	Body     single[messageWire]
}

func (a *api) sendMessage(ctx context.Context, in *sendMessageInput) (*sentAnswer, error) {
	cmd, err := a.sending(ctx, in)
	if err != nil {
		return nil, a.fail(ctx, "message", err)
	}
	entry, err := a.journal.Append(ctx, cmd)
	answer := &sentAnswer{Status: http.StatusCreated}
	if again, ok := errors.AsType[*chat.Repeated](err); ok {
		entry.Event.Message, answer.Replayed, err = again.Message, "true", nil
	}
	if err != nil {
		return nil, a.fail(ctx, "meeting", err)
	}
	answer.Body = single[messageWire]{Success: true, Data: a.wireMessage(cmd.App, &entry.Event.Message)}
	return answer, nil
}

// sending is the command that a request to send asks for.
func (a *api) sending(ctx context.Context, in *sendMessageInput) (chat.SendMessage, error) {
	cmd := chat.SendMessage{Key: in.Key}
	if err := checkKey(in.Key); err != nil {
		return cmd, err
	}
	var err error
	if cmd.Actor, err = a.actor(ctx, in.MeetingID, in.Body.ParticipantID); err != nil {
		return cmd, err
	}
	if cmd.DisplayName, err = senderName(ctx, cmd.Actor, in.Body.SenderName); err != nil {
		return cmd, err
	}
	if cmd.Private = in.Body.Recipients != nil; cmd.Private && len(in.Body.Recipients) == 0 {
		return cmd, badRequest(`"recipients" must name somebody`)
	}
	if len(in.Body.Recipients) >= chat.MaxRecipients {
		return cmd, badRequest(`"recipients" may name at most %d participants`, chat.MaxRecipients-1)
	}
	for _, text := range in.Body.Recipients {
		id, ok := parseGUID(text)
		if !ok {
			return cmd, badRequest(`"recipients" must hold valid GUIDs`)
		}
		cmd.Recipients = append(cmd.Recipients, chat.ParticipantID(id))
	}
	if cmd.Content, err = a.content(in.MeetingID, in.Body.ContentWish); err != nil {
		return cmd, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return cmd, fmt.Errorf("making an id: %w", err)
	}
	cmd.ID = chat.MessageID(id.String())
	return cmd, nil
}

func checkKey(key string) error {
	if len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return badRequest(`"Idempotency-Key" may have at most %d characters of visible ASCII`, maxKey)
	}
	return nil
}

// senderName is the name by which the app is shown. That of a participant is
// found when the message is decided.
func senderName(ctx context.Context, by chat.Actor, wish string) (string, error) {
	switch {
	case !by.AsApp() && wish != "":
		return "", badRequest(`"sender_name" is for what the app says itself: participants have a name`)
	case !by.AsApp():
		return "", nil
	case wish == "":
		wish = caller(ctx).Name
		for len(wish) > chat.MaxDisplayName {
			runes := []rune(wish)
			wish = string(runes[:len(runes)-1])
		}
		return wish, nil
	case len(wish) > chat.MaxDisplayName || strings.ContainsFunc(wish, unicode.IsControl) || strings.TrimSpace(wish) == "":
		return "", badRequest(`"sender_name" has 1 to %d bytes, no control characters, and not spaces alone`, chat.MaxDisplayName)
	}
	return wish, nil
}

type editMessageInput struct {
	MessagePath
	Body struct {
		ContentWish
		ForWish
	}
}

func (a *api) editMessage(ctx context.Context, in *editMessageInput) (messageWire, error) {
	by, err := a.actor(ctx, in.MeetingID, in.Body.ParticipantID)
	if err != nil {
		return messageWire{}, err
	}
	c, err := a.content(in.MeetingID, in.Body.ContentWish)
	if err != nil {
		return messageWire{}, a.fail(ctx, "message", err)
	}
	return a.change(ctx, chat.EditMessage{Actor: by, Message: chat.MessageID(in.MessageID), Content: c})
}

type touchMessageInput struct {
	MessagePath
	ParticipantID string `query:"participant_id" doc:"The participant for whom this is done, with the participant's rights. Default: the app itself."`
}

func (a *api) deleteMessage(ctx context.Context, in *touchMessageInput) (messageWire, error) {
	by, err := a.actor(ctx, in.MeetingID, in.ParticipantID)
	if err != nil {
		return messageWire{}, err
	}
	return a.change(ctx, chat.DeleteMessage{Actor: by, Message: chat.MessageID(in.MessageID)})
}

func (a *api) pinMessage(ctx context.Context, in *touchMessageInput) (messageWire, error) {
	return a.pin(ctx, in, true)
}

func (a *api) unpinMessage(ctx context.Context, in *touchMessageInput) (messageWire, error) {
	return a.pin(ctx, in, false)
}

func (a *api) pin(ctx context.Context, in *touchMessageInput, pinned bool) (messageWire, error) {
	by, err := a.actor(ctx, in.MeetingID, in.ParticipantID)
	if err != nil {
		return messageWire{}, err
	}
	return a.change(ctx, chat.PinMessage{Actor: by, Message: chat.MessageID(in.MessageID), Pinned: pinned})
}

// change carries out what changes a message, and gives what it then is. A
// meeting that is not the app's has no messages.
func (a *api) change(ctx context.Context, cmd chat.Command) (messageWire, error) {
	entry, err := a.journal.Append(ctx, cmd)
	if err != nil {
		refusal := a.fail(ctx, "message", err)
		if refusal.status == http.StatusNotFound && cmd.By().AsApp() {
			refusal = errNoMessage
		}
		return messageWire{}, refusal
	}
	return a.wireMessage(cmd.By().App, &entry.Event.Message), nil
}

// sent registers the operation that sends: unlike all others it answers with a
// header of its own.
func sent(to huma.API, route, id, summary string, handle func(context.Context, *sendMessageInput) (*sentAnswer, error)) {
	huma.Register(to, operation(to, http.StatusCreated, route, id, summary), handle)
}
