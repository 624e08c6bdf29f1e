package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/test/raw"
)

// lengths are those around which the form of the header changes, and the
// greatest.
var lengths = []int{125, 126, 127, 128, 65535, 65536}

func TestSection1Framing(t *testing.T) {
	rows := []row{
		{"1.1 text of 0 bytes", in(text("")), ignored},
		{"1.1 text that is the keep-alive", in(text("2")), answered("3")},
		{"1.1 text that is the answer to the keep-alive", in(text("3")), ignored},
		{"1.1 text of 65536 bytes in pieces of 997", chopped(997, text(strings.Repeat("*", 65536))), ignored},
		{"1.2 binary of 0 bytes", in(raw.Message(raw.Binary, nil)), answered("?")},
		{"1.2 binary, the shortest request", in(echo("a", 0)), answered("a")},
		{"1.2 binary of 65536 bytes in pieces of 997", chopped(997, echo("a", 65536)), answered("a")},
		{"1.2 two binaries in one write", in(bytes.Join(in(echo("a", 300), echo("b", 200)), nil)), answered("a", "b")},
		{"1.2 two binaries byte by byte", chopped(1, echo("a", 300), echo("b", 200)), answered("a", "b")},
		{"1.2 binary that is no request", in(raw.Message(raw.Binary, []byte{0xff, 0xff, 0xff})), answered("?")},
		{"1.3 mask of zero", in(raw.Frame{Fin: true, Op: raw.Binary, Payload: request("a", 200)}.Bytes()), answered("a")},
		{"1.3 mask of ones", in(raw.Frame{Fin: true, Op: raw.Binary, Payload: request("a", 200), Mask: [4]byte{255, 255, 255, 255}}.Bytes()), answered("a")},
		{"1.3 no mask, text", in(raw.Frame{Fin: true, Op: raw.Text, Payload: []byte("2"), Unmasked: true}.Bytes()), closed(1002)},
		{"1.3 no mask, binary", in(raw.Frame{Fin: true, Op: raw.Binary, Payload: request("a", 0), Unmasked: true}.Bytes()), closed(1002)},
		{"1.3 no mask, ping", in(raw.Frame{Fin: true, Op: raw.Ping, Unmasked: true}.Bytes()), closed(1002)},
		{"1.3 no mask, close", in(raw.Frame{Fin: true, Op: raw.Close, Unmasked: true}.Bytes()), closed(1002)},
	}
	for _, n := range []int{0, 1, 125} {
		padded := raw.Padded(raw.Text, bytes.Repeat([]byte("2"), n), 2)
		rows = append(rows, row{fmt.Sprintf("1.4 length %d in 2 bytes", n), in(padded), closed(1002)})
	}
	for _, n := range []int{0, 1, 125, 126, 65535} {
		padded := raw.Padded(raw.Binary, make([]byte, n), 8)
		rows = append(rows, row{fmt.Sprintf("1.4 length %d in 8 bytes", n), in(padded), closed(1002)})
	}
	rows = append(rows,
		row{"1.4 length of a ping in 2 bytes", in(raw.Padded(raw.Ping, []byte("p"), 2)), closed(1002)},
		row{"1.4 length of a close in 8 bytes", in(raw.Padded(raw.Close, []byte("\x03\xe8"), 8)), closed(1002)},
		row{"1.4 the same byte by byte", chopped(1, raw.Padded(raw.Binary, request("a", 0), 8)), closed(1002)},
		row{"1.4 126 bytes in 2, the fewest", in(raw.Padded(raw.Binary, request("a", 126), 2)), answered("a")},
		row{"1.4 65536 bytes in 8, the fewest", in(raw.Padded(raw.Binary, request("a", 65536), 8)), answered("a")},
	)
	for _, n := range lengths {
		rows = append(rows,
			row{fmt.Sprintf("1.1 text of %d bytes", n), in(text(strings.Repeat("*", n))), ignored},
			row{fmt.Sprintf("1.2 binary of %d bytes", n), in(echo("a", n)), answered("a")},
		)
	}
	check(t, rows)
}

