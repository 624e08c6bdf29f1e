package directorytest

import (
	"encoding/json"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// overrule gives a participant's wish about another's permissions to the
// directory.
func (f *fixture) overrule(t testing.TB, by, of directory.Participant, permissions string) error {
	t.Helper()
	return f.Overrule(t.Context(), by.Meeting, by.ID, []directory.Overrule{{Participant: of.ID, Permissions: json.RawMessage(permissions)}})
}

func (f *fixture) rights(t testing.TB, p directory.Participant) chat.Permissions {
	t.Helper()
	access, err := f.Access(t.Context(), p.Meeting, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	rights, err := access.Preset.Permissions()
	if err != nil {
		t.Fatal(err)
	}
	return rights
}

// overrules lets a host change what one participant may do, step by step, while
// the preset, and others who have it, stay as they are.
func overrules(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	add := func(name, preset string) directory.Participant {
		p, err := f.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{CustomID: name, Name: name, PresetName: preset})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	host, ann, bob := add("Host", "group_call_host"), add("Ann", "group_call_participant"), add("Bob", "group_call_participant")
	before := f.rights(t, bob)
	d := new(diary)
	f.Watch(diaryWatcher{d})

	for _, wish := range []string{`{"chat":{"public":{"files":false}}}`, `{"chat":{"public":{"text":false}},"kick_participant":true}`} {
		if err := f.overrule(t, host, bob, wish); err != nil {
			t.Fatal(err)
		}
	}
	want := before
	want.Public, want.Kick = chat.PublicChat{Send: true}, true
	equal(t, "what Bob may do", f.rights(t, bob), want)
	equal(t, "what Ann may do", f.rights(t, ann), before)
	if len(d.notes) != 2 {
		t.Errorf("the watcher was told %q", d.notes)
	}

	// What is changed of the preset shows through where it was not overruled.
	if _, err := f.UpdatePreset(t.Context(), app.ID, bob.Preset, directory.NewPreset{
		Permissions: json.RawMessage(`{"can_edit_display_name":false,"chat":{"public":{"files":true}}}`),
	}); err != nil {
		t.Fatal(err)
	}
	want.EditDisplayName = false
	equal(t, "what Bob may do by the changed preset", f.rights(t, bob), want)

	// The same preset again changes nothing, another one does.
	give := func(preset string) {
		if _, err := f.UpdateParticipant(t.Context(), app.ID, m.ID, bob.ID, directory.ParticipantChange{PresetName: &preset}); err != nil {
			t.Fatal(err)
		}
	}
	give("group_call_participant")
	equal(t, "what Bob may do by the same preset", f.rights(t, bob), want)
	give("webinar_viewer")
	equal(t, "what Bob may do by another preset", f.rights(t, bob), f.rights(t, add("Viewer", "webinar_viewer")))
}

// overrulesRefused demands that wishes that may not come true leave no trace.
func overrulesRefused(t *testing.T, f *fixture) {
	app := f.app(t)
	m := f.meeting(t, app, "m")
	host, err := f.AddParticipant(t.Context(), app.ID, m.ID, directory.NewParticipant{CustomID: "h", Name: "Host", PresetName: "group_call_host"})
	if err != nil {
		t.Fatal(err)
	}
	other := f.participant(t, app, f.meeting(t, app, "elsewhere"), "Stranger")
	before := f.rights(t, host)
	for _, test := range []struct {
		name, wish string
		want       chat.Code
	}{
		{"no permission", `{"chat_public":true}`, chat.Invalid},
		{"not its type", `{"kick_participant":"yes"}`, chat.Invalid},
		{"no object", `[]`, chat.Invalid},
		{"no value it may have", `{"waiting_room_type":"NEVER"}`, chat.Invalid},
		{"more than one has", `{"can_record":true}`, chat.Forbidden},
		{"more than one has, deep inside", `{"media":{"video":{"can_produce":"ALLOWED"}}}`, chat.Forbidden},
	} {
		if err := f.overrule(t, host, host, test.wish); chat.CodeOf(err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
	stranger := other
	stranger.Meeting = m.ID
	wantErr(t, "a stranger's wish", f.overrule(t, stranger, host, `{}`), directory.ErrNotFound)
	wantErr(t, "a wish about a stranger", f.overrule(t, host, stranger, `{}`), directory.ErrNotFound)
	many := make([]directory.Overrule, directory.MaxOverrules+1)
	if err := f.Overrule(t.Context(), m.ID, host.ID, many); chat.CodeOf(err) != chat.Limited {
		t.Errorf("too many wishes: %v", err)
	}
	equal(t, "what may be done after all that", f.rights(t, host), before)
}
