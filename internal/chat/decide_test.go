package chat

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The people of these tests. me is who wishes, you is the other side of what
// is private, they are a third.
const (
	me   ParticipantID = "me"
	you  ParticipantID = "you"
	they ParticipantID = "they"
)

var actor = Actor{Meeting: "meeting", Participant: me, Peer: "peer", DisplayName: "Me"}

// all is every right there is.
var all = Permissions{
	Public: PublicChat{Send: true, Text: true, Files: true}, Private: PrivateChat{Send: true, Receive: true, Text: true, Files: true},
	EditDisplayName: true, Moderate: true,
}

// every gives every combination of the rights that decisions depend on.
func every(try func(Permissions)) {
	for bits := range 1 << 8 {
		bit := func(i int) bool { return bits>>i&1 == 1 }
		try(Permissions{
			Public:   PublicChat{Send: bit(0), Text: bit(1), Files: bit(2)},
			Private:  PrivateChat{Send: bit(3), Receive: bit(4), Text: bit(5), Files: bit(6)},
			Moderate: bit(7),
		})
	}
}

// state is a live meeting with me in it, and with those who may be addressed.
func state(mine Permissions) State {
	return State{
		Active: true, Session: "session", Actor: &Participant{ID: me, Name: "Me", Permissions: mine},
		Recipients: []Participant{{ID: you, Permissions: all}},
	}
}

func content(kind Kind) Content {
	c := Content{Kind: kind, Payload: "payload of " + kind.String()}
	if kind == Image || kind == File {
		c.Uploads = []UploadID{"upload"}
	}
	return c
}

// upload is a file that every content may refer to.
var upload = Upload{ID: "upload", Meeting: "meeting", Owner: me, Complete: true, Type: "image/png"}

func send(kind Kind, private bool) SendMessage {
	c := SendMessage{Actor: actor, ID: "new", Content: content(kind), Private: private}
	if private {
		c.Recipients = []ParticipantID{you}
	}
	return c
}

// message is one that was sent earlier, seen by me and you if it is private.
func message(author ParticipantID, kind Kind, private bool) *Message {
	m := &Message{
		ID: "old", Meeting: "meeting", Session: "session", Seq: 7, Author: author, Peer: "its peer", DisplayName: "Name",
		Content: Content{Kind: kind, Payload: "before"}, SentAt: 1000,
	}
	if private {
		m.Audience = []ParticipantID{me, you}
	}
	return m
}

