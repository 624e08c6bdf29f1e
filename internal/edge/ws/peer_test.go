package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

func TestNamesAreMadePresentable(t *testing.T) {
	for name, want := range map[string]string{
		"Alice": "Alice", "  Alice\t ": "Alice", "A\x00l\x1bi\x7fce": "Alice", "a\xffb": "ab", "": "", " \n": "",
		"Ünï 😀 \u202e":            "Ünï 😀 \u202e",
		strings.Repeat("x", 300):  strings.Repeat("x", chat.MaxDisplayName),
		strings.Repeat("ü", 200):  strings.Repeat("ü", chat.MaxDisplayName/2),
		strings.Repeat("😀x", 100): strings.Repeat("😀x", 51), // 255 bytes: the next rune would be cut
	} {
		if got := displayName(name); got != want {
			t.Errorf("%.20q became %.20q (%d bytes), want %.20q", name, got, len(got), want)
		}
	}
}

func TestRefusalsToLetInHaveTheirStatus(t *testing.T) {
	for code, want := range map[chat.Code]int{
		chat.Invalid: 400, chat.Unauthorized: 401, chat.Forbidden: 403, chat.NotFound: 404, chat.Conflict: 409,
		chat.Limited: 429, chat.Unavailable: 503, chat.Internal: 500, "new": 500,
	} {
		status, text := statusOf(fmt.Errorf("wrapped: %w", chat.Refuse(code, "because")))
		if status != want || (text == "because") != (want != 500) {
			t.Errorf("%s gives %d %q, want %d", code, status, text, want)
		}
	}
	if status, text := statusOf(errors.New("secret")); status != 500 || strings.Contains(text, "secret") {
		t.Errorf("a fault gives %d %q", status, text)
	}
	if status, _ := statusOf(room.ErrForeignPeer); status != 403 {
		t.Errorf("a foreign peer id gives %d", status)
	}
	if status, _ := statusOf(room.ErrTooManyPeers); status != 429 {
		t.Errorf("too many connections give %d", status)
	}
}

func TestRequestsAreNamedAfterTheirPeer(t *testing.T) {
	s := newWorld(t).connect(peerOf("alice"), "alice")
	own := string(s.info.Peer) + "-"
	for id, want := range map[string]bool{
		own + "x": true, own + "abc123": true, own + strings.Repeat("x", protocol.MaxFrameID-len(own)): true,
		own: false, own[:len(own)-1]: false, "": false, "x": false, own[:len(own)-1] + "_x": false,
		string(peerOf("bob")) + "-abc": false, own + strings.Repeat("x", protocol.MaxFrameID-len(own)+1): false,
	} {
		if err := s.checkID(id); (err == nil) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRefusalRepeatsTheIDUnlessItIsLong(t *testing.T) {
	s := newWorld(t).connect(peerOf("alice"), "alice")
	for id, want := range map[string]string{"foreign": "foreign", strings.Repeat("x", 1000): ""} {
		raw, err := proto.Marshal(&rtkwire.Frame{Event: uint32(protocol.GetPolls), Id: &id})
		if err != nil {
			t.Fatal(err)
		}
		s.handle(t.Context(), raw)
		frames := s.frames()
		if len(frames) != 1 || frames[0].GetId() != want || refusedWith(frames[0]) == "" {
			t.Errorf("%.10q: %v", id, frames)
		}
	}
}

func TestPanicCostsItsRequestOnly(t *testing.T) {
	w := newWorld(t)
	s := w.sit("alice", "")
	w.submits = func(chat.Actor) { panic("a fault of ours") }
	answer := s.ask(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "x"})
	if got := refusedWith(answer); got != "internal error" {
		t.Errorf("answered %q", got)
	}
	if len(w.faults) != 1 || !strings.Contains(w.faults[0], "where=request") {
		t.Errorf("logged: %q", w.faults)
	}
	w.faults, w.submits = nil, nil
	s.say("on")
}

// history gives the texts of getMessages.
func (s *seat) history() []string {
	s.Helper()
	var history rtkwire.ChatMessages
	s.get(protocol.GetMessages, nil, &history)
	var got []string
	for _, m := range history.GetMessages() {
		got = append(got, m.GetPayload())
	}
	return got
}

// Where a message cannot be shown, something stands in for it, and all others
// are shown in their order: live, to one who comes back, and in the history.
func TestMessageThatCannotBeShownLeavesNoHole(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.sit("alice", ""), w.sit("bob", ""), w.sit("carol", "")
	again := carol.back
	w.render = func(c chat.Content) {
		if c.Payload == "unspeakable" {
			panic("a fault of ours")
		}
	}
	for _, text := range []string{"one", "unspeakable", "two"} {
		bob.say(text)
	}
	want := []string{"one", standIn, "two"}
	if got := texted(alice.frames()); !slices.Equal(got, want) {
		t.Errorf("live: %q", got)
	}
	if got := texted(again().frames()); !slices.Equal(got, want) {
		t.Errorf("to one who is back: %q", got)
	}
	if got := alice.history(); !slices.Equal(got, want) {
		t.Errorf("in the history: %q", got)
	}
	if len(w.faults) == 0 || strings.Contains(strings.Join(w.faults, " "), "unspeakable") {
		t.Errorf("logged: %q", w.faults)
	}
	w.faults = nil
}

// A room that panics over one message is dropped. Its peers come back, find
// everything in order, that message too, and go on.
func TestRoomThatPanicsLosesNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	w.telling = func(e journal.Entry) {
		if e.Event.Message.Content.Payload == "bad" {
			panic("a fault of ours")
		}
	}
	bob.say("one")
	raw, _ := bob.request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "bad"})
	bob.handle(t.Context(), raw)
	for _, s := range []*seat{alice, bob} {
		if _, err := s.feed.Next(t.Context(), nil); !errors.Is(err, room.ClosedFault) {
			t.Errorf("the feed of %s ended with %v", s.info.Peer, err)
		}
		s.room.Disconnect(s.feed, false)
	}
	alice, bob = w.sit("alice", ""), w.sit("bob", "")
	bob.say("two")
	if got := texted(alice.frames()); !slices.Equal(got, []string{"two"}) {
		t.Errorf("afterwards alice hears %q", got)
	}
	if got, want := alice.history(), []string{"one", "bad", "two"}; !slices.Equal(got, want) {
		t.Errorf("the history is %q, want %q", got, want)
	}
	if len(w.faults) != 1 || !strings.Contains(w.faults[0], "where=room") {
		t.Errorf("logged: %q", w.faults)
	}
	w.faults = nil
}