func TestSection2PingsAndPongs(t *testing.T) {
	long := strings.Repeat("\xfe", 125)
	var tenPings []byte
	var tenPongs []string
	for i := range 10 {
		payload := fmt.Sprintf("payload %d", i)
		tenPings = append(tenPings, ping(payload)...)
		tenPongs = append(tenPongs, payload)
	}
	check(t, []row{
		{"2.1 ping without payload", in(ping("")), ignored.ponged("")},
		{"2.2 ping with payload", in(ping("Hello, world!")), ignored.ponged("Hello, world!")},
		{"2.3 ping with bytes that are no text", in(ping("\x00\xff\xfe\xfd")), ignored.ponged("\x00\xff\xfe\xfd")},
		{"2.4 ping of 125 bytes", in(ping(long)), ignored.ponged(long)},
		{"2.5 ping of 126 bytes", in(ping(long + "*")), closed(1002)},
		{"2.6 ping of 125 bytes, byte by byte", chopped(1, ping(long)), ignored.ponged(long)},
		{"2.7 pong nobody asked for, without payload", in(pong("")), ignored},
		{"2.8 pong nobody asked for, with payload", in(pong("unsolicited")), ignored},
		{"2.8 pong of 126 bytes", in(pong(long + "*")), closed(1002)},
		{"2.9 pong nobody asked for, then ping", in(pong("unsolicited"), ping("ping")), ignored.ponged("ping")},
		{"2.10 ten pings in one write", in(tenPings), ignored.ponged(tenPongs...)},
		{"2.11 ten pings byte by byte", chopped(1, tenPings), ignored.ponged(tenPongs...)},
		{"2.12 ping between messages", in(echo("a", 0), ping("between"), echo("b", 0)), answered("a", "b").ponged("between")},
	})
}

func TestSection3ReservedBits(t *testing.T) {
	var rows []row
	for rsv := byte(1); rsv < 8; rsv++ {
		bad := func(op raw.Opcode, payload string) []byte {
			return raw.Frame{Fin: true, RSV: rsv, Op: op, Payload: []byte(payload)}.Bytes()
		}
		rows = append(rows,
			row{fmt.Sprintf("3.%d text", rsv), in(bad(raw.Text, "2")), closed(1002)},
			row{fmt.Sprintf("3.%d binary after a good one", rsv), in(echo("a", 0), bad(raw.Binary, "x"), echo("b", 0)), want{answers: []string{"a"}, close: 1002}},
			row{fmt.Sprintf("3.%d binary, byte by byte", rsv), chopped(1, bad(raw.Binary, "xyz"), ping("")), closed(1002)},
			row{fmt.Sprintf("3.%d ping", rsv), in(bad(raw.Ping, "x")), closed(1002)},
			row{fmt.Sprintf("3.%d close", rsv), in(bad(raw.Close, "")), closed(1002)},
			row{fmt.Sprintf("3.%d continuation", rsv), in(first(raw.Text, "a"), bad(raw.Continuation, "b")), closed(1002)},
		)
	}
	check(t, rows)
}

func TestSection4Opcodes(t *testing.T) {
	var rows []row
	for _, op := range []raw.Opcode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		reserved := func(payload string) []byte { return raw.Message(op, []byte(payload)) }
		rows = append(rows,
			row{fmt.Sprintf("4 opcode %d without payload", op), in(reserved("")), closed(1002)},
			row{fmt.Sprintf("4 opcode %d with payload", op), in(reserved("reserved")), closed(1002)},
			row{fmt.Sprintf("4 opcode %d after a message", op), in(echo("a", 0), reserved("x"), ping("")), want{answers: []string{"a"}, close: 1002}},
			row{fmt.Sprintf("4 opcode %d within a message", op), in(first(raw.Binary, "x"), reserved(""), last("y")), closed(1002)},
		)
	}
	check(t, rows)
}

