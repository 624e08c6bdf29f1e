package journaltest

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// model is one meeting as a correct engine must hold it, told in the plainest
// way: nothing here is shared with the code under test but the types. It knows
// texts only, no files.
type model struct {
	meeting  chat.MeetingID
	persist  bool
	session  chat.SessionID // "" while nobody has been there for long
	firstSeq uint64         // of the session
	presets  map[chat.ParticipantID]string

	messages []*chat.Message // in the order in which they were sent
	entries  []modelEntry
	pub      uint64
	own      map[chat.ParticipantID]uint64
	sends    map[string]modelSend // by participant and client id
}

// modelEntry is an entry whose message is to be looked up as it stands now.
type modelEntry struct {
	journal.Entry
	message *chat.Message
}

// modelSend is what a client id was used for.
type modelSend struct {
	says    string
	message *chat.Message
}

// outcome is how a command ends: as an entry, as the repeat of an earlier send,
// or refused.
type outcome struct {
	entry  journal.Entry
	repeat *chat.Message
	code   chat.Code
}

func newModel(meeting chat.MeetingID, persist bool) *model {
	return &model{
		meeting: meeting, persist: persist, presets: make(map[chat.ParticipantID]string),
		own: make(map[chat.ParticipantID]uint64), sends: make(map[string]modelSend),
	}
}

func (m *model) enter(session chat.SessionID) {
	if m.session == "" {
		m.session, m.firstSeq = session, uint64(len(m.entries))+1
	}
}

func (m *model) end() { m.session = "" }

// visibleFrom is the number of the first message that may still be seen.
func (m *model) visibleFrom() uint64 {
	switch {
	case m.persist:
		return 1
	case m.session == "":
		return math.MaxUint64
	}
	return m.firstSeq
}

// do carries out a command at this time.
func (m *model) do(cmd chat.Command, now int64) outcome {
	preset := m.presets[cmd.By().Participant]
	if preset == "" {
		return outcome{code: chat.Unauthorized}
	}
	if c, ok := cmd.(chat.SendMessage); ok && c.ClientID != "" {
		if earlier, ok := m.sends[sendKey(c)]; ok {
			if earlier.says != m.says(c) {
				return outcome{code: chat.Conflict}
			}
			repeat := *earlier.message
			return outcome{repeat: &repeat}
		}
	}
	if m.session == "" {
		return outcome{code: chat.Forbidden}
	}
	switch c := cmd.(type) {
	case chat.SendMessage:
		return m.send(c, preset, now)
	case chat.EditMessage:
		return m.edit(c, preset, now)
	case chat.DeleteMessage:
		return m.delete(c, now)
	case chat.PinMessage:
		return m.pin(c, preset, now)
	}
	return outcome{code: chat.Invalid}
}

func sendKey(c chat.SendMessage) string { return string(c.Participant) + " " + c.ClientID }

// says is what makes two sends the same.
func (m *model) says(c chat.SendMessage) string {
	to := slices.DeleteFunc(slices.Clone(c.Recipients), func(id chat.ParticipantID) bool { return id == c.Participant })
	slices.Sort(to)
	if !c.Private {
		to = nil
	}
	return fmt.Sprintf("%v %q %v %v", c.Content.Kind, c.Content.Payload, c.Private, slices.Compact(to))
}

func (m *model) send(c chat.SendMessage, preset string, now int64) outcome {
	if preset == mute {
		return outcome{code: chat.Forbidden}
	}
	message := &chat.Message{
		ID: c.ID, Meeting: m.meeting, Session: m.session, Author: c.Participant, Peer: c.Peer,
		DisplayName: c.DisplayName, Content: c.Content,
	}
	if c.Private {
		audience := map[chat.ParticipantID]bool{c.Participant: true}
		for _, id := range c.Recipients {
			if p := m.presets[id]; p == allowed || p == mute {
				audience[id] = true
			}
		}
		if len(audience) == 1 {
			return outcome{code: chat.NotFound}
		}
		for id := range audience {
			message.Audience = append(message.Audience, id)
		}
		slices.Sort(message.Audience)
	}
	m.messages = append(m.messages, message)
	if c.ClientID != "" {
		m.sends[sendKey(c)] = modelSend{m.says(c), message}
	}
	entry := m.entry(chat.MessageSent, c.Actor, message, now)
	message.Seq, message.SentAt = entry.Seq, entry.At
	return m.happened(entry, message)
}

func (m *model) edit(c chat.EditMessage, preset string, now int64) outcome {
	message := m.find(c.Actor, c.Message)
	switch {
	case message == nil:
		return outcome{code: chat.NotFound}
	case message.Author != c.Participant:
		return outcome{code: chat.Forbidden}
	case message.Content.Kind != c.Content.Kind:
		return outcome{code: chat.Invalid}
	case preset == mute:
		return outcome{code: chat.Forbidden}
	}
	entry := m.entry(chat.MessageEdited, c.Actor, message, now)
	entry.Event.Before = message.Content
	message.Content, message.EditedAt = c.Content, entry.At
	return m.happened(entry, message)
}

