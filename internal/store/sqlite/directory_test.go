package sqlite_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/directory/directorytest"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

func TestDirectory(t *testing.T) {
	directorytest.Run(t, func(tb testing.TB) directory.Store { return openAt(tb, tb.TempDir()) })
}

// openAt opens a store that is closed when the test ends.
func openAt(tb testing.TB, dir string) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		wantPlans(tb, db)
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func TestDirectoryIsFoundAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	var meeting directory.Meeting
	t.Run("before", func(t *testing.T) {
		service := directory.New(openAt(t, dir), time.Now)
		app, err := service.CreateApp(t.Context(), "account", "app")
		if err != nil {
			t.Fatal(err)
		}
		if meeting, err = service.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{Title: "kept"}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("after", func(t *testing.T) {
		db := openAt(t, dir)
		found, err := directory.New(db, time.Now).Meeting(t.Context(), meeting.App, meeting.ID)
		if err != nil || found.Title != "kept" {
			t.Errorf("found %+v, %v", found, err)
		}
		head, err := db.Position(t.Context(), meeting.ID)
		if err != nil || head.Epoch == "" || head.Seq != 0 {
			t.Errorf("the head of its journal is %+v, %v; want an empty one with an epoch", head, err)
		}
	})
}