func TestRequestsAreCountedByOutcome(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "")
	alice.say("hello")
	for range textBurst {
		alice.ask(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "more"})
	}
	alice.history()
	alice.ask(protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: "unknown"})
	got := make(map[string]uint64)
	w.server.Counters().Requests(func(request, outcome string, n uint64) { got[request+" "+outcome] = n })
	want := map[string]uint64{
		"join done": 1, "send done": textBurst, "send rate_limited": 1, "history done": 1, "delete rate_limited": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if n := w.server.Limits.Of("message_rate"); n != 2 {
		t.Errorf("the limit was reached %d times, want 2", n)
	}
	if n, _, _ := w.server.Counters().Stored.Snapshot(); n != textBurst {
		t.Errorf("%d commands were timed, want %d", n, textBurst)
	}
}

// back connects a peer anew, as after a cut.
func (s *seat) back() *seat {
	s.Helper()
	s.room.Disconnect(s.feed, false)
	return s.world.connect(s.info.Peer, string(s.info.Participant))
}

func TestReturningPeerIsToldWhatConcernsIt(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	w.sit("carol", "")
	again := alice.back
	bob.say("one")
	bob.get(protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "to alice", PeerIds: []string{"alice"}}, new(rtkwire.OneChatMessage))
	bob.get(protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "to carol", PeerIds: []string{"carol"}}, new(rtkwire.OneChatMessage))
	var gone rtkwire.OneChatMessage
	bob.get(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "regretted"}, &gone)
	bob.get(protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: gone.GetMessage().GetChatId()}, new(rtkwire.DeleteMessage))
	told := again().frames()
	if got, want := texted(told), []string{"one", "to alice"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if last := told[len(told)-1]; protocol.Event(last.GetEvent()) != protocol.DeleteMessage {
		t.Errorf("the last thing told is event %d", last.GetEvent())
	}
}

// TestHistoryHoldsWhatCameBeforeItsAnswer says something while the history is
// read, and something afterwards: whatever comes before the answer must be in
// it, and nothing that comes after it.
func TestHistoryHoldsWhatCameBeforeItsAnswer(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	bob.say("before")
	alice.frames()
	w.reading = func() { bob.say("meanwhile") }
	for _, round := range []string{"read from the store", "from memory"} {
		raw, _ := alice.request(protocol.GetMessages, nil)
		alice.handle(t.Context(), raw)
		bob.say("after " + round)
		var pushed, held []string
		frames := alice.frames()
		for i, f := range frames {
			if protocol.Event(f.GetEvent()) != protocol.GetMessages {
				continue
			}
			var history rtkwire.ChatMessages
			if err := proto.Unmarshal(f.GetPayload(), &history); err != nil {
				t.Fatal(err)
			}
			for _, m := range history.GetMessages() {
				held = append(held, m.GetPayload())
			}
			pushed = texted(frames[:i])
			if got, want := texted(frames[i+1:]), []string{"after " + round}; !slices.Equal(got, want) {
				t.Errorf("%s: after the answer came %q, want %q", round, got, want)
			}
		}
		want := []string{"before", "meanwhile"}
		if round == "from memory" {
			want = append(want, "after read from the store")
		} else if !slices.Equal(pushed, []string{"meanwhile"}) {
			t.Errorf("%s: before the answer came %q", round, pushed)
		}
		if !slices.Equal(held, want) {
			t.Errorf("%s: the history holds %q, want %q", round, held, want)
		}
	}
}

