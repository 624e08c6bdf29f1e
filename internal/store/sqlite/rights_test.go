package sqlite_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
)

// Rights are those of the last change, however many there were in a
// millisecond, and in the transaction of a change as well as in later ones.
func TestRightsOfPresetsThatChangeWithinAMillisecond(t *testing.T) {
	l := newLobby(t)
	service := l.directory()
	access, err := service.Access(t.Context(), l.ann.Meeting, l.ann.Participant)
	l.must(err)
	mayKick := func() bool {
		t.Helper()
		known := make(chan bool, 1)
		read := make(chan error, 1)
		l.must(l.Update(func(tx journal.Tx) error {
			p, err := tx.Participant(l.ann.Meeting, l.ann.Participant)
			if err == nil {
				known <- p.Permissions.Kick
			}
			return err
		}, func(err error) { read <- err }))
		l.must(<-read)
		return <-known
	}
	// The clock stands still, and a store is free not to look at it.
	for i := range 20 {
		may := i%2 == 0
		_, err := l.ChangePreset(t.Context(), access.App.ID, access.Preset.ID, func(p *directory.Preset) error {
			p.Body = fmt.Appendf(nil, `{"permissions":{"kick_participant":%v}}`, may)
			return nil
		})
		l.must(err)
		if got := mayKick(); got != may {
			t.Fatalf("after change %d: may kick is %v", i, got)
		}
	}
}

// A change that was undone with its transaction has never been.
func TestRightsOfAChangeThatWasUndone(t *testing.T) {
	l := newLobby(t)
	access, err := l.directory().Access(t.Context(), l.ann.Meeting, l.ann.Participant)
	l.must(err)
	before, err := access.Preset.Permissions()
	l.must(err)
	undone := errors.New("undone")
	err = l.Overrule(t.Context(), l.ann.Meeting, l.ann.Participant, []chat.ParticipantID{l.ann.Participant},
		func(_ directory.Overruled, subjects []*directory.Overruled) error {
			subjects[0].Override = []byte(`{"kick_participant":true}`)
			return undone
		})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	again, err := l.directory().Access(t.Context(), l.ann.Meeting, l.ann.Participant)
	l.must(err)
	if after, err := again.Preset.Permissions(); err != nil || after != before {
		t.Errorf("now %+v, %v; before %+v", after, err, before)
	}
}
