package matrix_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables anew; read what has changed in them line by line")

// table is what somebody gets for something: a row for each thing, a column for
// each who asks.
type table struct {
	columns []string
	rows    []row
}

// row is of one route or event, and one object of it.
type row struct {
	what, object string
	cells        []string
}

func (r row) name() string { return r.what + " | " + r.object }

// write prints the table: under each what a line for each outcome, with the
// objects behind it that have it. Where everybody gets the same it says so once.
func (t table) write() string {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = len(c)
		for _, r := range t.rows {
			widths[i] = max(widths[i], len(r.cells[i]))
		}
	}
	padded := func(cells []string) string {
		var s strings.Builder
		for i, c := range cells {
			fmt.Fprintf(&s, "%-*s ", widths[i], c)
		}
		return s.String()
	}
	head := padded(t.columns)
	var b strings.Builder
	fmt.Fprintf(&b, "    %s| about\n", head)
	for i := 0; i < len(t.rows); {
		what, lines, objects := t.rows[i].what, []string(nil), make(map[string][]string)
		for ; i < len(t.rows) && t.rows[i].what == what; i++ {
			r := t.rows[i]
			line := padded(r.cells)
			if len(slices.Compact(slices.Clone(r.cells))) == 1 {
				line = fmt.Sprintf("%-*s", len(head), "all "+r.cells[0])
			}
			if objects[line] == nil {
				lines = append(lines, line)
			}
			objects[line] = append(objects[line], r.object)
		}
		fmt.Fprintf(&b, "\n%s\n", what)
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s| %s\n", line, strings.Join(objects[line], "; "))
		}
	}
	return b.String()
}

// parse reads what write has printed, behind lines that begin with #.
func parse(t *testing.T, text string) (notes string, read table) {
	t.Helper()
	what := ""
	for line := range strings.Lines(text) {
		outcome, objects, isRow := strings.Cut(strings.TrimSpace(line), "|")
		cells := strings.Fields(outcome)
		switch {
		case strings.HasPrefix(line, "#"):
			notes += line
		case !isRow:
			what = strings.TrimSpace(line)
		case read.columns == nil:
			read.columns = cells
		default:
			if len(cells) == 2 && cells[0] == "all" {
				cells = slices.Repeat(cells[1:], len(read.columns))
			}
			if len(cells) != len(read.columns) {
				t.Fatalf("%s: the line %q has %d cells, want %d", what, line, len(cells), len(read.columns))
			}
			for object := range strings.SplitSeq(objects, "; ") {
				read.rows = append(read.rows, row{what, strings.TrimSpace(object), cells})
			}
		}
	}
	return notes, read
}

// compare demands that what was found is what a file of testdata expects.
func compare(t *testing.T, file string, found table) {
	t.Helper()
	path := filepath.Join("testdata", file)
	text, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	notes, want := parse(t, string(text))
	if *update {
		if err := os.WriteFile(path, []byte(notes+"\n"+found.write()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !slices.Equal(want.columns, found.columns) {
		t.Fatalf("%s is about %q, and the test about %q", path, want.columns, found.columns)
	}
	expected := make(map[string]row)
	for _, r := range want.rows {
		expected[r.name()] = r
	}
	for _, r := range found.rows {
		e, ok := expected[r.name()]
		delete(expected, r.name())
		if !ok {
			t.Errorf("%s has no row %q: decide who may, and write it with -update", path, r.name())
			continue
		}
		for i, c := range r.cells {
			if c != e.cells[i] {
				t.Errorf("%s, %s: %s, want %s", r.name(), found.columns[i], c, e.cells[i])
			}
		}
	}
	for name := range expected {
		t.Errorf("%s has a row %q about nothing", path, name)
	}
}
