package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/raw"
)

// floodAttacks do much of what is allowed, and more.
var floodAttacks = []Attack{
	{"400 texts", flood(protocol.SendMessageToRoom, 400, marshal(&rtkwire.SendToRoom{Payload: strings.Repeat("€", 2000)}))},
	{"400 whispers", whispers},
	{"600 requests for all of the history", historyFlood},
	{"400 broadcasts of 16 KiB", flood(protocol.BroadcastMessage, 400, marshal(&rtkwire.Broadcast{Type: "flood", Payload: []byte(quote(strings.Repeat("x", 16_000)))}))},
	{"400 writes to stores", storeFlood},
	{"400 kicks without the right", kickFlood},
	{"200 comings and goings", comings},
	{"200 times the same peer id", samePeer},
	{"joining and leaving on one socket", joinLeave},
	{"1,000 media transports", transports},
	{"offers of 64 KiB", longOffers},
}

// flood sends a request so many times, without waiting, and then demands that
// each was answered.
func flood(event protocol.Event, times int, payload []byte) func(context.Context, *Attacker) error {
	return func(ctx context.Context, a *Attacker) error {
		s, err := a.join(ctx)
		if err != nil {
			return err
		}
		refused, err := s.flood(ctx, event, times, func(int) []byte { return payload })
		if err != nil {
			return err
		}
		if refused == 0 {
			return fmt.Errorf("none of %d was refused", times)
		}
		return nil
	}
}

func (s *session) flood(ctx context.Context, event protocol.Event, times int, payload func(int) []byte) (refused int, err error) {
	tails := make([]string, times)
	for i := range tails {
		if tails[i], err = s.throw(event, payload(i)); err != nil {
			break // why the connection ended is told below
		}
	}
	for _, tail := range tails {
		answer, err := s.await(ctx, tail)
		if errors.Is(err, closedBehind) {
			return refused + 1, nil
		}
		if err != nil {
			return refused, err
		}
		if isRefusal(answer) {
			refused++
		}
	}
	return refused, nil
}

// closedBehind refuses all the rest: what was said in a flood waits for whoever
// said it, too, and on a busy machine that becomes too much.
const closedBehind = closedError(4008)

func whispers(ctx context.Context, a *Attacker) error {
	return flood(protocol.SendMessageToPeers, 400, marshal(&rtkwire.SendToPeers{PeerIds: a.Foreign.Peers, Payload: strings.Repeat("€", 2000)}))(ctx, a)
}

func historyFlood(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	if _, err := s.flood(ctx, protocol.SendMessageToRoom, 170, func(int) []byte {
		return marshal(&rtkwire.SendToRoom{Payload: strings.Repeat("€", 2000)})
	}); err != nil {
		return err
	}
	for range 300 {
		if _, err := s.throw(protocol.GetMessages, nil); err != nil {
			return err
		}
		if _, err := s.throw(protocol.GetPaginatedMessages, marshal(&rtkwire.PageRequest{Size: 1<<31 - 1, Reversed: true})); err != nil {
			return err
		}
	}
	return nil // who wants to wait for all that
}

func storeFlood(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	_, err = s.flood(ctx, protocol.StoreInsertKeys, 400, func(i int) []byte {
		return marshal(&rtkwire.StoreWrite{PluginId: a.Meeting, StoreName: fmt.Sprintf("store %d", i), Keys: []*rtkwire.StoreKey{
			{StoreKey: fmt.Sprintf("key %d", i), Payload: []byte(quote(strings.Repeat("x", 15_000)))},
		}})
	})
	return err
}

func kickFlood(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	victims := marshal(&rtkwire.KickPeers{PeerIds: a.Foreign.Peers})
	refused, err := s.flood(ctx, protocol.Kick, 400, func(int) []byte { return victims })
	if err == nil && refused != 400 {
		err = fmt.Errorf("%d of 400 were refused", refused)
	}
	return err
}

// comings joins and hangs up without a word. Each join is told to everybody,
// so that there is an end to it.
func comings(ctx context.Context, a *Attacker) error {
	refused := 0
	for range 200 {
		s, err := a.open(ctx, a.Token, newID())
		if _, ok := errors.AsType[raw.StatusError](err); ok {
			refused++
			continue
		}
		if err != nil {
			return err
		}
		answer, err := s.ask(ctx, protocol.JoinRoom, nil)
		if err != nil {
			return err
		}
		if isRefusal(answer) {
			refused++
		}
		_ = s.Close()
	}
	if refused == 0 {
		return errors.New("none of 200 joins was refused")
	}
	return nil
}

func samePeer(ctx context.Context, a *Attacker) error {
	id := newID()
	for range 200 {
		s, err := a.open(ctx, a.Token, id)
		if err != nil {
			return err
		}
		if _, err := s.throw(protocol.JoinRoom, nil); err != nil {
			return err
		}
	}
	return nil
}

func joinLeave(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for range 150 {
		for _, event := range []protocol.Event{protocol.LeaveRoom, protocol.JoinRoom, protocol.GetMessages} {
			if err := s.answered(ctx, event, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// offer is one that is answered.
const offer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n" +
	"a=setup:actpass\r\na=rtcp-mux\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\n"

func offering(sdp string) []byte {
	return marshal(&rtkwire.CreateTransport{Description: &rtkwire.SessionDescription{Type: "offer", Sdp: sdp}})
}

func transports(ctx context.Context, a *Attacker) error {
	for range 2 {
		s, err := a.join(ctx)
		if err != nil {
			return err
		}
		if _, err := s.flood(ctx, protocol.MediaCreateTransport, 500, func(int) []byte { return offering(offer) }); err != nil {
			return err
		}
	}
	return nil
}

func longOffers(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for i, sdp := range []string{
		offer + strings.Repeat("a=rtpmap:96 VP8/90000\r\n", 2700), offer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", 1800),
		offer + "a=x:" + strings.Repeat("x", 64_000), strings.Repeat("\r\n", 32_000), strings.Repeat("m=", 32_000), offer + strings.Repeat("a=mid:0\r\n", 7000),
		offer + strings.Repeat("a=extmap:1 urn:x\r\n", 3500), strings.Repeat(offer, 180), "m=\r\n", "\x00", strings.Repeat("a", 65_000), offer + "a=mid:\u0000\r\n",
	} {
		for _, event := range []protocol.Event{protocol.MediaCreateTransport, protocol.MediaProduce, protocol.MediaCloseProducer} {
			payload := offering(sdp)
			if event != protocol.MediaCreateTransport {
				payload = marshal(&rtkwire.Produce{Description: &rtkwire.SessionDescription{Type: "offer", Sdp: sdp}})
			}
			for range 5 {
				if err := s.answered(ctx, event, payload); err != nil {
					return fmt.Errorf("offer %d: %w", i, err)
				}
			}
		}
	}
	return nil
}