func (m *model) delete(c chat.DeleteMessage, now int64) outcome {
	message := m.find(c.Actor, c.Message)
	switch {
	case message == nil:
		return outcome{code: chat.NotFound}
	case message.Author != c.Participant:
		return outcome{code: chat.Forbidden}
	}
	entry := m.entry(chat.MessageDeleted, c.Actor, message, now)
	entry.Event.Before = message.Content
	message.Content.Payload, message.Pinned, message.DeletedAt = "", false, entry.At
	return m.happened(entry, message)
}

func (m *model) pin(c chat.PinMessage, preset string, now int64) outcome {
	message := m.find(c.Actor, c.Message)
	switch {
	case message == nil:
		return outcome{code: chat.NotFound}
	case preset == mute:
		return outcome{code: chat.Forbidden}
	}
	kind := chat.MessageUnpinned
	if c.Pinned {
		kind = chat.MessagePinned
	}
	message.Pinned = c.Pinned
	return m.happened(m.entry(kind, c.Actor, message, now), message)
}

// find gives a message that this actor may see now.
func (m *model) find(a chat.Actor, id chat.MessageID) *chat.Message {
	for _, message := range m.messages {
		if message.ID == id && message.DeletedAt == 0 && message.Seq >= m.visibleFrom() &&
			m.sees(message, a.Participant, m.presets[a.Participant] != deaf) {
			return message
		}
	}
	return nil
}

func (m *model) sees(message *chat.Message, viewer chat.ParticipantID, receives bool) bool {
	if len(message.Audience) == 0 || message.Author == viewer {
		return true
	}
	return receives && slices.Contains(message.Audience, viewer)
}

// entry makes the next entry, but for its message.
func (m *model) entry(kind chat.EventKind, a chat.Actor, message *chat.Message, now int64) journal.Entry {
	e := journal.Entry{
		Meeting: m.meeting, Seq: uint64(len(m.entries)) + 1, At: now,
		Event: chat.Event{Kind: kind, Actor: a.Participant, Peer: a.Peer},
	}
	if n := len(m.entries); n > 0 && e.At <= m.entries[n-1].At {
		e.At = m.entries[n-1].At + 1
	}
	if len(message.Audience) == 0 {
		m.pub++
		e.Pub = m.pub
		return e
	}
	e.Own = make(map[chat.ParticipantID]uint64)
	for _, id := range message.Audience {
		m.own[id]++
		e.Own[id] = m.own[id]
	}
	return e
}

func (m *model) happened(e journal.Entry, message *chat.Message) outcome {
	m.entries = append(m.entries, modelEntry{e, message})
	e.Event.Message = *message
	return outcome{entry: e}
}

// journal is what reading gives now.
func (m *model) journal() []journal.Entry {
	entries := make([]journal.Entry, len(m.entries))
	for i, e := range m.entries {
		entries[i] = e.Entry
		entries[i].Event.Message = *e.message
	}
	return entries
}

// shown is all that belongs on the pages of a query, from its time on.
func (m *model) shown(q journal.Query) []chat.Message {
	var messages []chat.Message
	for _, message := range m.messages {
		inTime := message.SentAt >= q.Time
		if q.Backward {
			inTime = message.SentAt <= q.Time
		}
		if inTime && message.DeletedAt == 0 && message.Seq >= m.visibleFrom() && (q.Before == 0 || message.Seq < q.Before) &&
			m.sees(message, q.Viewer, q.Receives) && m.matches(message, q) {
			messages = append(messages, *message)
		}
	}
	if q.Backward {
		slices.Reverse(messages)
	}
	return messages
}

func (m *model) matches(message *chat.Message, q journal.Query) bool {
	switch q.Filter {
	case journal.PublicOnly:
		return len(message.Audience) == 0
	case journal.Conversation:
		return slices.Contains(message.Audience, q.With) && (message.Author == q.Viewer || message.Author == q.With)
	case journal.PinnedOnly:
		return message.Pinned
	case journal.Everything:
		return true
	}
	return false
}

// stored leaves out of an entry what is not stored with it.
func stored(e journal.Entry) journal.Entry {
	e.Event.Before = chat.Content{Payload: e.Event.Before.Payload}
	e.Event.ClientID, e.Event.Digest, e.Settles = "", nil, ""
	return e
}

// differs tells how an answer differs from what was to be expected, "" for not
// at all.
func (o outcome) differs(got journal.Entry, err error) string {
	repeat, repeated := errors.AsType[*chat.Repeated](err)
	switch {
	case repeated && o.repeat == nil:
		return "it was taken for a repeat"
	case repeated:
		if !reflect.DeepEqual(repeat.Message, *o.repeat) {
			return fmt.Sprintf("the repeat gave\n%+v\nwant\n%+v", repeat.Message, *o.repeat)
		}
	case o.repeat != nil:
		return fmt.Sprintf("it was not taken for a repeat: entry %d, error %v", got.Seq, err)
	case chat.CodeOf(err) != o.code:
		return fmt.Sprintf("it gave %q (%v), want %q", chat.CodeOf(err), err, o.code)
	case err == nil && !reflect.DeepEqual(stored(got), stored(o.entry)):
		return fmt.Sprintf("it became\n%+v\nwant\n%+v", stored(got), stored(o.entry))
	}
	return ""
}
