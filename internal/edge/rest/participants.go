package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

type addParticipantInput struct {
	MeetingPath
	Body participantWish
}

func (a *api) addParticipant(ctx context.Context, in *addParticipantInput) (participantWire, error) {
	app := caller(ctx).ID
	p, err := a.directory.AddParticipant(ctx, app, chat.MeetingID(in.MeetingID), in.Body.participant())
	if err != nil {
		return participantWire{}, a.fail(ctx, "meeting", err)
	}
	token, err := a.tokens.Mint(auth.Identity{App: app, Meeting: p.Meeting, Participant: p.ID}, p.Preset)
	if err != nil {
		return participantWire{}, a.fail(ctx, "participant", err)
	}
	added := wireParticipant(p)
	added.Token = token
	return added, nil
}

type listParticipantsInput struct {
	MeetingPath
	PageQuery
}

func (a *api) listParticipants(ctx context.Context, in *listParticipantsInput) (list[participantWire], error) {
	page, err := a.directory.Participants(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), in.list())
	if err != nil {
		return list[participantWire]{}, a.fail(ctx, "meeting", err)
	}
	return listOf(page, wireParticipant), nil
}

// ParticipantPath is the path of a participant.
type ParticipantPath struct {
	MeetingPath
	ParticipantID guid `path:"participant_id"`
}

func (a *api) getParticipant(ctx context.Context, in *ParticipantPath) (participantWire, error) {
	p, err := a.directory.Participant(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), chat.ParticipantID(in.ParticipantID))
	if err != nil {
		return participantWire{}, a.fail(ctx, "participant", err)
	}
	return wireParticipant(p), nil
}
