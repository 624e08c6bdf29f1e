// Package exporttest reads exports in tests.
package exporttest

import (
	"errors"
	"strings"
)

// Parse reads CSV by the letter of RFC 4180: lines end in CR LF, quotes within
// quoted fields are doubled, others have none. Nothing is trimmed or changed.
func Parse(text string) ([][]string, error) {
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
