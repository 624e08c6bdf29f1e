package rest

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

// Audit keeps the log of who did what.
type Audit interface {
	// Record adds a row for an act that stores nothing else.
	Record(context.Context, audit.Act) error
	AuditLog(context.Context, audit.List) (rows []audit.Row, more bool, err error)
}

// objects are the parameters of paths, the innermost first, and what they name.
var objects = [][2]string{
	{"message_id", "message"}, {"participant_id", "participant"}, {"key_id", "api_key"}, {"webhook_id", "webhook"},
	{"preset_id", "preset"}, {"session_id", "session"}, {"meeting_id", "meeting"},
}

// actOf is what a request does, as far as its path tells.
func actOf(ctx huma.Context, who identity) audit.Act {
	op := ctx.Operation()
	act := audit.Act{
		By: audit.Key, Actor: who.key.ID, App: who.app.ID, Action: strings.TrimSuffix(op.OperationID, "-v2"), Route: op.Method + " " + op.Path,
	}
	id := func(name string) string {
		plain, _ := parseGUID(ctx.Param(name)) // others are refused before anything is done
		return plain
	}
	act.Meeting = chat.MeetingID(id("meeting_id"))
	for _, o := range objects {
		if act.Object = id(o[0]); act.Object != "" {
			act.ObjectKind = o[1]
			break
		}
	}
	return act
}

// record notes what the caller is about to be shown or given, before it is.
func (a *api) record(ctx context.Context) error {
	if err := a.audit.Record(ctx, callerOf(ctx).act); err != nil {
		return a.fail(ctx, "row", err)
	}
	return nil
}

type auditInput struct {
	Limit     int    `query:"limit" minimum:"1" maximum:"200" doc:"The rows on a page. Default 50."`
	Before    string `query:"before" maxLength:"20" doc:"The cursor of an earlier page."`
	AppID     string `query:"app_id" doc:"Only what concerns this app."`
	MeetingID string `query:"meeting_id" doc:"Only what was done in this meeting."`
	Actor     string `query:"actor_id" maxLength:"64" doc:"Only what this API key or participant has done."`
	Action    string `query:"action" maxLength:"64" doc:"Only this action."`
	Object    string `query:"object_id" maxLength:"64" doc:"Only what was done to this."`
	StartTime string `query:"start_time" doc:"Only what was done at or after this time."`
	EndTime   string `query:"end_time" doc:"Only what was done at or before this time."`
}

type auditWire struct {
	At        stamp           `json:"at"`
	Actor     auditActorWire  `json:"actor"`
	AppID     *string         `json:"app_id"`
	Action    string          `json:"action" doc:"The id of an operation of this API, or kick, kick-all, delete-message, accept-waiting or change-permissions by a participant."`
	Route     string          `json:"route" doc:"The method and path of the API, socket, or the command of an operator."`
	MeetingID *string         `json:"meeting_id"`
	Object    auditObjectWire `json:"object"`
}

type auditActorWire struct {
	Type string  `json:"type" enum:"api_key,participant,operator"`
	ID   *string `json:"id"`
}

type auditObjectWire struct {
	Type *string `json:"type"`
	ID   *string `json:"id"`
}

type auditPage struct {
	Success bool        `json:"success"`
	Data    []auditWire `json:"data"`
	Paging  struct {
		Before string `json:"before" doc:"The cursor for what was done earlier; empty where there is no more."`
		More   bool   `json:"more"`
	} `json:"paging"`
}

// auditLog shows a key for one app what concerns that app.
func (a *api) auditLog(ctx context.Context, in *auditInput) (auditPage, error) {
	page := auditPage{Success: true, Data: []auditWire{}}
	l, err := in.list(callerOf(ctx).key)
	if err != nil {
		return page, err
	}
	rows, more, err := a.audit.AuditLog(ctx, l)
	if err != nil {
		return page, a.fail(ctx, "row", err)
	}
	for _, r := range rows {
		page.Data = append(page.Data, auditWire{
			At: stamp(r.At), Actor: auditActorWire{string(r.By), orNull(r.Actor)}, AppID: orNull(string(r.App)), Action: r.Action,
			Route: r.Route, MeetingID: orNull(string(r.Meeting)), Object: auditObjectWire{orNull(r.ObjectKind), orNull(r.Object)},
		})
	}
	if page.Paging.More = more; more {
		page.Paging.Before = cursor(rows[len(rows)-1].No)
	}
	return page, nil
}

func (in *auditInput) list(key auth.APIKey) (audit.List, error) {
	l := audit.List{App: key.App, Actor: in.Actor, Action: in.Action, Object: in.Object, Limit: in.Limit}
	if err := setIDs([]idParam{
		{"app_id", in.AppID, func(id string) { l.App = chat.AppID(id) }},
		{"meeting_id", in.MeetingID, func(id string) { l.Meeting = chat.MeetingID(id) }},
	}); err != nil {
		return l, err
	}
	if !key.Covers(l.App) {
		return l, &apiError{status: 404, message: "there is no such app"}
	}
	var err error
	if l.From, err = instant("start_time", in.StartTime); err != nil {
		return l, err
	}
	if l.To, err = instant("end_time", in.EndTime); err != nil {
		return l, err
	}
	if in.Before != "" {
		l.Before, err = cursorTime("before", in.Before)
	}
	return l, err
}
