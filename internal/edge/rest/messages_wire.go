package rest

import (
	"encoding/json"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// This file translates messages.

// kindOf are the kinds of message by their names in the API.
var kindOf = map[string]chat.Kind{
	chat.Text.String(): chat.Text, chat.Image.String(): chat.Image, chat.File.String(): chat.File, chat.Custom.String(): chat.Custom,
}

// MessageContent is what a message says; which of the fields are there depends on
// the type. Links to files that were uploaded here are good for a week or more.
// It is embedded, and so has to be exported to be seen by huma.
type MessageContent struct {
	Text   *string         `json:"text,omitempty" doc:"Of a text, as it was written: it is no HTML."`
	Link   string          `json:"link,omitempty" doc:"Of an image or a file."`
	Name   string          `json:"name,omitempty" doc:"Of a file."`
	Size   *int64          `json:"size,omitempty" doc:"Of a file, in bytes, as its sender said."`
	Custom json.RawMessage `json:"custom,omitempty" doc:"Of a custom message: its whole payload."`
}

type senderWire struct {
	Type          string  `json:"type" enum:"participant,app" doc:"A participant of the meeting, or the app itself by this API."`
	ParticipantID *string `json:"participant_id" doc:"The participant; null for the app."`
	Name          string  `json:"name" doc:"As it was shown when the message was sent."`
}

type messageWire struct {
	ID        string     `json:"id" format:"uuid"`
	MeetingID string     `json:"meeting_id" format:"uuid"`
	SessionID string     `json:"session_id" format:"uuid"`
	Type      string     `json:"type" enum:"text,image,file,custom"`
	Sender    senderWire `json:"sender"`
	MessageContent
	Private    bool     `json:"private"`
	Recipients []string `json:"recipients,omitempty" doc:"Of a private message: the participants who may read it, besides the sender."`
	Pinned     bool     `json:"pinned"`
	CreatedAt  stamp    `json:"created_at" doc:"Unique in the meeting, and in the order of its messages."`
	EditedAt   stamp    `json:"edited_at,omitzero"`
	DeletedAt  stamp    `json:"deleted_at,omitzero" doc:"There is nothing left of what a deleted message said; its history has it."`
}

// appAuthor tells whether it was the app itself that spoke.
func appAuthor(app chat.AppID, author chat.ParticipantID) bool { return string(author) == string(app) }

func (a *api) wireMessage(app chat.AppID, m *chat.Message) messageWire {
	wire := messageWire{
		ID: string(m.ID), MeetingID: string(m.Meeting), SessionID: string(m.Session), Type: m.Content.Kind.String(),
		Sender: senderOf(app, m.Author, m.DisplayName), Private: !m.Public(), Pinned: m.Pinned,
		CreatedAt: stamp(time.UnixMilli(m.SentAt)), EditedAt: stampOf(m.EditedAt), DeletedAt: stampOf(m.DeletedAt),
	}
	for _, id := range m.Audience {
		if id != m.Author {
			wire.Recipients = append(wire.Recipients, string(id))
		}
	}
	if m.DeletedAt == 0 {
		wire.MessageContent = a.wireContent(m.Meeting, m.Content)
	}
	return wire
}

func senderOf(app chat.AppID, author chat.ParticipantID, name string) senderWire {
	if appAuthor(app, author) {
		return senderWire{Type: "app", Name: name}
	}
	id := string(author)
	return senderWire{Type: "participant", ParticipantID: &id, Name: name}
}

// stampOf gives the time of a column in which 0 is none.
func stampOf(milli int64) stamp {
	if milli == 0 {
		return stamp{}
	}
	return stamp(time.UnixMilli(milli))
}

// wireContent takes a payload apart. What is stored was written by this server.
func (a *api) wireContent(meeting chat.MeetingID, c chat.Content) MessageContent {
	var wire MessageContent
	payload := a.render(meeting, c)
	switch c.Kind {
	case chat.Text:
		wire.Text = &payload
	case chat.Image:
		wire.Link = payload
	case chat.File:
		if err := json.Unmarshal([]byte(payload), &wire); err != nil {
			a.log.Error("the payload of a file is not what was stored", "err", err)
		}
	case chat.Custom:
		wire.Custom = json.RawMessage(payload)
	}
	return wire
}

// changeWire is something that became of a message.
type changeWire struct {
	Event  string          `json:"event" enum:"edited,deleted,pinned,unpinned"`
	By     actorWire       `json:"by"`
	At     stamp           `json:"at"`
	Before *MessageContent `json:"before,omitempty" doc:"What the message said before it was edited or deleted: the fields text, link, name, size and custom, as in the message."`
}

type actorWire struct {
	Type          string  `json:"type" enum:"participant,app"`
	ParticipantID *string `json:"participant_id" doc:"The participant; null for the app."`
}

// eventNames are the names of changes.
var eventNames = map[chat.EventKind]string{
	chat.MessageEdited: "edited", chat.MessageDeleted: "deleted", chat.MessagePinned: "pinned", chat.MessageUnpinned: "unpinned",
}

func (a *api) wireChange(app chat.AppID, m *chat.Message, c journal.Change) changeWire {
	by := senderOf(app, c.Actor, "")
	wire := changeWire{Event: eventNames[c.Kind], By: actorWire{by.Type, by.ParticipantID}, At: stamp(time.UnixMilli(c.At))}
	if c.Kind == chat.MessageEdited || c.Kind == chat.MessageDeleted {
		before := a.wireContent(m.Meeting, c.Before)
		wire.Before = &before
	}
	return wire
}
