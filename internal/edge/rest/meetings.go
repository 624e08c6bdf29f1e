package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/chat"
)

type createMeetingInput struct {
	Body *meetingWish
}

func (a *api) createMeeting(ctx context.Context, in *createMeetingInput) (meetingWire, error) {
	var wish meetingWish
	if in.Body != nil {
		wish = *in.Body
	}
	m, err := wish.meeting()
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	made, err := a.directory.CreateMeeting(ctx, caller(ctx).ID, m)
	if err != nil {
		return meetingWire{}, a.fail(ctx, "app", err)
	}
	return wireMeeting(made), nil
}

type listMeetingsInput struct {
	PageQuery
	StartTime string `query:"start_time" doc:"Only meetings created at or after this time."`
	EndTime   string `query:"end_time" doc:"Only meetings created at or before this time."`
	Search    string `query:"search" doc:"A part of the title, or the id."`
	Status    string `query:"status" enum:"ACTIVE,INACTIVE"`
}

func (a *api) listMeetings(ctx context.Context, in *listMeetingsInput) (list[meetingWire], error) {
	var none list[meetingWire]
	l := in.list()
	l.Search = in.Search
	var err error
	if l.From, err = instant("start_time", in.StartTime); err != nil {
		return none, err
	}
	if l.To, err = instant("end_time", in.EndTime); err != nil {
		return none, err
	}
	if in.Status != "" {
		active := in.Status == statusActive
		l.Active = &active
	}
	page, err := a.directory.Meetings(ctx, caller(ctx).ID, l)
	if err != nil {
		return none, a.fail(ctx, "app", err)
	}
	return listOf(page, wireMeeting), nil
}

// MeetingPath is the path of a meeting.
type MeetingPath struct {
	MeetingID guid `path:"meeting_id"`
}

func (a *api) getMeeting(ctx context.Context, in *MeetingPath) (meetingWire, error) {
	m, err := a.directory.Meeting(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID))
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	return wireMeeting(m), nil
}
