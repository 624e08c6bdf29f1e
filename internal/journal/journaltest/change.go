package journaltest

import (
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

// changesCountAtOnce changes each thing that an append goes by, between two
// appends. Whatever an engine remembers of the first, the second goes by what
// is so now.
func changesCountAtOnce(t *testing.T, w *world) {
	for _, change := range []struct {
		name            string
		silence, permit func(person)
	}{
		{"ActiveMeeting", w.active(false), w.active(true)},
		{"Rules", w.mode(chat.ModeHosts), w.mode(chat.ModeEveryone)},
		{"BodyOfThePreset", w.body(mute), w.body(allowed)},
		{"Preset", w.given(mute), w.given(allowed)},
		{"Override", w.overruled(`{"chat":{"public":{"can_send":false}}}`), w.overruled(``)},
		{"Session", w.ended, func(p person) { p.join() }},
	} {
		t.Run(change.name, func(*testing.T) {
			p := w.joined(w.meeting(true), allowed)[0]
			for range 2 {
				w.append(p.say("before"))
				change.silence(p)
				w.refused(chat.Forbidden, p.say("meanwhile"))
				change.permit(p)
				w.append(p.say("after"))
			}
			w.entries(p.Meeting)
		})
	}
}

// removalsCountAtOnce is changesCountAtOnce of what is for good.
func removalsCountAtOnce(_ *testing.T, w *world) {
	a, b, c := w.three()
	w.append(a.say("before", b, c))
	w.append(b.say("before"))
	w.append(c.say("before"))
	_, err := w.engine.DeleteParticipant(w.ctx, w.app, b.Meeting, b.Participant)
	w.must(err)
	w.refused(chat.Unauthorized, b.say("after"))
	w.refused(chat.NotFound, a.say("after", b))
	w.append(c.say("after"))
	_, err = w.engine.Kick(w.ctx, session.Kick{Meeting: c.Meeting, Peers: []chat.PeerID{c.Peer}}, w.clock.Now())
	w.must(err)
	w.refused(chat.Forbidden, c.say("after that"))
	w.append(a.say("after that"))
}

func (w *world) changeMeeting(of person, change func(*directory.Meeting)) {
	w.t.Helper()
	_, err := w.engine.ChangeMeeting(w.ctx, w.app, of.Meeting, func(m *directory.Meeting) error {
		change(m)
		return nil
	})
	w.must(err)
}

func (w *world) active(is bool) func(person) {
	return func(of person) { w.changeMeeting(of, func(m *directory.Meeting) { m.Active = is }) }
}

func (w *world) mode(is chat.Mode) func(person) {
	return func(of person) { w.changeMeeting(of, func(m *directory.Meeting) { m.Rules.Mode = is }) }
}

// body gives the preset that allows everything the body of another.
func (w *world) body(of string) func(person) {
	return func(person) {
		_, err := w.engine.ChangePreset(w.ctx, w.app, w.allowed, func(p *directory.Preset) error {
			p.Body = w.preset(of).Body
			return nil
		})
		w.must(err)
	}
}

// given gives the person another preset.
func (w *world) given(preset string) func(person) {
	return func(p person) {
		_, err := w.engine.ChangeParticipant(w.ctx, w.app, p.Meeting, p.Participant, func(is *directory.Participant) error {
			is.PresetName = preset
			return nil
		})
		w.must(err)
	}
}

func (w *world) overruled(by string) func(person) {
	return func(p person) {
		w.must(w.engine.Overrule(w.ctx, p.Meeting, p.Participant, []chat.ParticipantID{p.Participant},
			func(_ directory.Overruled, subjects []*directory.Overruled) error {
				subjects[0].Override = []byte(by)
				return nil
			}))
	}
}

// ended ends the session of one person.
func (w *world) ended(p person) {
	head, err := w.engine.Position(w.ctx, p.Meeting)
	w.must(err)
	w.endSession(session.Session{ID: head.Session}, p)
}
