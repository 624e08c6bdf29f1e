package socket_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// passes lets the server's clock run ahead until the session has ended.
func (w *world) passes(d time.Duration, session string) {
	w.Helper()
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL`, session)
	w.ahead.Add(int64(d))
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL`, session)
}

func TestSessionEndsAfterItsKeepAliveAndTheNextBeginsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.meeting = w.newMeeting(directory.NewMeeting{KeepAlive: 10 * time.Minute})
	p := w.invite("Ann", "group_call_host")
	ann := w.join(p)
	first := w.session(ann)
	w.say(ann, "old")
	ann.Leave()
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL`, first)
	w.ahead.Add(int64(9 * time.Minute))
	ann = w.join(p) // in time
	if again := w.session(ann); again != first {
		t.Fatalf("within the keep-alive the session is %s, want %s", again, first)
	}
	if got := w.history(ann); !slices.Equal(got, []string{"old"}) {
		t.Errorf("within the keep-alive the history is %q", got)
	}
	ann.Leave()
	w.passes(10*time.Minute, first)
	ann = w.join(p) // the room of the first session may still be there
	if next := w.session(ann); next == first {
		t.Error("after the keep-alive the session is the same")
	}
	if got := w.history(ann); len(got) != 0 {
		t.Errorf("the next session begins with %q", got)
	}
	w.say(ann, "new")
	bob := w.enter("Bob")
	if got := w.history(bob); !slices.Equal(got, []string{"new"}) {
		t.Errorf("who joins later gets %q", got)
	}
}

// While the server is down the time goes on, and who comes at once when it is
// back does not come into a session that was over.
func TestSessionThatFellDueWhileTheServerWasDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.invite("Ann", "group_call_host")
	ann := w.join(p)
	first := w.session(ann)
	w.say(ann, "old")
	ann.Leave()
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL`, first)
	w.stop()
	w.ahead.Add(int64(time.Hour))
	w.start()
	ann = w.join(p)
	if next := w.session(ann); next == first {
		t.Error("an hour later the session is the same")
	}
	if got := w.history(ann); len(got) != 0 {
		t.Errorf("the next session begins with %q", got)
	}
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at - started_at < 600000`, first)
}

// Every way to read or touch a message stops at the session, unless the meeting
// keeps its chat.
func TestChatOfAnEarlierSession(t *testing.T) {
	t.Parallel()
	for name, persist := range map[string]bool{"IsGone": false, "IsKeptByPersistChat": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.meeting = w.newMeeting(directory.NewMeeting{PersistChat: persist})
			a, b := w.invite("Ann", "group_call_host"), w.invite("Bob", "group_call_host")
			ann, bob := w.join(a), w.join(b)
			first := w.session(ann)
			public := w.say(ann, "public")
			pinned := w.say(ann, "pinned")
			w.must(nil, ann.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: pinned.GetChatId(), Pinned: true}, nil))
			w.must(ann.Whisper(w.ctx, "private", bob.ID))
			ann.Leave()
			bob.Leave()
			w.passes(time.Minute, first)
			ann, bob = w.join(a), w.join(b)

			all := w.history(bob)
			page := func(f *rtkwire.PageFilter) []string {
				t.Helper()
				page, err := bob.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: 1 << 50, Size: 50, Reversed: true, Filters: f})
				w.must(nil, err)
				var texts []string
				for _, m := range page.GetMessages() {
					texts = append(texts, m.GetPayload())
				}
				return texts
			}
			read := map[string][]string{
				"history": all, "page": page(nil),
				"pins":    page(&rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}}),
				"private": page(&rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: string(a.id)}}),
			}
			want := map[string][]string{
				"history": {"public", "pinned", "private"}, "page": {"pinned", "public"}, "pins": {"pinned"}, "private": {"private"},
			}
			for how, texts := range read {
				if !persist {
					want[how] = nil
				}
				if !slices.Equal(texts, want[how]) {
					t.Errorf("%s: got %q, want %q", how, texts, want[how])
				}
			}
			for event, request := range map[protocol.Event]proto.Message{
				protocol.EditMessage: &rtkwire.EditMessage{ChatId: public.GetChatId(), Payload: proto.String("edited"), PayloadType: proto.Int32(0)},
				protocol.PinMessage:  &rtkwire.PinMessage{ChatId: public.GetChatId(), Pinned: true},
			} {
				if !persist {
					w.wantRefused(ann, event, request, "there is no such message")
				} else if err := ann.Request(w.ctx, event, request, nil); err != nil {
					t.Errorf("event %d on an old message: %v", event, err)
				}
			}
			if persist {
				return
			}
			w.wantRefused(ann, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: public.GetChatId()}, "there is no such message")
		})
	}
}

func TestThereAreNoConnectedMeetings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var dump rtkwire.ConnectedMeetings
	w.must(nil, w.enter("Ann").Request(w.ctx, protocol.GetConnectedRoomsDump, nil, &dump))
	parent := dump.GetParentMeeting()
	if parent.GetId() != string(w.meeting.ID) || parent.GetTitle() != "Standup" || len(dump.GetMeetings()) != 0 {
		t.Errorf("connected are %v", &dump)
	}
}

// newPreset makes a preset like that of a host, but for these permissions.
func (w *world) newPreset(name string, changed map[string]any) {
	w.Helper()
	host, err := w.server.Directory.PresetNamed(w.ctx, w.app.ID, "group_call_host")
	w.must(nil, err)
	var body struct {
		Config, UI  json.RawMessage
		Permissions map[string]any
	}
	w.must(nil, json.Unmarshal(host.Body, &body))
	maps.Copy(body.Permissions, changed)
	permissions, err := json.Marshal(body.Permissions)
	w.must(nil, err)
	w.must(w.server.Directory.CreatePreset(w.ctx, w.app.ID, directory.NewPreset{
		Name: name, Config: body.Config, Permissions: permissions, UI: body.UI,
	}))
}

func TestParticipantsAddedToTheMeetingAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPreset("shy", map[string]any{"show_participant_list": false})
	w.newPreset("recorder", map[string]any{"hidden_participant": true})
	a := w.invite("Ann", "group_call_host")
	ann := w.join(a)
	w.inviteTo(w.newMeeting(directory.NewMeeting{}).ID, "Eve", "group_call_host")
	w.invite("Robot", "recorder")
	absent := w.invite("Bob", "group_call_participant")
	var list rtkwire.AddedParticipants
	w.must(nil, ann.Request(w.ctx, protocol.GetAllAddedParticipants, nil, &list))
	var got []string
	for _, p := range list.GetParticipants() {
		got = append(got, fmt.Sprint(p.GetId(), " ", p.GetName(), " ", p.GetCustomParticipantId()))
	}
	want := []string{fmt.Sprint(absent.id, " Bob c-Bob"), fmt.Sprint(a.id, " Ann c-Ann")}
	if !slices.Equal(got, want) {
		t.Errorf("added are %q, want the newest first, and nobody who is hidden: %q", got, want)
	}
	w.wantRefused(w.join(w.invite("Cid", "shy")), protocol.GetAllAddedParticipants, nil, "may not see")
	outside := w.connect(absent, peer.Options{})
	w.wantRefused(outside, protocol.GetAllAddedParticipants, nil, "join the meeting first")
}

func TestPeerInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.enter("Ann"), w.enter("Bob")
	var info rtkwire.PeerInfo
	w.must(nil, ann.Request(w.ctx, protocol.GetPeerInfo, &rtkwire.GetPeerInfoRequest{PeerId: bob.ID}, &info))
	if info.GetPeer().GetDisplayName() != "Bob" || info.GetPeer().GetUserId() != bob.Participant {
		t.Errorf("Bob is %v", info.GetPeer())
	}
	bob.Leave()
	w.wantGone(ann, bob)
	w.wantRefused(ann, protocol.GetPeerInfo, &rtkwire.GetPeerInfoRequest{PeerId: bob.ID}, "no such peer")
}