func TestCommandsThatAreDoneMakeRoomForMore(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for n := range 2 * maxPending {
		w.advance(time.Second)
		raw, _ := alice.request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "stored"})
		if n%2 == 1 {
			raw, _ = alice.request(protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: "refused"})
		}
		alice.handle(ctx, raw)
		alice.frames()
	}
	if ctx.Err() != nil {
		t.Error("commands that are done still count as pending")
	}
}

// TestReturningPeerIsNotToldWhatItMayNoMoreReceive: coming back is no way
// around a preset that getMessages keeps to.
func TestReturningPeerIsNotToldWhatItMayNoMoreReceive(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	alice.get(protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "by alice", PeerIds: []string{"bob"}}, new(rtkwire.OneChatMessage))
	bob.get(protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "to alice", PeerIds: []string{"alice"}}, new(rtkwire.OneChatMessage))
	bob.say("public")
	less := everything
	less.Private.Receive = false
	w.rights["alice"] = less
	if got, want := texted(alice.back().frames()), []string{"by alice", "public"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestReturningPeerKeepsTheNameItJoinedBy(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "Ali")
	again := alice.back()
	again.frames()
	var m rtkwire.OneChatMessage
	again.get(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "x"}, &m)
	if got := m.GetMessage().GetDisplayName(); got != "Ali" {
		t.Errorf("it writes as %q", got)
	}
}

func TestProposedNameNeedsTheRight(t *testing.T) {
	w := newWorld(t)
	w.rights["bob"] = chat.Permissions{Public: everything.Public}
	for participant, want := range map[string]string{"alice": "Chosen", "bob": "BOB"} {
		s := w.connect(peerOf(participant), participant)
		var joined rtkwire.PeerInfo
		s.get(protocol.JoinRoom, &rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{
			PeerId: "forged", UserId: "forged", DisplayName: " Chosen\n", Flags: &rtkwire.PeerFlags{RecorderType: "RECORDER"},
		}}, &joined)
		p := joined.GetPeer()
		if p.GetDisplayName() != want || p.GetUserId() != participant || p.GetPeerId() != string(s.info.Peer) || p.GetFlags().GetRecorderType() != "NONE" {
			t.Errorf("%s joined as %v", participant, p)
		}
	}
}

// TestJoinWaitsForAnEarlierLeaving: a leaving that is recorded after the join
// would undo it.
func TestJoinWaitsForAnEarlierLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.sit("alice", "")
		w.leaving = make(chan struct{})
		alice.get(protocol.LeaveRoom, nil, new(rtkwire.PeerInfo))
		joined := make(chan string)
		go func() { joined <- refusedWith(alice.ask(protocol.JoinRoom, nil)) }()
		synctest.Wait()
		if len(w.entered) != 1 {
			t.Error("the join is recorded before the leaving")
		}
		close(w.leaving)
		if got := <-joined; got != "" || len(w.entered) != 2 {
			t.Errorf("refused with %q, entered %q", got, w.entered)
		}
	})
}

// TestJoinThatIsCutOffIsCompleted: what is recorded as here must be known to
// be here, or it is never recorded as gone.
func TestJoinThatIsCutOffIsCompleted(t *testing.T) {
	w := newWorld(t)
	bob := w.sit("bob", "")
	alice := w.connect(peerOf("alice"), "alice")
	w.entering = make(chan struct{})
	ctx, cut := context.WithCancel(t.Context())
	raw, _ := alice.request(protocol.JoinRoom, nil)
	var joining sync.WaitGroup
	joining.Go(func() { alice.handle(ctx, raw) })
	cut()
	alice.feed.Close(room.ClosedSilent)
	close(w.entering)
	joining.Wait()
	alice.room.Disconnect(alice.feed, false)
	if _, ok := bob.room.Member(alice.info.Peer); !ok || len(w.entered) != 2 {
		t.Errorf("entered: %q; known in the room: %v", w.entered, ok)
	}
}

