package content

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
)

func TestValuesAreWrittenAnew(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                       "{}",
		"null":                                   "null",
		" true ":                                 "true",
		"-1.50e3":                                "-1.50e3",
		`"<b>&"`:                                 `"<b>&"`,
		`[ 1, {"a" : [ ] } ]`:                    `[1,{"a":[]}]`,
		`{"typing":true,"\u006eame":"Zo\u00eb"}`: `{"typing":true,"name":"Zoë"}`,
		`"\ud800"`:                               "\"\ufffd\"",
	} {
		got, err := Value([]byte(raw))
		if err != nil || string(got) != want {
			t.Errorf("%q becomes %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestValuesThatWouldHurtReceiversAreRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"no JSON":      `{"a":`,
		"two values":   `1 2`,
		"no UTF-8":     "\"\xff\"",
		"NUL":          `"\u0000"`,
		"prototype":    `[{"__proto__":{"admin":true}}]`,
		"a key twice":  `{"a":1,"a":2}`,
		"too deep":     strings.Repeat("[", 40) + strings.Repeat("]", 40),
		"far too deep": strings.Repeat("[", 8000) + strings.Repeat("]", 8000),
		"too long":     `"` + strings.Repeat("a", MaxValue) + `"`,
	} {
		if got, err := Value([]byte(raw)); chat.CodeOf(err) != chat.Invalid && chat.CodeOf(err) != chat.Limited {
			t.Errorf("%s: %q, %v; want a refusal", name, got, err)
		}
	}
	if _, err := Value([]byte(`"` + strings.Repeat("a", MaxValue-2) + `"`)); err != nil {
		t.Errorf("a value of exactly the greatest length: %v", err)
	}
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{"", "null", `{"a":[1,2,{"b":"c"}]}`, `"\ud800\udc00"`, "[[[[", `{"__proto__":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := Value(raw)
		if err != nil {
			return
		}
		if !json.Valid(got) || len(got) > MaxValue {
			t.Fatalf("%q becomes %q", raw, got)
		}
		again, err := Value(got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%q becomes %q, and that %q, %v", raw, got, again, err)
		}
	})
}
