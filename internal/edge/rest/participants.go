package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

type addParticipantInput struct {
	MeetingPath
	Body participantWish
}

func (a *api) addParticipant(ctx context.Context, in *addParticipantInput) (participantWire, error) {
	p, err := a.directory.AddParticipant(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), in.Body.participant())
	if err != nil {
		return participantWire{}, a.fail(ctx, "meeting", err)
	}
	return a.withToken(ctx, p)
}

// withToken gives a participant with a new token. Older ones stay good.
func (a *api) withToken(ctx context.Context, p directory.Participant) (participantWire, error) {
	token, err := a.tokens.Mint(auth.Identity{App: caller(ctx).ID, Meeting: p.Meeting, Participant: p.ID}, p.Preset)
	if err != nil {
		return participantWire{}, a.fail(ctx, "participant", err)
	}
	wire := wireParticipant(p)
	wire.Token = token
	return wire, nil
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

// participantPatch is the body that changes a participant: what is absent stays
// as it is. A name or picture that is null is none; a preset has to be one.
type participantPatch struct {
	Name       field[string]        `json:"name,omitzero"`
	Picture    field[string]        `json:"picture,omitzero" doc:"An http or https URL."`
	PresetName field[string]        `json:"preset_name,omitzero"`
	Chat       *participantChatWish `json:"chat,omitempty" doc:"An addition to the official API."`
}

type updateParticipantInput struct {
	ParticipantPath
	Body *participantPatch
}

func (a *api) updateParticipant(ctx context.Context, in *updateParticipantInput) (participantWire, error) {
	var change directory.ParticipantChange
	if in.Body != nil {
		change.Name, change.Picture = in.Body.Name.sent(), in.Body.Picture.sent()
		if !in.Body.PresetName.isNull {
			change.PresetName = in.Body.PresetName.sent()
		}
		if in.Body.Chat != nil {
			change.Muted = in.Body.Chat.Muted
		}
	}
	p, err := a.directory.UpdateParticipant(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), chat.ParticipantID(in.ParticipantID), change)
	if err != nil {
		return participantWire{}, a.fail(ctx, "participant", err)
	}
	return a.withToken(ctx, p)
}

// deletedParticipantWire is what is told of a participant that is no more.
type deletedParticipantWire struct {
	CustomID  string `json:"custom_participant_id"`
	PresetID  string `json:"preset_id" format:"uuid"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

func (a *api) deleteParticipant(ctx context.Context, in *ParticipantPath) (deletedParticipantWire, error) {
	p, err := a.directory.DeleteParticipant(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), chat.ParticipantID(in.ParticipantID))
	if err != nil {
		return deletedParticipantWire{}, a.fail(ctx, "participant", err)
	}
	return deletedParticipantWire{
		CustomID: p.CustomID, PresetID: string(p.Preset), CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt),
	}, nil
}

type tokenWire struct {
	Token string `json:"token"`
}

func (a *api) refreshToken(ctx context.Context, in *ParticipantPath) (tokenWire, error) {
	p, err := a.directory.Participant(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), chat.ParticipantID(in.ParticipantID))
	if err != nil {
		return tokenWire{}, a.fail(ctx, "participant", err)
	}
	if err := a.record(ctx); err != nil {
		return tokenWire{}, err
	}
	refreshed, err := a.withToken(ctx, p)
	return tokenWire{refreshed.Token}, err
}
