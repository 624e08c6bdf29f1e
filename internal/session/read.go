package session

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/chat"
)

// This file is what remains to be read of sessions, live or ended.

// ErrNotFound says that there is no such session or peer, or not in this app.
var ErrNotFound = errors.New("not found")

// Reader lists sessions and who was there. Ids belong to exactly one app:
// asked for with another they give ErrNotFound. Lists come with the number of
// all rows that match.
type Reader interface {
	Sessions(context.Context, chat.AppID, List) ([]Record, int, error)
	Session(context.Context, chat.AppID, chat.SessionID) (Record, error)
	// Active gives the live session of a meeting, ErrNotFound if there is none.
	Active(context.Context, chat.AppID, chat.MeetingID) (Record, error)
	SessionPeers(context.Context, chat.AppID, chat.SessionID, PeerList) ([]Peer, int, error)
	// SessionPeer gives a peer with its events.
	SessionPeer(context.Context, chat.AppID, chat.SessionID, chat.PeerID) (Peer, error)
}

// Record is a session as it is looked back on.
type Record struct {
	ID      chat.SessionID
	App     chat.AppID
	Meeting chat.MeetingID
	// Title is the meeting's.
	Title string
	// EndedAt is zero while the session is live. After it, it is when everybody
	// was sent out, or the keep-alive after the last had left.
	StartedAt, EndedAt time.Time
	// Peers is how many ever joined, Live how many are there, Most how many
	// were there at once. A participant in two tabs is two peers.
	Peers, Live, Most int
	// Spent is the time of all peers together, up to now.
	Spent time.Duration
	// Revision grows with every change to a public message of the session: what
	// is private changes nothing that others could see.
	Revision uint64
}

// Status is where a session is in its life.
type Status string

// The states of a session, by their names in the API.
const (
	Live  Status = "LIVE"
	Ended Status = "ENDED"
)

// Status tells whether the session is live.
func (r Record) Status() Status {
	if r.EndedAt.IsZero() {
		return Live
	}
	return Ended
}

// Peer is a connection of a participant as it is looked back on. Names are
// those of its last join.
type Peer struct {
	ID          chat.PeerID
	Participant chat.ParticipantID
	CustomID    string
	DisplayName string
	PresetName  string
	// LeftAt is zero while the peer is there, between two connections too.
	JoinedAt, LeftAt time.Time
	// Spent is the time of all its stays, up to now.
	Spent time.Duration
	// Kicked says that it was sent out, by itself or with everybody.
	Kicked bool
	// Events is what it did, oldest first, where asked for.
	Events []PeerEvent
}

// PeerEvent is a coming or a going.
type PeerEvent struct {
	// No counts the events of the peer from 1.
	No   int
	Kind EventKind
	At   time.Time
	// DisplayName and PresetName are those of that time.
	DisplayName, PresetName string
}

// EventKind says what a peer did. The numbers are stored.
type EventKind int

// The kinds of events.
const (
	Joined EventKind = 1
	Left   EventKind = 2
	Kicked EventKind = 3
)

// Order says what a list is sorted by.
type Order int

// The orders: sessions by their start, and peers by their join; or both by the
// time that was spent.
const (
	ByTime Order = iota
	BySpent
)

// Bounds of lists.
const (
	DefaultPageSize = 25
	MaxPageSize     = 100
	// MaxSearch bounds the text that lists are searched for, in bytes.
	MaxSearch = 256
	maxPage   = 1 << 31
)

// Page asks for one page of a list. Pages count from 1.
type Page struct {
	Page, Size int
	Order      Order
	// Ascending lists the earliest or least first. Default: the latest or most.
	Ascending bool
	// Search is text to look for, "" for none.
	Search string
}

// Normalise brings the page and its size into their ranges.
func (p Page) Normalise() Page {
	p.Page = min(max(p.Page, 1), maxPage)
	if p.Size <= 0 {
		p.Size = DefaultPageSize
	}
	p.Size = min(p.Size, MaxPageSize)
	return p
}

// Offset tells how many rows come before the page of a normalised Page.
func (p Page) Offset() int { return (p.Page - 1) * p.Size }

// Check refuses a search that no store can carry out.
func (p Page) Check() error {
	if len(p.Search) > MaxSearch {
		return chat.Refuse(chat.Invalid, `"search" must have at most %d bytes`, MaxSearch).Beyond("search_length")
	}
	if !utf8.ValidString(p.Search) || strings.IndexByte(p.Search, 0) >= 0 {
		return chat.Refuse(chat.Invalid, `"search" must be valid UTF-8 without NUL characters`)
	}
	return nil
}

// List asks for sessions of an app. Search looks in the titles of meetings, in
// any case, and for the id of a session or meeting.
type List struct {
	Page
	// Meeting keeps the sessions of one meeting, unless "".
	Meeting chat.MeetingID
	// Status keeps those in this state, unless "".
	Status Status
	// From and To bound the start, ends included, where not zero.
	From, To time.Time
	// Least and Most bound the number of peers, ends included; Most where not
	// zero.
	Least, Most int
}

// PeerList asks for peers of a session. Search looks in display names, in any
// case, and for a peer, participant or custom id.
type PeerList struct {
	Page
	// Consolidated gives one row for each participant: that of the peer that
	// joined last, from the first join to the last leave, with all the time.
	Consolidated bool
	// Events asks for the events of each row.
	Events bool
}
