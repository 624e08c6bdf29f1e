package blob_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/blob"
)

func TestCheckKey(t *testing.T) {
	for key, ok := range map[string]bool{
		"a":                                    true,
		"0":                                    true,
		"-":                                    true,
		"0198c5a2-5b1e-7c3f-8a21-3f9b6d2e4c10": true,
		strings.Repeat("z", 64):                true,
		strings.Repeat("z", 65):                false,
		"":                                     false,
		"A":                                    false,
		"a_b":                                  false,
		".":                                    false,
		"..":                                   false,
		"a.b":                                  false,
		"../a":                                 false,
		"/a":                                   false,
		`a\b`:                                  false,
		"a/b":                                  false,
		"a ":                                   false,
		"a\n":                                  false,
		"a\x00":                                false,
		"ä":                                    false,
		"\u017f":                               false, // folds to s
	} {
		err := blob.CheckKey(key)
		if ok && err != nil {
			t.Errorf("CheckKey(%q) = %v, want nil", key, err)
		}
		if !ok && !errors.Is(err, blob.ErrKey) {
			t.Errorf("CheckKey(%q) = %v, want ErrKey", key, err)
		}
	}
}
