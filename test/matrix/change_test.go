package matrix_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// soon is how soon open sockets are told of a change.
const soon = time.Second

// changed is a host whose rights are about to change.
type changed struct {
	*stage
	who     person
	preset  directory.Preset
	subject *peer.Peer
	absent  person
	// memberIs is another who is here, and no host.
	memberIs person
	said     string
	put      string // a link to put up a file
}

const (
	everyRight = `{"kick_participant":true,"accept_waiting_requests":true,"can_change_participant_permissions":true,` +
		`"chat":{"moderate":true,"private":{"can_send":true,"can_receive":true,"text":true,"files":true}}}`
	noRight = `{"kick_participant":false,"accept_waiting_requests":false,"can_change_participant_permissions":false,"show_participant_list":false,` +
		`"chat":{"moderate":false,"public":{"can_send":false},"private":{"can_send":false,"can_receive":false}}}`
)

func (w *world) newChanged() *changed {
	w.Helper()
	c := &changed{stage: w.newStage(w.own.ID)}
	c.preset = w.presetOf(w.own.ID, "changed "+freshID(), `{"config":{},"permissions":`+everyRight+`}`)
	c.who = w.invite(w.own.ID, c.meeting, c.preset.Name)
	c.subject = w.join(c.who)
	c.absent, c.memberIs = w.invite(w.own.ID, c.meeting, member), w.invite(w.own.ID, c.meeting, member)
	w.join(c.memberIs)
	c.said = need[*rtkwire.ChatMessage](w)(c.subject.SendText(w.ctx, "own")).GetChatId()
	_, c.put = w.upload(c.who)
	return c
}

// change is a way to take rights away, and what it leaves.
type change struct {
	name string
	do   func(*changed)
	// told is the event by which the subject hears of it.
	told protocol.Event
	// out says that the subject has to go, by which nothing is left; back that
	// the token stays good and opens new sockets.
	out, back bool
	// writing says that only writing is forbidden.
	writing bool
}

var allChanges = []change{
	{name: "PATCH preset", told: protocol.UpdateUserPreset, do: func(c *changed) {
		c.call(c.own.ID, "PATCH /presets/"+string(c.preset.ID), `{"permissions":`+noRight+`}`, nil)
	}},
	{name: "PUT preset", told: protocol.UpdateUserPreset, do: func(c *changed) {
		body := replaced(presetBody, ids{})
		c.call(c.own.ID, "PUT /presets/"+string(c.preset.ID), strings.Replace(body, `"permissions":{}`, `"permissions":`+noRight, 1), nil)
	}},
	{name: "PATCH participant", told: protocol.UpdateUserPreset, do: func(c *changed) {
		c.call(c.own.ID, c.participant("PATCH"), `{"preset_name":"mute"}`, nil)
	}},
	{name: "updateUserPreset of a host", told: protocol.UpdateUserPreset, do: func(c *changed) {
		no := proto.Bool(false)
		c.must(c.alice.Request(c.ctx, protocol.UpdateUserPreset, &rtkwire.PresetUpdates{UpdatePeersPresets: []*rtkwire.PresetUpdate{{
			UserIds: string(c.who.id), Patch: &rtkwire.PresetPatch{
				KickParticipant: no, AcceptWaitingRequests: no, CanChangeParticipantPermissions: no, ShowParticipantList: no,
				Chat: &rtkwire.ChatPermission{
					Public:  &rtkwire.PublicChatPermission{CanSend: no},
					Private: &rtkwire.PrivateChatPermission{CanSend: no, CanReceive: no},
				},
			},
		}}}, nil))
	}},
	{name: "rules of the meeting", told: protocol.UpdateUserPreset, writing: true, do: func(c *changed) {
		c.call(c.own.ID, "PATCH /meetings/"+string(c.meeting), `{"chat":{"mode":"OFF"}}`, nil)
	}},
	{name: "DELETE participant", told: protocol.Kick, out: true, do: func(c *changed) {
		c.call(c.own.ID, c.participant("DELETE"), "", nil)
	}},
	{name: "meeting INACTIVE", told: protocol.KickAll, out: true, do: func(c *changed) {
		c.call(c.own.ID, "PATCH /meetings/"+string(c.meeting), `{"status":"INACTIVE"}`, nil)
	}},
	{name: "kick", told: protocol.Kick, out: true, back: true, do: func(c *changed) {
		c.call(c.own.ID, "POST /meetings/"+string(c.meeting)+"/active-session/kick", `{"participant_ids":["`+string(c.who.id)+`"]}`, nil)
	}},
	{name: "kick-all", told: protocol.KickAll, out: true, back: true, do: func(c *changed) {
		c.call(c.own.ID, "POST /meetings/"+string(c.meeting)+"/active-session/kick-all", "", nil)
	}},
}

