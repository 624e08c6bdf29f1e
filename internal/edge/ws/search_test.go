package ws

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

func (s *seat) finds(term string) string {
	s.Helper()
	var m rtkwire.ChatMessages
	s.get(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: term, TimeStamp: 1 << 52, Reversed: true}, &m)
	var texts []string
	for _, one := range m.GetMessages() {
		texts = append(texts, one.GetPayload())
	}
	return strings.Join(texts, "|")
}

func TestSearchFindsTextsWhateverTheirCase(t *testing.T) {
	alice := newWorld(t).sit("alice", "")
	for _, text := range []string{"Grüße aus KÖLN", "koeln", "ΣΊΣΥΦΟΣ", "100%", "a needle here"} {
		alice.say(text)
	}
	for term, want := range map[string]string{
		"köln": "Grüße aus KÖLN", "GRÜ": "Grüße aus KÖLN", "σίσυφος": "ΣΊΣΥΦΟΣ", "%": "100%", "Needle": "a needle here", "none": "",
	} {
		if got := alice.finds(term); got != want {
			t.Errorf("%q finds %q, want %q", term, got, want)
		}
		alice.advance(time.Second)
	}
}

func TestSearchShowsOnlyWhatTheViewerMaySee(t *testing.T) {
	w := newWorld(t)
	w.rights["deaf"] = chat.Permissions{Public: everything.Public}
	alice, bob, carol, deaf := w.sit("alice", ""), w.sit("bob", ""), w.sit("carol", ""), w.sit("deaf", "")
	alice.get(protocol.SendMessageToPeers, &rtkwire.SendToPeers{Payload: "needle for bob", PeerIds: []string{string(peerOf("bob"))}}, new(rtkwire.OneChatMessage))
	var gone rtkwire.OneChatMessage
	alice.get(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: "needle regretted"}, &gone)
	alice.get(protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: gone.GetMessage().GetChatId()}, new(rtkwire.DeleteMessage))
	alice.get(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: `{"link":"needle"}`, PayloadType: int32(chat.File)}, new(rtkwire.OneChatMessage))
	for who, s := range map[string]*seat{"needle for bob": bob, "": carol} {
		if got := s.finds("needle"); got != who {
			t.Errorf("found %q, want %q", got, who)
		}
	}
	if got := deaf.finds("needle"); got != "" {
		t.Errorf("one who may not receive finds %q", got)
	}
	outside := w.connect(peerOf("outside"), "outside")
	if words := refusedWith(outside.ask(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: "needle"})); words != "join the meeting first" {
		t.Errorf("one outside is told %q", words)
	}
}

func TestSearchIsBounded(t *testing.T) {
	alice := newWorld(t).sit("alice", "")
	for term, want := range map[string]string{"": "has 1 to 256 bytes", " ": "has 1 to 256 bytes", strings.Repeat("x", 257): "has 1 to 256 bytes"} {
		if words := refusedWith(alice.ask(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: term})); !strings.Contains(words, want) {
			t.Errorf("%.10q: %q", term, words)
		}
	}
	channel := "c"
	if words := refusedWith(alice.ask(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: "x", ChannelId: &channel})); words != noChannels {
		t.Errorf("in a channel: %q", words)
	}
	if words := refusedWith(alice.ask(protocol.GetPaginatedMessages, &rtkwire.PageRequest{ChannelId: &channel})); words != noChannels {
		t.Errorf("a page of a channel: %q", words)
	}
	for n := range 2 * defaultFound {
		alice.say(fmt.Sprint("x", n))
		alice.advance(time.Second)
	}
	if got := strings.Count(alice.finds("x"), "|") + 1; got != defaultFound {
		t.Errorf("%d are found where no number is named", got)
	}
	var three rtkwire.ChatMessages
	alice.get(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: "x", Size: 3}, &three)
	if len(three.GetMessages()) != 3 {
		t.Errorf("%d are found of three", len(three.GetMessages()))
	}
	for range findBurst - 2 {
		alice.finds("y")
	}
	if words := refusedWith(alice.ask(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: "y"})); words != "too many searches, wait a little" {
		t.Errorf("one too many: %q", words)
	}
}

// long is a journal with a text for each of its times, from 1 on.
type long struct {
	Journal

	texts int
	reads int
}

func (l *long) Page(_ context.Context, q journal.Query) (journal.Page, error) {
	l.reads++
	q = q.Normalise()
	var page journal.Page
	step, at := int64(1), max(q.Time, 1)
	if q.Backward {
		step, at = -1, min(q.Time, int64(l.texts))
	}
	for ; at >= 1 && at <= int64(l.texts); at += step {
		if len(page.Messages) == q.Limit {
			page.More = true
			break
		}
		page.Messages = append(page.Messages, chat.Message{
			Meeting: meeting, SentAt: at, Content: chat.Content{Kind: chat.Text, Payload: fmt.Sprintf("<%d>", at)},
		})
	}
	return page, nil
}

func TestSearchGoesThroughPagesButNotThroughEverything(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "")
	l := &long{Journal: w.server.Journal, texts: 2 * maxSearched}
	w.server.Journal = l
	newest, oldest := l.texts, 1
	for at, want := range map[int]bool{
		newest: true, newest - 1500: true, newest - maxSearched + 1: true, newest - maxSearched: false, oldest: false,
	} {
		if got := alice.finds(fmt.Sprintf("<%d>", at)); (got != "") != want {
			t.Errorf("backwards, the text of %d is found: %q", at, got)
		}
		alice.advance(time.Second)
	}
	for at, want := range map[int]bool{oldest: true, maxSearched: true, maxSearched + 1: false} {
		var m rtkwire.ChatMessages
		alice.get(protocol.SearchChannelMessages, &rtkwire.SearchRequest{SearchTerm: fmt.Sprintf("<%d>", at)}, &m)
		if (len(m.GetMessages()) == 1) != want {
			t.Errorf("forwards, the text of %d is found: %v", at, m.GetMessages())
		}
		alice.advance(time.Second)
	}
	l.reads = 0
	alice.finds("none")
	if want := maxSearched / journal.MaxPage; l.reads != want {
		t.Errorf("a search reads %d pages, want %d", l.reads, want)
	}
}
