package socket_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// preset makes a preset with these permissions, and otherwise like those an app
// begins with: public chat, and all can be seen.
func (w *world) preset(name, permissions string) directory.Preset {
	w.Helper()
	return w.presetWith(name, `{}`, permissions)
}

func (w *world) presetWith(name, config, permissions string) directory.Preset {
	w.Helper()
	p, err := w.server.Directory.CreatePreset(w.ctx, w.app.ID, directory.NewPreset{
		Name: name, Config: json.RawMessage(config), Permissions: json.RawMessage(permissions), UI: json.RawMessage(`{}`),
	})
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// change changes the permissions of a preset.
func (w *world) change(p directory.Preset, permissions string) {
	w.Helper()
	w.must(w.server.Directory.UpdatePreset(w.ctx, w.app.ID, p.ID, directory.NewPreset{Permissions: json.RawMessage(permissions)}))
}

// update changes a participant.
func (w *world) update(p person, change directory.ParticipantChange) {
	w.Helper()
	w.must(w.server.Directory.UpdateParticipant(w.ctx, w.app.ID, p.meeting, p.id, change))
}

// patch waits for the next word on what a peer may do, and gives it.
func (w *world) patch(p *peer.Peer, from int) (*rtkwire.PresetPatch, int) {
	w.Helper()
	var m rtkwire.PresetUpdates
	from = w.await(p, from, protocol.UpdateUserPreset, &m)
	updates := m.GetUpdatePeersPresets()
	if len(updates) != 1 || updates[0].GetUserIds() != p.Participant {
		w.Fatalf("told of %v", updates)
	}
	return updates[0].GetPatch(), from
}

// refused demands that an error is a refusal that says this.
func (w *world) refused(err error, says string) {
	w.Helper()
	if r, ok := errors.AsType[*peer.Refused](err); !ok || !strings.Contains(r.Text, says) {
		w.Errorf("got %v, want a refusal that says %q", err, says)
	}
}

const whispering = `{"chat":{"private":{"can_send":true,"can_receive":true,"text":true,"files":true}}}`

func TestChangedPresetReachesOpenSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	preset := w.preset("talker", whispering)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "talker")
	bob, tab := w.join(someone), w.join(someone)
	w.must(alice.Whisper(w.ctx, "heard", bob.ID))

	w.change(preset, `{"chat":{"public":{"can_send":false},"private":{"can_receive":false}}}`)
	for _, p := range []*peer.Peer{bob, tab} {
		patch, _ := w.patch(p, 0)
		if c := patch.GetChat(); c.GetPublic().CanSend == nil || c.GetPublic().GetCanSend() || c.GetPrivate().GetCanReceive() || !c.GetPublic().GetText() {
			t.Errorf("told %v", c)
		}
		if patch.WaitingRoomType != nil || patch.RecorderType != nil {
			t.Error("told what the client would misread")
		}
	}
	_, err := bob.SendText(w.ctx, "hello")
	w.refused(err, "does not allow")
	_, err = alice.Whisper(w.ctx, "unheard", bob.ID)
	w.refused(err, "needs a recipient")
	if got := w.history(bob); len(got) != 0 {
		t.Errorf("the history holds %q", got)
	}

	w.change(preset, `{"chat":{"public":{"can_send":true}}}`)
	w.must(bob.SendText(w.ctx, "hello again"))
}

// What was whispered before is told no more when it is changed afterwards.
func TestWhoMayNotHearWhispersIsNotToldOfTheirChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	preset := w.preset("talker", whispering)
	alice, bob := w.enter("Alice"), w.join(w.invite("Bob", "talker"))
	m, err := alice.Whisper(w.ctx, "heard", bob.ID)
	w.must(m, err)
	w.await(bob, 0, protocol.SendMessageToPeers, new(rtkwire.OneChatMessage))
	w.change(preset, `{"chat":{"private":{"can_receive":false}}}`)
	_, at := w.patch(bob, 0)
	w.must(nil, alice.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{
		ChatId: m.GetChatId(), PayloadType: proto.Int32(0), Payload: proto.String("not for Bob"),
	}, nil))
	w.say(alice, "for all")
	w.awaitText(bob, at, "for all")
	for _, f := range bob.Frames()[at:] {
		if protocol.Event(f.GetEvent()) == protocol.EditMessage {
			t.Error("Bob was told of the change")
		}
	}
}

func TestAnotherPresetReachesOpenSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("silent", `{"chat":{"public":{"can_send":false}}}`)
	someone := w.invite("Bob", "group_call_participant")
	bob := w.join(someone)
	w.update(someone, directory.ParticipantChange{PresetName: proto.String("silent")})
	if patch, _ := w.patch(bob, 0); patch.GetChat().GetPublic().GetCanSend() {
		t.Errorf("told %v", patch)
	}
	_, err := bob.SendText(w.ctx, "hello")
	w.refused(err, "does not allow")
}

func TestChangeWhileAwayIsKnownAfterComingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	preset := w.preset("talker", whispering)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "talker")
	bob := w.join(someone)
	bob.Cut()
	w.must(alice.Whisper(w.ctx, "not for long", bob.ID))
	w.change(preset, `{"chat":{"private":{"can_receive":false}}}`)
	back := w.connect(someone, peer.Options{ID: bob.ID})
	w.must(back.Join(w.ctx, ""))
	if got := w.history(back); len(got) != 0 {
		t.Errorf("the history holds %q", got)
	}
	for _, f := range back.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.SendMessageToPeers {
			t.Error("told of a whisper after the right to hear it was gone")
		}
	}
	// The client, which looked its rights up when it started, is told. One that
	// knows them is not told again.
	if patch, _ := w.patch(back, 0); patch.GetChat().GetPrivate().GetCanReceive() {
		t.Errorf("told %v", patch)
	}
	back.Cut()
	once := w.connect(someone, peer.Options{ID: bob.ID})
	w.must(once.Join(w.ctx, ""))
	w.must(once.History(w.ctx))
	for _, f := range once.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.UpdateUserPreset {
			t.Error("told again")
		}
	}
}

func TestDeletedParticipantIsSentOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "group_call_participant")
	bob, outside := w.join(someone), w.connect(someone, peer.Options{})
	w.must(w.server.Directory.DeleteParticipant(w.ctx, w.app.ID, someone.meeting, someone.id))
	for _, p := range []*peer.Peer{bob, outside} {
		w.await(p, 0, protocol.Kick, new(rtkwire.PeerInfo))
		if code, err := p.Closed(w.ctx); err != nil || code != 1000 {
			t.Errorf("closed with %d, %v", code, err)
		}
	}
	var left rtkwire.PeerInfo
	w.await(alice, 0, protocol.LeaveRoom, &left)
	if left.GetPeer().GetPeerId() != bob.ID {
		t.Errorf("%s left", left.GetPeer().GetPeerId())
	}
	if _, err := peer.Dial(w.ctx, w.url(), someone.token, peer.Options{Meeting: string(someone.meeting)}); !errors.Is(err, peer.StatusError(401)) {
		t.Errorf("coming back gives %v", err)
	}
}

func TestClosedMeetingEndsForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people := []*peer.Peer{w.enter("Alice"), w.enter("Bob")}
	w.must(w.server.Directory.UpdateMeeting(w.ctx, w.app.ID, w.meeting.ID, directory.MeetingChange{Active: proto.Bool(false)}))
	for _, p := range people {
		w.await(p, 0, protocol.KickAll, new(rtkwire.PeerInfo))
		if code, err := p.Closed(w.ctx); err != nil || code != 1000 {
			t.Errorf("closed with %d, %v", code, err)
		}
	}
}

