// Package auth tells who asks: it makes and checks the tokens by which
// participants connect, and the API tokens by which an app's own servers call
// the REST API. It says who somebody is, never what they may do: whether a
// participant still exists, and with which rights, is asked of the directory
// on every connect.
package auth

import (
	"errors"

	"github.com/parley-chat/parley/internal/chat"
)

// ErrUnauthorized is the one refusal of this package. What it wraps tells the
// reason, for a log at level debug and never for the one who asked; it holds
// no part of the token.
var ErrUnauthorized = errors.New("unauthorized")

// Identity is a participant as a token names them.
type Identity struct {
	App         chat.AppID
	Meeting     chat.MeetingID
	Participant chat.ParticipantID
}
