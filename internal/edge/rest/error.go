package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// apiError is a refusal as it goes out. Two generations of clients look for it
// in two places, so the body holds it twice.
type apiError struct {
	status  int
	message string
	// edgeCode is the code for clients that look into "errors", where it is not
	// the status.
	edgeCode int
	// bare adds the message once more by itself, as old servers did.
	bare bool
	// challenge is the value of WWW-Authenticate.
	challenge  string
	retryAfter time.Duration
	// final tells the official clients, which repeat a 409, not to.
	final bool
}

// refusal is the body of every refusal.
type refusal struct {
	Success  bool         `json:"success"`
	Error    errorEntry   `json:"error"`
	Errors   []errorEntry `json:"errors"`
	Messages []string     `json:"messages"`
	Result   any          `json:"result"`
	Message  string       `json:"message,omitempty"`
}

type errorEntry struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.message }

// GetStatus implements huma.StatusError.
func (e *apiError) GetStatus() int { return e.status }

// GetHeaders implements huma.HeadersError.
func (e *apiError) GetHeaders() http.Header {
	h := http.Header{}
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retryAfter.Seconds()))))
	}
	if e.challenge != "" {
		h.Set("WWW-Authenticate", e.challenge)
	}
	if e.final {
		h.Set("X-Should-Retry", "false")
	}
	return h
}

// MarshalJSON implements json.Marshaler.
func (e *apiError) MarshalJSON() ([]byte, error) {
	edge := errorEntry{Code: e.status, Message: e.message}
	if e.edgeCode != 0 {
		edge.Code = e.edgeCode
	}
	body := refusal{
		Error: errorEntry{Code: e.status, Message: e.message}, Errors: []errorEntry{edge}, Messages: []string{},
	}
	if e.bare {
		body.Message = e.message
	}
	return json.Marshal(body)
}

// refuse writes a refusal outside huma.
func (a *api) refuse(w http.ResponseWriter, e *apiError) {
	maps.Copy(w.Header(), e.GetHeaders())
	a.answer(w, e.status, e)
}

func badRequest(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: "BAD_REQUEST: " + fmt.Sprintf(format, args...)}
}

// fail turns an error of the parts behind this edge into what the one who
// asked may see. what is the noun that was not found.
func (a *api) fail(ctx context.Context, what string, err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return a.failChat(ctx, e)
	}
	switch {
	case errors.Is(err, directory.ErrNoPreset):
		return &apiError{status: http.StatusNotFound, message: "there is no such preset"}
	case errors.Is(err, directory.ErrNotFound), errors.Is(err, webhook.ErrNotFound), errors.Is(err, auth.ErrNoKey),
		errors.Is(err, session.ErrNotFound), errors.Is(err, export.ErrNotFound):
		return &apiError{status: http.StatusNotFound, message: "there is no such " + what}
	case errors.Is(err, directory.ErrTaken):
		return &apiError{status: http.StatusConflict, message: "the name is taken", final: true}
	case errors.Is(err, auth.ErrTooManyKeys):
		a.limits.Add("api_keys")
		return &apiError{status: http.StatusConflict, message: fmt.Sprintf("there may be at most %d API keys", auth.MaxKeys), final: true}
	case errors.Is(err, webhook.ErrTooMany):
		a.limits.Add("webhooks")
		return &apiError{
			status: http.StatusConflict, message: fmt.Sprintf("an app may have at most %d webhooks", webhook.MaxPerApp), final: true,
		}
	case errors.Is(err, directory.ErrInUse):
		return &apiError{status: http.StatusConflict, message: "the " + what + " is in use by participants", final: true}
	case ctx.Err() != nil:
		return &apiError{status: http.StatusServiceUnavailable, message: "the request was given up"}
	case errors.Is(err, journal.ErrBusy):
		a.limits.Add("write_queue")
		return &apiError{status: http.StatusServiceUnavailable, message: "the server is busy", retryAfter: time.Second}
	case errors.Is(err, journal.ErrFull) || errors.Is(err, journal.ErrFailed): // of which the store has told
		return &apiError{status: http.StatusServiceUnavailable, message: "the server cannot store anything now", retryAfter: 30 * time.Second}
	}
	a.log.ErrorContext(ctx, "a request failed", "about", what, "err", err)
	return &apiError{status: http.StatusInternalServerError, message: "internal error"}
}

