package ws

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// maxAdded is how many participants are listed at most: the newest.
const maxAdded = 1000

// getAllAddedParticipants lists who was added to the meeting, here or not. It
// is for those who may see who is here, and leaves out whom they could not see
// there: participants that are hidden.
func (p *peer) getAllAddedParticipants(ctx context.Context, req request) error {
	access, err := p.server.access(ctx, p.meeting.ID, p.info.Participant)
	if err != nil {
		return err
	}
	rights, err := p.server.rights(access.Preset)
	if err != nil {
		return err
	}
	if !rights.SeePeers {
		return chat.Refuse(chat.Forbidden, "you may not see the list of participants")
	}
	added, err := p.added(ctx, access)
	if err != nil {
		return err
	}
	return p.answer(req, &rtkwire.AddedParticipants{Participants: added})
}

// added reads the list page by page. Somebody added meanwhile shifts the pages,
// so that one could come twice.
func (p *peer) added(ctx context.Context, access directory.Access) ([]*rtkwire.AddedParticipant, error) {
	var added []*rtkwire.AddedParticipant
	seen := make(map[chat.ParticipantID]bool)
	hidden := make(map[string]bool)
	for page := 1; ; page++ {
		list, err := p.server.Directory.Participants(ctx, access.App.ID, access.Meeting.ID,
			directory.List{Page: page, Size: directory.MaxPageSize})
		if err != nil {
			return nil, err
		}
		for _, a := range list.Rows {
			if seen[a.ID] {
				continue
			}
			seen[a.ID] = true
			hides, known := hidden[a.PresetName]
			if !known {
				if hides, err = p.hides(ctx, access.App.ID, a.PresetName); err != nil {
					return nil, err
				}
				hidden[a.PresetName] = hides
			}
			if !hides {
				added = append(added, wireAdded(a))
			}
		}
		if len(list.Rows) < directory.MaxPageSize || len(seen) >= maxAdded {
			return added, nil
		}
	}
}

// hides tells whether a preset hides its participants. One that is not there
// any more counts as if it did.
func (p *peer) hides(ctx context.Context, app chat.AppID, name string) (bool, error) {
	preset, err := p.server.Directory.PresetNamed(ctx, app, name)
	if errors.Is(err, directory.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	rights, err := p.server.rights(preset)
	return rights.Hidden, err
}

func wireAdded(a directory.Participant) *rtkwire.AddedParticipant {
	w := &rtkwire.AddedParticipant{
		Id: string(a.ID), Name: proto.String(content.ForOfficialUI(a.Name)), CustomParticipantId: a.CustomID,
	}
	if a.Picture != "" {
		w.Picture = proto.String(a.Picture)
	}
	return w
}
