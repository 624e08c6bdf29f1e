package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/directory"
)

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	var made []byte
	t.Run("before a restart", func(t *testing.T) {
		db := openAt(t, dir)
		keys := make([][]byte, 8)
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() {
				var err error
				if keys[i], err = db.Key(t.Context(), "participant-tokens"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		made = keys[0]
		for _, k := range keys {
			if len(k) != auth.KeySize || !bytes.Equal(k, made) {
				t.Fatalf("keys differ, or have not %d bytes", auth.KeySize)
			}
		}
		other, err := db.Key(t.Context(), "other")
		if err != nil || bytes.Equal(other, made) {
			t.Errorf("another name gives the same key (%v)", err)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		again, err := openAt(t, dir).Key(t.Context(), "participant-tokens")
		if err != nil || !bytes.Equal(again, made) {
			t.Errorf("the key has changed (%v)", err)
		}
	})
}

func TestAPITokensOpenTheirAppAlone(t *testing.T) {
	dir := t.TempDir()
	db := openAt(t, dir)
	service := directory.New(db, time.Now)
	keys := auth.APIKeys{Store: db}
	tokens := make(map[string]string)
	for range 2 {
		app, err := service.CreateApp(t.Context(), "account", "app")
		if err != nil {
			t.Fatal(err)
		}
		_, token, err := keys.Create(t.Context(), auth.NewAPIKey{App: app.ID, Name: "a test", Scopes: auth.Scopes()})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token, "parley_") {
			t.Errorf("the token does not begin with parley_")
		}
		tokens[token] = string(app.ID)
	}
	for token, app := range tokens {
		got, err := keys.Check(t.Context(), token)
		if err != nil || string(got.App) != app {
			t.Errorf("checked: %+v, %v; want %s", got, err, app)
		}
		for _, wrong := range []string{"", "parley_", token[:len(token)-1], token + "A", strings.ToLower(token), "Parley_" + token[7:]} {
			if got, err := keys.Check(t.Context(), wrong); !errors.Is(err, auth.ErrUnauthorized) || got.ID != "" {
				t.Errorf("a wrong token opens %+v, %v", got, err)
			}
		}
		wantNotOnDisk(t, dir, token)
	}
	if _, _, err := keys.Create(t.Context(), auth.NewAPIKey{App: "nobody", Name: "a test", Scopes: auth.Scopes()}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a token for an unknown app: %v", err)
	}
}

// wantNotOnDisk looks through all files of the store, the log included.
func wantNotOnDisk(t *testing.T, dir, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the token", entry.Name())
		}
		return err
	})
	if err != nil || files < 2 {
		t.Errorf("looked through %d files: %v", files, err)
	}
}