// failChat is the table from the codes of package chat.
func (a *api) failChat(ctx context.Context, e *chat.Error) *apiError {
	a.limits.Add(e.Limit)
	out := &apiError{message: e.Message, retryAfter: e.RetryAfter}
	switch e.Code {
	case chat.Invalid:
		return badRequest("%s", e.Message)
	case chat.Unauthorized:
		out.status = http.StatusUnauthorized
	case chat.Forbidden:
		out.status = http.StatusForbidden
	case chat.NotFound:
		out.status = http.StatusNotFound
	case chat.Conflict:
		out.status, out.final = http.StatusConflict, true
	case chat.Limited:
		out.status = http.StatusTooManyRequests
	case chat.Unavailable:
		out.status = http.StatusServiceUnavailable
	default:
		a.log.ErrorContext(ctx, "a request failed", "err", e)
		return &apiError{status: http.StatusInternalServerError, message: "internal error"}
	}
	return out
}

// maxDetails bounds how many mistakes in one request are told of at once.
const maxDetails = 5

// translateRefusal gives the refusals that huma makes itself the same form as
// all others. What was sent is not quoted.
func (a *api) translateRefusal(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	status := officialStatus(model.Status)
	if status == http.StatusRequestEntityTooLarge {
		a.limits.Add("body_size")
	}
	if status >= http.StatusInternalServerError {
		return &apiError{status: status, message: "internal error"}, nil
	}
	var mistakes []string
	for _, d := range model.Errors[:min(len(model.Errors), maxDetails)] {
		if d == nil {
			continue
		}
		if _, field, found := strings.Cut(d.Location, "."); found {
			mistakes = append(mistakes, fmt.Sprintf("%q: %s", field, d.Message))
		} else {
			mistakes = append(mistakes, d.Message)
		}
	}
	if len(mistakes) == 0 {
		mistakes = []string{model.Detail}
	}
	if status == http.StatusBadRequest {
		return badRequest("%s", strings.Join(mistakes, "; ")), nil
	}
	return &apiError{status: status, message: strings.Join(mistakes, "; ")}, nil
}

// officialStatus is the status of the official API: it has no 422.
func officialStatus(status int) int {
	if status == http.StatusUnprocessableEntity {
		return http.StatusBadRequest
	}
	return status
}

// official makes huma answer as the official API does: see officialStatus;
// and errors are plain JSON, which is the only type official clients parse.
func official(ctx huma.Context, next func(huma.Context)) { next(officialContext{ctx}) }

type innerContext huma.Context

type officialContext struct{ innerContext }

// Unwrap gives huma's adapters what they made.
func (c officialContext) Unwrap() huma.Context { return c.innerContext }

// Query gives a parameter. One that is a list may also be given several times,
// and empty values are as good as none.
func (c officialContext) Query(name string) string {
	for _, p := range c.Operation().Parameters {
		if p.In == inQuery && p.Name == name && p.Schema.Type == huma.TypeArray {
			address := c.URL()
			given := slices.DeleteFunc(address.Query()[name], func(v string) bool { return v == "" })
			return strings.Join(given, ",")
		}
	}
	return c.innerContext.Query(name)
}

func (c officialContext) SetStatus(status int) { c.innerContext.SetStatus(officialStatus(status)) }

func (c officialContext) SetHeader(name, value string) {
	if name == "Content-Type" {
		value = "application/json"
	}
	c.innerContext.SetHeader(name, value)
}

// inQuery is where parameters of the query are, as OpenAPI has it.
const inQuery = "query"

// once refuses a request that gives a parameter several times, of which only one
// can hold, rather than to choose.
func (a *api) once(ctx huma.Context, next func(huma.Context)) {
	address := ctx.URL()
	if given := address.Query(); len(given) > 0 {
		for _, p := range ctx.Operation().Parameters {
			if p.In == inQuery && p.Schema.Type != huma.TypeArray && len(given[p.Name]) > 1 {
				a.refuseIn(ctx, badRequest("%q may be given once", p.Name))
				return
			}
		}
	}
	next(ctx)
}

// refuseIn writes a refusal inside huma, before an operation begins.
func (a *api) refuseIn(ctx huma.Context, e *apiError) {
	for name, values := range e.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}
	ctx.SetHeader("Content-Type", "application/json")
	ctx.SetStatus(e.status)
	_ = writeJSON(ctx.BodyWriter(), e)
}

// refusalResponse describes a refusal for the OpenAPI document.
func refusalResponse(schemas huma.Registry) *huma.Response {
	return &huma.Response{
		Description: "A refusal. Both error and errors hold it.",
		Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(reflect.TypeFor[refusal](), true, "")},
		},
	}
}
