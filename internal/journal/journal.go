// Package journal is the durable log of a meeting: the ordered, gapless
// sequence of everything that was said and changed there. Whatever is said in
// a meeting is said by Append or Submit, which decide inside the transaction
// that numbers and stores the entry; the journal, not the room, decides the
// order. It is not concerned with who listens: it tells what was committed, in
// order, to one observer, and that one tells the rest.
//
// An entry has three numbers. Seq counts all entries of the meeting from 1
// without a gap and stays inside the server. Pub counts the public ones. Own
// counts, for each participant, the private ones that concern them. A reader
// who knows the last Pub and Own it has seen knows all it may know.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/fault"
)

// Entry is an event with its place in the journal.
type Entry struct {
	Meeting chat.MeetingID
	Seq     uint64
	// Pub is the public number, 0 for a private entry.
	Pub uint64
	// Own holds the private number for each of the audience, nil for a public
	// entry.
	Own map[chat.ParticipantID]uint64
	// At is when it happened: unix milliseconds, unique and increasing in the
	// meeting.
	At    int64
	Event chat.Event
	// Settles is what the caller of Submit gave to recognise its own entry;
	// it is not stored.
	Settles string
}

// Head is the end of a meeting's journal, and what of the meeting's state
// every decision needs.
type Head struct {
	Meeting chat.MeetingID
	// No is the engine's own short name of the meeting.
	No int64
	// Epoch is random for each journal and new after a restore: numbers of
	// another epoch mean nothing.
	Epoch string
	// Seq, Pub and At are those of the last entry.
	Seq, Pub uint64
	At       int64
	// App is whose meeting it is.
	App chat.AppID
	// Active is false for a closed meeting.
	Active bool
	// Session is the live session, "" for none.
	Session chat.SessionID
	// Rules are what is set for the chat of the meeting.
	Rules chat.Rules
	// VisibleFrom is the first Seq that participants may still read: that of
	// the live session, or 1 where the meeting keeps its chat.
	VisibleFrom uint64
}

// Errors of the store.
var (
	// ErrNoMeeting says that there is no such meeting.
	ErrNoMeeting = errors.New("no such meeting")
	// ErrDamaged says that what lies on disk is not what was written.
	ErrDamaged = errors.New("damaged on disk")
	// ErrFull says that the disk, or the quota, has no room.
	ErrFull = errors.New("the store has no room")
	// ErrFailed says that the disk refused to keep what was written. The
	// store acknowledges nothing from then on until it is started anew.
	ErrFailed = errors.New("the store has failed")
	// ErrBusy says that too many writes wait; try again shortly.
	ErrBusy = errors.New("the store is busy")
)

// Tx is one transaction of the store as the journal sees it. It is used by one
// goroutine. An error other than ErrNoMeeting undoes everything the function
// that got the Tx has written.
type Tx interface {
	// Head locks the meeting until the commit and gives its head, the same
	// pointer for the whole transaction. Put moves it.
	Head(chat.MeetingID) (*Head, error)
	// Participant gives nil for one who does not belong to the meeting.
	Participant(chat.MeetingID, chat.ParticipantID) (*chat.Participant, error)
	// Kicked tells whether the peer was sent out of the meeting, by itself or
	// with everybody.
	Kicked(*Head, chat.PeerID) (bool, error)
	// Message gives nil where the meeting has no such message; tombstones are
	// given.
	Message(*Head, chat.MessageID) (*chat.Message, error)
	// Upload gives nil where there is none.
	Upload(chat.UploadID) (*chat.Upload, error)
	// Repeat gives what a client id stands for, nil if it is new.
	Repeat(*Head, chat.ParticipantID, string) (*chat.Repeat, error)
	// KeyRepeat gives what an app's key stands for, nil if it is new, or was used
	// before since. The message is given only where it is of this meeting.
	KeyRepeat(h *Head, app chat.AppID, key string, since int64) (*chat.Repeat, error)
	// Own gives the last private number of a participant.
	Own(*Head, chat.ParticipantID) (uint64, error)
	// LastSent gives when a participant last sent a message here, 0 for never. It
	// is kept only while the meeting is in slow mode.
	LastSent(*Head, chat.ParticipantID) (int64, error)
	// Audit adds a row to the log of who did what.
	Audit(audit.Act) error
	// Put stores an entry whose numbers follow on the head, and moves the head.
	Put(*Head, *Entry) error
}

