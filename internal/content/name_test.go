package content_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/content"
)

func TestFileNamesAreCleaned(t *testing.T) {
	for name, want := range map[string]string{
		"a b.pdf":                    "a b.pdf",
		"Ünïcode 你好.txt":             "Ünïcode 你好.txt",
		"👩‍💻.png":                    "👩‍💻.png",
		".htaccess":                  ".htaccess",
		"":                           "file",
		".":                          "file",
		"..":                         "file",
		"../../etc/passwd":           "passwd",
		"../../x":                    "x",
		`C:\Users\me\a.doc`:          "a.doc",
		"/":                          "file",
		"a/":                         "file",
		"a\r\nSet-Cookie: x=1":       "aSet-Cookie: x=1",
		"a\x00b\x7f\u0085":           "ab",
		"photo\u202egpj.exe":         "photogpj.exe",
		"\u2066a\u2069\u200f\ufeffb": "ab",
		"  a.txt. . ":                "a.txt",
		"a\xff.txt":                  "a.txt",
		`a"b;c=d%0a.txt`:             `a"b;c=d%0a.txt`,
	} {
		if got := content.FileName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestLongNamesKeepTheirEnding(t *testing.T) {
	got := content.FileName(strings.Repeat("ü", 300) + ".tar.gz")
	if len(got) > content.MaxNameBytes || !utf8.ValidString(got) || !strings.HasSuffix(got, "ü.gz") {
		t.Errorf("became %q with %d bytes", got, len(got))
	}
	if got := content.FileName("x." + strings.Repeat("y", 300)); len(got) != content.MaxNameBytes {
		t.Errorf("a long ending leaves %d bytes", len(got))
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("../../x")
	f.Add("a\r\n\u202e" + strings.Repeat("ü", 300) + ".t")
	f.Fuzz(func(t *testing.T, name string) {
		got := content.FileName(name)
		if got == "" || len(got) > content.MaxNameBytes || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\r\n\x00") || got == "." || got == ".." {
			t.Fatalf("%q becomes %q", name, got)
		}
		if again := content.FileName(got); again != got {
			t.Fatalf("%q becomes %q, and that %q", name, got, again)
		}
	})
}
