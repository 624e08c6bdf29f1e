package chat

import (
	"errors"
	"fmt"
	"time"
)

// Code says in one stable word why a command was refused. Codes are forever:
// clients branch on them.
type Code string

// The codes. Each edge has one table from these to its own form.
const (
	// Invalid: the command itself is wrong, whoever sends it and whenever.
	Invalid Code = "invalid"
	// Unauthorized: it is not known who asks.
	Unauthorized Code = "unauthorized"
	// Forbidden: the one who asks has not the right, and may know that the
	// thing exists.
	Forbidden Code = "forbidden"
	// NotFound: there is no such thing, or the one who asks may not know of it.
	NotFound Code = "not_found"
	// Conflict: it contradicts what has been stored, such as a client id used
	// again with other content.
	Conflict Code = "conflict"
	// Limited: a limit was reached; RetryAfter says when waiting helps.
	Limited Code = "rate_limited"
	// Unavailable: the server cannot store now; nothing was acknowledged.
	Unavailable Code = "unavailable"
	// Internal: a fault of the server. Only its log sees the cause.
	Internal Code = "internal"
)

// Error is a refusal that may be shown to the one who asked: a stable code, a
// sentence, and how long to wait where waiting helps.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration
	// Limit is the name of the limit that was reached, as docs/limits.md has it,
	// "" where it is none. It is for those who count, not for the one who asked.
	Limit string
}

func (e *Error) Error() string { return e.Message }

// Refuse makes an Error with a formatted sentence. The sentence goes to the
// client, so it never contains message text, tokens or internals.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Beyond names the limit that a refusal is about.
func (e *Error) Beyond(limit string) *Error {
	e.Limit = limit
	return e
}

// CodeOf tells the code of an error, Internal for one that is not a refusal,
// and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