// Store is what a journal needs of an engine. The suite in journaltest says
// the rest.
type Store interface {
	// Update runs fn in the next transaction, together with what others want
	// written, and calls done once: with nil when it is durable, or with an
	// error when nothing of fn was kept. Calls of done come in the order of
	// commit, one at a time, and must not block; flushed is called after the
	// last of each transaction. fn runs again where the failure of another
	// undid the transaction, so it leaves nothing behind but what it writes
	// by its Tx and what it sets anew each time. A non-nil error of Update
	// itself says that neither fn nor done will be called.
	Update(fn func(Tx) error, done func(error)) error
	// OnFlush sets the function that is called after each transaction's last
	// done. It must be set before the first Update.
	OnFlush(func())

	// Position gives the head of a meeting as committed.
	Position(context.Context, chat.MeetingID) (Head, error)
	// Entries reads the journal on from after, at most limit entries, in
	// order; the messages in them are given as they stand now.
	Entries(ctx context.Context, meeting chat.MeetingID, after uint64, limit int) ([]Entry, error)
	// Page reads messages as they stand now.
	Page(context.Context, Query) (Page, error)
	// Recent reads the newest messages, all as of one moment.
	Recent(context.Context, chat.MeetingID, RecentLimits) (Recent, error)
	// List reads messages for a listing, which is normalised.
	List(context.Context, Listing) (Listed, error)
	// MessageOf gives nil where the meeting has no such message.
	MessageOf(context.Context, chat.MeetingID, chat.MessageID) (*chat.Message, error)
	// ChangesOf reads the changes of a message after a time, in order, at most
	// limit.
	ChangesOf(ctx context.Context, m *chat.Message, after int64, limit int) ([]Change, error)
}

// What Limits that name nothing get.
const (
	DefaultRate  = 200
	DefaultBurst = 2000
)

// KeysFor is for how long an app's key makes a repeated send one message.
const KeysFor = 24 * time.Hour

// Limits are the bounds of one meeting.
type Limits struct {
	// Rate is how many entries a second a meeting takes in the long run, and
	// Burst how many at once. Defaults 200 and 2000. A negative Rate means
	// without limit.
	Rate  float64
	Burst int
}

// Journal appends to the journals of all meetings. Make it with New; it is
// safe for concurrent use.
type Journal struct {
	store   Store
	now     func() time.Time
	observe func([]Entry)
	limits  *meter
	log     *slog.Logger
	// What was committed since the last flush, and what those who wait are to
	// hear; both are of the store's goroutine.
	untold  []Entry
	answers []func()
	faults  *fault.Guard
	counts  Counters
}

// GuardBy sets who is told of panics in telling; without, nobody is. It must be
// called before the first Submit.
func (j *Journal) GuardBy(g *fault.Guard) { j.faults = g }

// Counters counts the entries since the start, each at its own time.
type Counters struct{ Sent, Edited, Deleted, Pinned, Unpinned atomic.Uint64 }

// Counters gives the counts, which go on.
func (j *Journal) Counters() *Counters { return &j.counts }

func (c *Counters) add(kind chat.EventKind) {
	switch kind {
	case chat.MessageSent:
		c.Sent.Add(1)
	case chat.MessageEdited:
		c.Edited.Add(1)
	case chat.MessageDeleted:
		c.Deleted.Add(1)
	case chat.MessagePinned:
		c.Pinned.Add(1)
	case chat.MessageUnpinned:
		c.Unpinned.Add(1)
	}
}

// New makes a journal over a store. observe is told of every committed entry,
// in order and in batches; it must not block, and must not keep the slice.
func New(store Store, now func() time.Time, limits Limits, observe func([]Entry), log *slog.Logger) *Journal {
	j := &Journal{store: store, now: now, observe: observe, limits: newMeter(limits, now), log: log}
	store.OnFlush(j.flush)
	return j
}

// flush tells the observer what the last transaction brought, and then those
// who wait, in order: whoever knows that a command is done may count on its
// having been told. A panic of one of them does not keep it from the others.
func (j *Journal) flush() {
	if len(j.untold) > 0 {
		j.faults.Do(fault.Answer, func() { j.observe(j.untold) })
	}
	for _, e := range j.untold {
		j.counts.add(e.Event.Kind)
	}
	for _, answer := range j.answers {
		j.faults.Do(fault.Answer, answer)
	}
	clear(j.untold)
	clear(j.answers)
	j.untold, j.answers = j.untold[:0], j.answers[:0]
}

