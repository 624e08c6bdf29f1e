// Command limits writes docs/limits.md: the page is a template, and each bound
// on it is read from the constant that the server runs with, so that it cannot
// say what is not so. Run it at the top of the repository.
//
// A row of the template names its bounds by package and constant, as in
// {{bytes "chat.MaxPayloadBytes"}}; packages are looked for below internal and
// then at the top. What clients read is quoted by {{says}}, which fails when
// the package has no such sentence. A digit in a cell for bounds that comes
// from nowhere fails, too, and so does a row that does not say how operators see
// that its bound is reached.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed limits.md.tmpl
var page string

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

// run writes what is generated below root.
func run(root string) error {
	text, err := generate(newSource(root), page)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "limits.md"), text, 0o644)
}

// generate makes the page of a template.
func generate(source *source, page string) ([]byte, error) {
	if err := check(page); err != nil {
		return nil, err
	}
	parsed, err := template.New("limits.md").Option("missingkey=error").Funcs(source.funcs()).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		return nil, fmt.Errorf("filling the template: %w", err)
	}
	return out.Bytes(), nil
}

var (
	action  = regexp.MustCompile(`\{\{.*?\}\}`)
	code    = regexp.MustCompile("`[^`]*`")
	names   = regexp.MustCompile(`UTF-(8|16)`)
	unbound = regexp.MustCompile(`[0-9]+|\b(two|three|ten|hundred|thousand|million)\b`)
)

// check refuses bounds that do not come from the code: numbers in the column
// "Bound", outside of actions and of what is marked as code.
func check(page string) error {
	var errs []error
	column, width := -1, 0
	for number, line := range strings.Split(page, "\n") {
		if !strings.HasPrefix(line, "|") {
			column = -1
			continue
		}
		// Cells are counted in the template: no action has a bar in it.
		cells := strings.Split(line, "|")
		if column < 0 {
			for i, c := range cells {
				if strings.TrimSpace(c) == "Bound" {
					column = i
				}
			}
			if column < 0 {
				errs = append(errs, fmt.Errorf("line %d: a table without a column for bounds", number+1))
			}
			if width = len(cells); strings.TrimSpace(cells[width-2]) != "Counted as" {
				errs = append(errs, fmt.Errorf("line %d: a table whose last column is not \"Counted as\"", number+1))
			}
			continue
		}
		if column >= len(cells) {
			errs = append(errs, fmt.Errorf("line %d: a row without a bound", number+1))
			continue
		}
		if strings.TrimSpace(cells[len(cells)-2]) == "" || len(cells) != width {
			errs = append(errs, fmt.Errorf("line %d: a row that does not say by which metric it is counted; a dash if by none", number+1))
			continue
		}
		rest := cells[column]
		for _, known := range []*regexp.Regexp{action, code, names} {
			rest = known.ReplaceAllString(rest, "")
		}
		if found := unbound.FindString(rest); found != "" {
			errs = append(errs, fmt.Errorf("line %d: the bound %q does not come from the code; name its constant", number+1, found))
		}
	}
	return errors.Join(errs...)
}
