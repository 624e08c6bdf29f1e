package sqlite_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

// doorkeeping gives Bob a preset that makes him wait, and Ann one that lets in.
func doorkeeping(l *lobby, kind chat.WaitingRoom) {
	l.tb.Helper()
	ctx, service := l.tb.Context(), l.directory()
	access, err := service.Access(ctx, l.ann.Meeting, l.ann.Participant)
	l.must(err)
	for who, permissions := range map[chat.ParticipantID]string{
		l.ann.Participant: `{"accept_waiting_requests":true,"waiting_room_type":"` + string(kind) + `"}`,
		l.bob.Participant: `{"waiting_room_type":"` + string(kind) + `"}`,
	} {
		preset, err := service.CreatePreset(ctx, access.App.ID, directory.NewPreset{
			Name: string(who), Config: json.RawMessage(`{}`), Permissions: json.RawMessage(permissions), UI: json.RawMessage(`{}`),
		})
		l.must(err)
		_, err = service.UpdateParticipant(ctx, access.App.ID, l.ann.Meeting, who, directory.ParticipantChange{PresetName: &preset.Name})
		l.must(err)
	}
}

func (l *lobby) wantWaits(want chat.WaitingRoom, a session.Arrival) {
	l.tb.Helper()
	_, err := l.Enter(l.tb.Context(), a, "fresh", l.now())
	if waits, ok := errors.AsType[*session.Waits](err); !ok || waits.For != want {
		l.tb.Fatalf("%+v got %v, want it to wait for %s", a, err, want)
	}
}

func TestWhoHasToBeAcceptedWaits(t *testing.T) {
	l := newLobby(t)
	doorkeeping(l, chat.WaitForAccept)
	bob := l.arrival(l.bob)
	l.wantWaits(chat.WaitForAccept, bob)
	l.wantLive("") // waiting starts nothing
	if err := l.Admit(t.Context(), l.ann.Meeting, []chat.ParticipantID{l.bob.Participant}); chat.CodeOf(err) != chat.Forbidden {
		t.Errorf("let in without a session: %v", err)
	}
	first := l.enter(l.ann)
	bob.HostHere = true
	l.wantWaits(chat.WaitForAccept, bob)
	l.must(l.Admit(t.Context(), l.ann.Meeting, []chat.ParticipantID{l.bob.Participant}))
	l.reopen()
	l.enter(l.bob)
	l.left(first, l.bob)
	l.enter(l.bob)

	l.left(first, l.bob)
	l.left(first, l.ann)
	l.advance(2 * keepAlive)
	l.wantEnded(1)
	l.enter(l.ann)
	bob.LetIn = first.ID // into a session that is over
	l.wantWaits(chat.WaitForAccept, bob)
}

func TestWhoAwaitsAHostWaitsForOne(t *testing.T) {
	l := newLobby(t)
	doorkeeping(l, chat.WaitForHost)
	bob := l.arrival(l.bob)
	l.wantWaits(chat.WaitForHost, bob)
	s := l.enter(l.ann)
	l.wantWaits(chat.WaitForHost, bob) // the room has not seen the host yet
	bob.HostHere = true
	_, err := l.Enter(t.Context(), bob, "fresh", l.now())
	l.must(err)
	// Once in, in for the session, whether a host is there or not.
	l.left(s, l.bob)
	bob.HostHere = false
	_, err = l.Enter(t.Context(), bob, "fresh", l.now())
	l.must(err)
}
