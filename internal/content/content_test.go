package content_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
)

// files are the links of a meeting: https://files.example/<id>/<name>.
type files struct{ external bool }

func (f files) Upload(link string) (chat.UploadID, bool) {
	rest, ok := strings.CutPrefix(link, "https://files.example/")
	id, _, _ := strings.Cut(rest, "/")
	return chat.UploadID(id), ok && id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (f files) External() bool { return f.external }

func fileURL(id chat.UploadID, name string) string {
	return "https://files.example/" + string(id) + "/" + url.PathEscape(name)
}

// must parses a payload that is right.
func must(t testing.TB, kind chat.Kind, payload string, links content.Links) chat.Content {
	t.Helper()
	c, err := content.Parse(kind, payload, links)
	if err != nil {
		t.Fatalf("%s %.200q was refused: %v", kind, payload, err)
	}
	return c
}

func TestPayloadsAreBuiltAnew(t *testing.T) {
	for _, test := range []struct {
		name            string
		kind            chat.Kind
		payload, stored string
		uploads         []chat.UploadID
	}{
		{"a text is kept byte for byte", chat.Text, " <b>&amp;\u202e\n", " <b>&amp;\u202e\n", nil},
		{"an image becomes a reference", chat.Image, "https://files.example/u1/a.png?exp=1", "upload:u1", []chat.UploadID{"u1"}},
		{"a file keeps its three keys", chat.File,
			`{ "size":12 ,"extra":{"a":1},"name":"..\/etc\/pass\u202ewd","link":"https://files.example/u1/x"}`,
			`{"link":"upload:u1","name":"passwd","size":12}`, []chat.UploadID{"u1"}},
		{"a file without a name gets one", chat.File,
			`{"link":"https://files.example/u1/x","size":0}`, `{"link":"upload:u1","name":"file","size":0}`, []chat.UploadID{"u1"}},
		{"a custom message needs no type", chat.Custom, `{}`, `{"type":"custom"}`, nil},
		{"what the official client sends", chat.Custom,
			`{"type":"custom","message":"m","html":"<b>x</b>","files":[],"images":[],"videos":[]}`,
			`{"type":"custom","message":"m","html":"<b>x</b>","files":[],"images":[],"videos":[]}`, nil},
		{"null is nothing", chat.Custom, `{"type":null,"message":null,"html":null,"files":null}`, `{"type":"custom"}`, nil},
		{"the app's own keys are kept in order", chat.Custom,
			`{"z":[1.50,-0,1e400,true,null,{"<a>&":"\u2028\ud83d\ude00"}],"replyTo":{"id":"x"},"type":"custom"}`,
			`{"type":"custom","z":[1.50,-0,1e400,true,null,{"<a>&":"\u2028😀"}],"replyTo":{"id":"x"}}`, nil},
		{"half a surrogate pair becomes what browsers make of it", chat.Custom, `{"a":"\ud83d"}`, "{\"type\":\"custom\",\"a\":\"\ufffd\"}", nil},
		{"attachments become references, each file once", chat.Custom,
			`{"images":[{"link":"https://files.example/u1/a","name":"C:\\a.png","size":1,"type":"image/png","w":3}],` +
				`"files":[{"link":"https://files.example/u2/a","name":null,"type":null,"size":null}],"videos":[{"link":"https://files.example/u1/a"}]}`,
			`{"type":"custom","images":[{"link":"upload:u1","name":"a.png","size":1,"type":"image/png","w":3}],` +
				`"files":[{"link":"upload:u2"}],"videos":[{"link":"upload:u1"}]}`, []chat.UploadID{"u1", "u2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := must(t, test.kind, test.payload, files{})
			if c.Payload != test.stored || c.Kind != test.kind {
				t.Errorf("stored as %s %q, want %q", c.Kind, c.Payload, test.stored)
			}
			if !slices.Equal(c.Uploads, test.uploads) {
				t.Errorf("refers to %q, want %q", c.Uploads, test.uploads)
			}
			if got := content.References(c.Kind, c.Payload); !slices.Equal(got, test.uploads) {
				t.Errorf("References finds %q, want %q", got, test.uploads)
			}
		})
	}
}

func TestBadPayloadsAreRefused(t *testing.T) {
	file := func(link string) string { return `{"link":"` + link + `","name":"n","size":1}` }
	ours := file("https://files.example/u1/a")
	for _, test := range []struct {
		name    string
		kind    chat.Kind
		payload string
	}{
		{"an unknown kind", 4, "x"},
		{"an empty text", chat.Text, ""},
		{"2001 UTF-16 units", chat.Text, strings.Repeat("x", 1999) + "😀"},
		{"a text that is not UTF-8", chat.Text, "a\xff"},
		{"a text with NUL", chat.Text, "a\x00"},
		{"a text beyond all bounds", chat.Text, strings.Repeat("x", content.MaxInputBytes+1)},
		{"an empty image", chat.Image, ""},
		{"an image with NUL", chat.Image, "https://files.example/u1/a\x00"},
		{"an image elsewhere", chat.Image, "https://elsewhere.example/u1/a"},
		{"a reference that only we may write", chat.Image, "upload:u1"},
		{"an image that is JSON", chat.Image, ours},
		{"a javascript link", chat.Image, "javascript:alert(1)//https://files.example/u1/a"},
		{"a javascript link with a tab", chat.Image, "java\tscript:alert(1)"},
		{"a data link", chat.Image, "data:text/html,x"},
		{"a protocol-relative link", chat.Image, "//files.example/u1/a"},
		{"a backslash in a link", chat.Image, `https:\\files.example/u1/a`},
		{"a user in a link", chat.Image, "https://files.example@files.example/u1/a"},
		{"a file that is not JSON", chat.File, "https://files.example/u1/a"},
		{"JSON cut in the middle", chat.File, ours[:20]},
		{"something behind the JSON", chat.File, ours + "x"},
		{"a list", chat.File, "[" + ours + "]"},
		{"null", chat.File, "null"},
		{"a file without link", chat.File, `{"name":"n","size":1}`},
		{"a link that is no string", chat.File, `{"link":1,"name":"n","size":1}`},
		{"a javascript link in a file", chat.File, file("javascript:alert(1)")},
		{"a file without size", chat.File, `{"link":"https://files.example/u1/a","name":"n"}`},
		{"a size that is a string", chat.File, `{"link":"https://files.example/u1/a","size":"1"}`},
		{"a negative size", chat.File, `{"link":"https://files.example/u1/a","size":-1}`},
		{"half a byte", chat.File, `{"link":"https://files.example/u1/a","size":0.5}`},
		{"a size no browser can tell", chat.File, `{"link":"https://files.example/u1/a","size":9007199254740993}`},
		{"a name that is no string", chat.File, `{"link":"https://files.example/u1/a","size":1,"name":{}}`},
		{"a key twice", chat.File, `{"link":"https://files.example/u1/a","size":1,"link":"https://elsewhere.example"}`},
		{"NUL as an escape", chat.File, `{"link":"https://files.example/u1/a","size":1,"name":"\u0000"}`},
		{"NUL in a key", chat.Custom, `{"\u0000":1}`},
		{"NUL deep inside", chat.Custom, `{"a":[{"b":"\u0000"}]}`},
		{"invalid UTF-8 in JSON", chat.Custom, "{\"a\":\"\xff\"}"},
		{"another type", chat.Custom, `{"type":"text"}`},
		{"a type that is an object", chat.Custom, `{"type":{}}`},
		{"a message that is no string", chat.Custom, `{"message":["x"]}`},
		{"HTML that is no string", chat.Custom, `{"html":{"a":1}}`},
		{"files that are no list", chat.Custom, `{"files":{"link":"https://files.example/u1/a"}}`},
		{"a file that is a string", chat.Custom, `{"files":["https://files.example/u1/a"]}`},
		{"a file of a custom message without link", chat.Custom, `{"files":[{"name":"x"}]}`},
		{"a file of a custom message elsewhere", chat.Custom, `{"videos":[{"link":"https://elsewhere.example/"}]}`},
		{"a type of a file that is no string", chat.Custom, `{"images":[{"link":"https://files.example/u1/a","type":1}]}`},
		{"a size of a custom file below zero", chat.Custom, `{"images":[{"link":"https://files.example/u1/a","size":-1}]}`},
		{"too many files", chat.Custom, `{"files":[` + repeat(`{"link":"https://files.example/u1/a"}`, 11) + `],"images":[` +
			repeat(`{"link":"https://files.example/u1/a"}`, 10) + `]}`},
		{"a key that poisons prototypes", chat.Custom, `{"a":{"__proto__":{}}}`},
		{"a nest of lists", chat.Custom, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`},
		{"a deep nest", chat.Custom, `{"a":` + strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000) + `}`},
		{"too long when stored", chat.Custom, `{"a":"` + strings.Repeat("x", chat.MaxPayloadBytes) + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := content.Parse(test.kind, test.payload, files{})
			if chat.CodeOf(err) != chat.Invalid {
				t.Fatalf("gave %.100q and the error %v, want one with the code invalid", c.Payload, err)
			}
		})
	}
}

func repeat(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }

func TestLinksElsewhereAreWrittenInOneForm(t *testing.T) {
	for raw, want := range map[string]string{
		"https://Elsewhere.Example":                  "https://elsewhere.example/",
		"HTTP://x:8080/a/ü":                          "http://x:8080/a/%C3%BC",
		`https://x/?q='"><script>&ü`:                 "https://x/?q=%27%22%3E%3Cscript%3E&%C3%BC",
		"https://x/a%2fb?#frag":                      "https://x/a%2fb?#frag",
		"http://[::1]:80/":                           "http://[::1]:80/",
		"https://files.example/u1/a":                 "upload:u1",
		"https://FILES.example/u1/a?exp=1#whatever/": "upload:u1",
	} {
		if got := must(t, chat.Image, raw, files{external: true}).Payload; got != want {
			t.Errorf("%q is stored as %q, want %q", raw, got, want)
		}
	}
	for _, raw := range []string{
		"javascript:alert(1)", "JaVaScRiPt://x/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://x/",
		"//x/", "/x", "x", "http:x", "http:///x", "http:/x", "https://", "https://u@x/", "https://u:p@x/", "https://x:/",
		"https://x:99999/", "https://x:80:80/", "https://x y/", "https://x/\n", "https://x/\u0000", "https://bücher.example/",
		`https://x\@y/`, `https://x"/`, "https://x/%zz", " https://x/", "https://" + strings.Repeat("x", 4096) + "/",
	} {
		if c, err := content.Parse(chat.Image, raw, files{external: true}); chat.CodeOf(err) != chat.Invalid {
			t.Errorf("%q was stored as %q", raw, c.Payload)
		}
	}
}

func TestRenderTouchesLinksOnly(t *testing.T) {
	for _, test := range []struct {
		kind         chat.Kind
		stored, want string
	}{
		{chat.Text, "upload:u1", "upload:u1"},
		{chat.Image, "upload:u1", "https://files.example/u1/"},
		{chat.Image, "https://elsewhere.example/upload:u1", "https://elsewhere.example/upload:u1"},
		{chat.File, `{"link":"upload:u1","name":"upload:u2","size":1}`,
			`{"link":"https://files.example/u1/upload:u2","name":"upload:u2","size":1}`},
		{chat.Custom, `{"type":"custom","message":"upload:u1","link":"upload:u1","files":[{"name":"n","link":"upload:u1"}],"x":{"files":[{"link":"upload:u1"}]}}`,
			`{"type":"custom","message":"upload:u1","link":"upload:u1","files":[{"name":"n","link":"https://files.example/u1/n"}],"x":{"files":[{"link":"upload:u1"}]}}`},
		{chat.Custom, "upload:u1, and no JSON", "upload:u1, and no JSON"},
	} {
		if got := content.Render(chat.Content{Kind: test.kind, Payload: test.stored}, fileURL); got != test.want {
			t.Errorf("%s %q is sent as %q, want %q", test.kind, test.stored, got, test.want)
		}
	}
}

func TestManyKeysAreReadInLinearTime(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `,"%x":1`, i)
	}
	// Too long to be stored; what matters is that the test ends.
	if _, err := content.Parse(chat.Custom, "{"+b.String()[1:]+"}", files{}); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("gave %v", err)
	}
}
