package ws

import (
	"context"
	"errors"
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

// joinRoom makes the peer a member of the room, or lets it wait. All that the
// client proposes is ignored but for the name, where its preset allows that.
func (p *peer) joinRoom(ctx context.Context, req request) error {
	var m rtkwire.JoinRoomRequest
	if err := req.read(&m); err != nil {
		return err
	}
	changes := p.server.changes.made.Load()
	access, err := p.server.access(ctx, p.meeting.ID, p.info.Participant)
	if err != nil {
		return err
	}
	info, err := p.server.infoOf(access, p.info.Peer)
	if err != nil {
		return err
	}
	if name := displayName(m.GetPeer().GetDisplayName()); name != "" && info.Rights.EditDisplayName {
		info.Name = name
	}
	answer := func(info room.Info) []byte {
		return frame(req.event, req.id, &rtkwire.PeerInfo{Peer: wirePeer(info)})
	}
	if known, ok := p.room.Member(p.info.Peer); ok {
		info = known.Revised(info)
		if p.room.Rejoin(p.feed, answer(info)) {
			p.meeting = placeOf(access.Meeting)
			p.lookAgain(changes, info)
			p.showStores(ctx)
			return nil
		}
	} else if err := p.rates.takeJoin(); err != nil {
		return err
	}
	p.meeting = placeOf(access.Meeting)
	err = p.room.Enter(func() error {
		entered, waits, err := p.enterOrWait(ctx, req, info)
		if err != nil || waits {
			return err
		}
		return p.room.Join(p.feed, info, room.Session{ID: entered.ID, StartedAt: entered.StartedAt}, answer(info))
	})
	if err != nil {
		return p.refuseEntry(req, err)
	}
	p.lookAgain(changes, info)
	p.showStores(ctx)
	return nil
}

// lookAgain has the peer looked at anew if the directory has changed since
// changes were counted: what was read then may be older than what others have
// been told.
func (p *peer) lookAgain(changes uint64, info room.Info) {
	if p.server.changes.made.Load() != changes {
		p.server.look(hint{meeting: p.meeting.ID, participant: info.Participant})
	}
}

// enterOrWait records that the peer is here, or makes it wait to be let in.
func (p *peer) enterOrWait(ctx context.Context, req request, info room.Info) (_ session.Session, waits bool, err error) {
	// Whoever is let in between the two is not made to wait; that cannot
	// happen again and again, for nobody is turned out again meanwhile.
	const tries = 3
	for range tries {
		entered, err := p.enter(ctx, info)
		waiting, ok := errors.AsType[*session.Waits](err)
		if !ok {
			return entered, false, err
		}
		info.Rights.Waiting = waiting.For
		waits, err := p.wait(req, info)
		if err != nil || waits {
			return session.Session{}, waits, err
		}
	}
	return session.Session{}, false, chat.Refuse(chat.Unavailable, "you could not be let in now, try again")
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
		Meeting: p.meeting.ID, Peer: info.Peer, Participant: info.Participant, DisplayName: info.Name,
		HostHere: p.room.HostHere(), LetIn: p.room.LetIn(info.Participant),
	}, chat.SessionID(fresh.String()))
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
	self := wirePeer(p.feed.Self())
	p.room.Leave(p.feed)
	return p.answer(req, &rtkwire.PeerInfo{Peer: self})
}

func (p *peer) getPeerInfo(_ context.Context, req request) error {
	var m rtkwire.GetPeerInfoRequest
	if err := req.read(&m); err != nil {
		return err
	}
	info, ok := p.room.Seen(p.feed, chat.PeerID(m.GetPeerId()))
	if !ok {
		return chat.Refuse(chat.NotFound, "there is no such peer")
	}
	return p.answer(req, &rtkwire.PeerInfo{Peer: wirePeer(info)})
}

func (p *peer) getRoomInfo(_ context.Context, req request) error {
	s := p.room.Session()
	return p.answer(req, &rtkwire.RoomInfo{Room: &rtkwire.Room{
		RoomId: string(p.meeting.ID), Title: p.meeting.Title,
		CreatedAt: uint64(s.StartedAt.Unix()), RoomUuid: proto.String(string(s.ID)),
	}})
}

func (p *peer) getConnectedRooms(_ context.Context, req request) error {
	m := p.meeting
	return p.answer(req, &rtkwire.ConnectedMeetings{ParentMeeting: &rtkwire.ConnectedMeeting{
		Id: proto.String(string(m.ID)), Title: proto.String(m.Title),
	}})
}

// answerEmpty answers what a chat server has nothing to say to: an empty
// message of whatever type the client expects.
func (p *peer) answerEmpty(_ context.Context, req request) error {
	return p.answer(req, &emptypb.Empty{})
}

// ignore takes notices that nobody waits for an answer to.
func (p *peer) ignore(context.Context, request) error { return nil }
