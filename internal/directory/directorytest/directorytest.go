// Package directorytest is the contract of directory.Store: what every engine
// must pass, seen through the Service that all callers use.
package directorytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// nobody is an id that nothing has.
const nobody = "00000000-0000-4000-8000-000000000000"

// Run runs the contract. open gives an empty store, which it closes by itself
// when the test ends.
func Run(t *testing.T, open func(testing.TB) directory.Store) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"an app begins with the default presets":              appBeginsWithPresets,
		"a meeting keeps all it was given":                    meetingKeepsAll,
		"a meeting has defaults":                              meetingHasDefaults,
		"a participant keeps all it was given":                participantKeepsAll,
		"the same person may be added twice":                  samePersonTwice,
		"what has no parents is refused":                      missingParents,
		"what is over a limit is refused and not stored":      overLimits,
		"lists are newest first, in pages":                    pages,
		"lists clamp what is asked for":                       clamps,
		"lists can be searched":                               search,
		"lists can be narrowed by state and time":             narrow,
		"apps do not see each other's things":                 isolation,
		"access tells all about a participant":                access,
		"many may write at once":                              manyWriters,
		"a meeting can be changed and replaced":               meetingChanges,
		"a participant can be changed":                        participantChanges,
		"a meeting has rules for its chat":                    meetingRules,
		"a deleted participant is nobody":                     participantDeleted,
		"a preset can be made, changed, replaced and deleted": presetLife,
		"bad presets are refused, and nothing is half done":   presetRefusals,
		"a preset in use cannot be deleted":                   presetInUse,
		"nobody changes what is another app's":                changesStayInTheirApp,
		"a watcher is told of changes":                        watcherIsTold,
		"a host changes what one participant may do":          overrules,
		"a wish that may not come true leaves no trace":       overrulesRefused,
		"apps of one account are listed, those of others not": appsOfAccount,
	} {
		t.Run(name, func(t *testing.T) { test(t, newFixture(open(t))) })
	}
}

// fixture is a service over an empty store, with a clock that never shows the
// same time twice.
type fixture struct {
	*directory.Service
	store directory.Store
	mu    sync.Mutex
	time  time.Time
}