func (c *changed) participant(method string) string {
	return method + " /meetings/" + string(c.meeting) + "/participants/" + string(c.who.id)
}

// act is something that the subject might do before the change, and may not
// after it. It gives whether it could.
type act struct {
	name string
	// writes says that it is writing; only says that nobody is kept from it but
	// those who have to go; web says that it goes by the token, and not by the
	// socket that was open.
	writes, only, web bool
	do                func(*changed) bool
}

var allActs = []act{
	{name: "send", writes: true, do: asks(protocol.SendMessageToRoom, func(*changed) proto.Message { return &rtkwire.SendToRoom{Payload: "own"} })},
	{name: "whisper", writes: true, do: asks(protocol.SendMessageToPeers, func(c *changed) proto.Message {
		return &rtkwire.SendToPeers{Payload: "own", PeerIds: []string{c.alice.ID}}
	})},
	{name: "edit", writes: true, do: asks(protocol.EditMessage, func(c *changed) proto.Message {
		return &rtkwire.EditMessage{ChatId: c.said, PayloadType: proto.Int32(0), Payload: proto.String("own, edited")}
	})},
	{name: "pin", writes: true, do: asks(protocol.PinMessage, func(c *changed) proto.Message { return &rtkwire.PinMessage{ChatId: c.said, Pinned: true} })},
	{name: "list who was added", do: asks(protocol.GetAllAddedParticipants, none)},
	{name: "ask what others may do", do: asks(protocol.GetUserPresets, func(c *changed) proto.Message {
		return &rtkwire.UserIds{UserIds: []string{string(c.absent.id)}}
	})},
	{name: "change what others may do", do: asks(protocol.UpdateUserPreset, func(c *changed) proto.Message {
		return &rtkwire.PresetUpdates{UpdatePeersPresets: []*rtkwire.PresetUpdate{{UserIds: string(c.absent.id), Patch: &rtkwire.PresetPatch{CanSpotlight: proto.Bool(false)}}}}
	})},
	{name: "end it for all", do: asks(protocol.KickAll, none)},
	{name: "see who is here", do: func(c *changed) bool {
		var here rtkwire.RoomPeers
		err := c.subject.Request(c.ctx, protocol.GetRoomPeersInfo, nil, &here)
		for _, p := range here.GetPeers() {
			if p.GetUserId() == string(c.memberIs.id) {
				return true // hosts are shown to everybody
			}
		}
		c.mayFail(err)
		return false
	}},
	{name: "broadcast", only: true, do: asks(protocol.BroadcastMessage, func(*changed) proto.Message {
		return &rtkwire.Broadcast{Type: "t", Payload: []byte(`{}`)}
	})},
	{name: "read", only: true, do: asks(protocol.GetMessages, none)},
	{name: "ask about the session", only: true, do: asks(protocol.GetRoomInfo, none)},
	{name: "ask about a peer", only: true, do: asks(protocol.GetPeerInfo, func(c *changed) proto.Message { return &rtkwire.GetPeerInfoRequest{PeerId: c.alice.ID} })},
	{name: "share", only: true, do: asks(protocol.StoreInsertKeys, func(c *changed) proto.Message {
		return &rtkwire.StoreWrite{PluginId: string(c.meeting), StoreName: "s", Keys: []*rtkwire.StoreKey{{StoreKey: "k", Payload: []byte(`1`)}}}
	})},
	{name: "ask for an upload", web: true, writes: true, do: func(c *changed) bool {
		body := `{"roomUUID":"` + string(c.meeting) + `","filename":"own.txt"}`
		return !c.ask(call{method: http.MethodPost, path: "/v2/meetings/chat-upload", body: body}, "Bearer "+c.who.token).refused()
	}},
	{name: "put up a file", web: true, writes: true, do: func(c *changed) bool {
		return !c.ask(call{method: http.MethodPut, path: strings.TrimPrefix(c.put, c.web.URL), body: "bytes"}, "").refused()
	}},
	{name: "ask who one is", web: true, only: true, do: func(c *changed) bool {
		return !c.ask(call{method: http.MethodGet, path: "/v2/internals/participant-details"}, "Bearer "+c.who.token).refused()
	}},
	{name: "connect", web: true, only: true, do: func(c *changed) bool {
		return c.upgrade(string(c.meeting), "Bearer "+c.who.token).status == http.StatusSwitchingProtocols
	}},
}

