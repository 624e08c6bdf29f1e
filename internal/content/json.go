package content

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// maxDepth is how deep objects and lists may lie in each other. Recursive
// readers, also those of clients, stay far from their stacks' ends.
const maxDepth = 32

// object is a JSON object with its members in their order. Values are object,
// []any, string, json.Number, bool and nil.
type object []member

type member struct {
	key   string
	value any
}

func (o object) index(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

func (o object) get(key string) (any, bool) {
	if i := o.index(key); i >= 0 {
		return o[i].value, true
	}
	return nil, false
}

// set replaces the value of a key that is there.
func (o object) set(key string, value any) {
	if i := o.index(key); i >= 0 {
		o[i].value = value
	}
}

// decodeObject reads a JSON object strictly: no key twice, nothing too deep,
// no NUL in any string. Halves of surrogate pairs become U+FFFD, as they do
// when a browser encodes a text.
func decodeObject(payload string) (object, error) {
	if !json.Valid([]byte(payload)) {
		return nil, chat.Refuse(chat.Invalid, "the payload is not valid JSON")
	}
	d := decoder{json.NewDecoder(strings.NewReader(payload))}
	d.UseNumber()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	root, ok := v.(object)
	if !ok {
		return nil, chat.Refuse(chat.Invalid, "the payload must be a JSON object")
	}
	return root, nil
}

type decoder struct{ *json.Decoder }

func (d decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, chat.Refuse(chat.Invalid, "the payload is nested more than %d deep", maxDepth).Beyond("json_depth")
	}
	token, err := d.Token()
	if err != nil {
		return nil, chat.Refuse(chat.Invalid, "the payload is not valid JSON")
	}
	switch token {
	case json.Delim('{'):
		return d.object(depth)
	case json.Delim('['):
		return d.list(depth)
	}
	if s, ok := token.(string); ok {
		return s, chat.CheckString(s)
	}
	return token, nil
}

func (d decoder) object(depth int) (any, error) {
	o := object{}
	seen := make(map[string]bool)
	for d.More() {
		k, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		key, _ := k.(string)
		if seen[key] {
			return nil, chat.Refuse(chat.Invalid, "the payload has a key twice")
		}
		// Apps that merge objects would change the prototype of all.
		if key == "__proto__" {
			return nil, chat.Refuse(chat.Invalid, "the payload must not have the key %q", key)
		}
		seen[key] = true
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{key, v})
	}
	return o, d.end()
}

func (d decoder) list(depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, d.end()
}

// end takes the closing bracket.
func (d decoder) end() error {
	if _, err := d.Token(); err != nil {
		return chat.Refuse(chat.Invalid, "the payload is not valid JSON")
	}
	return nil
}

// encode writes the one form in which an object is stored and sent: no space,
// members in their order, numbers as they were written.
func (o object) encode() string {
	var w writer
	w.value(o)
	return w.String()
}

type writer struct{ bytes.Buffer }

func (w *writer) value(v any) {
	switch v := v.(type) {
	case object:
		w.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			w.scalar(m.key)
			w.WriteByte(':')
			w.value(m.value)
		}
		w.WriteByte('}')
	case []any:
		w.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			w.value(e)
		}
		w.WriteByte(']')
	case json.Number:
		// The encoder would check it again; decoding has.
		w.WriteString(v.String())
	default:
		w.scalar(v)
	}
}

// scalar writes a string, a boolean or null, and leaves <, > and & readable:
// the payload is data for JSON.parse, never part of a page.
func (w *writer) scalar(v any) {
	e := json.NewEncoder(&w.Buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("a decoded JSON value cannot be encoded: " + err.Error())
	}
	w.Truncate(w.Len() - 1) // the encoder ends with a newline
}
