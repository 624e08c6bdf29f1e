package ws

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/gofrs/uuid/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// joinRoom makes the peer a member of the room. All that the client proposes
// is ignored but for the name, where its preset allows that.
func (p *peer) joinRoom(ctx context.Context, req request) error {
	var m rtkwire.JoinRoomRequest
	if err := req.read(&m); err != nil {
		return err
	}
	access, err := p.server.access(ctx, p.access.Meeting.ID, p.info.Participant)
	if err != nil {
		return err
	}
	rights, err := access.Preset.Permissions()
	if err != nil {
		return err
	}
	info := infoOf(access, p.info.Peer)
	if name := displayName(m.GetPeer().GetDisplayName()); name != "" && rights.EditDisplayName {
		info.Name = name
	}
	if known, ok := p.room.Member(p.info.Peer); ok {
		info = known
	} else if err := p.rates.takeJoin(); err != nil {
		return err
	}
	entered, err := p.enter(ctx, info)
	if err != nil {
		return err
	}
	p.info, p.access = info, access
	answer := frame(req.event, req.id, &rtkwire.PeerInfo{Peer: wirePeer(info)})
	p.room.Join(p.feed, info, room.Session{ID: entered.ID, StartedAt: entered.StartedAt}, answer)
	return nil
}

// enter records that the peer is here. The end of the connection does not
// call it off: what may be recorded must come to the room, too.
func (p *peer) enter(ctx context.Context, info room.Info) (session.Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := p.room.AwaitLeft(ctx, info.Peer); err != nil {
		return session.Session{}, err
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return session.Session{}, err
	}
	return p.server.Sessions.Enter(ctx, session.Arrival{
		Meeting: p.access.Meeting.ID, Peer: info.Peer, Participant: info.Participant, DisplayName: info.Name,
	}, chat.SessionID(fresh.String()), p.server.Now())
}

// displayName makes a proposed name presentable: no control characters, and no
// longer than is stored.
func displayName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	for len(name) > chat.MaxDisplayName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.TrimSpace(name)
}

func (p *peer) leaveRoom(_ context.Context, req request) error {
	p.room.Leave(p.feed)
	return p.answer(req, &rtkwire.PeerInfo{Peer: wirePeer(p.info)})
}

func (p *peer) getPeerInfo(_ context.Context, req request) error {
	var m rtkwire.GetPeerInfoRequest
	if err := req.read(&m); err != nil {
		return err
	}
	info, ok := p.room.Member(chat.PeerID(m.GetPeerId()))
	if !ok {
		return chat.Refuse(chat.NotFound, "there is no such peer")
	}
	return p.answer(req, &rtkwire.PeerInfo{Peer: wirePeer(info)})
}

func (p *peer) getRoomInfo(_ context.Context, req request) error {
	s := p.room.Session()
	return p.answer(req, &rtkwire.RoomInfo{Room: &rtkwire.Room{
		RoomId: string(p.access.Meeting.ID), Title: p.access.Meeting.Title,
		CreatedAt: uint64(s.StartedAt.Unix()), RoomUuid: proto.String(string(s.ID)),
	}})
}

// getRoomPeersInfo gives everyone who is here. The answer replaces what the
// client knows, so it stands exactly where the list was taken.
func (p *peer) getRoomPeersInfo(_ context.Context, req request) error {
	slot, present := p.room.Present(p.feed)
	peers := make([]*rtkwire.Peer, len(present))
	for i, info := range present {
		peers[i] = wirePeer(info)
	}
	slot.Fill(frame(req.event, req.id, &rtkwire.RoomPeers{Peers: peers}))
	return nil
}

func (p *peer) getConnectedRooms(_ context.Context, req request) error {
	m := p.access.Meeting
	return p.answer(req, &rtkwire.ConnectedMeetings{ParentMeeting: &rtkwire.ConnectedMeeting{
		Id: proto.String(string(m.ID)), Title: proto.String(m.Title),
	}})
}

// storeGetKeys answers for a store without keys. Clients of the second
// generation do not start without this answer.
func (p *peer) storeGetKeys(_ context.Context, req request) error {
	var m rtkwire.StoreWrite
	if err := req.read(&m); err != nil {
		return err
	}
	const longest = 256
	if len(m.GetPluginId()) > longest || len(m.GetStoreName()) > longest {
		return chat.Refuse(chat.Invalid, "the name of a store may have at most %d bytes", longest)
	}
	return p.answer(req, &rtkwire.StoreItems{PluginId: m.GetPluginId(), StoreName: m.GetStoreName()})
}

// answerEmpty answers what a chat server has nothing to say to: an empty
// message of whatever type the client expects.
func (p *peer) answerEmpty(_ context.Context, req request) error {
	return p.answer(req, &emptypb.Empty{})
}

// ignore takes notices that nobody waits for an answer to.
func (p *peer) ignore(context.Context, request) error { return nil }
