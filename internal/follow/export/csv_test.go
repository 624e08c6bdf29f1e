package export

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/export/exporttest"
)

// texts are what people say, and what CSV trips over.
var texts = []string{
	"hello", "", " ", " leading", "trailing ", "a,b", `say "hi"`, `"`, `""`, `",`, "line\nfeed", "carriage\rreturn", "both\r\nof them", "\r", "\n", "\r\n",
	"\ufeffwith a mark", "\U0001F600 e\u0301 \u202eabc", "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'quoted'", "tab\tin the middle", "\u2028", "id,participantId",
}

func TestEveryFieldComesBackAsItWasSaid(t *testing.T) {
	file := []byte(Header)
	want := [][]string{strings.Split(strings.TrimSuffix(Header, "\r\n"), ",")}
	for _, text := range texts {
		m := chat.Message{ID: "m", Author: "a", Session: "s", Meeting: "x", DisplayName: text, SentAt: 1780480800007}
		file = CSV.appendRow(file, &m, text)
		want = append(want, []string{"m", "a", "s", "x", text, "false", "false", "TEXT_MESSAGE", text, "2026-06-03T10:00:00.007Z"})
	}
	got, err := exporttest.Parse(string(file))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTimesAreWrittenToTheMillisecond(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "1970-01-01T00:00:00.000Z", 7: "1970-01-01T00:00:00.007Z", 1780480800123: "2026-06-03T10:00:00.123Z",
		1780480799999: "2026-06-03T09:59:59.999Z", -1: "1969-12-31T23:59:59.999Z", 253402300799999: "9999-12-31T23:59:59.999Z",
	} {
		if got := string(appendTime(nil, ms)); got != want {
			t.Errorf("%d is written as %s, want %s", ms, got, want)
		}
	}
}

func FuzzFields(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := string(append(CSV.appendField(nil, text), "\r\n"...))
		rows, err := exporttest.Parse(line)
		if err != nil || len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] != text {
			t.Errorf("%q comes back as %q, %v", text, rows, err)
		}
	})
}

func TestARowTellsKindPinAndEdit(t *testing.T) {
	for kind, name := range map[chat.Kind]string{
		chat.Text: "TEXT_MESSAGE", chat.Image: "IMAGE_MESSAGE", chat.File: "FILE_MESSAGE", chat.Custom: "CUSTOM_MESSAGE",
	} {
		m := chat.Message{Content: chat.Content{Kind: kind}, Pinned: true, EditedAt: 1}
		line := string(CSV.appendRow(nil, &m, `{"link":"https://x"}`))
		if want := `,,,,,true,true,` + name + `,"{""link"":""https://x""}",1970-01-01T00:00:00.000Z` + "\r\n"; line != want {
			t.Errorf("got  %q\nwant %q", line, want)
		}
	}
}

func TestTheSafeFormatRunsNothing(t *testing.T) {
	for said, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "\"'\rx\"", "=a,b": "\"'=a,b\"", "\x00": "'\x00",
		"1=1": "1=1", "a@b": "a@b", "": "", "\"=1\"": `"""=1"""`,
	} {
		if got := string(SafeCSV.appendField(nil, said)); got != want {
			t.Errorf("%q is written as %q, want %q", said, got, want)
		}
		if got := string(CSV.appendField(nil, said)); strings.HasPrefix(strings.TrimPrefix(got, `"`), "'") {
			t.Errorf("the exact format writes %q as %q", said, got)
		}
	}
}
