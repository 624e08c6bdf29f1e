package chat

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// State is a meeting as far as one command touches it, as it stands inside
// the transaction that will store the event.
type State struct {
	// Active is false for a meeting that was closed: nothing is said there.
	Active bool
	// Session is the live session, "" when there is none.
	Session SessionID
	// Actor is who wishes, nil when the participant has been removed.
	Actor *Participant
	// Kicked says that the peer by which the actor wishes was sent out of the
	// meeting.
	Kicked bool
	// Rules are those of the meeting. The permissions of the actor are what is
	// left after them.
	Rules Rules
	// Wait is how long slow mode wants the actor to wait before the next message.
	Wait time.Duration
	// Recipients holds those addressed who exist in the meeting.
	Recipients []Participant
	// Message is the message touched, nil when there is none.
	Message *Message
	// Earlier says that the message may no longer be seen: an earlier session's,
	// without persistence.
	Earlier bool
	// Uploads holds those files referred to that exist.
	Uploads []Upload
	// Repeat is what the client id stood for before, nil if it is new.
	Repeat *Repeat
}

// Upload is a file as far as a message may refer to it.
type Upload struct {
	ID      UploadID
	Meeting MeetingID
	Owner   ParticipantID
	// Complete is false until the bytes have arrived.
	Complete bool
	// Type is the media type found in the bytes, never the one claimed.
	Type string
}

// Repeat is an earlier send with the same client id.
type Repeat struct {
	Digest  []byte
	Message Message
}

// Repeated is the error by which Decide says that this very message has been
// sent before: not a refusal, the earlier message is the answer.
type Repeated struct{ Message Message }

func (*Repeated) Error() string { return "this message has been sent before" }

// imageTypes are the media types that official clients show as an image.
var imageTypes = []string{"image/gif", "image/jpeg", "image/png"}

// Decide tells what a command makes happen on a meeting in this state, or why
// it may not. It is pure. The error is an *Error, or *Repeated for a send that
// was stored before.
func Decide(cmd Command, state State) (Event, error) {
	by := cmd.By()
	if state.Actor == nil && by.App != "" {
		return Event{}, errNobody
	}
	if state.Actor == nil {
		return Event{}, Refuse(Unauthorized, "you are no longer a participant of this meeting")
	}
	if send, ok := cmd.(SendMessage); ok && state.Repeat != nil {
		return Event{}, repeated(send, *state.Repeat)
	}
	if state.Kicked {
		return Event{}, ErrKicked
	}
	if err := live(cmd, state); err != nil {
		return Event{}, err
	}
	switch c := cmd.(type) {
	case SendMessage:
		return decideSend(c, state)
	case EditMessage:
		return decideEdit(c, state)
	case DeleteMessage:
		return decideDelete(c, state)
	case PinMessage:
		return decidePin(c, state)
	}
	return Event{}, Refuse(Invalid, "unknown command")
}

// live demands a live session. Only an app may delete at any time; and it is
// told first that there is no such message.
func live(cmd Command, state State) error {
	by := cmd.By()
	if _, deletes := cmd.(DeleteMessage); deletes && by.AsApp() {
		return nil
	}
	if by.App != "" && cmd.Touches().Message != "" {
		if _, err := touched(by, state); err != nil {
			return err
		}
	}
	switch {
	case by.App != "" && !state.Active:
		return errClosed
	case by.App != "" && state.Session == "":
		return errNoLive
	case !state.Active || state.Session == "":
		return Refuse(Forbidden, "this meeting has no live session")
	}
	return nil
}

