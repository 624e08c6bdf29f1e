package hostile

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/raw"
)

// protobufAttacks abuse the encoding of frames and of what is in them.
var protobufAttacks = []Attack{
	{"bytes that are no frame", notFrames},
	{"bombs as payload of every request", protobufBombs},
	{"100,000 unknown fields", unknownFields},
	{"10,000 of everything repeated", hugeRepeated},
}

// bombs are encodings that are nested, endless, cut off or of the wrong type.
func bombs() map[string][]byte {
	groups := bytes.Repeat([]byte{0x0b}, 30_000) // field 1 opens, again and again
	nested := []byte{}
	for len(nested) < 30_000 {
		nested = append(protowire.AppendVarint([]byte{0x0a}, uint64(len(nested))), nested...)
	}
	return map[string][]byte{
		"groups that open":       groups,
		"groups that close":      append(bytes.Clone(groups[:9000]), bytes.Repeat([]byte{0x0c}, 9000)...),
		"nested messages":        nested,
		"length beyond the end":  {0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 'x'},
		"length of 2^63":         {0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"varint without end":     bytes.Repeat([]byte{0xff}, 100),
		"field number 0":         {0x02, 0x01, 'x'},
		"field number 2^29":      {0x82, 0x80, 0x80, 0x80, 0x10, 0x01, 'x'},
		"wire type 6":            {0x0e},
		"wire type 7":            {0x0f},
		"noise":                  bytes.Repeat([]byte{0xfe, 0x01, 0x80}, 20_000),
		"varints for everything": wrongTypes(protowire.VarintType),
		"32 bits for everything": wrongTypes(protowire.Fixed32Type),
		"64 bits for everything": wrongTypes(protowire.Fixed64Type),
		"bytes for everything":   wrongTypes(protowire.BytesType),
		"groups for everything":  wrongTypes(protowire.StartGroupType),
	}
}

// wrongTypes has fields 1 to 30 in one wire type, which is wrong for most.
func wrongTypes(of protowire.Type) []byte {
	var b []byte
	for n := protowire.Number(1); n <= 30; n++ {
		b = protowire.AppendTag(b, n, of)
		switch of {
		case protowire.VarintType:
			b = protowire.AppendVarint(b, 1<<64-1)
		case protowire.Fixed32Type:
			b = protowire.AppendFixed32(b, 1<<32-1)
		case protowire.Fixed64Type:
			b = protowire.AppendFixed64(b, 1<<64-1)
		case protowire.BytesType:
			b = protowire.AppendBytes(b, []byte{0xff, 0xfe})
		case protowire.StartGroupType:
			b = protowire.AppendTag(b, n, protowire.EndGroupType)
		case protowire.EndGroupType:
		}
	}
	return b
}

func notFrames(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for _, bomb := range bombs() {
		if err := s.write(raw.Message(raw.Binary, bomb)); err != nil {
			return err
		}
	}
	for _, op := range []raw.Opcode{raw.Text, raw.Binary} {
		for _, data := range [][]byte{nil, make([]byte, protocol.MaxMessage), bytes.Repeat([]byte("2"), 60_000)} {
			if err := s.write(raw.Message(op, data)); err != nil {
				return err
			}
		}
	}
	return s.settled(ctx)
}

// events are those that official clients know, in order.
func events() []protocol.Event { return slices.Sorted(maps.Keys(requests)) }

// perSession is how many requests a session sends before another one goes on:
// those that ask for more are answered later.
const perSession = 500

// eachEvent asks for every event so many times, on as few sessions as it
// takes.
func (a *Attacker) eachEvent(ctx context.Context, payloads func(protocol.Event) [][]byte) error {
	var s *session
	used := 0
	for _, event := range events() {
		for i, payload := range payloads(event) {
			if s == nil || used >= perSession {
				var err error
				if s, err = a.join(ctx); err != nil {
					return err
				}
				used = 0
			}
			if err := s.answered(ctx, event, payload); err != nil {
				return fmt.Errorf("event %#x, payload %d, %.50x: %w", event, i, payload, err)
			}
			used++
		}
		if leaving[event] && s != nil {
			_ = s.Close()
			s = nil
		}
	}
	return nil
}

func protobufBombs(ctx context.Context, a *Attacker) error {
	all := slices.Collect(maps.Values(bombs()))
	return a.eachEvent(ctx, func(protocol.Event) [][]byte { return all })
}

// answered demands that a request is answered, in whatever way.
func (s *session) answered(ctx context.Context, event protocol.Event, payload []byte) error {
	tail, err := s.throw(event, payload)
	if err == errTooLong { //nolint:errorlint // it is given as it is
		return nil
	}
	if err == nil && !unanswered[event] && !leaving[event] {
		_, err = s.await(ctx, tail)
	}
	return err
}

func unknownFields(ctx context.Context, a *Attacker) error {
	fields := bytes.Repeat(protowire.AppendVarint(protowire.AppendTag(nil, 15, protowire.VarintType), 1), 25_000)
	far := []byte{}
	for n := range 5000 {
		far = protowire.AppendString(protowire.AppendTag(far, protowire.Number(1000+n), protowire.BytesType), "x")
	}
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for _, event := range []protocol.Event{protocol.SendMessageToRoom, protocol.JoinRoom, protocol.GetPaginatedMessages, protocol.BroadcastMessage} {
		for _, payload := range [][]byte{fields, far} {
			if err := s.answered(ctx, event, payload); err != nil {
				return fmt.Errorf("event %#x: %w", event, err)
			}
		}
	}
	return nil
}

func hugeRepeated(ctx context.Context, a *Attacker) error {
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	keys := make([]*rtkwire.StoreKey, 5000)
	for i := range keys {
		keys[i] = &rtkwire.StoreKey{StoreKey: ids[i], Payload: []byte("1")}
	}
	updates := make([]*rtkwire.PresetUpdate, 3000)
	for i := range updates {
		updates[i] = &rtkwire.PresetUpdate{UserIds: ids[i]}
	}
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for event, payload := range map[protocol.Event][]byte{
		protocol.SendMessageToPeers: marshal(&rtkwire.SendToPeers{PeerIds: ids, Payload: "to all"}),
		protocol.BroadcastToEntity:  marshal(&rtkwire.Broadcast{Type: "x", Payload: []byte("{}"), Ids: ids}),
		protocol.BroadcastMessage:   marshal(&rtkwire.Broadcast{Type: "x", Payload: []byte("{}"), Ids: ids}),
		protocol.AcceptWaiting:      marshal(&rtkwire.UserIds{UserIds: ids}),
		protocol.GetUserPresets:     marshal(&rtkwire.UserIds{UserIds: ids}),
		protocol.UpdateUserPreset:   marshal(&rtkwire.PresetUpdates{UpdatePeersPresets: updates}),
		protocol.StoreInsertKeys:    marshal(&rtkwire.StoreWrite{PluginId: "p", StoreName: "s", Keys: keys}),
		protocol.StoreGetKeys:       marshal(&rtkwire.StoreWrite{PluginId: "p", StoreName: "s", Keys: keys}),
		protocol.CreatePoll:         marshal(&rtkwire.NewPoll{Question: "?", Options: ids}),
		protocol.CreateChatChannel:  marshal(&rtkwire.CreateChannel{TargetUserIds: ids}),
	} {
		if err := s.answered(ctx, event, payload); err != nil {
			return fmt.Errorf("event %#x: %w", event, err)
		}
	}
	return s.mustBeRefused(ctx, "a kick without the right", protocol.Kick, marshal(&rtkwire.KickPeers{PeerIds: ids}))
}