// Who may do what: every command, on public and on private messages, of one's
// own and of others, under every combination of rights.
func TestRights(t *testing.T) {
	may := func(allowed bool) Code {
		if allowed {
			return ""
		}
		return Forbidden
	}
	// seen is the answer where the message must be seen in the first place.
	seen := func(p Permissions, answer Code) Code {
		if !p.Private.Receive {
			return NotFound
		}
		return answer
	}
	type test struct {
		name    string
		cmd     Command
		message *Message
		want    func(Permissions) Code
	}
	tests := []test{
		{"send a public text", send(Text, false), nil, func(p Permissions) Code { return may(p.Public.Send && p.Public.Text) }},
		{"send a public image", send(Image, false), nil, func(p Permissions) Code { return may(p.Public.Send && p.Public.Files) }},
		{"send a public file", send(File, false), nil, func(p Permissions) Code { return may(p.Public.Send && p.Public.Files) }},
		{"send a public custom message", send(Custom, false), nil, func(p Permissions) Code { return may(p.Public.Send && p.Public.Text && p.Public.Files) }},
		{"send a private text", send(Text, true), nil, func(p Permissions) Code { return may(p.Private.Send && p.Private.Text) }},
		{"send a private image", send(Image, true), nil, func(p Permissions) Code { return may(p.Private.Send && p.Private.Files) }},
		{"send a private file", send(File, true), nil, func(p Permissions) Code { return may(p.Private.Send && p.Private.Files) }},
		{"send a private custom message", send(Custom, true), nil, func(p Permissions) Code { return may(p.Private.Send && p.Private.Text && p.Private.Files) }},
		{"send a message of an unknown kind", send(9, false), nil, func(Permissions) Code { return Forbidden }},

		{"delete my public message", DeleteMessage{actor, "old"}, message(me, Text, false), func(Permissions) Code { return "" }},
		{"delete my private message", DeleteMessage{actor, "old"}, message(me, Text, true), func(Permissions) Code { return "" }},
		{"delete your public message", DeleteMessage{actor, "old"}, message(you, Text, false), func(p Permissions) Code { return may(p.Moderate) }},
		{"delete your private message", DeleteMessage{actor, "old"}, message(you, Text, true), func(p Permissions) Code { return seen(p, Forbidden) }},

		{"pin my public message", PinMessage{actor, "old", true}, message(me, Text, false), func(p Permissions) Code { return may(p.Public.Send) }},
		{"pin your public message", PinMessage{actor, "old", true}, message(you, Text, false), func(p Permissions) Code { return may(p.Public.Send) }},
		{"pin my private message", PinMessage{actor, "old", true}, message(me, Text, true), func(p Permissions) Code { return may(p.Private.Send) }},
		{"pin your private message", PinMessage{actor, "old", true}, message(you, Text, true), func(p Permissions) Code { return seen(p, may(p.Private.Send)) }},
		{"unpin your public message", PinMessage{actor, "old", false}, message(you, Text, false), func(p Permissions) Code { return may(p.Public.Send) }},
		{"unpin your private message", PinMessage{actor, "old", false}, message(you, Text, true), func(p Permissions) Code { return seen(p, may(p.Private.Send)) }},
	}
	for _, kind := range []Kind{Text, Image, File, Custom} {
		for _, private := range []bool{false, true} {
			edit := EditMessage{actor, "old", content(kind)}
			// Whoever may not send such a message may not make one by an edit.
			tests = append(tests,
				test{fmt.Sprintf("edit my %v, private: %v", kind, private), edit, message(me, kind, private), func(p Permissions) Code {
					rights := p.Public
					if private {
						rights = PublicChat{p.Private.Send, p.Private.Text, p.Private.Files}
					}
					needsText, needsFiles := kind == Text || kind == Custom, kind != Text
					return may(rights.Send && (rights.Text || !needsText) && (rights.Files || !needsFiles))
				}},
				test{fmt.Sprintf("edit your %v, private: %v", kind, private), edit, message(you, kind, private), func(p Permissions) Code {
					if private {
						return seen(p, Forbidden)
					}
					return Forbidden
				}})
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			every(func(p Permissions) {
				s := state(p)
				s.Message, s.Uploads = test.message, []Upload{upload}
				event, err := Decide(test.cmd, s)
				if got, want := CodeOf(err), test.want(p); got != want {
					t.Errorf("with %+v: %q (%v), want %q", p, got, err, want)
				}
				if err != nil && !reflect.DeepEqual(event, Event{}) {
					t.Errorf("with %+v: refused, and yet %+v happened", p, event)
				}
			})
		})
	}
}

// commands are one of each, all of which would be allowed.
func commands() map[string]Command {
	return map[string]Command{
		"send": send(Text, false), "edit": EditMessage{actor, "old", content(Text)},
		"delete": DeleteMessage{actor, "old"}, "pin": PinMessage{actor, "old", true},
	}
}

func TestNothingHappensWhere(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*State)
		want   Code
	}{
		{"TheActorIsNoParticipant", func(s *State) { s.Actor = nil }, Unauthorized},
		{"TheMeetingIsClosed", func(s *State) { s.Active = false }, Forbidden},
		{"ThereIsNoSession", func(s *State) { s.Session = "" }, Forbidden},
	} {
		for name, cmd := range commands() {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				s := state(all)
				s.Message = message(me, Text, false)
				if _, err := Decide(cmd, s); err != nil {
					t.Fatalf("allowed in general, but: %v", err)
				}
				test.change(&s)
				if _, err := Decide(cmd, s); CodeOf(err) != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
			})
		}
	}
}

// A message that does not exist, one that is gone and one that is not for my
// eyes get the same answer, to the letter.
func TestWhatIsNotSeenIsNotThere(t *testing.T) {
	deleted := message(me, Text, false)
	deleted.DeletedAt = 2000
	foreign := message(you, Text, true)
	foreign.Audience = []ParticipantID{they, you}
	unheard := message(you, Text, true)
	for name, cmd := range commands() {
		if name == "send" {
			continue
		}
		answers := make(map[string]string)
		for what, m := range map[string]*Message{"unknown": nil, "deleted": deleted, "foreign": foreign, "unheard": unheard} {
			rights := all
			rights.Private.Receive = what != "unheard"
			s := state(rights)
			s.Message = m
			_, err := Decide(cmd, s)
			if CodeOf(err) != NotFound {
				t.Errorf("%s of a message %s: %v, want %s", name, what, err, NotFound)
				continue
			}
			answers[err.Error()] = what
		}
		if len(answers) != 1 {
			t.Errorf("%s: the answers differ: %v", name, answers)
		}
	}
}