func decideSend(c SendMessage, state State) (Event, error) {
	if !state.Actor.Permissions.maySend(c.Content.Kind, c.Private) {
		return Event{}, Refuse(Forbidden, "your preset does not allow sending this kind of message")
	}
	if state.Wait > 0 && !state.Actor.Permissions.Moderate {
		return Event{}, &Error{
			Code: Limited, Message: "slow mode is on: wait a little before your next message", RetryAfter: state.Wait, Limit: "slow_mode",
		}
	}
	if len(c.ClientID) > MaxClientID {
		return Event{}, Refuse(Invalid, "a client id may have at most %d bytes", MaxClientID).Beyond("client_id_length")
	}
	audience, err := audienceOf(c, state)
	if err != nil {
		return Event{}, err
	}
	if err := checkUploads(c.Actor, c.Content, state.Uploads); err != nil {
		return Event{}, err
	}
	event := Event{
		Kind: MessageSent, Actor: c.Participant, Peer: c.Peer, ClientID: c.ClientID, App: c.App, Key: c.Key,
		Message: Message{
			ID: c.ID, Meeting: c.Meeting, Session: state.Session, Author: c.Participant, Peer: c.Peer,
			DisplayName: cmp.Or(c.DisplayName, state.Actor.Name), Content: c.Content, Audience: audience,
		},
	}
	if c.ClientID != "" || c.Key != "" {
		event.Digest = Digest(c)
	}
	return event, nil
}

// audienceOf makes the list of those who may see a private message: the
// author and every recipient who exists and may receive. A message that would
// reach nobody but its author is refused.
func audienceOf(c SendMessage, state State) ([]ParticipantID, error) {
	if !c.Private {
		return nil, nil
	}
	if c.App != "" {
		if err := allReceive(c, state); err != nil {
			return nil, err
		}
	}
	audience := []ParticipantID{c.Participant}
	for _, r := range state.Recipients {
		if r.ID != c.Participant && r.Permissions.Receives() {
			audience = append(audience, r.ID)
		}
	}
	slices.Sort(audience)
	audience = slices.Compact(audience)
	if len(audience) < 2 {
		return nil, Refuse(NotFound, "a private message needs a recipient who can receive it")
	}
	if len(audience) > MaxRecipients {
		return nil, Refuse(Limited, "a private message may have at most %d recipients", MaxRecipients-1).Beyond("recipients")
	}
	return audience, nil
}

// allReceive demands that everybody addressed is there to receive: an app
// addresses people, not those who happen to be here.
func allReceive(c SendMessage, state State) error {
	for _, id := range c.Recipients {
		i := slices.IndexFunc(state.Recipients, func(p Participant) bool { return p.ID == id })
		switch {
		case i < 0:
			return Refuse(NotFound, "a recipient is no participant of this meeting")
		case id != c.Participant && !state.Recipients[i].Permissions.Receives():
			return Refuse(Forbidden, "the preset of a recipient does not allow receiving private messages")
		}
	}
	return nil
}

func decideEdit(c EditMessage, state State) (Event, error) {
	m, err := touched(c.Actor, state)
	if err != nil {
		return Event{}, err
	}
	if m.Author != c.Participant {
		return Event{}, Refuse(Forbidden, "only the author may edit a message")
	}
	if m.Content.Kind != c.Content.Kind {
		return Event{}, Refuse(Invalid, "an edit must keep the kind of the message")
	}
	if !state.Actor.Permissions.maySend(c.Content.Kind, !m.Public()) {
		return Event{}, Refuse(Forbidden, "your preset does not allow sending this kind of message")
	}
	if err := checkUploads(c.Actor, c.Content, state.Uploads); err != nil {
		return Event{}, err
	}
	event := Event{Kind: MessageEdited, Message: *m, Actor: c.Participant, Peer: c.Peer, App: c.App, Before: m.Content}
	event.Message.Content = c.Content
	return event, nil
}

func decideDelete(c DeleteMessage, state State) (Event, error) {
	m, err := touched(c.Actor, state)
	if err != nil && !errors.Is(err, errEnded) {
		return Event{}, err
	}
	if m.Author != c.Participant && !c.AsApp() && (!state.Actor.Permissions.Moderate || !m.Public()) {
		return Event{}, Refuse(Forbidden, "only the author may delete a message")
	}
	event := Event{Kind: MessageDeleted, Message: *m, Actor: c.Participant, Peer: c.Peer, App: c.App, Before: m.Content}
	event.Message.Content = Content{Kind: m.Content.Kind}
	event.Message.Pinned = false
	return event, nil
}