// Submit hands in a command and returns at once. Commands of one goroutine are
// decided in its order. done is called once: with the entry when it is durable
// and the observer has been told of it, or with why not: an *chat.Error, or
// *chat.Repeated for a send that was stored before. It is called in the order
// of the commands from a goroutine of the store that must not be held up, or,
// where a command cannot even wait, by Submit itself before it returns.
// settles is handed through to Entry.Settles.
func (j *Journal) Submit(cmd chat.Command, settles string, done func(Entry, error)) {
	j.submit(cmd, settles, nil, done)
}

func (j *Journal) submit(cmd chat.Command, settles string, act *audit.Act, done func(Entry, error)) {
	actor := cmd.By()
	if wait := j.limits.take(actor.Meeting); wait > 0 {
		j.refuse(done, &chat.Error{
			Code: chat.Limited, Message: "this meeting takes no more messages at the moment", RetryAfter: wait, Limit: "meeting_rate",
		})
		return
	}
	var entry Entry
	err := j.store.Update(
		func(tx Tx) error {
			var err error
			if entry, err = apply(tx, cmd, j.now().UnixMilli()); err != nil {
				return err
			}
			return witness(tx, cmd, &entry, act)
		},
		func(err error) {
			if err != nil {
				j.answers = append(j.answers, func() { j.refuse(done, j.publicError(actor.Meeting, err)) })
				return
			}
			entry.Settles = settles
			j.untold = append(j.untold, entry)
			j.answers = append(j.answers, func() { done(entry, nil) })
		})
	if err != nil {
		j.refuse(done, j.publicError(actor.Meeting, err))
	}
}

func (j *Journal) refuse(done func(Entry, error), err error) {
	done(Entry{}, err)
}

// Append is Submit for those who wait for the outcome. When ctx ends first,
// the command may still be carried out.
func (j *Journal) Append(ctx context.Context, cmd chat.Command) (Entry, error) {
	type outcome struct {
		entry Entry
		err   error
	}
	result := make(chan outcome, 1)
	var by *audit.Act
	if act, ok := audit.From(ctx); ok {
		by = &act
	}
	j.submit(cmd, "", by, func(e Entry, err error) { result <- outcome{e, err} })
	select {
	case r := <-result:
		return r.entry, r.err
	case <-ctx.Done():
		return Entry{}, fmt.Errorf("waiting for an append: %w", context.Cause(ctx))
	}
}

// publicError turns what the store says into what the one who asked may see.
// That the store is full, has failed or is damaged, it has logged itself: once,
// not for each message.
func (j *Journal) publicError(meeting chat.MeetingID, err error) error {
	if _, ok := errors.AsType[*chat.Repeated](err); ok {
		return err
	}
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, ErrNoMeeting):
		return chat.Refuse(chat.NotFound, "there is no such meeting")
	case errors.Is(err, ErrBusy):
		return &chat.Error{Code: chat.Unavailable, Message: "the server is busy", RetryAfter: time.Second, Limit: "write_queue"}
	case errors.Is(err, ErrFull):
		return &chat.Error{Code: chat.Unavailable, Message: "the server has no room to store messages", RetryAfter: 30 * time.Second}
	case errors.Is(err, ErrFailed), errors.Is(err, ErrDamaged):
	default:
		j.log.Error("a message could not be stored", "meeting", meeting, "err", err)
	}
	return &chat.Error{Code: chat.Unavailable, Message: "the server cannot store messages now", RetryAfter: 5 * time.Second}
}

// apply decides a command on the meeting as it stands in the transaction, and
// stores what happened. It writes nothing when it refuses.
func apply(tx Tx, cmd chat.Command, now int64) (Entry, error) {
	by := cmd.By()
	head, err := tx.Head(by.Meeting)
	if err != nil {
		return Entry{}, err
	}
	if by.App != "" && by.App != head.App {
		return Entry{}, ErrNoMeeting
	}
	state, err := load(tx, head, cmd, now)
	if err != nil {
		return Entry{}, err
	}
	event, err := chat.Decide(cmd, state)
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Meeting: head.Meeting, Event: event}
	if err := number(tx, head, &entry, now); err != nil {
		return Entry{}, err
	}
	return entry, tx.Put(head, &entry)
}

