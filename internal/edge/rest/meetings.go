package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
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

type updateMeetingInput struct {
	MeetingPath
	Body *meetingPatch
}

func (a *api) updateMeeting(ctx context.Context, in *updateMeetingInput) (meetingWire, error) {
	var patch meetingPatch
	if in.Body != nil {
		patch = *in.Body
	}
	change, err := patch.change()
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	m, err := a.directory.UpdateMeeting(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), change)
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	return wireMeeting(m), nil
}

type replaceMeetingInput struct {
	MeetingPath
	Body *meetingWish
}

func (a *api) replaceMeeting(ctx context.Context, in *replaceMeetingInput) (meetingWire, error) {
	var wish meetingWish
	if in.Body != nil {
		wish = *in.Body
	}
	m, err := wish.meeting()
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	replaced, err := a.directory.ReplaceMeeting(ctx, caller(ctx).ID, chat.MeetingID(in.MeetingID), m)
	if err != nil {
		return meetingWire{}, a.fail(ctx, "meeting", err)
	}
	return wireMeeting(replaced), nil
}

// meetingPatch is the body that changes a meeting: what is absent stays as it
// is, and what is null goes back to its default.
type meetingPatch struct {
	Title             field[string]  `json:"title,omitzero"`
	Status            field[string]  `json:"status,omitzero" enum:"ACTIVE,INACTIVE"`
	PersistChat       field[bool]    `json:"persist_chat,omitzero"`
	RecordOnStart     field[bool]    `json:"record_on_start,omitzero"`
	LiveStreamOnStart field[bool]    `json:"live_stream_on_start,omitzero"`
	SummarizeOnEnd    field[bool]    `json:"summarize_on_end,omitzero"`
	TranscribeOnEnd   field[bool]    `json:"transcribe_on_end,omitzero"`
	KeepAlive         field[float64] `json:"session_keep_alive_time_in_secs,omitzero" doc:"At most 600."`
	PreferredRegion   field[string]  `json:"preferred_region,omitzero" enum:"ap-south-1,ap-southeast-1,us-east-1,eu-central-1"`
	AIConfig          field[anyJSON] `json:"ai_config,omitzero"`
	RecordingConfig   field[anyJSON] `json:"recording_config,omitzero"`
	Chat              *rulesWish     `json:"chat,omitempty" doc:"What is set for the chat. An addition to the official API."`
}

func (p meetingPatch) change() (directory.MeetingChange, error) {
	change := directory.MeetingChange{Title: p.Title.sent(), PersistChat: p.PersistChat.sent()}
	if p.Status.isSent {
		active := p.Status.value == statusActive || p.Status.value == ""
		change.Active = &active
	}
	if p.KeepAlive.isSent {
		keepAlive := directory.DefaultKeepAlive
		if !p.KeepAlive.isNull {
			var err error
			if keepAlive, err = seconds("session_keep_alive_time_in_secs", p.KeepAlive.value); err != nil {
				return change, err
			}
		}
		change.KeepAlive = &keepAlive
	}
	if p.Chat != nil {
		change.Rules = p.Chat.into
	}
	change.Settings = func(s *directory.Settings) {
		p.RecordOnStart.into(&s.RecordOnStart)
		p.LiveStreamOnStart.into(&s.LiveStreamOnStart)
		p.SummarizeOnEnd.into(&s.SummarizeOnEnd)
		p.TranscribeOnEnd.into(&s.TranscribeOnEnd)
		p.PreferredRegion.into(&s.PreferredRegion)
		if p.AIConfig.isSent {
			s.AIConfig = object(p.AIConfig.value.raw)
		}
		if p.RecordingConfig.isSent {
			s.RecordingConfig = object(p.RecordingConfig.value.raw)
		}
	}
	return change, nil
}