// decidePin lets everyone who may write to those who see a message pin it for
// them, unless the meeting leaves that to hosts: there is no pin permission in
// the official presets.
func decidePin(c PinMessage, state State) (Event, error) {
	m, err := touched(c.Actor, state)
	if err != nil {
		return Event{}, err
	}
	rights := state.Actor.Permissions
	if (m.Public() && !rights.Public.Send) || (!m.Public() && !rights.Private.Send) {
		return Event{}, Refuse(Forbidden, "your preset does not allow pinning messages")
	}
	if state.Rules.HostsPin && !rights.Moderate {
		return Event{}, Refuse(Forbidden, "only hosts may pin messages in this meeting")
	}
	event := Event{Kind: MessagePinned, Message: *m, Actor: c.Participant, Peer: c.Peer, App: c.App}
	if !c.Pinned {
		event.Kind = MessageUnpinned
	}
	event.Message.Pinned = c.Pinned
	return event, nil
}

// touched gives the message a command wants to change. One that is unknown,
// deleted, or not for the actor's eyes gets the same answer. An app is told of
// one of an earlier session, by errEnded and the message.
func touched(a Actor, state State) (*Message, error) {
	m := state.Message
	if m == nil || m.DeletedAt != 0 || !mayTouch(a, m, state.Actor.Permissions) || (state.Earlier && !a.AsApp()) {
		return nil, Refuse(NotFound, "there is no such message")
	}
	if state.Earlier {
		return m, errEnded
	}
	return m, nil
}

// mayTouch tells whether a message is for the actor's eyes; what an app asks
// for, it asks with its own as well.
func mayTouch(a Actor, m *Message, rights Permissions) bool {
	if a.App != "" && !m.Public() && !a.SeesPrivate && m.Author != AppAuthor(a.App) {
		return false
	}
	if a.AsApp() {
		return true
	}
	return m.VisibleTo(a.Participant) && (m.Public() || m.Author == a.Participant || rights.Receives())
}

// checkUploads demands that every file referred to is complete and was
// uploaded by the actor in this meeting, and that images are images. Another's
// upload gets the answer of an unknown one.
func checkUploads(a Actor, content Content, uploads []Upload) error {
	if len(content.Uploads) > MaxUploadsPerMessage {
		return Refuse(Limited, "a message may refer to at most %d files", MaxUploadsPerMessage).Beyond("files_per_message")
	}
	for _, id := range content.Uploads {
		i := slices.IndexFunc(uploads, func(u Upload) bool { return u.ID == id })
		if i < 0 || uploads[i].Owner != a.Participant || uploads[i].Meeting != a.Meeting || !uploads[i].Complete {
			return Refuse(Invalid, "the link does not lead to a file that you uploaded to this meeting")
		}
		if content.Kind == Image && !slices.Contains(imageTypes, uploads[i].Type) {
			return Refuse(Invalid, "an image must be a GIF, a JPEG or a PNG")
		}
	}
	return nil
}

func repeated(c SendMessage, earlier Repeat) error {
	if bytes.Equal(Digest(c), earlier.Digest) {
		return &Repeated{Message: earlier.Message}
	}
	if c.Key != "" {
		return Refuse(Conflict, "this Idempotency-Key was used for another message")
	}
	return Refuse(Conflict, "this client id was used for a message with other content")
}

// Digest is the fingerprint of what a send says and to whom. Two sends with
// one client id are the same message only if their digests are equal. Who the
// recipients are is taken as asked for, in any order. Where it is an app that
// sends, it is also where and as whom.
func Digest(c SendMessage) []byte {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	if c.Key != "" {
		part(string(c.Meeting))
		part(string(c.Participant))
		part(c.DisplayName)
	}
	part(c.Content.Kind.String())
	part(c.Content.Payload)
	if c.Private {
		part("private")
		to := slices.Clone(c.Recipients)
		slices.Sort(to)
		for _, id := range slices.Compact(to) {
			if id != c.Participant {
				part(string(id))
			}
		}
	}
	return h.Sum(nil)
}
