package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

// noSession is the refusal of calls that need a live session, in the words of
// the official API: clients read them.
func noSession(meeting guid) *apiError {
	return &apiError{status: http.StatusNotFound, message: fmt.Sprintf("No active session found for meeting_id %s", meeting)}
}

// activeSession gives the live session of a meeting. An unknown meeting has
// none.
func (a *api) activeSession(ctx context.Context, in *MeetingPath) (sessionWire, error) {
	r, err := a.sessions.Active(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID))
	if errors.Is(err, session.ErrNotFound) {
		return sessionWire{}, noSession(in.MeetingID)
	}
	if err != nil {
		return sessionWire{}, a.fail(ctx, "session", err)
	}
	return wireSession(r), nil
}

// kickWish names who is to be taken out, by either kind of id.
type kickWish struct {
	ParticipantIDs []string `json:"participant_ids,omitempty" doc:"Participants, or single peers."`
	CustomIDs      []string `json:"custom_participant_ids,omitempty"`
}

type kickInput struct {
	MeetingPath
	Body *kickWish
}

type kickedWire struct {
	Action       string             `json:"action"`
	Participants []kickedPersonWire `json:"participants"`
}

type kickedPersonWire struct {
	ID        string  `json:"id" format:"uuid"`
	Name      *string `json:"name,omitempty"`
	Picture   *string `json:"picture,omitempty"`
	CreatedAt stamp   `json:"created_at"`
	UpdatedAt stamp   `json:"updated_at"`
}

func (a *api) kick(ctx context.Context, in *kickInput) (kickedWire, error) {
	wish := session.Kick{Meeting: chat.MeetingID(in.MeetingID)}
	if in.Body != nil {
		wish.Participants, wish.CustomIDs = in.Body.ParticipantIDs, in.Body.CustomIDs
	}
	if len(wish.Participants)+len(wish.CustomIDs) == 0 {
		return kickedWire{}, badRequest(`"participant_ids" or "custom_participant_ids" is required`)
	}
	for i, id := range wish.Participants {
		plain, ok := parseGUID(id)
		if !ok {
			return kickedWire{}, badRequest(`"participant_ids" must hold valid GUIDs`)
		}
		wish.Participants[i] = plain
	}
	if err := a.mustBeLive(ctx, in.MeetingID); err != nil {
		return kickedWire{}, err
	}
	gone, err := a.kicks.Kick(ctx, wish)
	if err != nil {
		return kickedWire{}, a.failKick(ctx, in.MeetingID, err)
	}
	kicked := kickedWire{Action: "kick", Participants: []kickedPersonWire{}}
	for _, id := range gone.Participants() {
		p, err := a.directory.Participant(ctx, caller(ctx).ID, wish.Meeting, id)
		if errors.Is(err, directory.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return kickedWire{}, a.fail(ctx, "participant", err)
		}
		kicked.Participants = append(kicked.Participants, kickedPersonWire{
			ID: string(p.ID), Name: orNull(p.Name), Picture: orNull(p.Picture), CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt),
		})
	}
	return kicked, nil
}

type kickedAllWire struct {
	Action string `json:"action"`
	Count  int    `json:"kicked_participants_count"`
}

func (a *api) kickAll(ctx context.Context, in *MeetingPath) (kickedAllWire, error) {
	if err := a.mustBeLive(ctx, in.MeetingID); err != nil {
		return kickedAllWire{}, err
	}
	gone, err := a.kicks.KickAll(ctx, chat.MeetingID(in.MeetingID), nil, "")
	if err != nil {
		return kickedAllWire{}, a.failKick(ctx, in.MeetingID, err)
	}
	return kickedAllWire{Action: "kick_all", Count: len(gone.Participants())}, nil
}

// mustBeLive refuses meetings without a live session, and those of other apps.
func (a *api) mustBeLive(ctx context.Context, meeting guid) error {
	_, err := a.sessions.Active(ctx, caller(ctx).ID, chat.MeetingID(meeting))
	if err != nil {
		return a.failKick(ctx, meeting, err)
	}
	return nil
}

func (a *api) failKick(ctx context.Context, meeting guid, err error) error {
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrNoSession) {
		return noSession(meeting)
	}
	return a.fail(ctx, "participant", err)
}
