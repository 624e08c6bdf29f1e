package transport

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// FuzzRead reads any bytes as the stream of a peer. Reading must come to an
// end, keep to its bounds, and give every message as a plain reading of RFC
// 6455 gives it.
func FuzzRead(f *testing.F) {
	f.Add(masked(true, ws.OpText, []byte("hello")))
	f.Add(join(masked(false, ws.OpBinary, []byte("a")), masked(true, ws.OpPing, []byte("p")), masked(true, ws.OpContinuation, []byte("b"))))
	f.Add(header(ws.OpBinary, 1<<63-1))
	f.Add(header(ws.OpBinary, 1<<64-1))
	f.Add(masked(true, ws.OpClose, []byte{3, 232}))
	f.Add(ws.MustCompileFrame(ws.NewTextFrame([]byte("unmasked"))))
	small := config
	small.MaxMessage = 300
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := newConn(quiet{}, bufio.NewReader(bytes.NewReader(raw)), small)
		plain := bytes.NewReader(raw)
		buf := make([]byte, 0, 8)
		for n := 0; ; n++ {
			kind, data, err := c.Read(buf)
			if err != nil {
				if closed, ok := errors.AsType[*CloseError](err); ok && !closed.Peer && !mayBeSaid(closed.Code) {
					t.Errorf("the peer is to be told code %d", closed.Code)
				}
				return
			}
			if len(data) > small.MaxMessage || cap(data) > small.MaxMessage {
				t.Fatalf("a message of %d bytes in %d", len(data), cap(data))
			}
			if kind == Text && !utf8.Valid(data) {
				t.Fatal("a text that is not UTF-8")
			}
			wantKind, want := readPlainly(t, plain)
			if kind != wantKind || !bytes.Equal(data, want) {
				t.Fatalf("message %d is %d %q, want %d %q", n, kind, data, wantKind, want)
			}
			if buf = data; n > len(raw) {
				t.Fatal("there are more messages than bytes")
			}
		}
	})
}

// readPlainly reads one message that is known to be well-formed.
func readPlainly(t *testing.T, in *bytes.Reader) (kind Kind, data []byte) {
	for {
		f, err := readFrame(in)
		if err != nil {
			t.Fatalf("a message that is not in the stream: %v", err)
		}
		if f.Header.OpCode.IsControl() {
			continue
		}
		if f.Header.OpCode != ws.OpContinuation {
			kind = Kind(f.Header.OpCode)
		}
		data = append(data, ws.UnmaskFrame(f).Payload...)
		if f.Header.Fin {
			return kind, data
		}
	}
}