func TestEditKeepsTheKind(t *testing.T) {
	for _, from := range []Kind{Text, Image, File, Custom} {
		for _, to := range []Kind{Text, Image, File, Custom} {
			s := state(all)
			s.Message, s.Uploads = message(me, from, false), []Upload{upload}
			_, err := Decide(EditMessage{actor, "old", content(to)}, s)
			want := Invalid
			if from == to {
				want = ""
			}
			if CodeOf(err) != want {
				t.Errorf("from %v to %v: %v, want %q", from, to, err, want)
			}
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	if _, err := Decide(struct{ SendMessage }{}, state(all)); CodeOf(err) != Invalid {
		t.Errorf("got %v, want %s", err, Invalid)
	}
}

func TestEvents(t *testing.T) {
	mine, yours := message(me, Text, true), message(you, Text, true)
	pinned := *yours
	pinned.Pinned = true
	pinnedMine := *mine
	pinnedMine.Pinned = true
	edited, deleted := *mine, pinnedMine
	edited.Content = content(Text)
	deleted.Content, deleted.Pinned = Content{Kind: Text}, false
	private := send(Text, true)
	private.ClientID = "mine"
	public := Message{
		ID: "new", Meeting: "meeting", Session: "session", Author: me, Peer: "peer", DisplayName: "Me", Content: content(Text),
	}
	whispered := public
	whispered.Audience = []ParticipantID{me, you}
	for _, test := range []struct {
		name    string
		cmd     Command
		message *Message
		want    Event
	}{
		{"send", send(Text, false), nil, Event{Kind: MessageSent, Message: public}},
		{"send privately", private, nil, Event{Kind: MessageSent, Message: whispered, ClientID: "mine", Digest: Digest(private)}},
		{"edit", EditMessage{actor, "old", content(Text)}, mine, Event{Kind: MessageEdited, Message: edited, Before: mine.Content}},
		{"delete", DeleteMessage{actor, "old"}, &pinnedMine, Event{Kind: MessageDeleted, Message: deleted, Before: mine.Content}},
		{"pin", PinMessage{actor, "old", true}, yours, Event{Kind: MessagePinned, Message: pinned}},
		{"unpin", PinMessage{actor, "old", false}, &pinned, Event{Kind: MessageUnpinned, Message: *yours}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := state(all)
			s.Message = test.message
			var before Message
			if s.Message != nil {
				before = *s.Message
			}
			got, err := Decide(test.cmd, s)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Actor, test.want.Peer = me, "peer"
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, test.want)
			}
			if s.Message != nil && !reflect.DeepEqual(*s.Message, before) {
				t.Errorf("the state was changed from %+v to %+v", before, *s.Message)
			}
		})
	}
}

func TestAudience(t *testing.T) {
	hears := func(id ParticipantID) Participant { return Participant{ID: id, Permissions: all} }
	deaf := Participant{ID: "deaf", Permissions: Permissions{Private: PrivateChat{Send: true, Text: true}}}
	crowd := func(n int) []Participant {
		list := make([]Participant, n)
		for i := range list {
			list[i] = hears(ParticipantID(fmt.Sprint("p", i)))
		}
		return list
	}
	for _, test := range []struct {
		name       string
		recipients []Participant // those who exist
		want       []ParticipantID
		code       Code
	}{
		{"one", []Participant{hears(you)}, []ParticipantID{me, you}, ""},
		{"sorted, and each once", []Participant{hears(you), hears("a"), hears(me), hears(you)}, []ParticipantID{"a", me, you}, ""},
		{"only those who may receive", []Participant{deaf, hears(you)}, []ParticipantID{me, you}, ""},
		{"nobody", nil, nil, NotFound},
		{"nobody but me", []Participant{hears(me)}, nil, NotFound},
		{"nobody who may receive", []Participant{deaf}, nil, NotFound},
		{"one too many", crowd(MaxRecipients), nil, Limited},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := state(all)
			s.Recipients = test.recipients
			event, err := Decide(send(Text, true), s)
			if CodeOf(err) != test.code || !slices.Equal(event.Message.Audience, test.want) {
				t.Errorf("got %v, %v; want %v, %q", event.Message.Audience, err, test.want, test.code)
			}
		})
	}
	s := state(all)
	s.Recipients = crowd(MaxRecipients - 1)
	if event, err := Decide(send(Text, true), s); err != nil || len(event.Message.Audience) != MaxRecipients {
		t.Errorf("to as many as allowed: %d, %v", len(event.Message.Audience), err)
	}
	// Whoever may not receive private messages may still write them.
	s = state(Permissions{Private: PrivateChat{Send: true, Text: true}})
	if event, err := Decide(send(Text, true), s); err != nil || !event.Message.VisibleTo(me) {
		t.Errorf("from one who may not receive: %v, %v", event.Message.Audience, err)
	}
	// Recipients of a public message mean nothing.
	public := send(Text, true)
	public.Private = false
	if event, err := Decide(public, state(all)); err != nil || !event.Message.Public() {
		t.Errorf("a public message with recipients: %v, %v", event.Message.Audience, err)
	}
}

