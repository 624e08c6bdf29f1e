package directorytest

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

func to[T any](v T) *T { return &v }

// want fails the test unless err is a refusal of what was asked for that names
// the field.
func wantRefusal(t testing.TB, what string, err error, field string) {
	t.Helper()
	refused, ok := errors.AsType[*chat.Error](err)
	if !ok || refused.Code != chat.Invalid || !strings.Contains(refused.Message, `"`+field+`"`) {
		t.Errorf("%s: error %v, want a refusal that names %q", what, err, field)
	}
}

func meetingChanges(t *testing.T, f *fixture) {
	app := f.app(t)
	made, err := f.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{
		Title: "Standup", PersistChat: true, KeepAlive: 90 * time.Second,
		Settings: directory.Settings{RecordOnStart: true, AIConfig: json.RawMessage(`{"a":1}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := f.UpdateMeeting(t.Context(), app.ID, made.ID, directory.MeetingChange{
		Active: to(false), Settings: func(s *directory.Settings) { s.SummarizeOnEnd = true },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.Active, want.Settings.SummarizeOnEnd, want.UpdatedAt = false, true, changed.UpdatedAt
	equal(t, "the changed meeting", changed, want)
	if !changed.UpdatedAt.After(made.UpdatedAt) {
		t.Errorf("changed at %s, before that at %s", changed.UpdatedAt, made.UpdatedAt)
	}

	replaced, err := f.ReplaceMeeting(t.Context(), app.ID, made.ID, directory.NewMeeting{Title: "Retro"})
	if err != nil {
		t.Fatal(err)
	}
	want = directory.Meeting{
		ID: made.ID, App: app.ID, Title: "Retro", KeepAlive: directory.DefaultKeepAlive, Rules: chat.Rules{Mode: chat.ModeEveryone},
		CreatedAt: made.CreatedAt, UpdatedAt: replaced.UpdatedAt,
	}
	equal(t, "the replaced meeting, still closed", replaced, want)
	stored, err := f.Meeting(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the stored meeting", stored, want)

	_, err = f.UpdateMeeting(t.Context(), app.ID, made.ID, directory.MeetingChange{
		Title: to("half done"), KeepAlive: to(time.Hour),
	})
	wantRefusal(t, "a change that is half good", err, "session_keep_alive_time_in_secs")
	if stored, err = f.Meeting(t.Context(), app.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, "the meeting after a refused change", stored, want)
}

func participantChanges(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	made := f.participant(t, app, m, "Ada")
	host, err := f.PresetNamed(t.Context(), app.ID, "group_call_host")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{
		Picture: to("https://example.com/ada.png"), PresetName: to("group_call_host"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.Picture, want.Preset, want.PresetName, want.UpdatedAt = "https://example.com/ada.png", host.ID, host.Name, changed.UpdatedAt
	equal(t, "the changed participant", changed, want)
	access, err := f.Access(t.Context(), m.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the participant that knocks", access.Participant, want)
	equal(t, "the preset it has", access.Preset.ID, host.ID)

	if changed, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{Muted: to(true)}); err != nil {
		t.Fatal(err)
	}
	access, err = f.Access(t.Context(), m.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := access.Preset.Permissions()
	if err != nil {
		t.Fatal(err)
	}
	if !changed.Muted() || allowed.Public.Send || allowed.Private.Send {
		t.Errorf("muted: %v, and the participant may %+v", changed.Muted(), allowed)
	}
	changed, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{PresetName: to("group_call_participant")})
	if err != nil || changed.Muted() {
		t.Errorf("with another preset it is muted: %v, %v", changed.Muted(), err)
	}
	if changed, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{PresetName: to("group_call_host")}); err != nil {
		t.Fatal(err)
	}
	want.UpdatedAt = changed.UpdatedAt

	_, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{Name: to("Eve"), PresetName: to("no such")})
	wantErr(t, "an unknown preset", err, directory.ErrNoPreset)
	_, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, made.ID, directory.ParticipantChange{Picture: to("javascript:1")})
	wantRefusal(t, "a picture that is no link", err, "picture")
	stored, err := f.Participant(t.Context(), app.ID, m.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the participant after refused changes", stored, want)
}

func participantDeleted(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	made := f.participant(t, app, m, "Ada")
	deleted, err := f.DeleteParticipant(t.Context(), app.ID, m.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the deleted participant", deleted, made)
	_, err = f.Participant(t.Context(), app.ID, m.ID, made.ID)
	wantErr(t, "looking for it", err, directory.ErrNotFound)
	_, err = f.Access(t.Context(), m.ID, made.ID)
	wantErr(t, "its knocking", err, directory.ErrNotFound)
	_, err = f.DeleteParticipant(t.Context(), app.ID, m.ID, made.ID)
	wantErr(t, "deleting it again", err, directory.ErrNotFound)
}

// parts are the three objects of a preset that leaves everything else as it is
// by default.
func parts(config, permissions, ui string) directory.NewPreset {
	return directory.NewPreset{Config: json.RawMessage(config), Permissions: json.RawMessage(permissions), UI: json.RawMessage(ui)}
}

func named(name string, p directory.NewPreset) directory.NewPreset {
	p.Name = name
	return p
}

func presetLife(t *testing.T, f *fixture) {
	app := f.app(t)
	made, err := f.CreatePreset(t.Context(), app.ID, named("teacher", parts(
		`{"view_type":"WEBINAR","unknown":1}`, `{"kick_participant":true,"chat":{"public":{"files":false}}}`, `{}`)))
	if err != nil {
		t.Fatal(err)
	}
	body := bodyOf(t, made)
	if body.Config.ViewType != "WEBINAR" || body.Config.MaxVideoStreams.Desktop != 6 || !body.Permissions.KickParticipant ||
		body.Permissions.Chat.Public.Files || !body.Permissions.Chat.Public.Text || body.UI.DesignTokens.Theme != "dark" {
		t.Errorf("made %+v", body)
	}
	changed, err := f.UpdatePreset(t.Context(), app.ID, made.ID, parts(``, `{"chat":{"private":{"can_receive":true}},"can_record":null}`, ``))
	if err != nil {
		t.Fatal(err)
	}
	want := body
	want.Permissions.Chat.Private.CanReceive = true
	equal(t, "the body after a deep change", bodyOf(t, changed), want)
	equal(t, "the name after a change without one", changed.Name, "teacher")
	if !changed.UpdatedAt.After(made.UpdatedAt) {
		t.Errorf("changed at %s, before that at %s", changed.UpdatedAt, made.UpdatedAt)
	}
	replaced, err := f.ReplacePreset(t.Context(), app.ID, made.ID, named("tutor", parts(`{}`, `{}`, `{"design_tokens":{"theme":"light"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, replaced); replaced.Name != "tutor" || body.Config.ViewType != "GROUP_CALL" || body.Permissions.KickParticipant ||
		body.UI.DesignTokens.Theme != "light" {
		t.Errorf("replaced by %s %+v", replaced.Name, body)
	}
	found, err := f.Preset(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the stored preset", found, replaced)

	deleted, err := f.DeletePreset(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the deleted preset", deleted, replaced)
	_, err = f.Preset(t.Context(), app.ID, made.ID)
	wantErr(t, "looking for it", err, directory.ErrNotFound)
}

func bodyOf(t testing.TB, p directory.Preset) directory.PresetBody {
	t.Helper()
	var body directory.PresetBody
	if err := json.Unmarshal(p.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func presetRefusals(t *testing.T, f *fixture) {
	app := f.app(t)
	made, err := f.CreatePreset(t.Context(), app.ID, named("teacher", parts(`{}`, `{}`, `{}`)))
	if err != nil {
		t.Fatal(err)
	}
	for field, part := range map[string]directory.NewPreset{
		"config.view_type":                          parts(`{"view_type":"CIRCUS"}`, `{}`, `{}`),
		"config.max_screenshare_count":              parts(`{"max_screenshare_count":-1}`, `{}`, `{}`),
		"permissions.kick_participant":              parts(`{}`, `{"kick_participant":"yes"}`, `{}`),
		"permissions.chat.public.can_send":          parts(`{}`, `{"kick_participant":true,"chat":{"public":{"can_send":1}}}`, `{}`),
		"permissions.waiting_room_type":             parts(`{}`, `{"waiting_room_type":"LOBBY"}`, `{}`),
		"permissions":                               parts(`{}`, `[]`, `{}`),
		"ui.design_tokens.theme":                    parts(`{}`, `{}`, `{"design_tokens":{"theme":"pink"}}`),
		"ui.config_diff":                            parts(`{}`, `{}`, `{"config_diff":[1]}`),
		"permissions.media.audio.can_produce":       parts(`{}`, `{"media":{"audio":{"can_produce":"LOUD"}}}`, `{}`),
		"config.media.screenshare.frame_rate":       parts(`{"media":{"screenshare":{"frame_rate":1000001}}}`, `{}`, `{}`),
		"permissions.media.screenshare.can_produce": parts(`{}`, `{"media":{"screenshare":{"can_produce":""}}}`, `{}`),
	} {
		_, err := f.CreatePreset(t.Context(), app.ID, named("new", part))
		wantRefusal(t, "making a preset", err, field)
		_, err = f.UpdatePreset(t.Context(), app.ID, made.ID, part)
		wantRefusal(t, "changing a preset", err, field)
	}
	for field, wish := range map[string]directory.NewPreset{
		"name": parts(`{}`, `{}`, `{}`), "config": named("n", parts(``, `{}`, `{}`)),
		"permissions": named("n", parts(`{}`, `null`, `{}`)), "ui": named("n", parts(`{}`, `{}`, ` `)),
	} {
		_, err := f.CreatePreset(t.Context(), app.ID, wish)
		wantRefusal(t, "making a preset", err, field)
		_, err = f.ReplacePreset(t.Context(), app.ID, made.ID, wish)
		wantRefusal(t, "replacing a preset", err, field)
	}
	large := parts(`{}`, `{"plugins":{"config":{"x":"`+strings.Repeat("x", directory.MaxPreset)+`"}}}`, `{}`)
	if _, err := f.CreatePreset(t.Context(), app.ID, named("large", large)); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("a large preset: %v", err)
	}
	_, err = f.CreatePreset(t.Context(), app.ID, named("teacher", parts(`{}`, `{}`, `{}`)))
	wantErr(t, "a name that is taken", err, directory.ErrTaken)
	_, err = f.UpdatePreset(t.Context(), app.ID, made.ID, directory.NewPreset{Name: "group_call_host"})
	wantErr(t, "another's name", err, directory.ErrTaken)
	_, err = f.UpdatePreset(t.Context(), app.ID, made.ID, directory.NewPreset{Name: "teacher"})
	if err != nil {
		t.Errorf("its own name: %v", err)
	}
	stored, err := f.Preset(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the preset after refused changes", stored.Body, made.Body)
}

func presetInUse(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	p := f.participant(t, app, m, "Ada")
	_, err := f.DeletePreset(t.Context(), app.ID, p.Preset)
	wantErr(t, "deleting what somebody has", err, directory.ErrInUse)
	if _, err := f.DeleteParticipant(t.Context(), app.ID, m.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeletePreset(t.Context(), app.ID, p.Preset); err != nil {
		t.Errorf("deleting what nobody has any more: %v", err)
	}
}

func changesStayInTheirApp(t *testing.T, f *fixture) {
	app, other := f.app(t), f.app(t)
	m := f.meeting(t, app, "m")
	p := f.participant(t, app, m, "Ada")
	for what, change := range map[string]func(chat.AppID, chat.MeetingID, chat.ParticipantID, chat.PresetID) error{
		"changing a meeting": func(a chat.AppID, m chat.MeetingID, _ chat.ParticipantID, _ chat.PresetID) error {
			_, err := f.UpdateMeeting(t.Context(), a, m, directory.MeetingChange{Title: to("x")})
			return err
		},
		"changing a participant": func(a chat.AppID, m chat.MeetingID, p chat.ParticipantID, _ chat.PresetID) error {
			_, err := f.UpdateParticipant(t.Context(), a, m, p, directory.ParticipantChange{Name: to("x")})
			return err
		},
		"deleting a participant": func(a chat.AppID, m chat.MeetingID, p chat.ParticipantID, _ chat.PresetID) error {
			_, err := f.DeleteParticipant(t.Context(), a, m, p)
			return err
		},
		"changing a preset": func(a chat.AppID, _ chat.MeetingID, _ chat.ParticipantID, r chat.PresetID) error {
			_, err := f.UpdatePreset(t.Context(), a, r, directory.NewPreset{Name: "x"})
			return err
		},
		"deleting a preset": func(a chat.AppID, _ chat.MeetingID, _ chat.ParticipantID, r chat.PresetID) error {
			_, err := f.DeletePreset(t.Context(), a, r)
			return err
		},
	} {
		wantErr(t, what+" of another app", change(other.ID, m.ID, p.ID, p.Preset), directory.ErrNotFound)
		wantErr(t, what+" that is not there", change(app.ID, nobody, nobody, nobody), directory.ErrNotFound)
	}
	stored, err := f.Participant(t.Context(), app.ID, m.ID, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the participant after all that", stored, p)
}

// diary notes what a watcher is told.
type diary struct {
	mu    sync.Mutex
	notes []string
}

func (d *diary) note(format string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, format)
}

func watcherIsTold(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	p := f.participant(t, app, m, "Ada")
	d := new(diary)
	f.Watch(diaryWatcher{d})
	_, err := f.UpdateMeeting(t.Context(), app.ID, m.ID, directory.MeetingChange{Title: to("new title")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.UpdateParticipant(t.Context(), app.ID, m.ID, p.ID, directory.ParticipantChange{Name: to("Eve")}); err != nil {
		t.Fatal(err)
	}
	if _, err = f.UpdatePreset(t.Context(), app.ID, p.Preset, directory.NewPreset{Name: "new name"}); err != nil {
		t.Fatal(err)
	}
	if _, err = f.DeleteParticipant(t.Context(), app.ID, m.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err = f.DeleteParticipant(t.Context(), app.ID, m.ID, p.ID); err == nil {
		t.Fatal("deleted twice")
	}
	equal(t, "what was told", d.notes, []string{"meeting new title", "participant Eve", "preset new name", "deleted Eve"})
}

func meetingRules(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	p := f.participant(t, app, m, "Ada")
	equal(t, "the rules of a new meeting", m.Rules, chat.Rules{Mode: chat.ModeEveryone})
	rules := chat.Rules{Mode: chat.ModeHosts, NoPrivate: true, HostsPin: true, SlowMode: 10 * time.Second}
	changed, err := f.UpdateMeeting(t.Context(), app.ID, m.ID, directory.MeetingChange{Rules: func(r *chat.Rules) { *r = rules }})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := f.Meeting(t.Context(), app.ID, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the changed rules", changed.Rules, rules)
	equal(t, "the stored rules", stored.Rules, rules)
	access, err := f.Access(t.Context(), m.ID, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	rights, err := access.Preset.Permissions()
	if err != nil {
		t.Fatal(err)
	}
	if rights.Public.Send || rights.Private.Send || !rights.Private.Receive {
		t.Errorf("where hosts alone write, a participant may %+v", rights)
	}
	for _, bad := range []chat.Rules{{Mode: "SOME"}, {SlowMode: -time.Second}, {SlowMode: 2 * time.Hour}, {SlowMode: time.Millisecond}} {
		_, err := f.UpdateMeeting(t.Context(), app.ID, m.ID, directory.MeetingChange{Rules: func(r *chat.Rules) { *r = bad }})
		if chat.CodeOf(err) != chat.Invalid {
			t.Errorf("rules %+v: %v", bad, err)
		}
	}
	replaced, err := f.ReplaceMeeting(t.Context(), app.ID, m.ID, directory.NewMeeting{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the rules after a replacement", replaced.Rules, chat.Rules{Mode: chat.ModeEveryone})
}