func TestSection5Fragmentation(t *testing.T) {
	message := request("a", 300)
	halves := fragments(raw.Binary, 150, message)
	withPing := [][]byte{halves[0], ping("between"), halves[1]}
	fifths := fragments(raw.Binary, 60, message)
	withPings := [][]byte{fifths[0], fifths[1], ping("one"), fifths[2], pong("no matter"), fifths[3], ping("two"), fifths[4]}
	empty := raw.Frame{Op: raw.Continuation}.Bytes()
	check(t, []row{
		{"5.1 ping in fragments", in(first(raw.Ping, "frag"), last("ment")), closed(1002)},
		{"5.2 pong in fragments", in(first(raw.Pong, "frag"), last("ment")), closed(1002)},
		{"5.2 close in fragments", in(first(raw.Close, ""), last("")), closed(1002)},
		{"5.3 two fragments in one write", in(bytes.Join(halves, nil)), answered("a")},
		{"5.4 two fragments", halves, answered("a")},
		{"5.5 two fragments byte by byte", chopped(1, halves...), answered("a")},
		{"5.6 ping between two fragments", withPing, answered("a").ponged("between")},
		{"5.7 the same in one write", in(bytes.Join(withPing, nil)), answered("a").ponged("between")},
		{"5.8 the same byte by byte", chopped(1, withPing...), answered("a").ponged("between")},
		{"5.9 continuation of nothing, final", in(last("x"), echo("a", 0)), closed(1002)},
		{"5.10 the same in one write", in(slices.Concat(last("x"), echo("a", 0))), closed(1002)},
		{"5.11 the same byte by byte", chopped(1, last("x"), echo("a", 0)), closed(1002)},
		{"5.12 continuation of nothing, not final", in(more("x"), echo("a", 0)), closed(1002)},
		{"5.13 the same in one write", in(slices.Concat(more("x"), echo("a", 0))), closed(1002)},
		{"5.14 the same byte by byte", chopped(1, more("x"), echo("a", 0)), closed(1002)},
		{"5.15 continuation of what has ended", in(halves[0], halves[1], last("x"), echo("b", 0)), want{answers: []string{"a"}, close: 1002}},
		{"5.16 continuation before each message, not final", in(more("x"), text("a"), last("b")), closed(1002)},
		{"5.17 continuation before each message, final", in(last("x"), text("a"), last("b")), closed(1002)},
		{"5.18 text within a fragmented text", in(first(raw.Text, "a"), text("b")), closed(1002)},
		{"5.18 fragmented text within a fragmented text", in(first(raw.Text, "a"), first(raw.Text, "b"), last("c")), closed(1002)},
		{"5.18 binary within a fragmented text", in(first(raw.Text, "a"), echo("a", 0)), closed(1002)},
		{"5.18 text within a fragmented binary", in(halves[0], text("2"), halves[1]), closed(1002)},
		{"5.19 five fragments with pings and a pong", withPings, answered("a").ponged("one", "two")},
		{"5.20 the same in one write", in(bytes.Join(withPings, nil)), answered("a").ponged("one", "two")},
		{"5.20 the same byte by byte", chopped(1, withPings...), answered("a").ponged("one", "two")},
		{"5.21 fragments of 1 byte", fragments(raw.Binary, 1, request("a", 200)), answered("a")},
		{"5.21 the keep-alive after empty fragments", in(first(raw.Text, ""), empty, empty, last(protocol.Ping)), answered("3")},
		{"5.21 the keep-alive before an empty fragment", in(first(raw.Text, protocol.Ping), last("")), answered("3")},
		{"5.21 empty binary in fragments", in(first(raw.Binary, ""), empty, last("")), answered("?")},
		{"5.22 close within a message", in(halves[0], raw.Goodbye(1000, ""), halves[1]), closed(1000)},
		{"5.23 one message in fragments after another", slices.Concat(halves, fragments(raw.Binary, 100, request("b", 300))), answered("a", "b")},
	})
}
