package chat

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestTextLimits(t *testing.T) {
	const (
		emoji = "😀" // two units, four bytes
		euro  = "€" // one unit, three bytes
	)
	for _, test := range []struct {
		name, text string
		want       Code
	}{
		{"empty", "", Invalid},
		{"one letter", "a", ""},
		{"a space", " ", ""},
		{"2000 letters", strings.Repeat("a", 2000), ""},
		{"2001 letters", strings.Repeat("a", 2001), Invalid},
		{"2000 units of three bytes", strings.Repeat(euro, 2000), ""},
		{"2001 units of three bytes", strings.Repeat(euro, 2001), Invalid},
		{"1000 emoji", strings.Repeat(emoji, 1000), ""},
		{"1000 emoji and a letter", strings.Repeat(emoji, 1000) + "a", Invalid},
		{"999 emoji and two letters", strings.Repeat(emoji, 999) + "ab", ""},
		{"1001 emoji", strings.Repeat(emoji, 1001), Invalid},
		{"a family of seven code points", strings.Repeat("👩‍👩‍👧‍👦", 2000/11), ""},
		{"right to left", "שלום \u202etxet", ""},
		{"a replacement character", "\uFFFD", ""},
		{"newlines", "a\r\nb\n", ""},
		{"NUL", "a\x00b", Invalid},
		{"NUL alone", "\x00", Invalid},
		{"a cut character", "a\xe2\x82", Invalid},
		{"a byte that is no UTF-8", "\xff", Invalid},
		{"an encoded surrogate", "\xed\xa0\x80", Invalid},
		{"an overlong slash", "\xc0\xaf", Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := NewText(test.text)
			if CodeOf(err) != test.want {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil && (c.Kind != Text || c.Payload != test.text || c.Uploads != nil) {
				t.Errorf("the content is %+v", c)
			}
			if err != nil && (c.Payload != "" || test.text != "" && strings.Contains(err.Error(), test.text)) {
				t.Errorf("refused with %+v and %q", c, err)
			}
		})
	}
}

func FuzzNewText(f *testing.F) {
	for _, seed := range []string{
		"", "a", "\x00", "\xff", "😀", strings.Repeat("a", 2000), strings.Repeat("😀", 1000) + "a", "\xed\xa0\x80", "€\u202e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		good := text != "" && utf8.ValidString(text) && !strings.Contains(text, "\x00") && len(utf16.Encode([]rune(text))) <= 2000
		c, err := NewText(text)
		switch {
		case good && (err != nil || c.Payload != text):
			t.Errorf("%q became %+v, %v", text, c, err)
		case !good && CodeOf(err) != Invalid:
			t.Errorf("%q became %+v, %v; want it refused", text, c, err)
		}
	})
}

func TestVisibleTo(t *testing.T) {
	for _, test := range []struct {
		audience []ParticipantID
		who      ParticipantID
		want     bool
	}{
		{nil, "a", true},
		{nil, "", true},
		{[]ParticipantID{"a", "c"}, "a", true},
		{[]ParticipantID{"a", "c"}, "c", true},
		{[]ParticipantID{"a", "c"}, "b", false},
		{[]ParticipantID{"a", "c"}, "d", false},
		{[]ParticipantID{"a", "c"}, "", false},
		{[]ParticipantID{"a", "c"}, "ac", false},
		{[]ParticipantID{"abc", "b"}, "a", false},
	} {
		m := &Message{Audience: test.audience}
		if got := m.VisibleTo(test.who); got != test.want {
			t.Errorf("to %q of %v: %v, want %v", test.who, test.audience, got, test.want)
		}
		if m.Public() != (test.audience == nil) {
			t.Errorf("%v is public: %v", test.audience, m.Public())
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[Kind]string{Text: "text", Image: "image", File: "file", Custom: "custom", 4: "unknown", -1: "unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", kind, got, want)
		}
	}
}

func TestCodeOf(t *testing.T) {
	refusal := Refuse(Conflict, "no %s", "way")
	if refusal.Error() != "no way" {
		t.Errorf("the refusal says %q", refusal)
	}
	for _, test := range []struct {
		err  error
		want Code
	}{
		{nil, ""},
		{refusal, Conflict},
		{fmt.Errorf("doing something: %w", refusal), Conflict},
		{errors.New("disk on fire"), Internal},
		{&Repeated{}, Internal}, // not a refusal: whoever asks must look for it first
	} {
		if got := CodeOf(test.err); got != test.want {
			t.Errorf("the code of %v is %q, want %q", test.err, got, test.want)
		}
	}
}