func newFixture(store directory.Store) *fixture {
	f := &fixture{store: store, time: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	f.Service = directory.New(store, f.now)
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(time.Second)
	return f.time
}

func (f *fixture) app(t testing.TB) directory.App {
	t.Helper()
	app, err := f.CreateApp(t.Context(), "account", "app")
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (f *fixture) meeting(t testing.TB, app directory.App, title string) directory.Meeting {
	t.Helper()
	m, err := f.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{Title: title})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fixture) participant(t testing.TB, app directory.App, m directory.Meeting, name string) directory.Participant {
	t.Helper()
	p, err := f.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{
		CustomID: "id of " + name, Name: name, PresetName: "group_call_participant",
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func appBeginsWithPresets(t *testing.T, f *fixture) {
	app := f.app(t)
	found, err := f.App(t.Context(), app.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the app", found, app)
	defaults, err := directory.DefaultPresets()
	if err != nil {
		t.Fatal(err)
	}
	page, err := f.Presets(t.Context(), app.ID, directory.List{})
	if err != nil || page.Total != 5 || len(page.Rows) != 5 {
		t.Fatalf("presets: %d of %d, %v; want all 5", len(page.Rows), page.Total, err)
	}
	for _, want := range defaults {
		got, err := f.PresetNamed(t.Context(), app.ID, want.Name)
		if err != nil {
			t.Fatalf("preset %s: %v", want.Name, err)
		}
		equal(t, want.Name, string(got.Body), string(want.Body))
	}
	_, err = f.PresetNamed(t.Context(), app.ID, "Group_Call_Host")
	wantErr(t, "another case", err, directory.ErrNotFound)
	_, err = f.App(t.Context(), nobody)
	wantErr(t, "unknown app", err, directory.ErrNotFound)
}

func meetingKeepsAll(t *testing.T, f *fixture) {
	app := f.app(t)
	made, err := f.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{
		Title: "Ünïcode \u202eright to left 😀 <b>", PersistChat: true, KeepAlive: 10 * time.Minute,
		Settings: directory.Settings{
			RecordOnStart: true, LiveStreamOnStart: true, SummarizeOnEnd: true, TranscribeOnEnd: true, PreferredRegion: "us-east-1",
			AIConfig: json.RawMessage(`{"summarization":{"word_limit":7}}`), RecordingConfig: json.RawMessage(`{"max_seconds":60}`),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !made.Active || made.App != app.ID || made.CreatedAt != made.UpdatedAt {
		t.Errorf("made %+v, want an active meeting of the app", made)
	}
	got, err := f.Meeting(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "read back", got, made)
}

func meetingHasDefaults(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "")
	if m.KeepAlive != time.Minute || m.PersistChat || m.Title != "" {
		t.Errorf("defaults are %+v", m)
	}
}

func participantKeepsAll(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	made, err := f.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{
		CustomID: "u-42", Name: "Zoë", Picture: "https://example.com/z.png", PresetName: "webinar_viewer",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Participant(t.Context(), app.ID, m.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "read back", got, made)
	preset, err := f.PresetNamed(t.Context(), app.ID, "webinar_viewer")
	if err != nil || made.Preset != preset.ID {
		t.Errorf("preset %s (%v), want %s", made.Preset, err, preset.ID)
	}
}

func samePersonTwice(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	if a, b := f.participant(t, app, m, "A"), f.participant(t, app, m, "A"); a.ID == b.ID {
		t.Errorf("both are %s", a.ID)
	}
}

func missingParents(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	_, err := f.CreateMeeting(t.Context(), nobody, directory.NewMeeting{})
	wantErr(t, "meeting of an unknown app", err, directory.ErrNotFound)
	_, err = f.AddParticipant(t.Context(), app.ID, nobody, directory.NewParticipant{CustomID: "c", PresetName: "group_call_host"})
	wantErr(t, "participant of an unknown meeting", err, directory.ErrNotFound)
	if errors.Is(err, directory.ErrNoPreset) {
		t.Error("an unknown meeting is told as an unknown preset")
	}
	_, err = f.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{CustomID: "c", PresetName: "nobody"})
	wantErr(t, "participant with an unknown preset", err, directory.ErrNotFound)
	wantErr(t, "participant with an unknown preset", err, directory.ErrNoPreset)
	_, err = f.Participants(t.Context(), app.ID, nobody, directory.List{})
	wantErr(t, "participants of an unknown meeting", err, directory.ErrNotFound)
	page, err := f.Participants(t.Context(), app.ID, m.ID, directory.List{})
	if err != nil || page.Total != 0 {
		t.Errorf("%d participants (%v), want none", page.Total, err)
	}
}

func overLimits(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	for field, wish := range map[string]directory.NewMeeting{
		"title":            {Title: strings.Repeat("t", directory.MaxTitle+1)},
		"title, NUL":       {Title: "a\x00b"},
		"title, not UTF-8": {Title: "a\xff"},
		"keep alive":       {KeepAlive: directory.MaxKeepAlive + time.Second},
		"fraction":         {KeepAlive: 1500 * time.Millisecond},
		"negative":         {KeepAlive: -time.Second},
		"ai_config":        {Settings: directory.Settings{AIConfig: json.RawMessage(`[]`)}},
		"no JSON":          {Settings: directory.Settings{AIConfig: json.RawMessage(`{`)}},
		"recording_config": {Settings: directory.Settings{RecordingConfig: json.RawMessage(`{"a":"` + strings.Repeat("a", directory.MaxConfig) + `"}`)}},
	} {
		_, err := f.CreateMeeting(t.Context(), app.ID, wish)
		wantInvalid(t, field, err)
	}
	good := directory.NewParticipant{CustomID: "c", PresetName: "group_call_host"}
	for field, change := range map[string]func(*directory.NewParticipant){
		"no custom id":    func(p *directory.NewParticipant) { p.CustomID = "" },
		"long custom id":  func(p *directory.NewParticipant) { p.CustomID = strings.Repeat("c", directory.MaxCustomID+1) },
		"no preset":       func(p *directory.NewParticipant) { p.PresetName = "" },
		"long name":       func(p *directory.NewParticipant) { p.Name = strings.Repeat("n", directory.MaxName+1) },
		"script picture":  func(p *directory.NewParticipant) { p.Picture = "javascript:alert(1)" },
		"no host picture": func(p *directory.NewParticipant) { p.Picture = "https:///a.png" },
		"long picture": func(p *directory.NewParticipant) {
			p.Picture = "https://a/" + strings.Repeat("p", directory.MaxPicture)
		},
	} {
		wish := good
		change(&wish)
		_, err := f.AddParticipant(t.Context(), app.ID, m.ID, wish)
		wantInvalid(t, field, err)
	}
	_, err := f.Meetings(t.Context(), app.ID, directory.List{Search: strings.Repeat("s", directory.MaxSearch+1)})
	wantInvalid(t, "search", err)
	_, err = f.CreateApp(t.Context(), "account", "")
	wantInvalid(t, "app without a name", err)

	meetings, err := f.Meetings(t.Context(), app.ID, directory.List{})
	if err != nil || meetings.Total != 1 {
		t.Errorf("%d meetings (%v), want the one", meetings.Total, err)
	}
	participants, err := f.Participants(t.Context(), app.ID, m.ID, directory.List{})
	if err != nil || participants.Total != 0 {
		t.Errorf("%d participants (%v), want none", participants.Total, err)
	}
}

func wantInvalid(t testing.TB, what string, err error) {
	t.Helper()
	if chat.CodeOf(err) != chat.Invalid {
		t.Errorf("%s: error %v, want code %s", what, err, chat.Invalid)
	}
}

func titles(page directory.Page[directory.Meeting]) string {
	var all []string
	for _, m := range page.Rows {
		all = append(all, m.Title)
	}
	return strings.Join(all, " ")
}

func pages(t *testing.T, f *fixture) {
	app := f.app(t)
	for i := range 5 {
		f.meeting(t, app, fmt.Sprint(i))
	}
	for _, c := range []struct {
		page, size int
		want       string
		offset     int
	}{
		{1, 2, "4 3", 0}, {2, 2, "2 1", 2}, {3, 2, "0", 4}, {4, 2, "", 6}, {1, 100, "4 3 2 1 0", 0},
	} {
		page, err := f.Meetings(t.Context(), app.ID, directory.List{Page: c.page, Size: c.size})
		if err != nil {
			t.Fatal(err)
		}
		if titles(page) != c.want || page.Total != 5 || page.Offset != c.offset {
			t.Errorf("page %d of %d: %q, offset %d, total %d; want %q, %d, 5", c.page, c.size, titles(page), page.Offset, page.Total, c.want, c.offset)
		}
	}
}

func clamps(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	for i := range directory.MaxPageSize + 1 {
		f.participant(t, app, m, fmt.Sprint(i))
	}
	for _, c := range []struct {
		list directory.List
		want int
	}{
		{directory.List{}, directory.DefaultPageSize},
		{directory.List{Page: -3, Size: -1}, directory.DefaultPageSize},
		{directory.List{Size: 100000}, directory.MaxPageSize},
		{directory.List{Page: 1 << 62, Size: 100}, 0},
	} {
		page, err := f.Participants(t.Context(), app.ID, m.ID, c.list)
		if err != nil || len(page.Rows) != c.want || page.Total != directory.MaxPageSize+1 {
			t.Errorf("%+v: %d of %d rows, %v; want %d of %d", c.list, len(page.Rows), page.Total, err, c.want, directory.MaxPageSize+1)
		}
	}
}

func search(t *testing.T, f *fixture) {
	app := f.app(t)
	plan := f.meeting(t, app, "Plan_A")
	f.meeting(t, app, "PlanXA")
	f.meeting(t, app, `100% \o/`)
	for text, want := range map[string]string{
		"plan_a":        "Plan_A",
		"PLAN":          "PlanXA Plan_A",
		"%":             `100% \o/`,
		`\`:             `100% \o/`,
		"nothing":       "",
		string(plan.ID): "Plan_A",
		strings.ToUpper(strings.ReplaceAll(string(plan.ID), "-", "")): "Plan_A",
		string(plan.ID)[:8]: "",
	} {
		page, err := f.Meetings(t.Context(), app.ID, directory.List{Search: text})
		if err != nil {
			t.Fatal(err)
		}
		if titles(page) != want || page.Total != len(page.Rows) {
			t.Errorf("search %q: %q of %d, want %q", text, titles(page), page.Total, want)
		}
	}
}

func narrow(t *testing.T, f *fixture) {
	app := f.app(t)
	first := f.meeting(t, app, "first")
	closed := first
	closed.ID, closed.Title, closed.Active, closed.CreatedAt = chat.MeetingID(nobody), "closed", false, f.now()
	if err := f.store.PutMeeting(t.Context(), closed, "epoch"); err != nil {
		t.Fatal(err)
	}
	f.meeting(t, app, "last")
	yes, no := true, false
	for want, list := range map[string]directory.List{
		"last first":        {Active: &yes},
		"closed":            {Active: &no},
		"last closed":       {From: closed.CreatedAt},
		"closed first":      {To: closed.CreatedAt},
		"last closed first": {},
	} {
		page, err := f.Meetings(t.Context(), app.ID, list)
		if err != nil || titles(page) != want || page.Total != len(page.Rows) {
			t.Errorf("%+v: %q of %d, %v; want %q", list, titles(page), page.Total, err, want)
		}
	}
}

func isolation(t *testing.T, f *fixture) {
	mine, theirs := f.app(t), f.app(t)
	m := f.meeting(t, mine, "secret")
	p := f.participant(t, mine, m, "P")
	other := f.meeting(t, mine, "other")
	ctx := t.Context()

	_, err := f.Meeting(ctx, theirs.ID, m.ID)
	wantErr(t, "meeting", err, directory.ErrNotFound)
	_, err = f.Participants(ctx, theirs.ID, m.ID, directory.List{})
	wantErr(t, "participants", err, directory.ErrNotFound)
	_, err = f.Participant(ctx, theirs.ID, m.ID, p.ID)
	wantErr(t, "participant", err, directory.ErrNotFound)
	_, err = f.Participant(ctx, mine.ID, other.ID, p.ID)
	wantErr(t, "participant in another meeting", err, directory.ErrNotFound)
	_, err = f.AddParticipant(ctx, theirs.ID, m.ID, directory.NewParticipant{CustomID: "spy", PresetName: "group_call_host"})
	wantErr(t, "adding to a meeting", err, directory.ErrNotFound)
	for what, list := range map[string]directory.List{"all": {}, "by title": {Search: "secret"}, "by id": {Search: string(m.ID)}} {
		page, err := f.Meetings(ctx, theirs.ID, list)
		if err != nil || page.Total != 0 || len(page.Rows) != 0 {
			t.Errorf("meetings %s: %d, %v; want none", what, page.Total, err)
		}
	}
	presets, err := f.Presets(ctx, theirs.ID, directory.List{})
	if err != nil || presets.Total != 5 {
		t.Errorf("%d presets (%v), want their own 5", presets.Total, err)
	}
	for _, preset := range presets.Rows {
		if preset.App != theirs.ID {
			t.Errorf("preset %s belongs to another app", preset.Name)
		}
	}
}

func access(t *testing.T, f *fixture) {
	app := f.app(t)
	m, other := f.meeting(t, app, "m"), f.meeting(t, app, "other")
	p := f.participant(t, app, m, "P")
	got, err := f.Access(t.Context(), m.ID, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	preset, err := f.PresetNamed(t.Context(), app.ID, p.PresetName)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "access", got, directory.Access{App: app, Meeting: m, Participant: p, Preset: preset})
	_, err = f.Access(t.Context(), other.ID, p.ID)
	wantErr(t, "another meeting", err, directory.ErrNotFound)
	_, err = f.Access(t.Context(), m.ID, nobody)
	wantErr(t, "nobody", err, directory.ErrNotFound)
}

func manyWriters(t *testing.T, f *fixture) {
	const writers = 32
	app := f.app(t)
	m := f.meeting(t, app, "m")
	var all sync.WaitGroup
	errs := make(chan error, 2*writers)
	for i := range writers {
		all.Go(func() {
			wish := directory.NewParticipant{CustomID: fmt.Sprint(i), PresetName: "group_call_host"}
			_, err := f.AddParticipant(t.Context(), app.ID, m.ID, wish)
			errs <- err
			wish.PresetName = "unknown"
			if _, err := f.AddParticipant(t.Context(), app.ID, m.ID, wish); !errors.Is(err, directory.ErrNoPreset) {
				errs <- fmt.Errorf("unknown preset: %w", err)
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	page, err := f.Participants(t.Context(), app.ID, m.ID, directory.List{})
	if err != nil || page.Total != writers {
		t.Errorf("%d participants (%v), want %d", page.Total, err, writers)
	}
}

func appsOfAccount(t *testing.T, f *fixture) {
	older, newer := f.app(t), f.app(t)
	if _, err := f.CreateApp(t.Context(), "another account", "app"); err != nil {
		t.Fatal(err)
	}
	page, err := f.Apps(t.Context(), "account", directory.List{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "apps", page.Rows, []directory.App{newer, older})
}