func none(*changed) proto.Message { return nil }

// asks is an act that succeeds if the request is answered.
func asks(event protocol.Event, payload func(*changed) proto.Message) func(*changed) bool {
	return func(c *changed) bool {
		err := c.subject.Request(c.ctx, event, payload(c), nil)
		c.mayFail(err)
		return err == nil
	}
}

// mayFail ends the test where an error is neither a refusal nor the end of the
// connection.
func (c *changed) mayFail(err error) {
	c.Helper()
	if _, refused := errors.AsType[*peer.Refused](err); err != nil && !refused && c.ctx.Err() != nil {
		c.Fatal(err)
	}
}

// forbids tells whether an act may not be after a change.
func (ch change) forbids(a act) bool {
	switch {
	case ch.out && ch.back:
		return !a.web
	case ch.out:
		return true
	case ch.writing:
		return a.writes
	}
	return !a.only
}

// TestNothingForbiddenWorksRightAfterAChange changes what somebody may do, by
// each way there is, and has it try each thing at once.
func TestNothingForbiddenWorksRightAfterAChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t).run()
	for _, ch := range allChanges {
		for _, a := range allActs {
			if !ch.forbids(a) {
				continue
			}
			c := w.newChanged()
			ch.do(c)
			if a.do(c) {
				t.Errorf("%s: right after it, one may still %s", ch.name, a.name)
			}
		}
	}
}

// TestActsWorkBeforeAnyChange shows that what is forbidden above was allowed.
func TestActsWorkBeforeAnyChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t).run()
	for _, a := range allActs {
		if !a.do(w.newChanged()) {
			t.Errorf("one may not %s", a.name)
		}
	}
}

// TestChangesReachOpenSocketsWithinASecond measures from the answer to the
// change until each tab of the subject has heard.
func TestChangesReachOpenSocketsWithinASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t).run()
	for _, ch := range allChanges {
		c := w.newChanged()
		tab := c.join(c.who)
		ch.do(c)
		since := time.Now()
		for _, p := range []*peer.Peer{c.subject, tab} {
			c.await(p, ch.told)
		}
		took := time.Since(since)
		t.Logf("%s: %v", ch.name, took)
		if took > soon {
			t.Errorf("%s: heard after %v", ch.name, took)
		}
	}
}

// TestRefreshedTokensLeaveOlderOnesGood is what the official API promises: only
// deleting the participant voids them, and that all of them.
func TestRefreshedTokensLeaveOlderOnesGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t).run()
	c := w.newChanged()
	var fresh struct{ Token string }
	w.call(w.own.ID, c.participant("POST")+"/token", "", &fresh)
	details := call{method: http.MethodGet, path: "/v2/internals/participant-details"}
	for _, token := range []string{c.who.token, fresh.Token} {
		if got := w.ask(details, "Bearer "+token); got.refused() {
			t.Errorf("a token is refused: %s", got.body)
		}
	}
	w.remove(c.who)
	for _, token := range []string{c.who.token, fresh.Token} {
		if !w.ask(details, "Bearer "+token).refused() {
			t.Error("a token of a deleted participant is good")
		}
	}
}

// TestRevokedKeysAreVoidAtOnce revokes a key between two calls by it.
func TestRevokedKeysAreVoidAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).idle()
	id, token := w.key(w.own.ID, auth.Admin)
	keys := call{method: http.MethodGet, path: "/v1/api-keys"}
	if got := w.ask(keys, "Bearer "+token); got.refused() {
		t.Fatal(got.body)
	}
	_, admin := w.key(w.own.ID, auth.Admin)
	w.ask(call{method: http.MethodDelete, path: "/v1/api-keys/" + id}, "Bearer "+admin)
	if got := w.ask(keys, "Bearer "+token); got.status != http.StatusUnauthorized {
		t.Errorf("a revoked key gets %d", got.status)
	}
}
