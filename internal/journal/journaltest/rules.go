package journaltest

import (
	"errors"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// ruled makes a meeting with rules where a host and a guest are.
func (w *world) ruled(rules chat.Rules) (host, guest person) {
	w.t.Helper()
	id := chat.MeetingID(w.id())
	w.putMeeting(directory.Meeting{ID: id, Active: true, PersistChat: true, Rules: rules})
	people := w.joined(id, hostPreset, allowed)
	return people[0], people[1]
}

// rule sets other rules.
func (w *world) rule(of person, rules chat.Rules) {
	w.t.Helper()
	_, err := w.engine.ChangeMeeting(w.ctx, w.app, of.Meeting, func(m *directory.Meeting) error {
		m.Rules = rules
		return nil
	})
	w.must(err)
}

func rulesOfTheMeeting(_ *testing.T, w *world) {
	host, guest := w.ruled(chat.Rules{})
	said := w.append(guest.say("before")).Event.Message.ID
	w.append(guest.say("between us", host))
	w.append(guest.pin(said, true))

	w.rule(guest, chat.Rules{Mode: chat.ModeHosts, HostsPin: true})
	w.refused(chat.Forbidden, guest.say("hosts only"))
	w.refused(chat.Forbidden, guest.say("hosts only", host))
	w.refused(chat.Forbidden, guest.edit(said, "hosts only"))
	w.append(host.say("a host speaks"))
	w.append(guest.delete(said))

	w.rule(guest, chat.Rules{HostsPin: true, NoPrivate: true})
	again := w.append(guest.say("everyone again")).Event.Message.ID
	w.refused(chat.Forbidden, guest.say("psst", host))
	w.refused(chat.Forbidden, host.say("psst", guest))
	w.refused(chat.Forbidden, guest.pin(again, true))
	w.append(host.pin(again, true))
	w.append(host.delete(again))

	w.rule(guest, chat.Rules{Mode: chat.ModeOff})
	w.refused(chat.Forbidden, guest.say("off"))
	w.refused(chat.Forbidden, host.say("off"))

	w.rule(guest, chat.Rules{})
	w.append(guest.say("as it was", host))
}

func slowMode(t *testing.T, w *world) {
	host, guest := w.ruled(chat.Rules{})
	w.append(guest.say("fast"))
	w.append(guest.say("fast"))
	w.rule(guest, chat.Rules{SlowMode: 10 * time.Second})
	said := w.append(guest.say("slow")).Event.Message.ID
	_, err := w.journal.Append(w.ctx, guest.say("too soon"))
	refused, ok := errors.AsType[*chat.Error](err)
	if !ok || refused.Code != chat.Limited || refused.RetryAfter <= 9*time.Second || refused.RetryAfter > 10*time.Second {
		t.Errorf("a message too soon: %+v", err)
	}
	w.append(guest.edit(said, "an edit is no message"))
	w.append(host.say("hosts are free of it"))
	w.append(host.say("hosts are free of it"))
	w.clock.advance(9 * time.Second)
	w.refused(chat.Limited, guest.say("still too soon"))
	w.clock.advance(2 * time.Second)
	w.append(guest.say("in time"))

	w.close()
	w.open()
	w.refused(chat.Limited, guest.say("a restart is no way around"))
	w.rule(guest, chat.Rules{})
	w.append(guest.say("fast again"))
	w.append(guest.say("fast again"))
}
