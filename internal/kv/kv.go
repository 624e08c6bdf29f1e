// Package kv is the key/value stores that the apps of a meeting share beside
// its chat, meeting.stores of the official SDK. What a store holds is rows of
// the live session: it outlives connections and restarts, and goes with the
// session's end. The commit decides the order of writes, and everybody who
// keeps up with the changes ends with what the rows say.
//
// Stores are no part of the journal: they are state, not what was said, and
// are in no history, export or webhook. Who listens is the concern of package
// room.
package kv

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// Name says which item of which store.
type Name struct{ Store, Key string }

// Item is what a store has under a key.
type Item struct {
	Name
	// Value is JSON, nil where the key has been deleted.
	Value []byte
	// Peer has written or deleted it, At, in unix milliseconds.
	Peer chat.PeerID
	At   int64
	// Rival is when a peer other than Peer last wrote or deleted the item
	// before, 0 for never.
	Rival int64
}

// Deleted tells whether this is what a deleted key leaves behind.
func (i Item) Deleted() bool { return i.Value == nil }

// bytes is what an item counts against the limit of its meeting.
func (i Item) bytes() int {
	if i.Deleted() {
		return 0
	}
	return len(i.Store) + len(i.Key) + len(i.Value)
}

// contest is for how long two peers count as writing the same item at once.
// It is longer than what one has sent may be under way.
const contest = 60 * time.Second

// Contested tells whether another peer wrote the item so shortly before that
// the two may not have known of each other's writes. Clients keep what they
// have written themselves, so in this case they have to be told how it ended.
func (i Item) Contested() bool { return i.Rival > 0 && i.At-i.Rival < contest.Milliseconds() }

// Write is the wish to set keys of a store, or to delete them.
type Write struct {
	Meeting     chat.MeetingID
	Participant chat.ParticipantID
	Peer        chat.PeerID
	Store       string
	// Pairs are the keys and their values, each key once; nil values delete.
	Pairs []Pair
}

// Pair is a key and its value, JSON or nil.
type Pair struct {
	Key   string
	Value []byte
}

// Change is a write that has happened.
type Change struct {
	Meeting chat.MeetingID
	Session chat.SessionID
	Peer    chat.PeerID
	// At is when, in unix milliseconds: unique and increasing in a session. It
	// is that of all Items, too.
	At    int64
	Items []Item
	// Settles is what the caller of Submit gave to recognise its own write.
	Settles string
}

// Snapshot is all that the stores of a meeting's live session hold, with what
// deleted keys have left behind; Session is "" where there is none.
type Snapshot struct {
	Session chat.SessionID
	Items   []Item
}

// Engine keeps stores. The suite in kvtest says the rest.
type Engine interface {
	// PutKeys decides a write by Decide, on the state of the live session as it
	// stands in the next transaction, and keeps what comes of it. done is called
	// once: with the change when it is durable, or with an error when nothing of
	// it was kept. Calls of done come in the order of commit, one at a time, and
	// must not block. A non-nil error of PutKeys itself says that done will not
	// be called. The errors are those of package journal, and refusals.
	PutKeys(w Write, done func(Change, error)) error
	// Keys gives what is kept, as committed.
	Keys(context.Context, chat.MeetingID) (Snapshot, error)
}

// Stores takes writes and tells of them. All fields must be set.
type Stores struct {
	Engine Engine
	// Observe is told of every change, in order; it must not block.
	Observe func(Change)
	Logger  *slog.Logger
}

// Submit hands in a write and returns at once. done is called once, after
// Observe: with nil when the write is durable, or with a refusal. It must not
// block. Writes of one goroutine are carried out in its order.
func (s Stores) Submit(w Write, settles string, done func(error)) {
	err := s.Engine.PutKeys(w, func(c Change, err error) {
		if err != nil {
			done(s.refusal(w.Meeting, err))
			return
		}
		c.Settles = settles
		s.Observe(c)
		done(nil)
	})
	if err != nil {
		done(s.refusal(w.Meeting, err))
	}
}

// refusal turns what the engine says into what the one who asked may see.
func (s Stores) refusal(meeting chat.MeetingID, err error) error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, journal.ErrNoMeeting):
		return chat.Refuse(chat.NotFound, "there is no such meeting")
	case errors.Is(err, journal.ErrBusy):
		return &chat.Error{Code: chat.Unavailable, Message: "the server is busy", RetryAfter: time.Second}
	}
	s.Logger.Error("a write to a store of a meeting could not be kept", "meeting", meeting, "err", err)
	return &chat.Error{Code: chat.Unavailable, Message: "the server cannot store this now", RetryAfter: 5 * time.Second}
}
