package ws

import (
	"context"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// This file is the waiting room as peers see it. The client of one that waits
// asks for all that a join asks for, and gives up where that is refused; so it
// is answered, with nothing in it.

// Waiting implements room.Codec.
func (c Codec) Waiting(list []room.Info) []byte {
	return frame(protocol.GetWaitingRoomRequests, freshID(), wireWaiting(list))
}

// Admitted implements room.Codec. The client joins again by itself.
func (c Codec) Admitted() []byte {
	return frame(protocol.WaitingAccepted, freshID(), &emptypb.Empty{})
}

func wireWaiting(list []room.Info) *rtkwire.WaitingRoom {
	requests := make([]*rtkwire.WaitingRoomEntry, len(list))
	for i, info := range list {
		requests[i] = &rtkwire.WaitingRoomEntry{
			PeerId: string(info.Peer), UserId: string(info.Participant), DisplayName: content.ForOfficialUI(info.Name),
			Picture: optional(info.Picture), CustomParticipantId: optional(info.CustomID), PresetName: optional(info.PresetName),
		}
	}
	return &rtkwire.WaitingRoom{Requests: requests}
}

// optional gives nil for "": clients want what is not known to be absent.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// wait makes the peer wait to be let in, and answers its request to join. It
// gives false where there is no reason to wait any more.
func (p *peer) wait(req request, info room.Info) (bool, error) {
	peer := wirePeer(info)
	peer.Waitlisted = true
	return p.room.Wait(p.feed, info, frame(req.event, req.id, &rtkwire.PeerInfo{Peer: peer}), p.rates.takeKnock)
}

// waitingRoomInfo tells a waiting peer which meeting it waits for, and nothing
// of the session: not even whether there is one.
func (p *peer) waitingRoomInfo(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.RoomInfo{Room: &rtkwire.Room{
		RoomId: string(p.meeting.ID), Title: p.meeting.Title, CreatedAt: uint64(p.server.Now().Unix()),
	}})
}

// getWaiting gives who waits, to those who may let them in. To others nobody
// does.
func (p *peer) getWaiting(_ context.Context, req request) error {
	var list []room.Info
	if p.feed.Self().Rights.AcceptWaiting {
		list = p.room.Waiting()
	}
	return p.answer(req, wireWaiting(list))
}

// maxAnswered is how many participants one request may let in or turn away.
const maxAnswered = room.MaxWaiting

// awaited reads whom of those who wait a request is about, and whether the peer
// may decide about them.
func (p *peer) awaited(ctx context.Context, req request) ([]chat.ParticipantID, error) {
	var m rtkwire.UserIds
	if err := req.read(&m); err != nil {
		return nil, err
	}
	if len(m.GetUserIds()) > maxAnswered {
		return nil, chat.Refuse(chat.Limited, "at most %d participants can be answered at once", maxAnswered).Beyond("answered_at_once")
	}
	access, err := p.server.access(ctx, p.meeting.ID, p.info.Participant)
	if err != nil {
		return nil, err
	}
	rights, err := p.server.rights(access.Preset)
	if err != nil {
		return nil, err
	}
	if !rights.AcceptWaiting {
		return nil, chat.Refuse(chat.Forbidden, "your preset does not allow deciding who comes in")
	}
	ids := make([]chat.ParticipantID, len(m.GetUserIds()))
	for i, id := range m.GetUserIds() {
		ids[i] = chat.ParticipantID(id)
	}
	if ids = p.room.Awaited(ids); len(ids) == 0 {
		return nil, chat.Refuse(chat.NotFound, "nobody of these waits to be let in")
	}
	return ids, nil
}

// acceptWaiting lets participants in, for as long as the session lasts. They
// are told once that is recorded.
func (p *peer) acceptWaiting(ctx context.Context, req request) error {
	ids, err := p.awaited(ctx, req)
	if err != nil {
		return err
	}
	if err := p.server.Sessions.Admit(p.acting(ctx, "accept-waiting"), p.meeting.ID, ids); err != nil {
		return err
	}
	p.room.Answer(ids, p.server.Codec.Admitted(), true)
	return p.answer(req, &emptypb.Empty{})
}

// denyWaiting turns participants away. They may ask again.
func (p *peer) denyWaiting(ctx context.Context, req request) error {
	ids, err := p.awaited(ctx, req)
	if err != nil {
		return err
	}
	p.room.Answer(ids, frame(protocol.WaitingDenied, freshID(), &emptypb.Empty{}), false)
	return p.answer(req, &emptypb.Empty{})
}

// knockBurst and knockRate limit how often a participant may begin to wait: each
// time a host is called to look.
const knockBurst, knockRate = 5, rate.Limit(1.0 / 10)

// takeKnock counts one beginning to wait, or refuses it.
func (r *peerRates) takeKnock() error {
	now := r.all.now()
	return takeAll(now, "knock_rate", "you ask to be let in too often, wait a little", r.shared(knockLimit, now))
}
