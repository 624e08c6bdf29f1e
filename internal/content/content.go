// Package content stands between the payloads that clients send and the
// content that is stored. Clients parse what they are sent without a guard, so
// nothing is passed on as it came: Parse checks every payload and builds it
// anew, Render turns what is stored into what is sent out, and ForOfficialUI
// takes the teeth out of texts that the official UI kit would turn into links.
//
// It knows neither where files lie nor who may see them: what a link leads to
// is told by Links, and whether the sender may refer to that file is decided
// by chat.Decide. All functions are pure and safe for concurrent use.
package content

import (
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// MaxInputBytes is the longest payload that Parse looks at. It is more than
// chat.MaxPayloadBytes because links are longer than the references stored in
// their place.
const MaxInputBytes = 64 << 10

// Links knows the links to uploaded files as they go out to the clients of one
// meeting.
type Links interface {
	// Upload tells which file a link leads to; false for one that leads
	// elsewhere or was tampered with. It is asked with absolute http and https
	// URLs only.
	Upload(link string) (chat.UploadID, bool)
	// External tells whether http and https links to other places may be sent.
	External() bool
}

// Parse checks a payload as a client sent it and builds the content to be
// stored: links to uploaded files become references, HTML is sanitised, names
// are cleaned, JSON is written anew. Every error is a *chat.Error with code
// Invalid. Whether the files exist and are the sender's is not checked here.
func Parse(kind chat.Kind, payload string, links Links) (chat.Content, error) {
	if len(payload) > MaxInputBytes {
		return chat.Content{}, chat.Refuse(chat.Invalid, "the payload may have at most %d bytes", MaxInputBytes).Beyond("payload_size")
	}
	if kind == chat.Text {
		return chat.NewText(payload)
	}
	if err := chat.CheckString(payload); err != nil {
		return chat.Content{}, err
	}
	p := parser{links: links}
	stored, err := p.parse(kind, payload)
	if err != nil {
		return chat.Content{}, err
	}
	if len(stored) > chat.MaxPayloadBytes {
		return chat.Content{}, chat.Refuse(chat.Invalid, "this message is too long: %d bytes where %d are allowed",
			len(stored), chat.MaxPayloadBytes).Beyond("payload_size")
	}
	return chat.Content{Kind: kind, Payload: stored, Uploads: p.uploads}, nil
}

// Render gives the payload that clients receive: each reference to an uploaded
// file becomes the URL that mint makes for it, from its id and the name it is
// known by ("" for an image). Nothing but links is touched. mint may be asked
// several times.
func Render(c chat.Content, mint func(id chat.UploadID, name string) string) string {
	if !strings.Contains(c.Payload, reference) {
		return c.Payload
	}
	switch c.Kind {
	case chat.Text:
	case chat.Image:
		if id, ok := referred(c.Payload); ok {
			return mint(id, "")
		}
	case chat.File, chat.Custom:
		root, err := decodeObject(c.Payload)
		if err != nil {
			return c.Payload
		}
		for _, l := range linksIn(c.Kind, root) {
			if id, ok := l.upload(); ok {
				l.set(mint(id, l.name()))
			}
		}
		return root.encode()
	}
	return c.Payload
}

// References tells which uploaded files a stored payload refers to, each once,
// in the order of the payload.
func References(kind chat.Kind, stored string) []chat.UploadID {
	if !strings.Contains(stored, reference) {
		return nil
	}
	var found uploads
	switch kind {
	case chat.Text:
	case chat.Image:
		if id, ok := referred(stored); ok {
			found.add(id)
		}
	case chat.File, chat.Custom:
		root, err := decodeObject(stored)
		if err != nil {
			return nil
		}
		for _, l := range linksIn(kind, root) {
			if id, ok := l.upload(); ok {
				found.add(id)
			}
		}
	}
	return found
}
