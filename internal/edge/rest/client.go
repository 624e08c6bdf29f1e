package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
)

// This file answers what official clients ask with a participant's token when
// they start up. Which versions ask what, and which answers they cannot do
// without, stands in the protocol notes; a field that is null where they want
// it absent breaks them.

type detailsWire struct {
	Participant visitorWire       `json:"participant"`
	Meeting     meetingTitleWire  `json:"meeting"`
	Preset      visitorPresetWire `json:"preset"`
}

// visitorWire is a participant as clients want it: what is not known is
// absent, never null.
type visitorWire struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	CustomID     string `json:"custom_participant_id,omitempty"`
	Organisation string `json:"organization_id"`
	Picture      string `json:"picture,omitempty"`
}

type meetingTitleWire struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type visitorPresetWire struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	directory.PresetBody
}

// participantDetails tells a client who it is and what it may do.
func (a *api) participantDetails(w http.ResponseWriter, r *http.Request) {
	access, refusal := a.admit(r)
	if refusal != nil {
		a.refuse(w, refusal)
		return
	}
	offered, err := access.Preset.Offered()
	if err != nil {
		a.refuse(w, a.fail(r.Context(), "preset", err))
		return
	}
	p := access.Participant
	details := detailsWire{
		Participant: visitorWire{
			ID: string(p.ID), Name: p.Name, CustomID: p.CustomID, Organisation: string(access.App.ID), Picture: p.Picture,
		},
		Meeting: meetingTitleWire{ID: string(access.Meeting.ID), Title: access.Meeting.Title},
		Preset:  visitorPresetWire{ID: string(access.Preset.ID), Name: access.Preset.Name, PresetBody: offered},
	}
	a.answer(w, http.StatusOK, single[detailsWire]{Success: true, Data: details})
}

// roomDetails is asked by clients up to 1.3. The media protocol 3 is the one
// that the socket speaks.
func (a *api) roomDetails(w http.ResponseWriter, r *http.Request) {
	drop(r)
	access, refusal := a.admit(r)
	if refusal != nil {
		a.refuse(w, refusal)
		return
	}
	a.answer(w, http.StatusOK, single[any]{Success: true, Data: map[string]any{"title": access.Meeting.Title, "sfu": 3}})
}

// plugins is asked by clients of 1.x, which do not start without it.
func (a *api) plugins(w http.ResponseWriter, r *http.Request) {
	if _, refusal := a.admit(r); refusal != nil {
		a.refuse(w, refusal)
		return
	}
	a.answer(w, http.StatusOK, single[any]{Success: true, Data: map[string]any{"plugins": []string{}}})
}

// iceServers says that no relay is needed: media ends at this server.
func (a *api) iceServers(w http.ResponseWriter, _ *http.Request) {
	a.answer(w, http.StatusOK, map[string]any{"success": true, "iceServers": []string{}})
}

// absent answers for transcripts, streams and recordings, which a chat server
// never has.
func (a *api) absent(w http.ResponseWriter, _ *http.Request) {
	a.refuse(w, &apiError{status: http.StatusNotFound, message: "there is none"})
}

// visitor tells which participant's token came with the request.
func (a *api) visitor(r *http.Request) (auth.Identity, *apiError) {
	who, err := a.tokens.Verify(bearer(r.Header.Get("Authorization")))
	if err != nil {
		a.log.DebugContext(r.Context(), "a client was not let in", "err", err)
		return auth.Identity{}, &apiError{status: http.StatusUnauthorized, message: "Unauthorized", challenge: "Bearer"}
	}
	return who, nil
}

// admit lets a participant in whose token is good, who still exists, and whose
// meeting is active.
func (a *api) admit(r *http.Request) (directory.Access, *apiError) {
	who, refusal := a.visitor(r)
	if refusal != nil {
		return directory.Access{}, refusal
	}
	access, err := a.access(r.Context(), who)
	if err != nil {
		return directory.Access{}, a.fail(r.Context(), "participant", err)
	}
	if !access.Meeting.Active {
		return directory.Access{}, &apiError{status: http.StatusForbidden, message: "this meeting is not active"}
	}
	return access, nil
}

func (a *api) access(ctx context.Context, who auth.Identity) (directory.Access, error) {
	access, err := a.directory.Access(ctx, who.Meeting, who.Participant)
	if err != nil {
		return directory.Access{}, err
	}
	if access.App.ID != who.App {
		return directory.Access{}, errors.Join(errors.New("the token is of another app"), directory.ErrNotFound)
	}
	return access, nil
}
