package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/raw"
)

// socketAttacks abuse what lies below the frames of the protocol.
var socketAttacks = []Attack{
	{"half-open upgrades", halfOpenUpgrades},
	{"sockets that never say anything", mutePeers},
	{"peers that never read", neverReading},
	{"a request in 65,536 fragments", oneByteFragments},
	{"100,000 pings", pingFlood},
	{"pings between fragments without end", pingsBetweenFragments},
	{"lengths that are claimed and never come", claimedLengths},
	{"frames that break the rules", brokenFrames},
	{"messages of 10 MiB", tooLongMessages},
}

func halfOpenUpgrades(ctx context.Context, a *Attacker) error {
	request := raw.Upgrade("/ws?" + a.query(a.Token, newID()))
	for i := range 300 {
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, request[:len(request)*(i%10)/10]); err != nil {
			return err
		}
	}
	return nil
}

// mutePeers takes all the connections that one participant may have, of which
// none joins or answers a ping.
func mutePeers(ctx context.Context, a *Attacker) error {
	refused := 0
	for range 40 {
		_, err := a.dial(ctx, a.query(a.Token, newID()))
		if _, ok := errors.AsType[raw.StatusError](err); ok {
			refused++
		} else if err != nil {
			return err
		}
	}
	if refused == 0 {
		return errors.New("forty sockets of one participant were opened")
	}
	return nil
}

// neverReading has peers that join and read nothing, while one more of them
// says all it may, and each asks for much.
func neverReading(ctx context.Context, a *Attacker) error {
	for range 5 {
		c, err := a.dial(ctx, a.query(a.Token, newID()))
		if err != nil {
			return err
		}
		id := "x-1" // of no use, which they do not hear
		all := raw.Message(raw.Binary, marshal(&rtkwire.Frame{Event: uint32(protocol.JoinRoom), Id: &id}))
		for range 500 {
			all = append(all, raw.Message(raw.Binary, marshal(&rtkwire.Frame{Event: uint32(protocol.GetMessages), Id: &id}))...)
		}
		if _, err := c.Write(all); err != nil {
			return err
		}
	}
	speaker, err := a.join(ctx)
	if err != nil {
		return err
	}
	for range 150 {
		if _, err := speaker.throw(protocol.SendMessageToRoom, marshal(&rtkwire.SendToRoom{Payload: strings.Repeat("€", 2000)})); err != nil {
			return err
		}
	}
	return speaker.settled(ctx)
}

func oneByteFragments(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	id := s.id + "-fragments"
	payload := marshal(&rtkwire.Frame{Event: 0x7777, Id: &id, Payload: make([]byte, protocol.MaxMessage-200)})
	var all []byte
	for i, b := range payload {
		op := raw.Continuation
		if i == 0 {
			op = raw.Binary
		}
		all = append(all, raw.Frame{Fin: i == len(payload)-1, Op: op, Payload: []byte{b}}.Bytes()...)
	}
	if err := s.write(all); err != nil {
		return err
	}
	_, err = s.await(ctx, "fragments")
	return err
}

func pingFlood(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	pings := bytes.Repeat(raw.Message(raw.Ping, []byte("flood")), 1000)
	for range 100 {
		if s.write(pings) != nil {
			break // the server has hung up
		}
	}
	return s.closed(ctx, 1008)
}

func pingsBetweenFragments(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	all := raw.Frame{Op: raw.Binary, Payload: []byte{0}}.Bytes()
	for range 2000 {
		all = append(all, raw.Message(raw.Ping, nil)...)
		all = append(all, raw.Frame{Op: raw.Continuation}.Bytes()...)
	}
	if err := s.write(all); err != nil {
		return nil //nolint:nilerr // the server has hung up
	}
	return s.closed(ctx, 1008)
}

func claimedLengths(ctx context.Context, a *Attacker) error {
	for i := range 15 {
		s, err := a.open(ctx, a.Token, newID())
		if err != nil {
			return err
		}
		length := []uint64{protocol.MaxMessage, protocol.MaxMessage + 1, 1 << 31, 1 << 32, 1<<63 - 1, 1<<64 - 1}[i%6]
		if err := s.write(raw.Header(raw.Frame{Fin: true, Op: raw.Binary}, length)); err != nil {
			return err
		}
		if length > protocol.MaxMessage {
			if err := s.closed(ctx, 1009, 1002); err != nil {
				return fmt.Errorf("length %d: %w", length, err)
			}
		}
	}
	return nil
}

func brokenFrames(ctx context.Context, a *Attacker) error {
	for name, frame := range map[string][]byte{
		"unmasked": raw.Frame{Fin: true, Op: raw.Binary, Unmasked: true}.Bytes(), "reserved bits": raw.Frame{Fin: true, RSV: 4, Op: raw.Binary}.Bytes(),
		"reserved opcode": raw.Message(11, nil), "continuation of nothing": raw.Message(raw.Continuation, nil),
		"long ping": raw.Message(raw.Ping, make([]byte, 126)), "padded length": raw.Padded(raw.Binary, []byte("x"), 8),
		"text that is not UTF-8": raw.Message(raw.Text, []byte{0xff}), "bad close code": raw.Goodbye(1006, ""),
	} {
		s, err := a.join(ctx)
		if err != nil {
			return err
		}
		if err := s.write(frame); err != nil {
			return err
		}
		if err := s.closed(ctx, 1002, 1007); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func tooLongMessages(ctx context.Context, a *Attacker) error {
	for range 2 {
		s, err := a.join(ctx)
		if err != nil {
			return err
		}
		err = s.write(raw.Message(raw.Binary, make([]byte, 10<<20)))
		if err == nil {
			return errors.New("a message of 10 MiB was read")
		}
		if err := s.closed(ctx, 1009); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	return nil
}
