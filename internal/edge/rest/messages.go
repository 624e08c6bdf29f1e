package rest

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// This file reads what was said in meetings: an addition of this server to the
// official API. Whoever may read an app's meetings reads the public messages of
// all their sessions. Private messages take a scope of their own, and so does
// what was deleted or edited; without it they look as if they had never been.

// Journal is what was said in meetings.
type Journal interface {
	List(context.Context, journal.Listing) (journal.Listed, error)
	Message(context.Context, chat.MeetingID, chat.MessageID) (*chat.Message, error)
	Changes(ctx context.Context, m *chat.Message, after int64, limit int) ([]journal.Change, error)
	Append(context.Context, chat.Command) (journal.Entry, error)
}

// maxTerm bounds what is searched for, in bytes.
const maxTerm = 256

// The kinds of messages that a list may take in besides public ones.
const (
	includePrivate = "private"
	includeDeleted = "deleted"
)

type listMessagesInput struct {
	MeetingPath
	Limit       int      `query:"limit" minimum:"1" maximum:"200" doc:"The messages on a page. Default 50."`
	Before      string   `query:"before" maxLength:"64" doc:"A cursor: older messages than that, the newest first."`
	After       string   `query:"after" maxLength:"64" doc:"A cursor: newer messages than that, the oldest first."`
	Order       string   `query:"order" enum:"asc,desc" doc:"Where to begin without a cursor: desc with the newest message, asc with the oldest. Default desc."`
	Session     string   `query:"session_id" doc:"Only messages of this session."`
	Participant string   `query:"participant_id" doc:"Only messages by this participant."`
	Types       []string `query:"type" enum:"text,image,file,custom" doc:"Only messages of these types."`
	StartTime   string   `query:"start_time" doc:"Only messages sent at or after this time."`
	EndTime     string   `query:"end_time" doc:"Only messages sent at or before this time."`
	Pinned      bool     `query:"pinned" doc:"Only pinned messages."`
	Text        string   `query:"q" doc:"Only texts that contain this, in whatever case."`
	Include     []string `query:"include" enum:"private,deleted" doc:"What to take in besides: private messages (scope private.read), and what is left of deleted ones (scope compliance)."`
}

// messagePage is the envelope of a page of messages.
type messagePage struct {
	Success bool          `json:"success"`
	Data    []messageWire `json:"data"`
	Paging  cursors       `json:"paging"`
}

// cursors are where a page begins and ends. They stay good for ever.
type cursors struct {
	Before string `json:"before" doc:"The cursor for what is older than this page."`
	After  string `json:"after" doc:"The cursor for what is newer than this page, now or later."`
	More   bool   `json:"more" doc:"Whether there may be more in the direction of this page. A page may be short, or empty, and there be more: a search looks at 5000 messages at a time."`
}

func (a *api) listMessages(ctx context.Context, in *listMessagesInput) (messagePage, error) {
	var none messagePage
	if len(in.Text) > maxTerm {
		a.limits.Add("search_length")
		return none, badRequest(`"q" may have at most %d bytes`, maxTerm)
	}
	l, err := in.listing()
	if err != nil {
		return none, err
	}
	if err := mayInclude(ctx, l.Private, l.Deleted); err != nil {
		return none, err
	}
	if err := a.mustFindMeeting(ctx, in.MeetingID); err != nil {
		return none, err
	}
	if l.Private || l.Deleted {
		if err := a.record(ctx); err != nil {
			return none, err
		}
	}
	listed, err := a.journal.List(ctx, l)
	if err != nil {
		return none, a.fail(ctx, "meeting", err)
	}
	page := messagePage{Success: true, Data: make([]messageWire, 0, len(listed.Messages)), Paging: cursorsOf(l, listed)}
	for i := range listed.Messages {
		page.Data = append(page.Data, a.wireMessage(caller(ctx).ID, &listed.Messages[i]))
	}
	return page, nil
}

// listing is what the query asks for.
func (in *listMessagesInput) listing() (journal.Listing, error) {
	l := journal.Listing{
		Meeting: chat.MeetingID(in.MeetingID), Limit: in.Limit, Pinned: in.Pinned, Text: in.Text, Forward: in.Order == "asc",
		Private: slices.Contains(in.Include, includePrivate), Deleted: slices.Contains(in.Include, includeDeleted),
	}
	for _, t := range in.Types {
		l.Kinds = append(l.Kinds, kindOf[t])
	}
	if err := setIDs([]idParam{
		{"session_id", in.Session, func(id string) { l.Session = chat.SessionID(id) }},
		{"participant_id", in.Participant, func(id string) { l.Author = chat.ParticipantID(id) }},
	}); err != nil {
		return l, err
	}
	if err := in.times(&l); err != nil {
		return l, err
	}
	return l, in.turn(&l)
}

// times brings the bounds of time into the listing.
func (in *listMessagesInput) times(l *journal.Listing) error {
	from, err := instant("start_time", in.StartTime)
	if err != nil {
		return err
	}
	to, err := instant("end_time", in.EndTime)
	if err != nil {
		return err
	}
	if !from.IsZero() {
		l.From = from.UnixMilli()
	}
	if l.To = math.MaxInt64; !to.IsZero() {
		l.To = to.UnixMilli()
	}
	return nil
}

