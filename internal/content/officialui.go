package content

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ForOfficialUI changes a text, or a display name, so that the official UI kit
// shows it as it was written. The kit has a small markup of its own inside
// texts: whatever stands between <a> and </a> becomes a link, of any scheme,
// javascript: too. A zero-width space after the "<" makes it a text again.
//
// Three detours lead to an <a> that is not in the text, and are closed too:
// the kit cuts out a <blockquote>, so that what stood around it becomes
// neighbours; it puts words into a JavaScript replacement string, where $&, $`
// and $' stand for other pieces of the text; and it takes a text that is JSON
// with "target" and "message" for an envelope and shows what is inside, where
// "<" may be written as an escape.
//
// Most texts come back as they are. It is for delivery only: what is stored is
// exact.
func ForOfficialUI(text string) string {
	if looksLikeEnvelope(text) {
		text = zeroWidthSpace + text
	}
	if !strings.Contains(text, "<") {
		return text
	}
	var b strings.Builder
	for i, c := range []byte(text) {
		b.WriteByte(c)
		switch rest := text[i+1:]; {
		case c == '<' && (beginsLinkTag(rest) || strings.HasPrefix(rest, "<blockquote>")):
			b.WriteString(zeroWidthSpace)
		case c == '$' && rest != "" && strings.IndexByte("&`'", rest[0]) >= 0:
			b.WriteString(zeroWidthSpace)
		}
	}
	return b.String()
}

const zeroWidthSpace = "\u200b"

// beginsLinkTag tells whether what follows a "<" makes it a tag named a,
// whatever white or invisible space is in it. A longer word is none.
func beginsLinkTag(rest string) bool {
	rest = strings.TrimLeftFunc(rest, func(r rune) bool {
		return r == '/' || unicode.IsSpace(r) || unicode.In(r, unicode.Z, unicode.C)
	})
	if rest == "" || (rest[0] != 'a' && rest[0] != 'A') {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest[1:])
	return next >= utf8.RuneSelf || !isWord(byte(next))
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// looksLikeEnvelope tells whether a text is a JSON object with the two keys
// that make it one to the UI kit.
func looksLikeEnvelope(text string) bool {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return false
	}
	var envelope map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &envelope) != nil {
		return false
	}
	_, target := envelope["target"]
	_, message := envelope["message"]
	return target && message
}