func TestRenamedParticipantIsShownByTheNewName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	someone := w.invite("Bob", "group_call_participant")
	bob := w.connect(someone, peer.Options{})
	w.must(bob.Join(w.ctx, "Bobby"))
	var joined rtkwire.PeerInfo
	at := w.await(alice, 0, protocol.JoinRoom, &rtkwire.PeerInfo{}) // her own
	at = w.await(alice, at, protocol.JoinRoom, &joined)
	w.update(someone, directory.ParticipantChange{Picture: proto.String("https://example.com/b.png")})
	at = w.await(alice, at, protocol.JoinRoom, &joined)
	if p := joined.GetPeer(); p.GetDisplayName() != "Bobby" || p.GetDisplayPictureUrl() == "" || p.GetPeerId() != bob.ID {
		t.Errorf("with another picture, %v", p)
	}
	w.update(someone, directory.ParticipantChange{Name: proto.String("Robert")})
	w.await(alice, at, protocol.JoinRoom, &joined)
	if p := joined.GetPeer(); p.GetDisplayName() != "Robert" || p.GetPeerId() != bob.ID {
		t.Errorf("renamed, %v", p)
	}
	if m := w.say(bob, "it is me"); m.GetDisplayName() != "Robert" {
		t.Errorf("says so as %q", m.GetDisplayName())
	}
	w.restart()
	back := w.connect(someone, peer.Options{ID: bob.ID})
	if p, err := back.Join(w.ctx, "Bobby"); err != nil || p.GetDisplayName() != "Robert" {
		t.Errorf("after a restart, %v, %v", p, err)
	}
}

// overrule asks for other permissions of a participant.
func (w *world) overrule(by *peer.Peer, of chat.ParticipantID, patch *rtkwire.PresetPatch) error {
	return by.Request(w.ctx, protocol.UpdateUserPreset, &rtkwire.PresetUpdates{
		UpdatePeersPresets: []*rtkwire.PresetUpdate{{UserIds: string(of), Patch: patch}},
	}, &rtkwire.PresetUpdates{})
}

func publicSend(may bool) *rtkwire.PresetPatch {
	return &rtkwire.PresetPatch{Chat: &rtkwire.ChatPermission{Public: &rtkwire.PublicChatPermission{CanSend: &may}}}
}

func TestHostChangesWhatAParticipantMayDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Host")
	someone := w.invite("Bob", "group_call_participant")
	bob, tab := w.join(someone), w.join(someone)
	w.must(nil, w.overrule(host, someone.id, publicSend(false)))
	for _, p := range []*peer.Peer{bob, tab} {
		if patch, _ := w.patch(p, 0); patch.GetChat().GetPublic().GetCanSend() {
			t.Errorf("told %v", patch)
		}
	}
	_, err := bob.SendText(w.ctx, "hello")
	w.refused(err, "does not allow")

	// It lasts, whatever becomes of the process, beside what else is changed.
	w.restart()
	host, bob = w.enter("Host again"), w.join(someone)
	_, err = bob.SendText(w.ctx, "hello")
	w.refused(err, "does not allow")
	w.must(nil, w.overrule(host, someone.id, &rtkwire.PresetPatch{KickParticipant: proto.Bool(true)}))
	_, err = bob.SendText(w.ctx, "hello")
	w.refused(err, "does not allow")

	// Another preset is another start.
	w.update(someone, directory.ParticipantChange{PresetName: proto.String("webinar_participant")})
	w.must(bob.SendText(w.ctx, "hello"))
}

func TestNobodyGivesWhatTheyHaveNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("warden", `{"can_change_participant_permissions":true,"chat":{"public":{"can_send":true,"files":false}}}`)
	warden, bob := w.invite("Warden", "warden"), w.invite("Bob", "webinar_viewer")
	peers := map[string]*peer.Peer{"warden": w.join(warden), "bob": w.join(bob), "host": w.enter("Host")}
	yes, no := proto.Bool(true), proto.Bool(false)
	other := w.newMeeting(directory.NewMeeting{})
	foreigner := w.inviteTo(other.ID, "Foreigner", "webinar_viewer")
	unknown := &rtkwire.PresetPatch{}
	unknown.ProtoReflect().SetUnknown([]byte{0xf8, 0x01, 0x01})
	for _, test := range []struct {
		name, by string
		of       chat.ParticipantID
		patch    *rtkwire.PresetPatch
		want     string // "" is allowed
	}{
		{"without the right", "bob", bob.id, publicSend(false), "does not allow changing"},
		{"what nobody has", "host", bob.id, &rtkwire.PresetPatch{CanRecord: yes}, "do not have yourself"},
		{"what the other has", "warden", bob.id, &rtkwire.PresetPatch{KickParticipant: yes}, "do not have yourself"},
		{"to oneself", "warden", warden.id, &rtkwire.PresetPatch{KickParticipant: yes}, "do not have yourself"},
		{"media", "host", bob.id, &rtkwire.PresetPatch{Media: &rtkwire.MediaPermission{Audio: &rtkwire.StreamPermission{
			CanProduce: rtkwire.StreamPermissionType_STREAM_ALLOWED.Enum()}}}, "do not have yourself"},
		{"to be unseen", "host", bob.id, &rtkwire.PresetPatch{HiddenParticipant: yes}, "do not have yourself"},
		{"what is there already", "warden", bob.id, &rtkwire.PresetPatch{Chat: &rtkwire.ChatPermission{
			Public: &rtkwire.PublicChatPermission{Files: yes}}}, ""},
		{"what one has", "host", bob.id, &rtkwire.PresetPatch{KickParticipant: yes}, ""},
		{"taking away", "warden", bob.id, &rtkwire.PresetPatch{KickParticipant: no}, ""},
		{"a stranger", "host", foreigner.id, publicSend(false), "no such participant"},
		{"nobody", "host", "nobody", publicSend(false), "no such participant"},
		{"an unknown permission", "host", bob.id, unknown, "does not know"},
		{"an unknown value", "host", bob.id, &rtkwire.PresetPatch{WaitingRoomType: rtkwire.WaitingRoomType(9).Enum()}, "no such value"},
	} {
		err := w.overrule(peers[test.by], test.of, test.patch)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		t.Log(test.name)
		w.refused(err, test.want)
	}
}

// Of several wishes all come true, or none.
func TestRefusedWishLeavesTheOthersUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.enter("Host")
	someone := w.invite("Bob", "group_call_participant")
	bob := w.join(someone)
	err := host.Request(w.ctx, protocol.UpdateUserPreset, &rtkwire.PresetUpdates{UpdatePeersPresets: []*rtkwire.PresetUpdate{
		{UserIds: string(someone.id), Patch: publicSend(false)}, {UserIds: "nobody", Patch: publicSend(false)},
	}}, nil)
	w.refused(err, "no such participant")
	w.must(bob.SendText(w.ctx, "hello"))
}

func TestWhoMayAskWhatOthersMayDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.preset("unseen", `{"hidden_participant":true}`)
	someone, hidden := w.invite("Bob", "group_call_participant"), w.invite("Ghost", "unseen")
	absent := w.invite("Absent", "group_call_participant")
	host, bob, ghost := w.enter("Host"), w.join(someone), w.join(hidden)
	ask := func(p *peer.Peer, id chat.ParticipantID) (map[string]json.RawMessage, error) {
		var answer rtkwire.PeerPresets
		if err := p.Request(w.ctx, protocol.GetUserPresets, &rtkwire.UserIds{UserIds: []string{string(id)}}, &answer); err != nil {
			return nil, err
		}
		var preset struct{ Permissions map[string]json.RawMessage }
		return preset.Permissions, json.Unmarshal(answer.GetPeerPresets()[0].GetPreset(), &preset)
	}
	for _, test := range []struct {
		name  string
		by    *peer.Peer
		of    chat.ParticipantID
		whole bool
	}{
		{"a host of a participant", host, someone.id, true},
		{"a host of one who is away", host, absent.id, true},
		{"of oneself", bob, someone.id, true},
		{"of oneself, unseen", ghost, hidden.id, true},
		{"of a host", bob, chat.ParticipantID(host.Participant), false},
	} {
		got, err := ask(test.by, test.of)
		if err != nil || got["chat"] == nil || (got["kick_participant"] != nil) != test.whole {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
	for _, id := range []chat.ParticipantID{hidden.id, absent.id, "nobody"} {
		_, err := ask(bob, id)
		w.refused(err, "no such participant")
	}
}
