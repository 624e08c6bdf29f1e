package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/test/raw"
)

func TestSection7Closing(t *testing.T) {
	goodbye := raw.Goodbye(1000, "")
	body := func(b string) []byte { return raw.Message(raw.Close, []byte(b)) }
	rows := []row{
		{"7.1 close after a message", in(echo("a", 0), goodbye), want{answers: []string{"a"}, close: 1000}},
		{"7.1 close twice", in(goodbye, goodbye), closed(1000)},
		{"7.1 ping after close", in(goodbye, ping("late")), closed(1000)},
		{"7.1 message after close", in(goodbye, echo("late", 0)), closed(1000)},
		{"7.1 the same in one write", in(slices.Concat(goodbye, echo("late", 0))), closed(1000)},
		{"7.1 ping, close and ping in one write", in(slices.Concat(ping("in time"), goodbye, ping("late"))), closed(1000).ponged("in time")},
		{"7.1 close within a message, then its rest", in(first(raw.Text, "a"), goodbye, last("b")), closed(1000)},
		{"7.1 64 KiB, then close, then ping", in(text(strings.Repeat("*", 65536)), goodbye, ping("late")), closed(1000)},
		{"7.1 close byte by byte", chopped(1, goodbye), closed(1000)},
		{"7.3 no code", in(body("")), closed(1005)},
		{"7.3 half a code", in(body("\x03")), closed(1002)},
		{"7.3 code alone", in(body("\x03\xe8")), closed(1000)},
		{"7.3 code and reason", in(raw.Goodbye(1000, "Hello World!")), closed(1000)},
		{"7.3 reason of 123 bytes", in(raw.Goodbye(1000, strings.Repeat("*", 123))), closed(1000)},
		{"7.3 reason of 124 bytes", in(raw.Goodbye(1000, strings.Repeat("*", 124))), closed(1002)},
		{"7.5 reason in Greek", in(raw.Goodbye(1000, greek)), closed(1000)},
		{"7.5 reason that is not UTF-8", in(raw.Goodbye(1000, greek+"\xed\xa0\x80")), closed(1007)},
		{"7.5 reason cut within a character", in(raw.Goodbye(1000, greek+"\xce")), closed(1007)},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3002, 3999, 4000, 4008, 4999} {
		rows = append(rows, row{fmt.Sprintf("7.7 code %d", code), in(raw.Goodbye(code, "why")), closed(code)})
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows,
			row{fmt.Sprintf("7.9 code %d", code), in(raw.Goodbye(code, "")), closed(1002)},
			row{fmt.Sprintf("7.9 code %d with a reason", code), in(raw.Goodbye(code, "why")), closed(1002)},
		)
	}
	check(t, rows)
}
