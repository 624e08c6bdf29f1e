package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/test/raw"
)

// greek is a word of two-byte and three-byte characters.
const greek = "κόσμε-ὀξύ"

func TestSection6UTF8(t *testing.T) {
	rows := []row{
		{"6.1 empty text", in(text("")), ignored},
		{"6.1 empty text in three fragments", in(first(raw.Text, ""), more(""), last("")), ignored},
		{"6.1 text in the middle of three fragments", in(first(raw.Text, ""), more("middle"), last("")), ignored},
		{"6.2 text", in(text("Hello-" + greek + "-UTF-8!!")), ignored},
		{"6.2 text in two fragments", in(first(raw.Text, "Hello-"), last(greek)), ignored},
		{"6.2 text in fragments of 1 byte", fragments(raw.Text, 1, []byte("Hello-"+greek)), ignored},
		{"6.2 text byte by byte", chopped(1, text(greek)), ignored},
		{"6.2 ping between two bytes of a character", in(first(raw.Text, "\xce"), ping("p"), last("\xba")), ignored.ponged("p")},
		{"6.3 bad text", in(text(greek + "\xed\xa0\x80" + "edited")), closed(1007)},
		{"6.3 bad text in fragments of 1 byte", fragments(raw.Text, 1, []byte(greek+"\xed\xa0\x80")), closed(1007)},
		{"6.4 bad in the first fragment", in(first(raw.Text, greek+"\xf4\x90\x80\x80"), last("edited")), closed(1007)},
		{"6.4 bad in the middle", in(first(raw.Text, greek), more("\xf4\x90\x80\x80"), last("edited")), closed(1007)},
		{"6.4 bad in the last fragment", in(first(raw.Text, greek), last("\xf4\x90\x80\x80")), closed(1007)},
		{"6.4 bad where fragments meet", in(first(raw.Text, "\xf4"), last("\x90\x80\x80")), closed(1007)},
		{"6.4 character that never ends", in(first(raw.Text, "\xce"), last("")), closed(1007)},
		{"6.4 bad after a good message", in(echo("a", 0), text("\xff"), echo("b", 0)), want{answers: []string{"a"}, close: 1007}},
		{"6.24 bad bytes in a binary", in(raw.Message(raw.Binary, []byte("\xed\xa0\x80\xff"))), answered("?")},
		{"6.24 bad bytes in a ping", in(ping("\xed\xa0\x80")), ignored.ponged("\xed\xa0\x80")},
	}
	for name, good := range map[string]string{
		"U+0000": "\x00", "U+007F": "\x7f", "U+0080": "\xc2\x80", "U+07FF": "\xdf\xbf", "U+0800": "\xe0\xa0\x80",
		"U+D7FF": "\xed\x9f\xbf", "U+E000": "\xee\x80\x80", "U+FFFD": "\xef\xbf\xbd", "U+FFFE": "\xef\xbf\xbe",
		"U+FFFF": "\xef\xbf\xbf", "U+10000": "\xf0\x90\x80\x80", "U+1FFFE": "\xf0\x9f\xbf\xbe", "U+10FFFF": "\xf4\x8f\xbf\xbf",
		"byte order mark": "\xef\xbb\xbf", "combined": "e\xcc\x81", "joined": "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
	} {
		rows = append(rows, row{"6 good: " + name, in(text(good)), ignored})
	}
	for name, bad := range map[string]string{
		"lone continuation":        "\x80",
		"two continuations":        "\x80\xbf",
		"lead of 2 bytes alone":    "\xc3",
		"lead of 2 and a space":    "\xc3 ",
		"lead of 3 bytes alone":    "\xe0",
		"2 of 3 bytes":             "\xe2\x82",
		"2 of 3 bytes and a space": "\xe2\x82 ",
		"3 of 4 bytes":             "\xf0\x9f\x98",
		"5 bytes":                  "\xf8\x88\x80\x80\x80",
		"6 bytes":                  "\xfc\x84\x80\x80\x80\x80",
		"FE":                       "\xfe",
		"FF":                       "\xff",
		"overlong slash, 2 bytes":  "\xc0\xaf",
		"overlong slash, 3 bytes":  "\xe0\x80\xaf",
		"overlong slash, 4 bytes":  "\xf0\x80\x80\xaf",
		"overlong U+007F":          "\xc1\xbf",
		"overlong U+07FF":          "\xe0\x9f\xbf",
		"overlong U+FFFF":          "\xf0\x8f\xbf\xbf",
		"overlong NUL":             "\xc0\x80",
		"U+D800":                   "\xed\xa0\x80",
		"U+DBFF":                   "\xed\xaf\xbf",
		"U+DC00":                   "\xed\xb0\x80",
		"U+DFFF":                   "\xed\xbf\xbf",
		"surrogate pair":           "\xed\xa0\x80\xed\xb0\x80",
		"U+110000":                 "\xf4\x90\x80\x80",
		"U+1FFFFF":                 "\xf7\xbf\xbf\xbf",
	} {
		rows = append(rows, row{"6 bad: " + name, in(text("ok" + bad + "ok")), closed(1007)})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
	for i, at := range []int{1, 1021, 1022, 1023, 1024, 1025, 4095, 65534} {
		// At the borders of buffers on the way.
		filler := strings.Repeat("*", at)
		rows = append(rows,
			row{fmt.Sprintf("6.25.%d character after %d bytes", i, at), in(text(filler + "é")), ignored},
			row{fmt.Sprintf("6.25.%d half a character after %d bytes", i, at), in(text(filler + "\xc3")), closed(1007)},
		)
	}
	check(t, rows)
}
