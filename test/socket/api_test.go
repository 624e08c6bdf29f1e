package socket_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/logs"
)

// api calls the API on the messages of the world's meeting, by a key that may do
// everything in the app.
func (w *world) api() func(method, path, body string, into any) {
	w.Helper()
	_, token, err := w.server.Keys.Create(w.ctx, auth.NewAPIKey{App: w.app.ID, Name: "test", Scopes: auth.Scopes()})
	w.must(nil, err)
	logs.Secret(token)
	base := fmt.Sprintf("%s/v1/apps/%s/meetings/%s/messages", w.web.URL, w.app.ID, w.meeting.ID)
	return func(method, path, body string, into any) {
		w.Helper()
		r, err := http.NewRequestWithContext(w.ctx, method, base+path, strings.NewReader(body))
		w.must(nil, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(r)
		w.must(nil, err)
		defer got.Body.Close()
		if got.StatusCode >= 300 {
			w.Fatalf("%s %s: status %d", method, path, got.StatusCode)
		}
		w.must(nil, json.NewDecoder(got.Body).Decode(&into))
	}
}

// apiMessage is what these tests read of a message.
type apiMessage struct {
	Data struct {
		ID, Text string
		Pinned   bool
	}
}

func TestWhatAnAppSaysIsSeenByThoseWhoAreHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.invite("Alice", "group_call_host"), w.invite("Bob", "group_call_participant")
	a, b := w.join(alice), w.join(bob)
	call := w.api()

	var sent apiMessage
	call("POST", "", `{"text":"Welcome <a href=x>here</a>","sender_name":"Bot"}`, &sent)
	var told rtkwire.OneChatMessage
	at := w.await(a, 0, protocol.SendMessageToRoom, &told)
	if m := told.GetMessage(); m.GetDisplayName() != "Bot" || m.GetUserId() != string(w.app.ID) || m.GetChatId() != sent.Data.ID || strings.Contains(m.GetPayload(), "<a ") {
		t.Errorf("Alice is told %v", m)
	}
	call("POST", "", `{"text":"for Bob alone","recipients":["`+string(bob.id)+`"]}`, nil)
	w.await(b, 0, protocol.SendMessageToPeers, &told)
	if m := told.GetMessage(); m.GetPayload() != "for Bob alone" || len(m.GetTargetUserIds()) != 2 {
		t.Errorf("Bob is told %v", m)
	}
	call("POST", "", `{"text":"in her name","participant_id":"`+string(alice.id)+`"}`, nil)
	at = w.await(a, at, protocol.SendMessageToRoom, &told)
	if m := told.GetMessage(); m.GetDisplayName() != "Alice" || m.GetUserId() != string(alice.id) {
		t.Errorf("in Alice's name is told %v", m)
	}
	call("PATCH", "/"+sent.Data.ID, `{"text":"Welcome all"}`, nil)
	w.await(a, at, protocol.EditMessage, &told)
	if m := told.GetMessage(); m.GetPayload() != "Welcome all" || !m.GetIsEdited() {
		t.Errorf("the edit is told as %v", m)
	}
	call("PUT", "/"+sent.Data.ID+"/pin", "", nil)
	var pin rtkwire.PinMessageResult
	w.await(a, at, protocol.PinMessage, &pin)
	call("DELETE", "/"+sent.Data.ID, "", nil)
	var gone rtkwire.DeleteMessage
	w.await(a, at, protocol.DeleteMessage, &gone)
	if !pin.GetPinned() || pin.GetChatId() != sent.Data.ID || gone.GetChatId() != sent.Data.ID {
		t.Errorf("told of %v and %v", &pin, &gone)
	}
	if got := w.history(a); len(got) != 1 || got[0] != "in her name" {
		t.Errorf("Alice's history is %q", got)
	}
	if got := w.history(b); len(got) != 2 || got[0] != "for Bob alone" {
		t.Errorf("Bob's history is %q", got)
	}
}

func TestWhatSocketsSayIsReadByAPIAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.enter("Alice")
	call := w.api()
	said := w.say(a, "hello")
	var read apiMessage
	call("GET", "/"+said.GetChatId(), "", &read)
	if read.Data.ID != said.GetChatId() || read.Data.Text != "hello" {
		t.Errorf("read %+v", read)
	}
	w.must(nil, a.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: said.GetChatId(), Pinned: true}, nil))
	if call("GET", "/"+said.GetChatId(), "", &read); !read.Data.Pinned {
		t.Errorf("read %+v", read)
	}
}

func TestADeletionOfAnEarlierSessionTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.meeting = w.newMeeting(directory.NewMeeting{Title: "again"})
	alice := w.invite("Alice", "group_call_host")
	old := w.say(w.join(alice), "old")
	_, err := w.server.Sessions.KickAll(w.ctx, w.meeting.ID, nil, "")
	w.must(nil, err)
	a := w.join(alice)
	w.say(a, "new")
	w.api()("DELETE", "/"+old.GetChatId(), "", nil)
	var gone rtkwire.DeleteMessage
	w.await(a, 0, protocol.DeleteMessage, &gone)
	if got := w.history(a); len(got) != 1 || got[0] != "new" {
		t.Errorf("the history is %q", got)
	}
}

func TestWhatHostsDoIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Hanna")
	guest := w.join(w.invite("Gus", "group_call_participant"))
	said := w.say(guest, "rude")
	w.must(nil, host.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: said.GetChatId()}, nil))
	for range 2 { // as official clients do
		w.must(nil, host.Send(w.ctx, host.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{guest.ID}}))
	}
	w.awaitRow(`SELECT 1 FROM audit WHERE action = 'kick' AND object_kind = 'participant' AND object = ?`, guest.Participant)
	w.must(nil, host.Send(w.ctx, host.NewID(), protocol.KickAll, &rtkwire.KickAll{}))
	for _, action := range []string{"delete-message", "kick-all"} {
		w.awaitRow(`SELECT 1 FROM audit WHERE by_kind = 'participant' AND route = 'socket' AND action = ? AND meeting = ? AND app = ?`,
			action, string(w.meeting.ID), string(w.app.ID))
	}
	w.awaitRow(`SELECT 1 WHERE (SELECT count(*) FROM audit WHERE action = 'kick') = 1`)
}
