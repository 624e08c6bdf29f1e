package content

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/parley-chat/parley/internal/chat"
)

// maxSafeInteger is the largest integer that JavaScript tells from its
// neighbours.
const maxSafeInteger = 1<<53 - 1

// attachments are the lists of links in a custom payload.
var attachments = []string{"files", "images", "videos"}

// uploads collects ids, each once.
type uploads []chat.UploadID

func (u *uploads) add(id chat.UploadID) {
	if !slices.Contains(*u, id) {
		*u = append(*u, id)
	}
}

// parser builds one payload and remembers the files it refers to.
type parser struct {
	links   Links
	uploads uploads
}

func (p *parser) parse(kind chat.Kind, payload string) (string, error) {
	switch kind {
	case chat.Image:
		return p.link(payload)
	case chat.File:
		return p.file(payload)
	case chat.Custom:
		return p.custom(payload)
	case chat.Text:
	}
	return "", chat.Refuse(chat.Invalid, "there is no kind of message with the number %d", kind)
}

// file builds the payload of a file message, which has these three keys and no
// others.
func (p *parser) file(payload string) (string, error) {
	in, err := decodeObject(payload)
	if err != nil {
		return "", err
	}
	link, err := p.linkOf(in)
	if err != nil {
		return "", err
	}
	size, found := in.get("size")
	if !found {
		return "", chat.Refuse(chat.Invalid, `a file needs "size", its length in bytes`)
	}
	if err := checkSize(size); err != nil {
		return "", err
	}
	name, err := nameOf(in)
	if err != nil {
		return "", err
	}
	out := object{{"link", link}, {"name", FileName(name)}, {"size", size}}
	return out.encode(), nil
}

// custom builds the payload of a custom message. The keys that mean something
// to clients are checked; the rest is the app's own and kept as it is.
func (p *parser) custom(payload string) (string, error) {
	in, err := decodeObject(payload)
	if err != nil {
		return "", err
	}
	out := object{{"type", "custom"}}
	entries := 0
	for _, m := range in {
		switch {
		case m.key == "type":
			if m.value != nil && m.value != "custom" {
				return "", chat.Refuse(chat.Invalid, `the "type" of a custom message must be "custom"`)
			}
			continue
		case m.key == "message" || m.key == "html":
			if m.value == nil {
				continue
			}
			if m.value, err = p.textField(m); err != nil {
				return "", err
			}
		case slices.Contains(attachments, m.key):
			if m.value == nil {
				continue
			}
			list, err := p.list(m, &entries)
			if err != nil {
				return "", err
			}
			m.value = list
		}
		out = append(out, m)
	}
	return out.encode(), nil
}

// textField checks "message" and "html" of a custom message.
func (p *parser) textField(m member) (any, error) {
	text, ok := m.value.(string)
	if !ok {
		return nil, chat.Refuse(chat.Invalid, "%q must be a string", m.key)
	}
	if m.key == "html" {
		return sanitise(text, p.links.External())
	}
	return text, nil
}

// list builds one of the attachments of a custom message. entries counts over
// all of them.
func (p *parser) list(m member, entries *int) ([]any, error) {
	list, ok := m.value.([]any)
	if !ok {
		return nil, chat.Refuse(chat.Invalid, "%q must be a list", m.key)
	}
	if *entries += len(list); *entries > chat.MaxUploadsPerMessage {
		return nil, chat.Refuse(chat.Invalid, "a message may refer to at most %d files", chat.MaxUploadsPerMessage).Beyond("files_per_message")
	}
	out := make([]any, 0, len(list))
	for _, v := range list {
		entry, ok := v.(object)
		if !ok {
			return nil, chat.Refuse(chat.Invalid, `%q must be a list of objects with a "link"`, m.key)
		}
		entry, err := p.entry(entry)
		if err != nil {
			return nil, err
		}
		out = append(out, entry)
	}
	return out, nil
}

// entry builds {link, type?, name?, size?}; other keys are the app's own.
func (p *parser) entry(in object) (object, error) {
	link, err := p.linkOf(in)
	if err != nil {
		return nil, err
	}
	out := make(object, 0, len(in))
	for _, m := range in {
		switch m.key {
		case "link":
			m.value = link
		case "name":
			name, err := nameOf(in)
			if err != nil {
				return nil, err
			}
			if m.value == nil {
				continue
			}
			m.value = FileName(name)
		case "type":
			if m.value == nil {
				continue
			}
			if _, ok := m.value.(string); !ok {
				return nil, chat.Refuse(chat.Invalid, `the "type" of a file must be a string`)
			}
		case "size":
			if m.value == nil {
				continue
			}
			if err := checkSize(m.value); err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *parser) linkOf(in object) (string, error) {
	v, _ := in.get("link")
	link, ok := v.(string)
	if !ok {
		return "", chat.Refuse(chat.Invalid, `a file needs "link", the URL that its upload gave`)
	}
	return p.link(link)
}

// nameOf gives "" where there is no name.
func nameOf(in object) (string, error) {
	v, _ := in.get("name")
	if v == nil {
		return "", nil
	}
	name, ok := v.(string)
	if !ok {
		return "", chat.Refuse(chat.Invalid, `the "name" of a file must be a string`)
	}
	return name, nil
}

// checkSize demands a whole number written as one, as browsers write it.
func checkSize(v any) error {
	if n, ok := v.(json.Number); ok {
		if size, err := strconv.ParseInt(n.String(), 10, 64); err == nil &&
			0 <= size && size <= maxSafeInteger && strconv.FormatInt(size, 10) == n.String() {
			return nil
		}
	}
	return chat.Refuse(chat.Invalid, `the "size" of a file must be a whole number of bytes`)
}

// fileLink is one place in a payload where a link stands.
type fileLink struct{ in object }

func (l fileLink) upload() (chat.UploadID, bool) {
	v, _ := l.in.get("link")
	link, _ := v.(string)
	return referred(link)
}

func (l fileLink) name() string {
	v, _ := l.in.get("name")
	name, _ := v.(string)
	return name
}

func (l fileLink) set(link string) { l.in.set("link", link) }

// linksIn finds every place of a stored payload where a link stands.
func linksIn(kind chat.Kind, root object) []fileLink {
	if kind == chat.File {
		return []fileLink{{root}}
	}
	var found []fileLink
	for _, m := range root {
		list, ok := m.value.([]any)
		if !ok || !slices.Contains(attachments, m.key) {
			continue
		}
		for _, e := range list {
			if entry, ok := e.(object); ok {
				found = append(found, fileLink{entry})
			}
		}
	}
	return found
}
