package ws

import (
	"context"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/edge/ice"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The client's join waits for a media connection. It gets one that connects
// and carries nothing: its offers are answered by package ice, and nobody ever
// announces a stream.

// transportState is what must stay the same when a transport offers again.
type transportState struct {
	credentials ice.Credentials
	consuming   bool
}

// maxTransports bounds what a peer may have open; the client has two, and new
// ones when it reconnects.
const maxTransports = 64

func (p *peer) createTransport(_ context.Context, req request) error {
	var m rtkwire.CreateTransport
	if err := req.read(&m); err != nil {
		return err
	}
	if len(p.transports) >= maxTransports {
		clear(p.transports)
	}
	state := transportState{credentials: p.server.ICE.NewCredentials(), consuming: m.GetConsuming()}
	description, err := p.describe(m.GetDescription(), state)
	if err != nil {
		return err
	}
	if p.transports == nil {
		p.transports = make(map[string]transportState)
	}
	id := freshID()
	p.transports[id] = state
	return p.answer(req, &rtkwire.CreateTransportResult{TransportId: id, Description: description})
}

// describe answers an offer.
func (p *peer) describe(offer *rtkwire.SessionDescription, state transportState) (*rtkwire.SessionDescription, error) {
	answer, err := p.server.ICE.Answer(offer.GetSdp(), state.credentials)
	if err != nil {
		return nil, chat.Refuse(chat.Invalid, "the offer cannot be answered")
	}
	return &rtkwire.SessionDescription{Target: offer.GetTarget(), Type: "answer", Sdp: answer}, nil
}

// transport finds the one that a new offer is for: by its id, or else the one
// that does not consume.
func (p *peer) transport(id string) (transportState, error) {
	if state, ok := p.transports[id]; ok {
		return state, nil
	}
	for _, state := range p.transports {
		if !state.consuming {
			return state, nil
		}
	}
	return transportState{}, chat.Refuse(chat.Invalid, "there is no such transport")
}

func (p *peer) produce(_ context.Context, req request) error {
	var m rtkwire.Produce
	if err := req.read(&m); err != nil {
		return err
	}
	state, err := p.transport(m.GetProducingTransportId())
	if err != nil {
		return err
	}
	description, err := p.describe(m.GetDescription(), state)
	if err != nil {
		return err
	}
	return p.answer(req, &rtkwire.ProduceResult{Status: true, ProducerId: freshID(), Description: description})
}

func (p *peer) closeProducer(_ context.Context, req request) error {
	var m rtkwire.CloseProducer
	if err := req.read(&m); err != nil {
		return err
	}
	state, err := p.transport(m.GetProducingTransportId())
	if err != nil {
		return err
	}
	description, err := p.describe(m.GetDescription(), state)
	if err != nil {
		return err
	}
	return p.answer(req, &rtkwire.CloseProducerResult{Description: description})
}

func (p *peer) selfJoinComplete(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.SelfJoinComplete{
		RoomState: &rtkwire.MediaRoomState{
			DisplayTitle: p.meeting.Title, RoomUuid: string(p.meeting.ID),
			RoomName: string(p.meeting.ID), CurrentPeerId: string(p.info.Peer),
		},
		SelectedPeers:       &rtkwire.SelectedPeers{},
		MaxPreferredStreams: 6,
	})
}

func (p *peer) mediaLeaveRoom(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.MediaLeaveResult{Closed: true})
}

func (p *peer) mediaDone(_ context.Context, req request) error {
	return p.answer(req, &rtkwire.MediaStatus{Status: "success"})
}
