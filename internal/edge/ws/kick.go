package ws

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// kick sends peers out of the meeting. It has no answer: event 30 is what the
// peers themselves get, and a client that receives it leaves. The asker sees
// them leave like everybody. Official clients ask twice for each peer, so those
// that are gone already are no error.
func (p *peer) kick(ctx context.Context, req request) error {
	var m rtkwire.KickPeers
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.rates.take(chat.Text); err != nil {
		return err
	}
	actor := p.actor()
	kick := session.Kick{Meeting: actor.Meeting, By: &actor}
	for _, id := range m.GetPeerIds() {
		kick.Peers = append(kick.Peers, chat.PeerID(id))
	}
	_, err := p.server.Sessions.Kick(p.acting(ctx, "kick"), kick)
	return err
}

// kickAll ends the session for everybody, the asker too, whose client waits for
// event 31 to leave. There are no connected rooms that it could spread to.
func (p *peer) kickAll(ctx context.Context, req request) error {
	var m rtkwire.KickAll
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.rates.take(chat.Text); err != nil {
		return err
	}
	actor := p.actor()
	_, err := p.server.Sessions.KickAll(p.acting(ctx, "kick-all"), actor.Meeting, &actor, req.id)
	return err
}

// acting gives a context in which the peer's participant does something that is
// to be in the audit log.
func (p *peer) acting(ctx context.Context, action string) context.Context {
	meeting := p.meeting
	return audit.With(ctx, audit.Act{
		By: audit.Participant, Actor: string(p.info.Participant), App: meeting.App, Action: action, Route: "socket",
		Meeting: meeting.ID, ObjectKind: "meeting", Object: string(meeting.ID),
	})
}

// refuseEntry answers a peer that may not join. One that was sent out is told
// so again: it comes back because the news did not reach it.
func (p *peer) refuseEntry(req request, err error) error {
	withAll := errors.Is(err, chat.ErrEnded)
	if !withAll && !errors.Is(err, chat.ErrKicked) {
		return err
	}
	p.refuse(req, err)
	p.room.SendOut(p.feed, withAll)
	return nil
}

// Kicked implements room.Codec.
func (c Codec) Kicked(i room.Info) []byte {
	return frame(protocol.Kick, freshID(), &rtkwire.PeerInfo{Peer: wirePeer(i)})
}

// Ended implements room.Codec.
func (c Codec) Ended(i room.Info, request string) []byte {
	if request == "" {
		request = freshID()
	}
	return frame(protocol.KickAll, request, &rtkwire.PeerInfo{Peer: wirePeer(i)})
}
