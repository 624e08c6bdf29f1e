package content_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/content"
)

func TestOrdinaryTextsReachTheOfficialUIExactly(t *testing.T) {
	for _, text := range []string{
		"", "hello", "a < b && c > d", "I <3 you", "<b>bold</b> <abbr> <article> </aside> <a1> <a-b>", "costs 5$, $& $' $`",
		"<blockquote>quoted</blockquote>\n\nanswer", `{"target":"x"}`, `{"message":"x"}`, `[{"target":1,"message":2}]`, "x<y, y<z", "שלום <ünder",
	} {
		if got := content.ForOfficialUI(text); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

// disguised holds texts that make a link of a script in the UI kit when they
// are delivered as they are.
var disguised = []string{
	"<a>javascript:alert(1)</a>",
	"x <a>javascript:alert(1)",
	"<<a>javascript:alert(1)",
	"<a<blockquote>q</blockquote>\n\n>javascript:alert(1)",
	"<<blockquote>q</blockquote>\n\na>javascript:alert(1)",
	"*<$`a>javascript:alert(1)//*",
	"_$'a>javascript:alert(1)//_<",
	"~<$'~a>javascript:alert(1)//",
	"<blockquote><a>javascript:alert(1)</blockquote>\n\nx",
	`{"target":1,"message":"<a>javascript:alert(1)"}`,
	`{"target":1,"message":"\u003ca\u003ejavascript:alert(1)"}`,
	"\t{\"m\":1,\"target\":[],\"\\u006dessage\":\"\\u003ca>javascript:alert(1)\"}",
}

func TestDisguisedLinksStayTextInTheOfficialUI(t *testing.T) {
	for _, text := range disguised {
		if !linksForeignScheme(text) {
			t.Errorf("%q is harmless to the model of the UI kit, so it tests nothing", text)
		}
		if got := content.ForOfficialUI(text); linksForeignScheme(got) {
			t.Errorf("%q is delivered as %q, which the UI kit makes a link of", text, got)
		}
	}
}

func TestTagsWithAttributesAndSpacesAreNeutralised(t *testing.T) {
	for text, want := range map[string]string{
		`<a href="x">y</a>`:      "<\u200ba href=\"x\">y<\u200b/a>",
		"<A\nhref=x>":            "<\u200bA\nhref=x>",
		"< a>":                   "<\u200b a>",
		"<\n\ta>":                "<\u200b\n\ta>",
		"< / a >":                "<\u200b / a >",
		"</A>":                   "<\u200b/A>",
		"<\u00a0a>":              "<\u200b\u00a0a>",
		"<a/onclick=x>":          "<\u200ba/onclick=x>",
		"<a<a>":                  "<\u200ba<\u200ba>",
		"ends with <a":           "ends with <\u200ba",
		"<aé>":                   "<\u200baé>",
		"$' needs a < to matter": "$\u200b' needs a < to matter",
	} {
		if got := content.ForOfficialUI(text); got != want {
			t.Errorf("%q is delivered as %q, want %q", text, got, want)
		}
	}
}

func FuzzForOfficialUI(f *testing.F) {
	for _, text := range disguised {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := content.ForOfficialUI(text)
		if linksForeignScheme(got) {
			t.Fatalf("%q is delivered as %q, which the UI kit makes a link of", text, got)
		}
		if strings.ReplaceAll(got, "\u200b", "") != strings.ReplaceAll(text, "\u200b", "") {
			t.Fatalf("%q is delivered as %q: more has changed than what is invisible", text, got)
		}
	})
}

// linksForeignScheme is a model of how the UI kit reads a text (as of 2.0.2):
// whether it makes a link of something that is not an http or https URL.
func linksForeignScheme(text string) bool {
	if !strings.HasPrefix(text, "[") {
		var envelope map[string]any
		if json.Unmarshal([]byte(text), &envelope) == nil && envelope["target"] != nil {
			if inner, ok := envelope["message"].(string); ok {
				text = inner
			}
		}
	}
	parts := []string{text}
	if at := quoteBlock.FindStringIndex(text); at != nil {
		block := strings.TrimPrefix(text[at[0]:at[1]], "<blockquote>")
		parts = []string{block, text[:at[0]] + text[at[1]:]}
	}
	for _, part := range parts {
		for line := range strings.SplitSeq(part, "\n") {
			if linkInLine(line) {
				return true
			}
		}
	}
	return false
}

var (
	quoteBlock = regexp.MustCompile(`(?s)<blockquote>.*</blockquote>\n\n`)
	webAddress = regexp.MustCompile(`https?://[-a-zA-Z0-9@:%._+~#=]+\.[a-zA-Z0-9()]+`)
	emphasis   = regexp.MustCompile(`^(?:\*([^*\s]+)\*|_([^_\s]+)_|~([^~\s]+)~)`)
)

func linkInLine(line string) bool {
	words := strings.Split(line, " ")
	for i, word := range words {
		if webAddress.MatchString(word) {
			words[i] = webAddress.ReplaceAllString(word, "<a>${0}</a>")
		} else if m := emphasis.FindStringSubmatch(word); m != nil {
			rest := word[len(m[0]):]
			replacement := "<b>" + m[1] + m[2] + m[3] + "</b>"
			words[i] = strings.NewReplacer("$$", "$", "$&", m[0], "$`", "", "$'", rest).Replace(replacement) + rest
		}
	}
	for _, after := range strings.Split(strings.Join(words, " "), "<a>")[1:] {
		if !strings.HasPrefix(after, "http://") && !strings.HasPrefix(after, "https://") {
			return true
		}
	}
	return false
}