func TestJoiningTooOftenIsRefused(t *testing.T) {
	w := newWorld(t)
	alice := w.connect(peerOf("alice"), "alice")
	n := 0
	for ; n < 10_000; n++ {
		if refusedWith(alice.ask(protocol.JoinRoom, nil)) != "" {
			break
		}
		alice.get(protocol.LeaveRoom, nil, new(rtkwire.PeerInfo))
	}
	if n != joinBurst {
		t.Errorf("%d joins at once, want %d", n, joinBurst)
	}
	w.advance(time.Minute)
	for range 3 * joinBurst { // one who is here may ask again and again
		alice.get(protocol.JoinRoom, nil, new(rtkwire.PeerInfo))
	}
}

// serve serves the world's sockets, and gives the URL for a participant.
func (w *world) serve() (url func(participant string) string) {
	web := httptest.NewServer(w.server)
	w.Cleanup(func() {
		if err := w.server.Drain(context.Background()); err != nil {
			w.Error(err)
		}
		web.Close()
	})
	return func(participant string) string {
		return fmt.Sprintf("%s/?roomID=%s&peerID=%s&authToken=%s", web.URL, meeting, peerOf(participant), participant)
	}
}

func (w *world) dial(url string) *websocket.Conn {
	w.Helper()
	c, answer, err := websocket.Dial(w.Context(), url, nil)
	if err != nil {
		w.Fatalf("%v %v", answer, err)
	}
	w.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func TestABreachIsToldByItsCloseCode(t *testing.T) {
	w := newWorld(t)
	c := w.dial(w.serve()("alice"))
	if err := c.Write(t.Context(), websocket.MessageText, []byte{0xff}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInvalidFramePayloadData {
		t.Errorf("closed with %v", err)
	}
}

func TestAGoodbyeIsAnsweredInKind(t *testing.T) {
	w := newWorld(t)
	url := w.serve()
	for _, code := range []websocket.StatusCode{websocket.StatusNormalClosure, websocket.StatusGoingAway, 3002} {
		if err := w.dial(url("alice")).Close(code, "bye"); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// TestKeepAlivesAreRequestsToo floods a connection with the shortest text
// there is. It must be read more slowly, and cost what it costs.
func TestKeepAlivesAreRequestsToo(t *testing.T) {
	w := newWorld(t)
	c := w.dial(w.serve()("alice"))
	start, n := time.Now(), 0
	reading, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	go func() {
		for c.Write(reading, websocket.MessageText, []byte(protocol.Ping)) == nil {
		}
	}()
	for {
		_, data, err := c.Read(reading)
		if err != nil {
			break
		}
		if string(data) == protocol.Pong {
			n++
		}
	}
	if most := requestBurst + int(requestRate*(time.Since(start).Seconds()+1)); n > most {
		t.Errorf("%d pings were answered, want at most %d", n, most)
	}
	if n < requestBurst/2 {
		t.Errorf("only %d pings were answered; the test shows nothing", n)
	}
}

func TestWhoMayNotComeInGetsAStatus(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewServer(w.server)
	defer web.Close()
	w.connect(peerOf("bob"), "bob")
	alice := string(peerOf("alice"))
	for name, test := range map[string]struct {
		room, peer, token string
		want              int
	}{
		"no token": {string(meeting), alice, "", 401}, "nobody": {string(meeting), alice, "nobody", 401},
		"other meeting": {"other", alice, "alice", 403}, "no meeting": {"", alice, "alice", 403},
		"no peer id": {string(meeting), "", "alice", 400}, "bad peer id": {string(meeting), "{" + alice + "}", "alice", 400},
		"foreign peer id": {string(meeting), string(peerOf("bob")), "alice", 403},
		"no upgrade":      {string(meeting), alice, "alice", 400},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := get(t, fmt.Sprintf("%s/?roomID=%s&peerID=%s&authToken=%s", web.URL, test.room, test.peer, test.token))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != test.want {
				t.Errorf("status %d, want %d", answer.StatusCode, test.want)
			}
		})
	}
}

func TestFaultWhenLettingInIsLoggedAndNotTold(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewServer(w.server)
	defer web.Close()
	answer, err := get(t, fmt.Sprintf("%s/?roomID=%s&peerID=%s&authToken=broken", web.URL, meeting, peerOf("broken")))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 500 || strings.Contains(string(text), "disk") {
		t.Errorf("answered %d %q", answer.StatusCode, text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.faults) != 1 || !strings.Contains(w.faults[0], "disk") {
		t.Errorf("logged: %q", w.faults)
	}
	w.faults = nil
}

func TestWhoComesWhileTheServerDrainsIsSentBack(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewServer(w.server)
	defer web.Close()
	if err := w.server.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, answer, err := websocket.Dial(t.Context(), fmt.Sprintf("%s/?roomID=%s&peerID=%s&authToken=alice", web.URL, meeting, peerOf("alice")), nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered %v, %v", answer, err)
	}
}

// get asks for a page without the wish to upgrade.
func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}
