package content_test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
)

// storedHTML sends HTML in a custom message and gives what is stored.
func storedHTML(t *testing.T, in string, links content.Links) string {
	t.Helper()
	payload, err := json.Marshal(map[string]string{"html": in})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ HTML string }
	if err := json.Unmarshal([]byte(must(t, chat.Custom, string(payload), links).Payload), &out); err != nil {
		t.Fatal(err)
	}
	return out.HTML
}

func TestHTMLIsSanitised(t *testing.T) {
	for in, want := range map[string]string{
		`<b>bold</b> &amp; <i>it</i>`:                                `<b>bold</b> &amp; <i>it</i>`,
		`<script>alert(1)</script>x`:                                 `x`,
		`<p onclick="alert(1)" id="x" class="y">p</p>`:               `<p>p</p>`,
		`<a href="javascript:alert(1)">a</a>`:                        `a`,
		`<a href=" java&#9;script:alert(1)">a</a>`:                   `a`,
		`<a href="//evil.example/">a</a>`:                            `a`,
		`<a href="/logout">a</a>`:                                    `a`,
		`<a href="data:text/html,x">a</a>`:                           `a`,
		`<a href="mailto:a@b.example">a</a>`:                         `<a href="mailto:a@b.example" rel="nofollow noreferrer">a</a>`,
		`<a href="https://x.example/">a</a>`:                         `<a href="https://x.example/" rel="nofollow noreferrer noopener" target="_blank">a</a>`,
		`<a href="https:">a</a><a href="https://u@x.example/">b</a>`: `ab`,
		`<img src="https://x.example/track.gif">`:                    ``,
		`<svg><animate onbegin=alert(1)></svg>`:                      ``,
		`<iframe src="https://x.example/"></iframe>`:                 ``,
		`<form action="https://x.example/"><input></form>`:           ``,
		`<style>*{}</style><div style="color:red">d</div>`:           `<div>d</div>`,
		`<math><mtext><table><mglyph><style><img src=x>`:             `<table>`,
	} {
		if got := storedHTML(t, in, files{}); got != want {
			t.Errorf("%s\n is stored as %s\n       want %s", in, got, want)
		}
	}
}

func TestImagesInHTMLNeedExternalLinks(t *testing.T) {
	const img = `<img src="https://x.example/a.gif" alt="a">`
	if got := storedHTML(t, img, files{external: true}); got != img {
		t.Errorf("stored as %q where links to other places are allowed", got)
	}
	if got := storedHTML(t, `<img src="javascript:alert(1)" onerror="x">`, files{external: true}); strings.Contains(got, "script") || strings.Contains(got, "onerror") {
		t.Errorf("stored as %q", got)
	}
}

// checkHTML demands that a browser would find nothing active in a fragment.
func checkHTML(t *testing.T, fragment string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(fragment))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "style", "iframe", "object", "embed", "svg", "math", "form", "input", "base", "link", "meta", "template", "noscript":
			t.Fatalf("%q contains the element %s", fragment, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "id", a.Key == "class", a.Key == "srcdoc":
				t.Fatalf("%q contains the attribute %s", fragment, a.Key)
			case a.Key == "href", a.Key == "src", a.Key == "cite":
				if !strings.HasPrefix(a.Val, "http://") && !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "mailto:") {
					t.Fatalf("%q contains the link %q", fragment, a.Val)
				}
			}
		}
	}
}
