package socket_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// rule sets rules for the chat of the world's meeting.
func (w *world) rule(rules chat.Rules) {
	w.Helper()
	_, err := w.server.Directory.UpdateMeeting(w.ctx, w.app.ID, w.meeting.ID, directory.MeetingChange{
		Rules: func(r *chat.Rules) { *r = rules },
	})
	w.must(nil, err)
}

func TestRulesReachThoseWhoAreHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	guest := w.join(w.invite("Gus", "group_call_participant"))
	w.say(guest, "before")

	w.rule(chat.Rules{Mode: chat.ModeHosts})
	var told rtkwire.PresetUpdates
	at := w.await(guest, 0, protocol.UpdateUserPreset, &told)
	if may := told.GetUpdatePeersPresets()[0].GetPatch().GetChat(); may.GetPublic().GetCanSend() || may.GetPrivate().GetCanSend() {
		t.Errorf("the guest is told that it may %v", may)
	}
	if _, err := guest.SendText(w.ctx, "hosts only"); err == nil {
		t.Error("a guest writes where only hosts may")
	}
	w.say(host, "a host speaks")

	w.rule(chat.Rules{Mode: chat.ModeEveryone, SlowMode: time.Minute})
	w.await(guest, at, protocol.UpdateUserPreset, &told)
	if may := told.GetUpdatePeersPresets()[0].GetPatch().GetChat(); !may.GetPublic().GetCanSend() {
		t.Errorf("the guest is told that it may %v", may)
	}
	w.say(guest, "once")
	if _, err := guest.SendText(w.ctx, "twice"); err == nil {
		t.Error("a guest writes twice in a minute in slow mode")
	}
	w.say(host, "hosts are free of it")
	w.say(host, "hosts are free of it")
}

func TestWhoIsMutedIsToldAndDoesNotWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	p := w.invite("Gus", "group_call_participant")
	guest := w.join(p)
	mute := func(on bool) {
		t.Helper()
		_, err := w.server.Directory.UpdateParticipant(w.ctx, w.app.ID, w.meeting.ID, p.id, directory.ParticipantChange{Muted: &on})
		w.must(nil, err)
	}
	mute(true)
	var told rtkwire.PresetUpdates
	at := w.await(guest, 0, protocol.UpdateUserPreset, &told)
	if may := told.GetUpdatePeersPresets()[0].GetPatch().GetChat(); may.GetPublic().GetCanSend() || may.GetPrivate().GetCanSend() {
		t.Errorf("who is muted is told that it may %v", may)
	}
	if _, err := guest.SendText(w.ctx, "muted"); err == nil {
		t.Error("who is muted writes")
	}
	w.say(host, "the others go on")
	mute(false)
	w.await(guest, at, protocol.UpdateUserPreset, &told)
	w.say(guest, "and so does the guest")
}

func TestAHostDeletesWhatOthersHaveSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	guest := w.join(w.invite("Gus", "group_call_participant"))
	said := w.say(guest, "rude")
	w.must(nil, host.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: said.GetChatId()}, nil))
	var gone rtkwire.DeleteMessage
	w.await(guest, 0, protocol.DeleteMessage, &gone)
	if gone.GetChatId() != said.GetChatId() {
		t.Errorf("%s is gone, want %s", gone.GetChatId(), said.GetChatId())
	}
	own := w.say(host, "of the host")
	if err := guest.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: own.GetChatId()}, nil); err == nil {
		t.Error("a guest deletes what a host has said")
	}
}
