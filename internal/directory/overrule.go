package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
)

// This file changes what single participants may do, by the wish of another
// who is in the meeting with them. The preset stays as it is; what is changed
// lies over it until the participant is given another preset.

// MaxOverrules is how many participants one wish may be about.
const MaxOverrules = 100

// Overrule is a wish that a participant may do other things: permissions by
// their official names, as a JSON object; what it does not name stays.
type Overrule struct {
	Participant chat.ParticipantID
	Permissions json.RawMessage
}

// Overruled is a participant's preset as it stands, and what lies over its
// permissions; nil is nothing.
type Overruled struct {
	Participant chat.ParticipantID
	Preset      Preset
	Override    json.RawMessage
}

// mutes are the rights that a muted participant has not, whatever the preset says.
type mutes struct {
	Chat struct {
		Public  mutedRight `json:"public"`
		Private mutedRight `json:"private"`
	} `json:"chat"`
}

type mutedRight struct {
	CanSend *bool `json:"can_send"`
}

func (r mutedRight) taken() bool { return r.CanSend != nil && !*r.CanSend }

// Muted tells whether the right to write, to all and to some, was taken from the
// participant: by Overrule or by ParticipantChange.Muted.
func (p Participant) Muted() bool {
	var m mutes
	if len(p.Override) == 0 || json.Unmarshal(p.Override, &m) != nil {
		return false
	}
	return m.Chat.Public.taken() && m.Chat.Private.taken()
}

// mute gives an override that takes the right to write away as well, or that does
// not.
func mute(laid json.RawMessage, on bool) (json.RawMessage, error) {
	override := make(map[string]any)
	if len(laid) > 0 {
		if err := json.Unmarshal(laid, &override); err != nil {
			return nil, fmt.Errorf("reading what lies over a preset: %w", err)
		}
	}
	if on {
		lay(override, map[string]any{"chat": map[string]any{
			"public": map[string]any{"can_send": false}, "private": map[string]any{"can_send": false},
		}})
	} else if inner, ok := override["chat"].(map[string]any); ok {
		for _, where := range []string{"public", "private"} {
			if rights, ok := inner[where].(map[string]any); ok {
				delete(rights, "can_send")
			}
		}
	}
	laid, err := json.Marshal(override)
	if err != nil {
		return nil, fmt.Errorf("encoding permissions: %w", err)
	}
	return laid, nil
}

// Overlay gives a preset's body with an override laid over its permissions.
func Overlay(body, override []byte) (json.RawMessage, error) {
	if len(override) == 0 {
		return body, nil
	}
	var b PresetBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("reading a preset: %w", err)
	}
	if err := json.Unmarshal(override, &b.Permissions); err != nil {
		return nil, fmt.Errorf("reading what lies over a preset: %w", err)
	}
	laid, err := json.Marshal(&b)
	if err != nil {
		return nil, fmt.Errorf("encoding a preset: %w", err)
	}
	return laid, nil
}

// LayRules gives a preset's body with the rules of a meeting laid over it.
func LayRules(body json.RawMessage, rules chat.Rules) (json.RawMessage, error) {
	if all, private := rules.Silences(true); !all && !private && rules.Mode != chat.ModeHosts {
		return body, nil
	}
	var b PresetBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("reading a preset: %w", err)
	}
	all, private := rules.Silences(b.Permissions.Chat.Moderate)
	c := &b.Permissions.Chat
	c.Public.CanSend = c.Public.CanSend && !all
	c.Private.CanSend = c.Private.CanSend && !private
	laid, err := json.Marshal(&b)
	if err != nil {
		return nil, fmt.Errorf("encoding a preset: %w", err)
	}
	return laid, nil
}

// Overrule carries out the wishes of a participant about what others of the
// meeting may do, all or none. Whoever wishes must be allowed to, and nobody
// can give what they may not do themselves: both are refused with Forbidden.
// A participant who is not of the meeting gives ErrNotFound.
func (s *Service) Overrule(ctx context.Context, meeting chat.MeetingID, by chat.ParticipantID, wishes []Overrule) error {
	if len(wishes) > MaxOverrules {
		return chat.Refuse(chat.Limited, "at most %d participants can be given other permissions at once", MaxOverrules).Beyond("overrules")
	}
	ids := make([]chat.ParticipantID, len(wishes))
	for i, w := range wishes {
		ids[i] = w.Participant
		if err := checkOverride(w.Permissions); err != nil {
			return err
		}
	}
	err := s.store.Overrule(ctx, meeting, by, ids, func(ruler Overruled, subjects []*Overruled) error {
		return overruleAll(ruler, subjects, wishes)
	})
	if err != nil {
		return fmt.Errorf("changing permissions: %w", err)
	}
	for _, id := range ids {
		s.watch.ParticipantChanged(ctx, Participant{ID: id, Meeting: meeting})
	}
	return nil
}

