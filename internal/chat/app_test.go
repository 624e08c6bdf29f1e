package chat

import (
	"errors"
	"reflect"
	"testing"
)

const app AppID = "app"

// byApp is what an app asks for in its own name, and forMe what it asks for me.
var (
	byApp = Actor{Meeting: "meeting", Participant: AppAuthor(app), DisplayName: "Bot", App: app}
	forMe = Actor{Meeting: "meeting", Participant: me, App: app}
)

func (a Actor) seeing() Actor {
	a.SeesPrivate = true
	return a
}

func TestAnAppSpeaksAboveTheRules(t *testing.T) {
	for _, kind := range []Kind{Text, Image, File, Custom} {
		for _, private := range []bool{false, true} {
			cmd := send(kind, private)
			cmd.Actor = byApp
			s := state(Permissions{})
			s.Actor = AppItself(app)
			s.Rules = Rules{Mode: ModeOff, NoPrivate: true}
			s.Wait = MaxSlowMode
			owned := upload
			owned.Owner = AppAuthor(app)
			s.Uploads = []Upload{owned}
			event, err := Decide(cmd, s)
			if err != nil {
				t.Errorf("%s, private %v: %v", kind, private, err)
				continue
			}
			if event.Message.Author != AppAuthor(app) || event.Message.DisplayName != "Bot" || event.App != app {
				t.Errorf("%s: %+v", kind, event)
			}
			if private != (len(event.Message.Audience) == 2) {
				t.Errorf("%s: the audience is %v", kind, event.Message.Audience)
			}
		}
	}
}

func TestAnAppHasTheRightsOfWhomItSpeaksFor(t *testing.T) {
	cmd := send(Text, false)
	cmd.Actor = forMe
	if _, err := Decide(cmd, state(Permissions{})); CodeOf(err) != Forbidden {
		t.Errorf("for one who may say nothing: %v", err)
	}
	event, err := Decide(cmd, state(all))
	if err != nil || event.Message.Author != me || event.Message.DisplayName != "Me" || event.Message.Peer != "" {
		t.Errorf("for one who may: %+v, %v", event, err)
	}
	s := state(all)
	s.Actor = nil
	if _, err := Decide(cmd, s); CodeOf(err) != NotFound {
		t.Errorf("for one who is not there: %v", err)
	}
	s = state(all)
	s.Actor.Permissions.Moderate, s.Wait = false, MaxSlowMode
	if _, err := Decide(cmd, s); CodeOf(err) != Limited {
		t.Errorf("in slow mode: %v", err)
	}
}

func TestWhatAppsMayTouch(t *testing.T) {
	ours := func(private bool) *Message { return message(AppAuthor(app), Text, private) }
	mine := func(private bool) *Message { return message(me, Text, private) }
	edit := func(a Actor) Command { return EditMessage{Actor: a, Message: "old", Content: content(Text)} }
	remove := func(a Actor) Command { return DeleteMessage{Actor: a, Message: "old"} }
	pin := func(a Actor) Command { return PinMessage{Actor: a, Message: "old", Pinned: true} }
	for _, test := range []struct {
		what string
		cmd  Command
		m    *Message
		want Code
	}{
		{"edits its own", edit(byApp), ours(false), ""},
		{"edits its own private one", edit(byApp), ours(true), ""},
		{"edits another's", edit(byApp), mine(false), Forbidden},
		{"edits another's private one", edit(byApp), mine(true), NotFound},
		{"edits another's private one that it sees", edit(byApp.seeing()), mine(true), Forbidden},
		{"edits mine for me", edit(forMe), mine(false), ""},
		{"edits my private one for me", edit(forMe), mine(true), NotFound},
		{"edits my private one for me, and sees it", edit(forMe.seeing()), mine(true), ""},
		{"edits its own for me", edit(forMe), ours(false), Forbidden},
		{"deletes its own", remove(byApp), ours(false), ""},
		{"deletes another's", remove(byApp), mine(false), ""},
		{"deletes another's private one", remove(byApp), mine(true), NotFound},
		{"deletes another's private one that it sees", remove(byApp.seeing()), mine(true), ""},
		{"deletes its own private one", remove(byApp), ours(true), ""},
		{"deletes mine for me", remove(forMe), mine(false), ""},
		{"pins another's", pin(byApp), mine(false), ""},
		{"pins another's private one", pin(byApp), mine(true), NotFound},
		{"pins its own private one", pin(byApp), ours(true), ""},
		{"pins what is not there", pin(byApp), nil, NotFound},
	} {
		s := state(Permissions{Public: PublicChat{Send: true, Text: true}, Private: PrivateChat{Send: true, Receive: true, Text: true}})
		if test.cmd.By().AsApp() {
			s.Actor = AppItself(app)
		}
		s.Message = test.m
		if _, err := Decide(test.cmd, s); CodeOf(err) != test.want {
			t.Errorf("%s: %v, want %q", test.what, err, test.want)
		}
	}
}

