package ws

import (
	"context"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Listed implements room.Codec. A list of peers is its pieces one after the
// other, as protobuf has it.
func (c Codec) Listed(i room.Info) []byte {
	piece, err := proto.Marshal(&rtkwire.RoomPeers{Peers: []*rtkwire.Peer{wirePeer(i)}})
	if err != nil {
		return nil // only for text that is not UTF-8, and none is stored
	}
	return piece
}

// Count implements room.Codec.
func (c Codec) Count(n int) []byte {
	return frame(protocol.RoomPeerCount, freshID(), &rtkwire.RoomPeerCount{Count: uint64(n)})
}

// longestSearch bounds what peers may be searched for, and maxPeersPage how many
// are given at once.
const (
	longestSearch = 256
	maxPeersPage  = room.Announced
)

// getRoomPeersInfo gives who is here. The answer to the request without
// anything in it replaces what the client knows, so it stands exactly where the
// list was taken. Any other asks for a page of all there are.
func (p *peer) getRoomPeersInfo(_ context.Context, req request) error {
	var m rtkwire.RoomPeersRequest
	if err := req.read(&m); err != nil {
		return err
	}
	text, limit, offset := m.GetSearchQuery(), int(m.GetLimit()), int(m.GetOffset())
	var slot room.Slot
	var peers [][]byte
	switch {
	case text == "" && limit == 0 && offset == 0:
		slot, peers = p.room.Present(p.feed)
	case len(text) > longestSearch || !utf8.ValidString(text):
		return chat.Refuse(chat.Invalid, "peers are searched for by at most %d bytes", longestSearch).Beyond("search_length")
	case limit < 0 || offset < 0:
		return chat.Refuse(chat.Invalid, "the page of peers is out of range")
	default:
		if err := p.rates.takeAsk(askPage); err != nil {
			return err
		}
		if limit == 0 || limit > maxPeersPage {
			limit = maxPeersPage
		}
		var page []byte
		slot, page = p.room.Find(p.feed, text, offset, limit)
		peers = [][]byte{page}
	}
	fillParts(slot, req, peers)
	return nil
}

// nobodyHere answers a waiting peer that asks who is here.
func (p *peer) nobodyHere(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.RoomPeers{})
}

// noMessages answers a waiting peer that asks what was said.
func (p *peer) noMessages(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.ChatMessages{})
}

// fillParts answers a request with a payload that is encoded already, and goes
// out uncopied: many may be given the same bytes.
func fillParts(slot room.Slot, req request, payload [][]byte) {
	size := 0
	for _, part := range payload {
		size += len(part)
	}
	slot.Fill(head(req.event, req.id, size), payload...)
}

// askBurst and askRate limit what a connection may ask about others: a page of
// who is here, which is made for it alone, counts as askPage, each participant
// whose permissions it reads or changes as one.
const (
	askBurst, askRate = 300, rate.Limit(10)
	askPage           = 10
)

// takeAsk counts so much asking, or refuses it.
func (r *peerRates) takeAsk(n int) error {
	if !r.own(askLimit).AllowN(r.all.now(), n) {
		return &chat.Error{Code: chat.Limited, Message: "you ask about others too often, wait a little", RetryAfter: time.Second, Limit: "ask_rate"}
	}
	return nil
}
