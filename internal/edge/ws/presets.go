package ws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// This file tells clients what participants may do, and carries out the wishes
// of hosts about that. Patches go by protobuf on the socket and by JSON in the
// directory; the fields of both have the same names, so one is made from the
// other by walking the message's description.

// unmergeable are the fields of a patch that are not sent to clients: merged,
// they would stand there as numbers where the client compares names, and they
// say nothing to one that has joined.
var unmergeable = map[protoreflect.Name]bool{"waiting_room_type": true, "recorder_type": true, "is_recorder": true}

// patchOf gives all that a client can merge of a preset as it is offered.
func patchOf(p directory.Preset) (*rtkwire.PresetPatch, error) {
	offered, err := p.Offered()
	if err != nil {
		return nil, err
	}
	permissions, err := permissionsOf(offered)
	if err != nil {
		return nil, err
	}
	var patch rtkwire.PresetPatch
	fillPatch(patch.ProtoReflect(), permissions)
	return &patch, nil
}

// permissionsOf gives permissions by their official names.
func permissionsOf(b directory.PresetBody) (map[string]any, error) {
	encoded, err := json.Marshal(b.Permissions)
	if err != nil {
		return nil, fmt.Errorf("encoding permissions: %w", err)
	}
	var permissions map[string]any
	if err := json.Unmarshal(encoded, &permissions); err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	return permissions, nil
}

// fillPatch sets the fields of a patch that permissions name.
func fillPatch(m protoreflect.Message, permissions map[string]any) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if unmergeable[f.Name()] {
			continue
		}
		switch value := permissions[string(f.Name())].(type) {
		case bool:
			if f.Kind() == protoreflect.BoolKind {
				m.Set(f, protoreflect.ValueOfBool(value))
			}
		case string:
			if n := enumValue(f, value); n != nil {
				m.Set(f, protoreflect.ValueOfEnum(n.Number()))
			}
		case map[string]any:
			if f.Kind() == protoreflect.MessageKind {
				fillPatch(m.Mutable(f).Message(), value)
			}
		}
	}
}

// enumValue finds the value of an enum whose name ends in what JSON calls it.
func enumValue(f protoreflect.FieldDescriptor, name string) protoreflect.EnumValueDescriptor {
	if f.Kind() != protoreflect.EnumKind {
		return nil
	}
	values := f.Enum().Values()
	for i := range values.Len() {
		if v := values.Get(i); nameOf(v) == name {
			return v
		}
	}
	return nil
}

// nameOf gives what JSON calls a value: its name without the first word.
func nameOf(v protoreflect.EnumValueDescriptor) string {
	_, name, _ := strings.Cut(string(v.Name()), "_")
	return name
}

// wishOf gives a patch as a client sends it as JSON. A field or a value that is
// not known is refused: half of a wish is another wish.
func wishOf(m protoreflect.Message) (map[string]any, error) {
	if len(m.GetUnknown()) > 0 {
		return nil, chat.Refuse(chat.Invalid, "this server does not know one of the permissions")
	}
	wish := make(map[string]any)
	var err error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		var value any
		switch f.Kind() {
		case protoreflect.BoolKind:
			value = v.Bool()
		case protoreflect.EnumKind:
			known := f.Enum().Values().ByNumber(v.Enum())
			if known == nil || known.Number() == 0 && f.Name() != "recorder_type" {
				err = chat.Refuse(chat.Invalid, "%q has no such value", f.Name())
				return false
			}
			value = nameOf(known)
		case protoreflect.MessageKind:
			if value, err = wishOf(v.Message()); err != nil {
				return false
			}
		default:
			err = chat.Refuse(chat.Invalid, "%q cannot be changed", f.Name())
			return false
		}
		wish[string(f.Name())] = value
		return true
	})
	return wish, err
}

// updateFrame tells what one participant may do.
func updateFrame(id string, participant chat.ParticipantID, patch *rtkwire.PresetPatch) []byte {
	return frame(protocol.UpdateUserPreset, id, &rtkwire.PresetUpdates{
		UpdatePeersPresets: []*rtkwire.PresetUpdate{{UserIds: string(participant), Patch: patch}},
	})
}

// tellRights tells a peer that is back what it may do now: its client looks
// that up once, when it starts.
func (p *peer) tellRights(preset directory.Preset) {
	patch, err := patchOf(preset)
	if err != nil {
		p.server.Logger.Error("the preset of a returning peer cannot be read", "meeting", p.meeting.ID, "err", err)
		return
	}
	p.feed.Answer(updateFrame(freshID(), p.info.Participant, patch))
}

