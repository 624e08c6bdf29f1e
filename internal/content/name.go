package content

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxNameBytes is the longest name of a file; longer ones are cut so that
	// their ending stays.
	MaxNameBytes = 255
	// NoName is what a file is called whose name was missing or has nothing
	// that may stay.
	NoName = "file"
)

// FileName cleans the name of a file as a client gave it: only the last
// element of a path stays, and no character that is invisible and changes how
// the rest is read. The result is never empty, and cleaning it again changes
// nothing.
func FileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(keepInName, strings.ToValidUTF8(name, ""))
	name = trimName(name)
	if len(name) > MaxNameBytes {
		name = shorten(name)
	}
	if name == "" {
		return NoName
	}
	return name
}

// trimName takes spaces from both ends, and dots from the right one, where
// Windows does not keep them; so "." and ".." become nothing.
func trimName(name string) string {
	return strings.TrimRightFunc(strings.TrimLeftFunc(name, unicode.IsSpace), func(r rune) bool {
		return r == '.' || unicode.IsSpace(r)
	})
}

// keepInName drops control characters, line separators, the marks and
// overrides of writing direction ("gpj.exe" shown as "exe.jpg"), and zero-width
// characters other than the two joiners, which scripts and emoji need.
func keepInName(r rune) rune {
	const joiner, nonJoiner = '\u200d', '\u200c'
	switch {
	case r == joiner, r == nonJoiner:
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
		return -1
	}
	return r
}

// shorten cuts before the extension, between two characters.
func shorten(name string) string {
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	stem := name[:MaxNameBytes-len(ext)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return trimName(stem) + ext
}
