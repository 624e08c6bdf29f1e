package socket_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

func TestTextArrivesAsWrittenAndInOneOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	texts := []string{
		"hello", "😀 e\u0301 \u202eright to left", "a\r\nb\nc", "<script>alert(1)</script>", "=1+1", strings.Repeat("😀", 1000),
	}
	for i, text := range texts {
		m := w.say([]*peer.Peer{alice, bob}[i%2], text)
		if m.GetPayload() != text || m.GetCreatedAt() != m.GetCreatedAtMs()/1000 || len(m.GetTargetUserIds()) != 0 {
			t.Errorf("%q was echoed as %v", text, m)
		}
	}
	for _, p := range []*peer.Peer{alice, bob} {
		if got := w.awaitText(p, 0, texts[len(texts)-1]); !slices.Equal(got, texts) {
			t.Errorf("live: %q", got)
		}
		if got := w.history(p); !slices.Equal(got, texts) {
			t.Errorf("history: %q", got)
		}
	}
}

func TestManyInFlightKeepTheirOrderAndUniqueTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	const n = 150
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		w.must(nil, alice.Send(w.ctx, alice.NewID(), protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: want[i]}))
	}
	if got := w.awaitText(bob, 0, fmt.Sprint(n-1)); !slices.Equal(got, want) {
		t.Errorf("Bob got %q", got)
	}
	messages, err := bob.History(w.ctx)
	w.must(nil, err)
	for i := 1; i < len(messages); i++ {
		if messages[i].GetCreatedAtMs() <= messages[i-1].GetCreatedAtMs() {
			t.Fatalf("message %d is of %d, the one before of %d", i, messages[i].GetCreatedAtMs(), messages[i-1].GetCreatedAtMs())
		}
	}
}

func TestEchoSettlesTheRequestAndIsTheOnlyFrame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	id := alice.NewID()
	w.must(nil, alice.Send(w.ctx, id, protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "once"}))
	w.awaitText(alice, 0, "once")
	w.say(alice, "next")
	n := 0
	for _, f := range alice.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.SendMessageToRoom {
			n++
			if n == 1 && f.GetId() != id {
				t.Errorf("the echo has id %q", f.GetId())
			}
		}
	}
	if n != 2 {
		t.Errorf("%d frames for two messages", n)
	}
}

func TestEditDeletePin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.enter("Alice"), w.enter("Bob")
	m := w.say(alice, "first")
	w.say(alice, "second")

	var edited rtkwire.OneChatMessage
	w.must(nil, alice.Request(w.ctx, protocol.EditMessage, &rtkwire.EditMessage{
		ChatId: m.GetChatId(), PayloadType: proto.Int32(0), Payload: proto.String("first, edited"),
	}, &edited))
	e := edited.GetMessage()
	if e.GetPayload() != "first, edited" || !e.GetIsEdited() || e.GetCreatedAtMs() != m.GetCreatedAtMs() {
		t.Errorf("edited: %v", e)
	}

	var pinned, seen rtkwire.PinMessageResult
	w.must(nil, bob.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: m.GetChatId(), Pinned: true}, &pinned))
	w.await(alice, 0, protocol.PinMessage, &seen)
	if !seen.GetPinned() || !seen.GetMessage().GetPinned() || seen.GetMessage().GetPayload() != "first, edited" {
		t.Errorf("pinned: %v", &seen)
	}
	page, err := bob.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true, Filters: &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_Pinned{Pinned: true}}})
	if err != nil || len(page.GetMessages()) != 1 || page.GetMessages()[0].GetChatId() != m.GetChatId() {
		t.Errorf("pinned messages: %v, %v", page, err)
	}

	w.must(nil, alice.Request(w.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: m.GetChatId()}, nil))
	var deleted rtkwire.DeleteMessage
	w.await(bob, 0, protocol.DeleteMessage, &deleted)
	if deleted.GetChatId() != m.GetChatId() {
		t.Errorf("deleted: %v", &deleted)
	}
	if got := w.history(bob); !slices.Equal(got, []string{"second"}) {
		t.Errorf("history: %q", got)
	}
}

func TestWhisperReachesItsAudienceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.enter("Alice"), w.enter("Bob"), w.enter("Carol")
	// The official client adds its own peer id, again and again.
	m, err := alice.Whisper(w.ctx, "psst", bob.ID, alice.ID, alice.ID)
	w.must(nil, err)
	want := []string{alice.Participant, bob.Participant}
	slices.Sort(want)
	if !slices.Equal(m.GetTargetUserIds(), want) {
		t.Errorf("targets %q, want %q", m.GetTargetUserIds(), want)
	}
	var got rtkwire.OneChatMessage
	w.await(bob, 0, protocol.SendMessageToPeers, &got)
	w.say(alice, "public")
	w.awaitText(carol, 0, "public")
	for _, f := range carol.Frames() {
		if protocol.Event(f.GetEvent()) == protocol.SendMessageToPeers {
			t.Error("Carol got a private message")
		}
	}
	for p, want := range map[*peer.Peer][]string{alice: {"psst", "public"}, bob: {"psst", "public"}, carol: {"public"}} {
		if got := w.history(p); !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
	}
	with := func(p, other *peer.Peer) int {
		page, err := p.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: 1 << 50, Reversed: true, Filters: &rtkwire.PageFilter{Filters: &rtkwire.PageFilter_UserId{UserId: other.Participant}}})
		w.must(nil, err)
		return len(page.GetMessages())
	}
	if with(alice, bob) != 1 || with(bob, alice) != 1 || with(alice, carol) != 0 || with(carol, alice) != 0 {
		t.Error("the conversations are wrong")
	}
	if err := carol.Request(w.ctx, protocol.PinMessage, &rtkwire.PinMessage{ChatId: m.GetChatId(), Pinned: true}, nil); err == nil {
		t.Error("Carol pinned a private message of others")
	}
}

func TestPagesHoldEachMessageOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprint(i))
		w.say(alice, want[i])
	}
	for _, reversed := range []bool{true, false} {
		t.Run(fmt.Sprint("reversed ", reversed), func(t *testing.T) {
			at, got := uint64(0), []string(nil)
			if reversed {
				at = 1 << 50
			}
			for more := true; more; {
				page, err := alice.Page(w.ctx, &rtkwire.PageRequest{TimeStamp: at, Size: 5, Reversed: reversed})
				w.must(nil, err)
				for _, m := range page.GetMessages() {
					got = append(got, m.GetPayload())
					at = m.GetCreatedAtMs() + 1
					if reversed {
						at = m.GetCreatedAtMs() - 1
					}
				}
				more = page.GetNext()
			}
			if reversed {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages: %q", got)
			}
		})
	}
}

func TestEarlierSessionsShowOnlyWhereChatIsKept(t *testing.T) {
	t.Parallel()
	for name, want := range map[bool][]string{false: nil, true: {"earlier"}} {
		t.Run(fmt.Sprint("kept ", name), func(t *testing.T) {
			w := newWorld(t)
			m := w.newMeeting(directory.NewMeeting{PersistChat: name})
			alice := w.inviteTo(m.ID, "Alice", "group_call_host")
			first := w.join(alice)
			w.say(first, "earlier")
			session := w.session(first)
			first.Leave()
			w.awaitRow("SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL", session)
			w.ahead.Add(int64(m.KeepAlive))
			w.awaitRow("SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL", session)
			again := w.join(alice)
			if w.session(again) == session {
				t.Error("the session has not ended")
			}
			if got := w.history(again); !slices.Equal(got, want) {
				t.Errorf("history %q, want %q", got, want)
			}
		})
	}
}
