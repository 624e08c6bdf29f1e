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

const longest = protocol.MaxMessage

func TestSection9Limits(t *testing.T) {
	tooLong := strings.Repeat("*", longest+1)
	claim := func(op raw.Opcode, length uint64) []byte {
		return raw.Header(raw.Frame{Fin: true, Op: op}, length)
	}
	control := func(frame []byte, n int) []byte { return bytes.Repeat(frame, n) }
	rows := []row{
		{"9.1 text of 1 byte too many", in(text(tooLong)), closed(1009)},
		{"9.2 binary of 1 byte too many", in(raw.Message(raw.Binary, []byte(tooLong))), closed(1009)},
		{"9.2 a header that claims 1 byte too many", in(claim(raw.Binary, longest+1)), closed(1009)},
		{"9.2 a header that claims 4 GiB", in(claim(raw.Binary, 1<<32)), closed(1009)},
		{"9.2 a header that claims all there can be", in(claim(raw.Binary, 1<<63-1)), closed(1009)},
		{"9.2 a header that claims more than there can be", in(claim(raw.Binary, 1<<63)), closed(1002)},
		{"9.2 the same of a text", in(claim(raw.Text, 1<<64-1)), closed(1002)},
		{"9.2 a ping that claims 4 GiB", in(claim(raw.Ping, 1<<32)), closed(1002)},
		{"9.3 text too long by its last fragment", in(first(raw.Text, tooLong[:longest]), last("*")), closed(1009)},
		{"9.4 binary too long by its last fragment", in(first(raw.Binary, tooLong[:longest]), last("*")), closed(1009)},
		{"9.4 a fragment that claims too much", in(first(raw.Binary, "*"), claim(raw.Continuation, longest)), closed(1009)},
		{"9.4 a fragment that claims more than a sum can hold", in(first(raw.Binary, "*"), claim(raw.Continuation, 1<<63-1)), closed(1009)},
		{"9.4 fragments without an end", fragments(raw.Binary, 1000, make([]byte, 3*longest)), closed(1009)},
		{"9.4 100 empty fragments", in(first(raw.Text, protocol.Ping), control(more(""), 99), last("")), answered("3")},
		{"9.4 1000 empty fragments", in(first(raw.Text, protocol.Ping), control(more(""), 1000), last("")), closed(1008)},
		{"9.9 100 pongs", in(control(pong(""), 100)), ignored},
		{"9.9 1000 pongs", in(control(pong(""), 1000)), closed(1008)},
	}
	rows = append(rows,
		row{"9.3 text of 64 KiB in fragments of 1 byte", in(bytes.Join(fragments(raw.Text, 1, []byte(tooLong[:longest])), nil)), ignored},
		row{"9.4 binary of 64 KiB in fragments of 1 byte", in(bytes.Join(fragments(raw.Binary, 1, request("a", longest)), nil)), answered("a")},
		row{"9.4 1 byte more in fragments of 1 byte", in(bytes.Join(fragments(raw.Binary, 1, []byte(tooLong)), nil)), closed(1009)},
	)
	for _, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		rows = append(rows,
			row{fmt.Sprintf("9.3 text of 64 KiB in fragments of %d", n), fragments(raw.Text, n, []byte(tooLong[:longest])), ignored},
			row{fmt.Sprintf("9.4 binary of 64 KiB in fragments of %d", n), fragments(raw.Binary, n, request("a", longest)), answered("a")},
			row{fmt.Sprintf("9.5 text of 64 KiB in pieces of %d", n), chopped(n, text(tooLong[:longest])), ignored},
			row{fmt.Sprintf("9.6 binary of 64 KiB in pieces of %d", n), chopped(n, echo("a", longest)), answered("a")},
		)
	}
	var many []byte
	var ids []string
	for i := range 500 {
		id := fmt.Sprint(i)
		many, ids = append(many, echo(id, 0)...), append(ids, id)
	}
	rows = append(rows,
		row{"9.7 500 requests in one write", in(many), answered(ids...)},
		row{"9.7 500 keep-alives in one write", in(bytes.Repeat(text(protocol.Ping), 500)), answered(slices.Repeat([]string{protocol.Pong}, 500)...)},
	)
	check(t, rows)
}

// TestSection9PingFlood: the first hundred are answered, and some more for the
// time that passes; then it is enough.
func TestSection9PingFlood(t *testing.T) {
	c := newWorld(t).dial(t)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		pings := bytes.Repeat(ping("p"), 1000)
		for range 100 {
			if _, err := c.Write(pings); err != nil {
				return // the server has hung up
			}
		}
	}()
	c.hearUntilClosed(1008)
	<-sent
	if n := len(c.pongs); n < 100 || n > 1000 {
		t.Errorf("%d of 100,000 pings were answered", n)
	}
}

func TestSection10Miscellaneous(t *testing.T) {
	check(t, []row{
		{"10.1 64 KiB in fragments of 1300, as some stacks cut", fragments(raw.Binary, 1300, request("a", longest)), answered("a")},
		{"10.1 the same in one write", in(bytes.Join(fragments(raw.Binary, 1300, request("a", longest)), nil)), answered("a")},
		{"10.2 header in one write, payload in the next", chopped(8, echo("a", 300)), answered("a")},
	})
}
