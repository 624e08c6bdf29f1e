package content_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
)

// checkAccepted states what holds for every payload that is accepted: it is
// within its bounds, goes out as JSON where JSON is due with no link but http
// and https ones, and what goes out, sent in again, is stored as the same.
func checkAccepted(t *testing.T, kind chat.Kind, payload string, links files) {
	c, err := content.Parse(kind, payload, links)
	if err != nil {
		if chat.CodeOf(err) != chat.Invalid {
			t.Fatalf("%q is refused with the code %s", payload, chat.CodeOf(err))
		}
		return
	}
	if len(c.Payload) > chat.MaxPayloadBytes || !utf8.ValidString(c.Payload) || strings.Contains(c.Payload, "\x00") {
		t.Fatalf("%q is stored as %q", payload, c.Payload)
	}
	if refs := content.References(kind, c.Payload); !slices.Equal(refs, c.Uploads) {
		t.Fatalf("%q refers to %q, but %q are found in it", payload, c.Uploads, refs)
	}
	sent := content.Render(c, fileURL)
	checkSent(t, kind, sent)
	again, err := content.Parse(kind, sent, links)
	if err != nil {
		t.Fatalf("%q is sent out as %q, which is refused: %v", payload, sent, err)
	}
	if again.Payload != c.Payload || !slices.Equal(again.Uploads, c.Uploads) {
		t.Fatalf("%q is stored as %q, and after a round trip as %q", payload, c.Payload, again.Payload)
	}
}

// checkSent reads a payload as clients do.
func checkSent(t *testing.T, kind chat.Kind, sent string) {
	switch kind {
	case chat.Image:
		checkLink(t, sent)
	case chat.File:
		var f map[string]any
		if err := json.Unmarshal([]byte(sent), &f); err != nil || len(f) != 3 {
			t.Fatalf("a file is sent as %q: %v", sent, err)
		}
		checkLink(t, f["link"])
		if name, _ := f["name"].(string); content.FileName(name) != name {
			t.Fatalf("a file is sent with the name %q", name)
		}
	case chat.Custom:
		checkSentCustom(t, sent)
	case chat.Text:
	}
}

func checkSentCustom(t *testing.T, sent string) {
	var m map[string]any
	if err := json.Unmarshal([]byte(sent), &m); err != nil || m["type"] != "custom" {
		t.Fatalf("a custom message is sent as %q: %v", sent, err)
	}
	for _, key := range []string{"files", "images", "videos"} {
		list, isList := m[key].([]any)
		if m[key] != nil && !isList {
			t.Fatalf("%s are sent as %v", key, m[key])
		}
		for _, e := range list {
			checkLink(t, e.(map[string]any)["link"])
		}
	}
	if html, ok := m["html"].(string); ok {
		checkHTML(t, html)
	}
}

func checkLink(t *testing.T, link any) {
	text, _ := link.(string)
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		(!strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://")) {
		t.Fatalf("a link is sent as %q", link)
	}
}

func fuzz(f *testing.F, kind chat.Kind, seeds ...string) {
	for _, s := range seeds {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, payload string, external bool) {
		checkAccepted(t, kind, payload, files{external: external})
	})
}

func FuzzParseText(f *testing.F) {
	fuzz(f, chat.Text, "", "hello", "a\x00", "\xff", strings.Repeat("😀", 1001), "upload:u1")
}

func FuzzParseImage(f *testing.F) {
	fuzz(f, chat.Image, "https://files.example/u1/a.png", "upload:u1", "javascript:alert(1)", "//x/", "https://x/?q='#\"", "HTTP://u@x:1/%2f")
}

func FuzzParseFile(f *testing.F) {
	fuzz(f, chat.File,
		`{"link":"https://files.example/u1/a","name":"a b.pdf","size":12}`,
		`{"link":"https://x/","name":"..\/\u202e\u0000","size":1e3,"link":""}`,
		`{"link":"upload:u1","size":-0}`, `[`, `null`)
}

func FuzzParseCustom(f *testing.F) {
	fuzz(f, chat.Custom,
		`{"type":"custom","message":"m","html":"<b>x</b>","files":[],"images":[],"videos":[]}`,
		`{"html":"<a href='javascript:x'><img src=https://x/ onerror=x><p id=x title=\"y\">&#0;<table><td><svg>","replyTo":{"a":[1.5e3,null]}}`,
		`{"files":[{"link":"https://files.example/u1/a","name":"n","type":"t","size":1,"x":{}}],"images":null,"__proto__":1,"\u0000":"\ud800"}`)
}