func TestWhatAppsMayDoWithoutASession(t *testing.T) {
	for what, s := range map[string]State{
		"no session": {Active: true}, "closed": {}, "an earlier session": {Active: true, Session: "later", Earlier: true},
	} {
		s.Actor, s.Message = AppItself(app), message(me, Text, false)
		if _, err := Decide(DeleteMessage{Actor: byApp, Message: "old"}, s); err != nil {
			t.Errorf("%s: deleting: %v", what, err)
		}
		if _, err := Decide(PinMessage{Actor: byApp, Message: "old"}, s); CodeOf(err) != Conflict {
			t.Errorf("%s: pinning: %v", what, err)
		}
		s.Message = message(AppAuthor(app), Text, false)
		if _, err := Decide(EditMessage{Actor: byApp, Message: "old", Content: content(Text)}, s); CodeOf(err) != Conflict {
			t.Errorf("%s: editing: %v", what, err)
		}
		s.Message, s.Actor = message(me, Text, false), &Participant{ID: me, Permissions: all}
		if _, err := Decide(DeleteMessage{Actor: forMe, Message: "old"}, s); CodeOf(err) != Conflict && CodeOf(err) != NotFound {
			t.Errorf("%s: deleting for somebody: %v", what, err)
		}
		if s.Session == "" {
			if _, err := Decide(SendMessage{Actor: byApp, Content: content(Text)}, s); CodeOf(err) != Conflict {
				t.Errorf("%s: sending: %v", what, err)
			}
		}
	}
}

func TestAnAppAddressesWhoIsThere(t *testing.T) {
	for what, test := range map[string]struct {
		to   []ParticipantID
		have []Participant
		want Code
	}{
		"all there":       {[]ParticipantID{you}, []Participant{{ID: you, Permissions: all}}, ""},
		"one missing":     {[]ParticipantID{you, they}, []Participant{{ID: you, Permissions: all}}, NotFound},
		"one unreceiving": {[]ParticipantID{you, they}, []Participant{{ID: you, Permissions: all}, {ID: they}}, Forbidden},
		"nobody":          {nil, nil, NotFound},
	} {
		cmd := send(Text, true)
		cmd.Actor, cmd.Recipients = byApp, test.to
		s := state(all)
		s.Actor, s.Recipients = AppItself(app), test.have
		if _, err := Decide(cmd, s); CodeOf(err) != test.want {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
	}
}

func TestAKeyIsForOneMessage(t *testing.T) {
	first := send(Text, false)
	first.Actor, first.Key = byApp, "key"
	s := state(all)
	s.Actor = AppItself(app)
	event, err := Decide(first, s)
	if err != nil || event.Key != "key" || len(event.Digest) == 0 {
		t.Fatalf("%+v, %v", event, err)
	}
	earlier := event.Message
	s.Repeat = &Repeat{Digest: event.Digest, Message: earlier}
	s.Session, s.Active = "", false // whatever has become of the meeting
	_, err = Decide(first, s)
	if again, ok := errors.AsType[*Repeated](err); !ok || !reflect.DeepEqual(again.Message, earlier) {
		t.Errorf("a repeated send: %v", err)
	}
	for what, change := range map[string]func(*SendMessage){
		"another text":    func(c *SendMessage) { c.Content.Payload = "other" },
		"another meeting": func(c *SendMessage) { c.Meeting = "other" },
		"another author":  func(c *SendMessage) { c.Participant = me },
		"another name":    func(c *SendMessage) { c.DisplayName = "Other" },
		"private":         func(c *SendMessage) { c.Private = true },
	} {
		other := first
		change(&other)
		if _, err := Decide(other, s); CodeOf(err) != Conflict {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}
}
