package ws

import (
	"context"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Broadcasts are what apps call out to each other beside the chat: typing, a
// raised hand, a spotlight. They are signals (see room.Signal), so they are
// told to whoever is here and kept nowhere. The official client knows no right
// for them: whoever has joined may. It names neither the sender nor a place.

// Bounds of one broadcast.
const (
	maxSignalType = 256 // bytes
	maxNamed      = 500 // ids
)

// broadcast tells everybody, the caller included, who waits for that.
func (p *peer) broadcast(_ context.Context, req request) error {
	var m rtkwire.Broadcast
	if err := req.read(&m); err != nil {
		return err
	}
	s, err := p.signal(req, &m)
	if err != nil {
		return err
	}
	return p.room.Signal(p.feed, s)
}

// broadcastTo tells the peers named and nobody else: the caller too only when
// it is named, and it does not wait for that. One that names meetings, which
// must be this one, does, and that is told to everybody.
func (p *peer) broadcastTo(_ context.Context, req request) error {
	var m rtkwire.Broadcast
	if err := req.read(&m); err != nil {
		return err
	}
	ids := m.GetIds()
	if len(ids) > maxNamed {
		return chat.Refuse(chat.Limited, "a broadcast may name at most %d peers", maxNamed).Beyond("broadcast_peers")
	}
	meetings := m.GetBroadcastType() == rtkwire.BroadcastScope_SCOPE_ROOMS
	if meetings && !p.onlyHere(ids) {
		return chat.Refuse(chat.Invalid, "broadcasts go to this meeting alone: Parley connects no meetings")
	}
	s, err := p.signal(req, &m)
	if err != nil {
		return err
	}
	if meetings {
		return p.room.Signal(p.feed, s)
	}
	peers := make([]chat.PeerID, len(ids))
	for i, id := range ids {
		peers[i] = chat.PeerID(id)
	}
	return p.room.SignalTo(p.feed, s, peers)
}

// onlyHere tells whether the ids name this meeting and no other.
func (p *peer) onlyHere(ids []string) bool {
	for _, id := range ids {
		if id != string(p.meeting.ID) {
			return false
		}
	}
	return len(ids) > 0
}

// signal checks a broadcast, counts it against the limits and writes it anew.
// Its time is the server's, and whom it goes to concerns nobody else.
func (p *peer) signal(req request, m *rtkwire.Broadcast) (room.Signal, error) {
	if err := p.rates.takeSignal(); err != nil {
		return nil, err
	}
	if strings.TrimSpace(m.GetType()) == "" || len(m.GetType()) > maxSignalType {
		return nil, chat.Refuse(chat.Invalid, "the type of a broadcast has 1 to %d bytes", maxSignalType).Beyond("broadcast_type")
	}
	if err := chat.CheckString(m.GetType()); err != nil {
		return nil, err
	}
	value, err := content.Value(m.GetPayload())
	if err != nil {
		return nil, err
	}
	return room.Signal(frame(req.event, req.id, &rtkwire.Broadcast{
		Type: m.GetType(), Payload: value, Timestamp: uint64(p.server.Now().UnixMilli()),
	})), nil
}
