package sqlite_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

// wantLookup demands how a lookup of Ann is answered: from memory or not.
func (tk *talk) wantLookup(remembered bool) directory.Access {
	tk.tb.Helper()
	hits, misses := tk.AccessCounts()
	reads := tk.Reads()
	access, err := tk.Access(tk.tb.Context(), tk.meeting, tk.a.Participant)
	tk.must(err)
	h, m := tk.AccessCounts()
	if remembered && (h != hits+1 || m != misses || tk.Reads() != reads) {
		tk.tb.Error("a lookup read the database again")
	}
	if !remembered && (h != hits || m != misses+1 || tk.Reads() != reads+1) {
		tk.tb.Error("a lookup was answered from memory")
	}
	return access
}

func TestLookupIsRememberedUntilTheDirectoryChanges(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	before := tk.wantLookup(false)
	tk.wantLookup(true)

	// None of this changes what a lookup finds.
	tk.append(tk.say(tk.a, "hello"))
	tk.append(tk.say(tk.a, "psst", tk.b))
	newcomer := tk.add(tk.meeting, "Cleo")
	tk.enter(newcomer)
	tk.newMeeting(directory.NewMeeting{})
	tk.must(tk.Left(t.Context(), tk.session, newcomer.Peer))
	tk.wantLookup(true)

	title, name := "Another title", "Another name"
	changes := map[string]func() error{
		"the meeting": func() error {
			_, err := tk.directory().UpdateMeeting(t.Context(), tk.app, tk.meeting, directory.MeetingChange{Title: &title})
			return err
		},
		"the participant": func() error {
			_, err := tk.directory().UpdateParticipant(t.Context(), tk.app, tk.meeting, tk.a.Participant, directory.ParticipantChange{Name: &name})
			return err
		},
		"the preset": func() error {
			_, err := tk.directory().UpdatePreset(t.Context(), tk.app, before.Preset.ID, directory.NewPreset{Permissions: []byte(`{"can_edit_display_name": false}`)})
			return err
		},
	}
	for what, change := range changes {
		tk.must(change())
		tk.wantLookup(false)
		if tk.wantLookup(true); t.Failed() {
			t.Fatalf("after a change of %s", what)
		}
	}
	after := tk.wantLookup(true)
	if after.Meeting.Title != title || after.Participant.Name != name || string(after.Preset.Body) == string(before.Preset.Body) {
		t.Errorf("found %+v", after)
	}
	_, err := tk.directory().DeleteParticipant(t.Context(), tk.app, tk.meeting, tk.a.Participant)
	tk.must(err)
	if _, err := tk.Access(t.Context(), tk.meeting, tk.a.Participant); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a participant who was deleted: %v", err)
	}
}

func TestLookupOutlivesChangesOfOthers(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	other := tk.newMeeting(directory.NewMeeting{})
	cleo := tk.add(tk.meeting, "Cleo")
	preset, err := tk.directory().PresetNamed(t.Context(), tk.app, "group_call_participant")
	tk.must(err)
	tk.wantLookup(false)

	title, name := "Another title", "Another name"
	changes := map[string]func() error{
		"another meeting": func() error {
			_, err := tk.directory().UpdateMeeting(t.Context(), tk.app, other, directory.MeetingChange{Title: &title})
			return err
		},
		"another participant": func() error {
			_, err := tk.directory().UpdateParticipant(t.Context(), tk.app, tk.meeting, cleo.Participant, directory.ParticipantChange{Name: &name})
			return err
		},
		"another preset": func() error {
			_, err := tk.directory().UpdatePreset(t.Context(), tk.app, preset.ID, directory.NewPreset{Permissions: []byte(`{"can_edit_display_name": false}`)})
			return err
		},
		"a kick": func() error {
			tk.enter(cleo)
			_, err := tk.Kick(t.Context(), session.Kick{Meeting: tk.meeting, Participants: []string{string(cleo.Participant)}}, time.Now())
			return err
		},
	}
	for what, change := range changes {
		tk.must(change())
		if tk.wantLookup(true); t.Failed() {
			t.Fatalf("after %s", what)
		}
	}
	_, err = tk.directory().DeleteParticipant(t.Context(), tk.app, tk.meeting, cleo.Participant)
	tk.must(err)
	tk.wantLookup(true)
}

// TestLookupAfterAChangeFindsIt looks up all the time while the title changes:
// whoever looks after a change was told must find it.
func TestLookupAfterAChangeFindsIt(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	stop := make(chan struct{})
	var looking sync.WaitGroup
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := tk.Access(t.Context(), tk.meeting, tk.a.Participant); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		title := tk.id("title")
		_, err := tk.directory().UpdateMeeting(t.Context(), tk.app, tk.meeting, directory.MeetingChange{Title: &title})
		tk.must(err)
		access, err := tk.Access(t.Context(), tk.meeting, tk.a.Participant)
		tk.must(err)
		if access.Meeting.Title != title {
			t.Errorf("found %q after a change to %q", access.Meeting.Title, title)
			break
		}
	}
	close(stop)
	looking.Wait()
}
