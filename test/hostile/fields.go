package hostile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/parley-chat/parley/protocol"
)

// fieldAttacks go through every field of every request.
var fieldAttacks = []Attack{
	{"every text far too long, or no text", badTexts},
	{"every number beyond its end", badNumbers},
	{"ids of others in every field", foreignIDs},
	{"requests in the name of others", foreignFrames},
}

// path leads to one field of a message.
type path []protoreflect.FieldDescriptor

// fieldsOf lists the fields of a request that hold no message, those of
// messages in it included, for a few levels.
func fieldsOf(event protocol.Event) []path {
	m := requests[event]
	if m == nil {
		return nil
	}
	return leavesOf(nil, m.ProtoReflect().Descriptor())
}

func leavesOf(above path, m protoreflect.MessageDescriptor) []path {
	const deepest = 4
	var all []path
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		here := append(append(path{}, above...), f)
		switch {
		case f.Message() == nil:
			all = append(all, here)
		case len(here) < deepest:
			all = append(all, leavesOf(here, f.Message())...)
		}
	}
	return all
}

// set encodes a request in which one field has a value, whatever its type
// should be, and all others are absent.
func (p path) set(of protowire.Type, value []byte) []byte {
	last := len(p) - 1
	b := append(protowire.AppendTag(nil, p[last].Number(), of), value...)
	for i := last - 1; i >= 0; i-- {
		b = protowire.AppendBytes(protowire.AppendTag(nil, p[i].Number(), protowire.BytesType), b)
	}
	return b
}

func (p path) text(value string) []byte {
	return p.set(protowire.BytesType, protowire.AppendString(nil, value))
}
func (p path) number(value uint64) []byte {
	return p.set(protowire.VarintType, protowire.AppendVarint(nil, value))
}

func (p path) String() string {
	names := make([]string, len(p))
	for i, f := range p {
		names[i] = string(f.Name())
	}
	return strings.Join(names, ".")
}

func (p path) isText() bool {
	kind := p[len(p)-1].Kind()
	return kind == protoreflect.StringKind || kind == protoreflect.BytesKind
}

// eachField has every field of every request at its turn.
func (a *Attacker) eachField(ctx context.Context, texts bool, payloads func(path) [][]byte) error {
	return a.eachEvent(ctx, func(event protocol.Event) [][]byte {
		var all [][]byte
		for _, p := range fieldsOf(event) {
			if p.isText() == texts {
				all = append(all, payloads(p)...)
			}
		}
		return all
	})
}

func badTexts(ctx context.Context, a *Attacker) error {
	values := []string{
		"", "\x00", "a\x00b", "\xff", "\xed\xa0\x80", "\xc0\xaf", "__proto__", "constructor", "../../../etc/passwd",
		"%s%s%s%n", "'; DROP TABLE messages; --", "\u202e\u200b\u2066", "{}", "null", "[]", "true", "1e400", `{"a":1e400}`,
		strings.Repeat("x", 257), strings.Repeat("x", 2001), strings.Repeat("\u0301", 2000), strings.Repeat("x", 17<<10),
		strings.Repeat("€", 20_000), strings.Repeat("[", 20_000), strings.Repeat("x", 65_000),
	}
	return a.eachField(ctx, true, func(p path) [][]byte {
		var all [][]byte
		for _, v := range values {
			all = append(all, p.text(v))
		}
		return all
	})
}

func badNumbers(ctx context.Context, a *Attacker) error {
	return a.eachField(ctx, false, func(p path) [][]byte {
		var all [][]byte
		for _, v := range []uint64{0, 1, 2, 99, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			all = append(all, p.number(v))
		}
		return all
	})
}

// foreignIDs puts each id that is not the attacker's into each text of each
// request, alone and beside values with which the request would be complete.
func foreignIDs(ctx context.Context, a *Attacker) error {
	return a.eachEvent(ctx, func(event protocol.Event) [][]byte {
		var all [][]byte
		fields := fieldsOf(event)
		for _, p := range fields {
			if !p.isText() {
				continue
			}
			rest := []byte{}
			for _, other := range fields {
				switch {
				case other.String() == p.String():
				case other.isText():
					rest = append(rest, other.text("hostile")...)
				default:
					rest = append(rest, other.number(0)...)
				}
			}
			for _, id := range a.Foreign.all() {
				all = append(all, p.text(id), slices.Concat(rest, p.text(id)))
			}
		}
		return all
	})
}

// foreignFrames names requests after other peers: the answer, which goes to
// everybody, would settle a request of theirs.
func foreignFrames(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for _, id := range a.Foreign.Peers {
		for n := range 3 {
			for _, event := range events() {
				if leaving[event] {
					continue
				}
				if err := s.throwAs(fmt.Sprintf("%s-%d", id, n), event, nil); err != nil {
					return err
				}
			}
		}
	}
	for _, id := range []string{"", s.id, s.id + "-", s.id + "-" + strings.Repeat("x", 60_000), "\x00", s.id + "-\x00", s.id + "x-1"} {
		if err := s.throwAs(id, protocol.SendMessageToRoom, []byte("\x12\x06forged")); err != nil {
			return err
		}
	}
	return s.settled(ctx)
}
