package sqlite_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/follow/webhook/webhooktest"
)

func TestWebhooks(t *testing.T) {
	webhooktest.Run(t, func(tb testing.TB) webhooktest.World {
		db := openAt(tb, tb.TempDir())
		world := webhooktest.World{Engine: db}
		for i := range world.Apps {
			app, err := directory.New(db, time.Now).CreateApp(tb.Context(), "account", "app")
			if err != nil {
				tb.Fatal(err)
			}
			world.Apps[i] = app.ID
		}
		world.Tell = func(app chat.AppID, event webhook.Event, at time.Time, body string) error {
			return db.TellWebhooks(tb.Context(), app, event, at, body)
		}
		return world
	})
}

func TestTheSigningKeyStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	made := 0
	fresh := func() ([]byte, error) {
		made++
		return []byte{byte(made)}, nil
	}
	for _, when := range []string{"at first", "after a restart"} {
		t.Run(when, func(t *testing.T) {
			db := openAt(t, dir)
			for range 2 {
				key, err := db.SigningKey(t.Context(), fresh)
				if err != nil || len(key) != 1 || key[0] != 1 {
					t.Errorf("the key is %v, %v", key, err)
				}
			}
		})
	}
}
