package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parley-chat/parley/internal/blob"
)

func keysOf(t *testing.T, v View) []string {
	t.Helper()
	var keys []string
	if err := v.Keys(t.Context(), func(key string) error { keys = append(keys, key); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func TestViewOfAStoreInUse(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, device{})
	put(t, s, "one", "first")
	put(t, s, "two", "second")
	half := filepath.Join(dir, incomingDir, "put-half")
	if err := os.WriteFile(half, []byte("on its way"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, objectsDir, "notes.txt")
	if err := os.WriteFile(foreign, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := Look(dir)
	if got := keysOf(t, v); !slices.Equal(got, []string{"notes.txt", "one", "two"}) {
		t.Errorf("the keys are %q", got)
	}
	object, err := v.Open(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	if content, err := io.ReadAll(object); err != nil || string(content) != "second" || object.Size != 6 {
		t.Errorf("it reads %q of %d bytes, %v", content, object.Size, err)
	}
	if _, err := v.Open(t.Context(), "three"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("an object that is not there gave %v", err)
	}
	if _, err := os.Stat(half); err != nil {
		t.Errorf("looking has removed what is on its way: %v", err)
	}
}

func TestViewOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if got := keysOf(t, Look(dir)); len(got) != 0 {
		t.Errorf("the keys are %q", got)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("looking has made the folder")
	}
}
