package content

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/chat"
)

// MaxValue is the longest value that apps may hand to each other beside the
// chat, in bytes of JSON.
const MaxValue = 16 << 10

// Value checks a JSON value of whatever type that an app hands to other apps,
// and writes it anew: receivers parse it without a guard. Nothing at all, which
// is how clients encode undefined, becomes an empty object, as which they read
// it. The errors are refusals of package chat.
func Value(raw []byte) ([]byte, error) {
	switch {
	case len(raw) == 0:
		return []byte("{}"), nil
	case len(raw) > MaxValue:
		return nil, chat.Refuse(chat.Limited, "this value is too long: at most %d bytes of JSON", MaxValue).Beyond("value_size")
	case !utf8.Valid(raw):
		return nil, chat.Refuse(chat.Invalid, "the payload is not valid UTF-8")
	case !json.Valid(raw):
		return nil, chat.Refuse(chat.Invalid, "the payload is not valid JSON")
	}
	d := decoder{json.NewDecoder(strings.NewReader(string(raw)))}
	d.UseNumber()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	var w writer
	w.value(v)
	// What is written anew may be longer: U+FFFD takes more than half a pair.
	if w.Len() > MaxValue {
		return nil, chat.Refuse(chat.Limited, "this value is too long: at most %d bytes of JSON", MaxValue).Beyond("value_size")
	}
	return w.Bytes(), nil
}