// witness leaves in the audit log who has done it, where that was the app, or a
// host who has deleted what another has said.
func witness(tx Tx, cmd chat.Command, e *Entry, act *audit.Act) error {
	m := &e.Event.Message
	switch {
	case act != nil:
	case e.Event.Kind == chat.MessageDeleted && e.Event.Actor != m.Author:
		head, err := tx.Head(e.Meeting)
		if err != nil {
			return err
		}
		act = &audit.Act{By: audit.Participant, Actor: string(e.Event.Actor), App: head.App, Action: "delete-message", Route: "socket"}
	default:
		return nil
	}
	done := *act
	done.Meeting, done.ObjectKind, done.Object = cmd.By().Meeting, "message", string(m.ID)
	return tx.Audit(done)
}

// load reads what the command touches, and no more.
func load(tx Tx, head *Head, cmd chat.Command, now int64) (chat.State, error) {
	actor, touches := cmd.By(), cmd.Touches()
	state := chat.State{Active: head.Active, Session: head.Session, Rules: head.Rules}
	if len(touches.Recipients) > chat.MaxRecipients || len(touches.Uploads) > chat.MaxUploadsPerMessage {
		return state, chat.Refuse(chat.Limited, "the message names too many recipients or files").Beyond("recipients")
	}
	var err error
	if actor.AsApp() {
		state.Actor = chat.AppItself(actor.App)
	} else if state.Actor, err = tx.Participant(head.Meeting, actor.Participant); err != nil {
		return state, err
	}
	if state.Kicked, err = tx.Kicked(head, actor.Peer); err != nil {
		return state, err
	}
	if _, sends := cmd.(chat.SendMessage); sends && head.Rules.SlowMode > 0 {
		if state.Wait, err = slowed(tx, head, actor.Participant, now); err != nil {
			return state, err
		}
	}
	if touches.ClientID != "" {
		if state.Repeat, err = tx.Repeat(head, actor.Participant, touches.ClientID); err != nil {
			return state, err
		}
	}
	if touches.Key != "" {
		if state.Repeat, err = tx.KeyRepeat(head, actor.App, touches.Key, now-KeysFor.Milliseconds()); err != nil {
			return state, err
		}
	}
	if touches.Message != "" {
		if state.Message, err = tx.Message(head, touches.Message); err != nil {
			return state, err
		}
		state.Earlier = state.Message != nil && state.Message.Seq < head.VisibleFrom
	}
	for _, id := range touches.Recipients {
		p, err := tx.Participant(head.Meeting, id)
		if err != nil {
			return state, err
		}
		if p != nil {
			state.Recipients = append(state.Recipients, *p)
		}
	}
	for _, id := range touches.Uploads {
		u, err := tx.Upload(id)
		if err != nil {
			return state, err
		}
		if u != nil {
			state.Uploads = append(state.Uploads, *u)
		}
	}
	return state, nil
}

// slowed tells how long slow mode wants a participant to wait.
func slowed(tx Tx, head *Head, who chat.ParticipantID, now int64) (time.Duration, error) {
	last, err := tx.LastSent(head, who)
	if err != nil || last == 0 {
		return 0, err
	}
	passed := time.Duration(max(now, head.At+1)-last) * time.Millisecond
	return max(0, head.Rules.SlowMode-passed), nil
}

// number gives the entry its place after the head, and the message its times.
func number(tx Tx, head *Head, entry *Entry, now int64) error {
	entry.Seq = head.Seq + 1
	entry.At = max(now, head.At+1)
	m := &entry.Event.Message
	if m.Public() {
		entry.Pub = head.Pub + 1
	} else {
		entry.Own = make(map[chat.ParticipantID]uint64, len(m.Audience))
		for _, id := range m.Audience {
			last, err := tx.Own(head, id)
			if err != nil {
				return err
			}
			entry.Own[id] = last + 1
		}
	}
	switch entry.Event.Kind {
	case chat.MessageSent:
		m.Seq, m.SentAt = entry.Seq, entry.At
	case chat.MessageEdited:
		m.EditedAt = entry.At
	case chat.MessageDeleted:
		m.DeletedAt = entry.At
	case chat.MessagePinned, chat.MessageUnpinned:
	}
	return nil
}