func TestFilesReferredTo(t *testing.T) {
	with := func(change func(*Upload)) []Upload {
		u := upload
		change(&u)
		return []Upload{u}
	}
	other := upload
	other.ID = "other"
	for _, test := range []struct {
		name    string
		kind    Kind
		uploads []Upload
		want    Code
	}{
		{"an image of mine", Image, []Upload{upload}, ""},
		{"an image of mine among others", Image, []Upload{other, upload}, ""},
		{"a file of mine, of any type", File, with(func(u *Upload) { u.Type = "text/html" }), ""},
		{"unknown", File, nil, Invalid},
		{"only another", File, []Upload{other}, Invalid},
		{"yours", File, with(func(u *Upload) { u.Owner = you }), Invalid},
		{"of another meeting", File, with(func(u *Upload) { u.Meeting = "elsewhere" }), Invalid},
		{"not complete", File, with(func(u *Upload) { u.Complete = false }), Invalid},
		{"a GIF", Image, with(func(u *Upload) { u.Type = "image/gif" }), ""},
		{"a JPEG", Image, with(func(u *Upload) { u.Type = "image/jpeg" }), ""},
		{"a drawing with scripts as an image", Image, with(func(u *Upload) { u.Type = "image/svg+xml" }), Invalid},
		{"no type as an image", Image, with(func(u *Upload) { u.Type = "" }), Invalid},
	} {
		for name, cmd := range map[string]Command{"send": send(test.kind, false), "edit": EditMessage{actor, "old", content(test.kind)}} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				s := state(all)
				s.Message, s.Uploads = message(me, test.kind, false), test.uploads
				if _, err := Decide(cmd, s); CodeOf(err) != test.want {
					t.Errorf("got %v, want %q", err, test.want)
				}
			})
		}
	}
	many := send(Custom, false)
	many.Content.Uploads = slices.Repeat([]UploadID{"upload"}, MaxUploadsPerMessage+1)
	s := state(all)
	s.Uploads = []Upload{upload}
	if _, err := Decide(many, s); CodeOf(err) != Limited {
		t.Errorf("too many files: %v, want %s", err, Limited)
	}
	many.Content.Uploads = many.Content.Uploads[1:]
	if _, err := Decide(many, s); err != nil {
		t.Errorf("as many files as allowed: %v", err)
	}
}

func TestClientIDIsBounded(t *testing.T) {
	c := send(Text, false)
	for length, want := range map[int]Code{MaxClientID: "", MaxClientID + 1: Invalid} {
		c.ClientID = strings.Repeat("i", length)
		if _, err := Decide(c, state(all)); CodeOf(err) != want {
			t.Errorf("a client id of %d bytes: %v, want %q", length, err, want)
		}
	}
}

// The answer to a repeat is the earlier message, whatever has become of the
// right to send it, of the session, or of the message.
func TestRepeat(t *testing.T) {
	first := send(Text, true)
	first.ClientID = "mine"
	earlier := *message(me, Text, true)
	earlier.DeletedAt = 2000
	s := state(all)
	s.Repeat = &Repeat{Digest: Digest(first), Message: earlier}
	for name, change := range map[string]func(*State){
		"at once":                func(*State) {},
		"without rights":         func(s *State) { s.Actor = &Participant{ID: me} },
		"without a session":      func(s *State) { s.Session = "" },
		"in a closed meeting":    func(s *State) { s.Active = false },
		"to those no more there": func(s *State) { s.Recipients = nil },
	} {
		now := s
		change(&now)
		again := first
		again.ID = "newer"
		_, err := Decide(again, now)
		repeat, ok := errors.AsType[*Repeated](err)
		if !ok || !reflect.DeepEqual(repeat.Message, earlier) {
			t.Errorf("%s: %v, want the earlier message", name, err)
		}
		other := first
		other.Content.Payload = "other"
		if _, err := Decide(other, now); CodeOf(err) != Conflict {
			t.Errorf("%s, with other content: %v, want %s", name, err, Conflict)
		}
	}
	s.Actor = nil
	if _, err := Decide(first, s); CodeOf(err) != Unauthorized {
		t.Errorf("by one who was removed: %v, want %s", err, Unauthorized)
	}
}