// checkOverride wants an object that names only permissions, each with a value
// of its type.
func checkOverride(permissions json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(permissions))
	dec.DisallowUnknownFields()
	var p PresetPermissions
	if err := dec.Decode(&p); err != nil {
		return chat.Refuse(chat.Invalid, "the permissions cannot be read")
	}
	return nil
}

// overruleAll changes the overrides of the subjects, of which there is one for
// each wish; two wishes about one participant share theirs.
func overruleAll(ruler Overruled, subjects []*Overruled, wishes []Overrule) error {
	held, err := rightsOf(ruler)
	if err != nil {
		return err
	}
	if held["can_change_participant_permissions"] != true {
		return chat.Refuse(chat.Forbidden, "your preset does not allow changing what others may do")
	}
	for i, w := range wishes {
		if err := subjects[i].overrule(held, w.Permissions); err != nil {
			return err
		}
	}
	return nil
}

func (o *Overruled) overrule(held map[string]any, wish json.RawMessage) error {
	before, err := rightsOf(*o)
	if err != nil {
		return err
	}
	var wished map[string]any
	if err := json.Unmarshal(wish, &wished); err != nil {
		return chat.Refuse(chat.Invalid, "the permissions cannot be read")
	}
	if err := mayGive(wished, held, before); err != nil {
		return err
	}
	override := make(map[string]any)
	if len(o.Override) > 0 {
		if err := json.Unmarshal(o.Override, &override); err != nil {
			return fmt.Errorf("reading what lies over the preset of participant %s: %w", o.Participant, err)
		}
	}
	lay(override, wished)
	if o.Override, err = json.Marshal(override); err != nil {
		return fmt.Errorf("encoding permissions: %w", err)
	}
	laid, err := Overlay(o.Preset.Body, o.Override)
	if err != nil {
		return err
	}
	var b PresetBody
	return b.merge(laid)
}

// rightsOf gives the permissions of a participant by their official names.
func rightsOf(o Overruled) (map[string]any, error) {
	body, err := Overlay(o.Preset.Body, o.Override)
	if err != nil {
		return nil, err
	}
	var b struct {
		Permissions map[string]any `json:"permissions"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("reading the preset of participant %s: %w", o.Participant, err)
	}
	return b.Permissions, nil
}

// errGift says that somebody would get what the giver has not.
var errGift = chat.Refuse(chat.Forbidden, "you cannot give permissions that you do not have yourself")

// mayGive demands of all that is wished that the giver has it, or that it is
// no gift: nobody gains by what they have or by what is taken away.
func mayGive(wished, held, before map[string]any) error {
	for name, value := range wished {
		inner, ok := value.(map[string]any)
		if !ok {
			if worth(name, value) > max(worth(name, held[name]), worth(name, before[name])) {
				return errGift
			}
			continue
		}
		heldInner, _ := held[name].(map[string]any)
		beforeInner, _ := before[name].(map[string]any)
		if err := mayGive(inner, heldInner, beforeInner); err != nil {
			return err
		}
	}
	return nil
}

// worth ranks the values of a permission: what ranks higher allows more. The
// kinds of waiting rank alike: they say how somebody comes in, and whoever may
// change permissions is asked about that too.
func worth(name string, value any) int {
	switch value {
	case true, "CAN_REQUEST":
		return 1
	case "ALLOWED":
		return 2
	}
	if name == "recorder_type" && value != "NONE" && value != nil {
		return 1
	}
	return 0
}

// lay lays one object over another, as deep as both go.
func lay(under, over map[string]any) {
	for name, value := range over {
		inner, ok := value.(map[string]any)
		below, also := under[name].(map[string]any)
		if ok && also {
			lay(below, inner)
			continue
		}
		under[name] = value
	}
}
