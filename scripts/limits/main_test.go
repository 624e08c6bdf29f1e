package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/metrics"
)

const top = "../.."

// tree is this repository.
var tree = newSource(top)

func TestThePageIsUpToDate(t *testing.T) {
	want, err := generate(tree, page)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(top, "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/limits.md says what is not so: make pages, and commit it")
	}
}

// row gives a page of one row.
func row(what, bound, seen string) string {
	return counted(what, bound, seen, "–")
}

func counted(what, bound, seen, as string) string {
	return "| What | Bound | Seen | Counted as |\n| --- | --- | --- | --- |\n| " + what + " | " + bound + " | " + seen + " | " + as + " |\n"
}

func TestBoundsComeFromTheCode(t *testing.T) {
	for bound, want := range map[string]string{
		`{{count "chat.MaxTextUnits"}}`:                                       "2,000",
		`{{count "chat.MaxRecipients-1"}} others`:                             "99 others",
		`{{bytes "protocol.MaxMessage"}}`:                                     "64 KiB",
		`{{bytes "directory.MaxName"}}, by way of another package`:            "256 bytes, by way of another package",
		`{{bytes "directory.MaxPicture"}}`:                                    "2,048 bytes",
		`{{bytes "upload.DefaultMaxSize"}}`:                                   "100 MiB",
		`{{time "edge/ws.messageTimeout"}}`:                                   "10 seconds",
		`{{time "auth.TokenLifetime"}}`:                                       "100 days",
		`{{time "directory.DefaultKeepAlive"}}`:                               "1 minute",
		`{{rate "edge/ws.textRate"}}`:                                         "3 a second",
		`{{rate "edge/ws.uploadRate"}}`:                                       "1 in 3 seconds",
		`{{flag "max-upload" "upload.DefaultMaxSize"}}`:                       "`--max-upload`",
		`{{says "chat" "there is no such message"}}`:                          `"there is no such message"`,
		`{{says "upload" "a file may have at most %d bytes" "chat.MaxName"}}`: "",
	} {
		t.Run(bound, func(t *testing.T) {
			got, err := generate(tree, row("it", bound, ""))
			if want == "" {
				if err == nil {
					t.Errorf("no error; got %s", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != row("it", want, "") {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestEveryCountedLimitIsOnThePage(t *testing.T) {
	beyond := map[string]bool{"client_id_length": true} // nothing on the wire reaches it
	for _, name := range metrics.LimitNames {
		if !strings.Contains(page, `{{limit "`+name+`"}}`) && !beyond[name] {
			t.Errorf("%s is counted, and no row of limits.md.tmpl names it", name)
		}
	}
}

var countedInCode = regexp.MustCompile(`(?:Beyond\(|\bLimit: +|[lL]imits\.Add\(|reached\.Add\()"([^"]+)"`)

// A name that is not foreseen would count as one among others.
func TestTheCodeCountsByNamesOfThePage(t *testing.T) {
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(top, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "metrics/limits.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		for _, found := range countedInCode.FindAllSubmatch(text, -1) {
			if name := string(found[1]); !slices.Contains(metrics.LimitNames, name) {
				t.Errorf("%s counts by the limit %q, which internal/metrics/limits.go does not have", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metrics.LimitNames {
		if !strings.Contains(all.String(), `"`+name+`"`) {
			t.Errorf("nothing counts %s", name)
		}
	}
}

func TestWhatTheCodeDoesNotSayIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ page, complaint string }{
		"a number by hand":            {row("it", "20", ""), "does not come from the code"},
		"a number in words":           {row("it", "{{count \"chat.MaxClientID\"}}, two of them", ""), "does not come from the code"},
		"no bounds":                   {"| What | Seen |\n| --- | --- |\n", "without a column for bounds"},
		"no such constant":            {row("it", `{{count "chat.MaxNothing"}}`, ""), "no constant"},
		"a table that is not counted": {"| What | Bound |\n| --- | --- |\n", "Counted as"},
		"a row that is not counted":   {counted("it", "", "", ""), "by which metric"},
		"a row that is too short":     {"| What | Bound | Counted as |\n| --- | --- | --- |\n| it | – |\n", "by which metric"},
		"no such limit":               {counted("it", "", "", `{{limit "patience"}}`), "no limit"},
		"no such metric":              {counted("it", "", "", `{{metric "parley_patience_total"}}`), "no metric"},
		"a variable":                  {row("it", `{{count "room.ClosedBehind"}}`, ""), "no constant"},
		"no such package":             {row("it", `{{count "chats.MaxTextUnits"}}`, ""), "no package"},
		"no length of time":           {row("it", `{{time "chat.MaxTextUnits"}}`, ""), "no length of time"},
		"a sentence of nobody":        {row("it", "", `{{says "chat" "hello"}}`), "does not say"},
		"a sentence of others":        {row("it", "", `{{says "room" "there is no such message"}}`), "does not say"},
		"too few values":              {row("it", "", `{{says "chat" "a text message may have at most %d characters"}}`), "other values"},
		"no such flag":                {row("it", `{{flag "max-words" "chat.MaxTextUnits"}}`, ""), "no flag"},
		"a flag that says other":      {row("it", `{{flag "max-upload" "chat.MaxTextUnits"}}`, ""), "--max-upload"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := generate(tree, test.page)
			if err == nil || !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("got %q and %v, want an error with %q", got, err, test.complaint)
			}
		})
	}
}