func TestDigest(t *testing.T) {
	base := func() SendMessage {
		c := send(Text, true)
		c.Recipients = []ParticipantID{"a", "b"}
		return c
	}
	with := func(change func(*SendMessage)) SendMessage {
		c := base()
		change(&c)
		return c
	}
	same := map[string]SendMessage{
		"another order":                  with(func(c *SendMessage) { c.Recipients = []ParticipantID{"b", "a"} }),
		"recipients twice":               with(func(c *SendMessage) { c.Recipients = []ParticipantID{"a", "b", "a"} }),
		"the author among them":          with(func(c *SendMessage) { c.Recipients = []ParticipantID{"a", me, "b"} }),
		"another id":                     with(func(c *SendMessage) { c.ID = "another" }),
		"another connection and name":    with(func(c *SendMessage) { c.Peer, c.DisplayName = "other", "Other" }),
		"the same client id, or another": with(func(c *SendMessage) { c.ClientID = "c" }),
	}
	for name, c := range same {
		if !slices.Equal(Digest(c), Digest(base())) {
			t.Errorf("%s: another digest", name)
		}
	}
	different := map[string]SendMessage{
		"":                    base(),
		"kind":                with(func(c *SendMessage) { c.Content.Kind = Custom }),
		"payload":             with(func(c *SendMessage) { c.Content.Payload += " " }),
		"public":              with(func(c *SendMessage) { c.Private = false }),
		"to fewer":            with(func(c *SendMessage) { c.Recipients = []ParticipantID{"a"} }),
		"to more":             with(func(c *SendMessage) { c.Recipients = []ParticipantID{"a", "b", "c"} }),
		"to one of both":      with(func(c *SendMessage) { c.Recipients = []ParticipantID{"ab"} }),
		"to nobody":           with(func(c *SendMessage) { c.Recipients = nil }),
		"payload and to whom": with(func(c *SendMessage) { c.Content.Payload += "a"; c.Recipients = []ParticipantID{"b"} }),
	}
	seen := make(map[string]string)
	for name, c := range different {
		digest := string(Digest(c))
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have one digest", name, other)
		}
		seen[digest] = name
	}
	// The digest is stored, and compared with those of later versions.
	if got, want := fmt.Sprintf("%x", Digest(base())), goldenDigest; got != want {
		t.Errorf("the digest has changed from %s to %s", want, got)
	}
	recipients := []ParticipantID{"b", "a"}
	Digest(with(func(c *SendMessage) { c.Recipients = recipients }))
	if recipients[0] != "b" {
		t.Error("Digest has sorted the command's own recipients")
	}
}

// goldenDigest is SHA-256 over text, payload of text, private, a, b, each after
// its length in eight bytes.
const goldenDigest = "dd602fd94fde7ad1f9a9912a933413866e43b56a75e6fe14b15d6af66b4b2ad1"

func TestCommandsTellWhatTheyTouch(t *testing.T) {
	c := send(Image, true)
	c.ClientID = "mine"
	for _, test := range []struct {
		cmd  Command
		want Touches
	}{
		{c, Touches{ClientID: "mine", Recipients: []ParticipantID{you}, Uploads: []UploadID{"upload"}}},
		{EditMessage{actor, "old", content(File)}, Touches{Message: "old", Uploads: []UploadID{"upload"}}},
		{DeleteMessage{actor, "old"}, Touches{Message: "old"}},
		{PinMessage{actor, "old", true}, Touches{Message: "old"}},
	} {
		if got := test.cmd.Touches(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%T touches %+v, want %+v", test.cmd, got, test.want)
		}
		if test.cmd.By() != actor {
			t.Errorf("%T is by %+v", test.cmd, test.cmd.By())
		}
	}
}
