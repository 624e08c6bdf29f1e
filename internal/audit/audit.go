// Package audit is the log of who did what: for each act that changes something
// in the API, by moderation or by the operator, and for each reading of what is
// private or deleted, one row, which is stored in the transaction of the act. It
// says nothing of what was written or read.
//
// Who acts travels in the context of what they do. The store writes the row; who
// changes something for somebody else only has to pass the context on.
package audit

import (
	"context"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Kind says what sort of somebody acts.
type Kind string

// The kinds.
const (
	// Key is an API key.
	Key Kind = "api_key"
	// Participant is somebody in a meeting.
	Participant Kind = "participant"
	// Operator is whoever runs the program on the server's machine.
	Operator Kind = "operator"
)

// Act is what somebody does.
type Act struct {
	By Kind
	// Actor is the id of the key or participant, "" for the operator.
	Actor string
	// App is whose things are concerned, "" for those of the whole server.
	App chat.AppID
	// Action is what is done, such as create-meeting.
	Action string
	// Route is how: the method and pattern of a path, socket, or a command.
	Route string
	// Meeting is where, "" for nowhere in particular.
	Meeting chat.MeetingID
	// ObjectKind and Object are what it is done to.
	ObjectKind, Object string
}

// Row is an act in the log.
type Row struct {
	// No counts all rows from 1 without a gap.
	No int64
	At time.Time
	Act
}

// Limits of reading.
const (
	MaxListed     = 200
	DefaultListed = 50
)

// List asks for rows, the newest first. Zero values choose all.
type List struct {
	App                   chat.AppID
	Meeting               chat.MeetingID
	Actor, Action, Object string
	From, To              time.Time // both included
	Before                int64     // only rows with a lower number
	Limit                 int       // 1 to MaxListed, 0 means DefaultListed
}

type key struct{}

// With gives a context in which an act is done.
func With(ctx context.Context, act Act) context.Context { return context.WithValue(ctx, key{}, act) }

// From gives the act that is done in a context, if that is known.
func From(ctx context.Context) (Act, bool) {
	act, ok := ctx.Value(key{}).(Act)
	return act, ok
}