// updateUserPreset changes what participants may do, for as long as they have
// their preset. The requester is answered with what it asked for; the peers of
// the participants hear by way of the directory's watcher, like of any change.
func (p *peer) updateUserPreset(ctx context.Context, req request) error {
	var m rtkwire.PresetUpdates
	if err := req.read(&m); err != nil {
		return err
	}
	switch n := len(m.GetUpdatePeersPresets()); {
	case n == 0:
		return chat.Refuse(chat.Invalid, "there is nothing to change")
	case n > directory.MaxOverrules:
		return chat.Refuse(chat.Limited, "at most %d participants can be given other permissions at once", directory.MaxOverrules).Beyond("overrules")
	}
	if err := p.rates.takeAsk(len(m.GetUpdatePeersPresets())); err != nil {
		return err
	}
	wishes := make([]directory.Overrule, len(m.GetUpdatePeersPresets()))
	for i, update := range m.GetUpdatePeersPresets() {
		if update.GetPatch() == nil {
			update.Patch = new(rtkwire.PresetPatch)
		}
		wish, err := wishOf(update.GetPatch().ProtoReflect())
		if err != nil {
			return err
		}
		encoded, err := json.Marshal(wish)
		if err != nil {
			return fmt.Errorf("encoding permissions: %w", err)
		}
		wishes[i] = directory.Overrule{Participant: chat.ParticipantID(update.GetUserIds()), Permissions: encoded}
	}
	err := p.server.Directory.Overrule(p.acting(ctx, "change-permissions"), p.meeting.ID, p.info.Participant, wishes)
	if errors.Is(err, directory.ErrNotFound) {
		return chat.Refuse(chat.NotFound, "there is no such participant")
	}
	if err != nil {
		return err
	}
	for _, update := range m.GetUpdatePeersPresets() {
		withoutUnmergeable(update.GetPatch().ProtoReflect())
	}
	return p.answer(req, &m)
}

func withoutUnmergeable(m protoreflect.Message) {
	for name := range unmergeable {
		if f := m.Descriptor().Fields().ByName(name); f != nil {
			m.Clear(f)
		}
	}
}

// maxPresetsAsked is how many participants may be asked about at once.
const maxPresetsAsked = directory.MaxOverrules

// shownToAll are the permissions of others that the official client reads.
var shownToAll = []string{"chat", "polls", "plugins"}

// getUserPresets tells what participants may do who are here and may be seen,
// or whom the peer may change: of them it is told all. Others are left out.
func (p *peer) getUserPresets(ctx context.Context, req request) error {
	var m rtkwire.UserIds
	if err := req.read(&m); err != nil {
		return err
	}
	if len(m.GetUserIds()) > maxPresetsAsked {
		return chat.Refuse(chat.Limited, "at most %d participants can be asked about at once", maxPresetsAsked).Beyond("presets_asked")
	}
	if err := p.rates.takeAsk(len(m.GetUserIds())); err != nil {
		return err
	}
	rights := p.feed.Self().Rights
	var answer rtkwire.PeerPresets
	for _, id := range m.GetUserIds() {
		participant := chat.ParticipantID(id)
		info, seen := p.room.SeenParticipant(p.feed, participant)
		if !seen && !rights.ChangePermissions {
			continue
		}
		preset, err := p.presetShown(ctx, participant, rights.ChangePermissions || participant == p.info.Participant)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		answer.PeerPresets = append(answer.PeerPresets, &rtkwire.PeerPreset{UserId: id, PeerId: string(info.Peer), Preset: preset})
	}
	if len(answer.GetPeerPresets()) == 0 {
		return chat.Refuse(chat.NotFound, "there is no such participant")
	}
	return p.answer(req, &answer)
}

// presetShown gives the permissions of a participant, as JSON.
func (p *peer) presetShown(ctx context.Context, id chat.ParticipantID, whole bool) ([]byte, error) {
	access, err := p.server.Directory.Access(ctx, p.meeting.ID, id)
	if err != nil {
		return nil, err
	}
	offered, err := access.Preset.Offered()
	if err != nil {
		return nil, err
	}
	permissions, err := permissionsOf(offered)
	if err != nil {
		return nil, err
	}
	if !whole {
		some := make(map[string]any, len(shownToAll))
		for _, name := range shownToAll {
			some[name] = permissions[name]
		}
		permissions = some
	}
	return json.Marshal(map[string]any{"permissions": permissions})
}