// turn brings the cursor into the listing.
func (in *listMessagesInput) turn(l *journal.Listing) error {
	switch {
	case in.Before != "" && in.After != "":
		return badRequest(`"before" and "after" exclude each other`)
	case in.Before != "":
		at, err := cursorTime("before", in.Before)
		if err != nil {
			return err
		}
		l.Forward, l.To = false, min(l.To, at-1)
	case in.After != "":
		at, err := cursorTime("after", in.After)
		if err != nil {
			return err
		}
		l.Forward, l.From = true, max(l.From, at+1)
	}
	return nil
}

// cursorsOf gives the cursors of a page. On an empty one they are those that a
// reader began with.
func cursorsOf(l journal.Listing, listed journal.Listed) cursors {
	oldest, newest := listed.Last, listed.First
	if l.Forward {
		oldest, newest = newest, oldest
	}
	if listed.First == 0 {
		if l.Forward {
			oldest, newest = l.From, l.From-1
		} else {
			oldest, newest = l.To, l.To
			if l.To < math.MaxInt64 {
				oldest++
			} else {
				newest = 0 // nothing has been said
			}
		}
	}
	return cursors{Before: cursor(oldest), After: cursor(newest), More: listed.More}
}

// cursorVersion is the first byte of cursors, so that there can be others.
const cursorVersion = 1

// cursor is a place between messages: a time, which is no secret, in a form
// that nobody takes for one to count with.
func cursor(at int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.AppendVarint([]byte{cursorVersion}, at))
}

func cursorTime(field, text string) (int64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(raw) > 1 && raw[0] == cursorVersion {
		if at, n := binary.Varint(raw[1:]); n == len(raw)-1 && at > math.MinInt64 && cursor(at) == text {
			return at, nil
		}
	}
	return 0, badRequest("%q must be a cursor that an earlier page has given", field)
}

// mayInclude refuses what a key has no scope for.
func mayInclude(ctx context.Context, private, deleted bool) error {
	key := callerOf(ctx).key
	for _, needs := range []struct {
		scope  auth.Scope
		wanted bool
	}{{auth.PrivateRead, private}, {auth.Compliance, deleted}} {
		if needs.wanted && !key.May(needs.scope) {
			return &apiError{status: http.StatusForbidden, message: fmt.Sprintf("this API key has not the scope %q", needs.scope)}
		}
	}
	return nil
}

// mustFindMeeting refuses meetings that the caller's app has not.
func (a *api) mustFindMeeting(ctx context.Context, id guid) error {
	if _, err := a.directory.Meeting(ctx, caller(ctx).ID, chat.MeetingID(id)); err != nil {
		return a.fail(ctx, "meeting", err)
	}
	return nil
}

// MessagePath is the path of a message.
type MessagePath struct {
	MeetingPath
	MessageID guid `path:"message_id"`
}

func (a *api) getMessage(ctx context.Context, in *MessagePath) (messageWire, error) {
	m, err := a.messageOf(ctx, in)
	if err != nil {
		return messageWire{}, err
	}
	if !m.Public() || m.DeletedAt != 0 {
		if err := a.record(ctx); err != nil {
			return messageWire{}, err
		}
	}
	return a.wireMessage(caller(ctx).ID, m), nil
}

// messageOf finds a message that the caller may read.
func (a *api) messageOf(ctx context.Context, in *MessagePath) (*chat.Message, error) {
	if err := a.mustFindMeeting(ctx, in.MeetingID); err != nil {
		if isStatus(err, http.StatusNotFound) {
			return nil, errNoMessage
		}
		return nil, err
	}
	m, err := a.journal.Message(ctx, chat.MeetingID(in.MeetingID), chat.MessageID(in.MessageID))
	if err != nil {
		return nil, a.fail(ctx, "message", err)
	}
	key := callerOf(ctx).key
	if m == nil || (!m.Public() && !key.May(auth.PrivateRead)) || (m.DeletedAt != 0 && !key.May(auth.Compliance)) {
		return nil, errNoMessage
	}
	return m, nil
}

var errNoMessage = &apiError{status: http.StatusNotFound, message: "there is no such message"}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.status == status
}

type messageHistoryInput struct {
	MessagePath
	Limit int    `query:"limit" minimum:"1" maximum:"200" doc:"The changes on a page. Default 50."`
	After string `query:"after" maxLength:"64" doc:"A cursor: only later changes."`
}

type messageHistory struct {
	Success bool          `json:"success"`
	Data    []changeWire  `json:"data"`
	Paging  historyCursor `json:"paging"`
}

type historyCursor struct {
	After string `json:"after" doc:"The cursor for what came after this page, now or later."`
	More  bool   `json:"more" doc:"Whether there is more."`
}

func (a *api) messageHistory(ctx context.Context, in *messageHistoryInput) (messageHistory, error) {
	answer := messageHistory{Success: true, Data: []changeWire{}}
	m, err := a.messageOf(ctx, &in.MessagePath)
	if err != nil {
		return answer, err
	}
	if err := a.record(ctx); err != nil {
		return answer, err
	}
	after := m.SentAt
	if in.After != "" {
		if after, err = cursorTime("after", in.After); err != nil {
			return answer, err
		}
	}
	limit := in.Limit
	if limit == 0 {
		limit = journal.DefaultListed
	}
	changes, err := a.journal.Changes(ctx, m, after, limit+1)
	if err != nil {
		return answer, a.fail(ctx, "message", err)
	}
	answer.Paging.More = len(changes) > limit
	for _, c := range changes[:min(limit, len(changes))] {
		answer.Data = append(answer.Data, a.wireChange(caller(ctx).ID, m, c))
		after = c.At
	}
	answer.Paging.After = cursor(after)
	return answer, nil
}
