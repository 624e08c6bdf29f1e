package export

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
)

// parse reads CSV by the letter of RFC 4180: lines end in CR LF, quotes within
// quoted fields are doubled, others have none. Nothing is trimmed or changed.
func parse(text string) ([][]string, error) {
	var rows [][]string
	for text != "" {
		var row []string
		for {
			field, rest, err := parseField(text)
			if err != nil {
				return nil, err
			}
			row = append(row, field)
			if after, ok := strings.CutPrefix(rest, ","); ok {
				text = after
				continue
			}
			after, ok := strings.CutPrefix(rest, "\r\n")
			if !ok {
				return nil, errors.New("a field is followed by neither a comma nor CR LF")
			}
			text = after
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func parseField(text string) (field, rest string, err error) {
	quoted, ok := strings.CutPrefix(text, `"`)
	if !ok {
		end := strings.IndexAny(text, ",\r\n\"")
		if end < 0 {
			return "", "", errors.New("the last line has no end")
		}
		return text[:end], text[end:], nil
	}
	var b strings.Builder
	for {
		end := strings.IndexByte(quoted, '"')
		if end < 0 {
			return "", "", errors.New("a quoted field has no end")
		}
		b.WriteString(quoted[:end])
		quoted = quoted[end+1:]
		if !strings.HasPrefix(quoted, `"`) {
			return b.String(), quoted, nil
		}
		b.WriteByte('"')
		quoted = quoted[1:]
	}
}

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
	got, err := parse(string(file))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzFields(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := string(append(CSV.appendField(nil, text), "\r\n"...))
		rows, err := parse(line)
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
