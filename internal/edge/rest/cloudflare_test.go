package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/realtime_kit"
)

// official is the generated client of the official product, pointed at this
// edge the way its users would do it.
func (f *fixture) official(t *testing.T, token string) *realtime_kit.RealtimeKitService {
	server := httptest.NewServer(f.handler)
	t.Cleanup(server.Close)
	return realtime_kit.NewRealtimeKitService(
		option.WithBaseURL(server.URL+"/client/v4/"), option.WithAPIToken(token), option.WithMaxRetries(0),
		option.WithHTTPClient(server.Client()),
	)
}

// set fills a field of the parameters of the official client. Its own way to do
// so is in a package that takes minutes to compile.
func set[T any](value *T, present *bool, to T) { *value, *present = to, true }

func TestOfficialGoClientManagesMeetings(t *testing.T) {
	f := start(t)
	meetings := f.official(t, f.app.token).Meetings
	ctx, app := t.Context(), string(f.app.ID)

	var create realtime_kit.MeetingNewParams
	set(&create.AccountID.Value, &create.AccountID.Present, account)
	set(&create.Title.Value, &create.Title.Present, "Standup")
	set(&create.PersistChat.Value, &create.PersistChat.Present, true)
	set(&create.SessionKeepAliveTimeInSecs.Value, &create.SessionKeepAliveTimeInSecs.Present, 90)
	made, err := meetings.New(ctx, app, create)
	if err != nil {
		t.Fatal(err)
	}
	m := made.Data
	if !made.Success || m.Title != "Standup" || !m.PersistChat || m.SessionKeepAliveTimeInSecs != 90 || m.Status != "ACTIVE" ||
		!m.CreatedAt.After(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("made %s", made.JSON.RawJSON())
	}

	var get realtime_kit.MeetingGetMeetingByIDParams
	set(&get.AccountID.Value, &get.AccountID.Present, account)
	got, err := meetings.GetMeetingByID(ctx, app, m.ID, get)
	if err != nil || got.Data.ID != m.ID || !got.Data.CreatedAt.Equal(m.CreatedAt) {
		t.Errorf("got %+v, %v", got, err)
	}

	var list realtime_kit.MeetingGetParams
	set(&list.AccountID.Value, &list.AccountID.Present, account)
	set(&list.PageNo.Value, &list.PageNo.Present, 1)
	set(&list.PerPage.Value, &list.PerPage.Present, 10)
	set(&list.Search.Value, &list.Search.Present, "stand")
	set(&list.StartTime.Value, &list.StartTime.Present, m.CreatedAt)
	set(&list.EndTime.Value, &list.EndTime.Present, m.CreatedAt.Add(time.Second))
	set(&list.Status.Value, &list.Status.Present, realtime_kit.MeetingGetParamsStatusActive)
	listed, err := meetings.Get(ctx, app, list)
	if err != nil || len(listed.Data) != 1 || listed.Data[0].ID != m.ID || listed.Paging.TotalCount != 1 || listed.Paging.EndOffset != 1 {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

func TestOfficialGoClientAddsParticipants(t *testing.T) {
	f := start(t)
	meetings := f.official(t, f.app.token).Meetings
	ctx, app := t.Context(), string(f.app.ID)
	meeting := text(t, f.meeting(forms()[0], ""), "id")

	var add realtime_kit.MeetingAddParticipantParams
	set(&add.AccountID.Value, &add.AccountID.Present, account)
	set(&add.CustomParticipantID.Value, &add.CustomParticipantID.Present, "u-42")
	set(&add.PresetName.Value, &add.PresetName.Present, "group_call_host")
	added, err := meetings.AddParticipant(ctx, app, meeting, add)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := f.tokens.Verify(added.Data.Token); err != nil || string(who.Participant) != added.Data.ID {
		t.Errorf("the token is for %+v, %v", who, err)
	}

	var get realtime_kit.MeetingGetMeetingParticipantParams
	set(&get.AccountID.Value, &get.AccountID.Present, account)
	got, err := meetings.GetMeetingParticipant(ctx, app, meeting, added.Data.ID, get)
	if err != nil || got.Data.CustomParticipantID != "u-42" || got.Data.PresetName != "group_call_host" || got.Data.Name != "" {
		t.Errorf("got %+v, %v", got, err)
	}

	var list realtime_kit.MeetingGetMeetingParticipantsParams
	set(&list.AccountID.Value, &list.AccountID.Present, account)
	listed, err := meetings.GetMeetingParticipants(ctx, app, meeting, list)
	if err != nil || len(listed.Data) != 1 || listed.Data[0].ID != added.Data.ID {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

func TestOfficialGoClientListsPresetsAndApps(t *testing.T) {
	f := start(t)
	client := f.official(t, f.app.token)
	var list realtime_kit.PresetGetParams
	set(&list.AccountID.Value, &list.AccountID.Present, account)
	presets, err := client.Presets.Get(t.Context(), string(f.app.ID), list)
	if err != nil || len(presets.Data) != 5 || presets.Paging.TotalCount != 5 {
		t.Errorf("presets %+v, %v", presets, err)
	}
	var of realtime_kit.AppGetParams
	set(&of.AccountID.Value, &of.AccountID.Present, account)
	apps, err := client.Apps.Get(t.Context(), of)
	if err != nil || len(apps.Data) != 1 || apps.Data[0].ID != string(f.app.ID) || !apps.Data[0].CreatedAt.Equal(f.app.CreatedAt) {
		t.Errorf("apps %+v, %v", apps, err)
	}
}

func TestOfficialGoClientUnderstandsRefusals(t *testing.T) {
	f := start(t)
	const nobody = "00000000-0000-4000-8000-000000000000"
	var get realtime_kit.MeetingGetMeetingByIDParams
	set(&get.AccountID.Value, &get.AccountID.Present, account)
	var create realtime_kit.MeetingNewParams
	set(&create.AccountID.Value, &create.AccountID.Present, account)
	set(&create.SessionKeepAliveTimeInSecs.Value, &create.SessionKeepAliveTimeInSecs.Present, 1e6)
	for what, c := range map[string]struct {
		token  string
		call   func(*realtime_kit.MeetingService) error
		status int
		code   int64
	}{
		"unknown meeting": {f.app.token, func(m *realtime_kit.MeetingService) error {
			_, err := m.GetMeetingByID(t.Context(), string(f.app.ID), nobody, get)
			return err
		}, http.StatusNotFound, 404},
		"bad field": {f.app.token, func(m *realtime_kit.MeetingService) error {
			_, err := m.New(t.Context(), string(f.app.ID), create)
			return err
		}, http.StatusBadRequest, 400},
		"bad token": {"parley_wrong", func(m *realtime_kit.MeetingService) error {
			_, err := m.GetMeetingByID(t.Context(), string(f.app.ID), nobody, get)
			return err
		}, http.StatusUnauthorized, 10000},
	} {
		err := c.call(f.official(t, c.token).Meetings)
		refused, ok := errors.AsType[*realtime_kit.Error](err)
		if !ok || refused.StatusCode != c.status || len(refused.Errors) != 1 || refused.Errors[0].Code != c.code || refused.Errors[0].Message == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}
