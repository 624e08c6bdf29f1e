package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/parley-chat/parley/internal/metrics"
)

// funcs are what the template may call. Each names constants and gives words.
func (s *source) funcs() template.FuncMap {
	return template.FuncMap{
		"count": s.count, "bytes": s.bytes, "time": s.time, "rate": s.rate, "says": s.says, "flag": s.flag,
		"limit": limit, "metric": metric,
	}
}

// limit gives the name by which it is counted that a limit was reached.
func limit(name string) (string, error) {
	if !slices.Contains(metrics.LimitNames, name) {
		return "", fmt.Errorf("internal/metrics/limits.go has no limit %q", name)
	}
	return "`" + name + "`", nil
}

// metric gives the name of a metric.
func metric(name string) (string, error) {
	if !slices.ContainsFunc(metrics.Families(), func(f metrics.Family) bool { return f.Name == name }) {
		return "", fmt.Errorf("internal/metrics/table.go has no metric %q", name)
	}
	return "`" + name + "`", nil
}

// count gives a number, with commas.
func (s *source) count(name string) (string, error) {
	n, err := s.number(name)
	return commas(n), err
}

func commas(n float64) string {
	digits := strconv.FormatFloat(n, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// bytes gives a number of bytes, in KiB and MiB from some size on.
func (s *source) bytes(name string) (string, error) {
	n, err := s.number(name)
	if err != nil {
		return "", err
	}
	switch {
	case n >= 1<<20 && math.Mod(n, 1<<20) == 0:
		return commas(n/(1<<20)) + " MiB", nil
	case n >= 4<<10 && math.Mod(n, 1<<10) == 0:
		return commas(n/(1<<10)) + " KiB", nil
	}
	return commas(n) + " bytes", nil
}

// time gives a length of time in the largest unit of which it is a whole
// number.
func (s *source) time(name string) (string, error) {
	n, err := s.number(name)
	if err != nil {
		return "", err
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{
		{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}, {time.Millisecond, "millisecond"},
	} {
		many := n / float64(unit.length)
		switch {
		case many == 1:
			return "1 " + unit.name, nil
		case many > 1 && many == math.Trunc(many):
			return commas(many) + " " + unit.name + "s", nil
		}
	}
	return "", fmt.Errorf("%s is no length of time", name)
}

// rate gives what a constant counts in a second.
func (s *source) rate(name string) (string, error) {
	n, err := s.number(name)
	switch {
	case err != nil:
		return "", err
	case n <= 0:
		return "", fmt.Errorf("%s is no rate", name)
	case n < 1:
		return fmt.Sprintf("1 in %s seconds", commas(math.Round(1/n))), nil
	}
	return commas(n) + " a second", nil
}

// says quotes a sentence that a package may say, with constants for its verbs,
// or "..." for what differs from one time to the next.
func (s *source) says(pkg, format string, names ...string) (string, error) {
	u, err := s.find(pkg)
	if err != nil {
		return "", err
	}
	if !u.texts[format] {
		return "", fmt.Errorf("package %s does not say %q", pkg, format)
	}
	var args []any
	for _, name := range names {
		shown := name
		if name != "..." {
			v, err := s.value(name)
			if err != nil {
				return "", err
			}
			shown = v.ExactString()
		}
		args = append(args, shown)
	}
	text := fmt.Sprintf(strings.ReplaceAll(format, "%d", "%s"), args...)
	if strings.Contains(text, "%!") {
		return "", fmt.Errorf("%q wants other values than %q", format, names)
	}
	return `"` + text + `"`, nil
}

// flag gives a flag of parley serve, whose default must be that of the
// constant.
func (s *source) flag(flag, name string) (string, error) {
	want, err := s.number(name)
	if err != nil {
		return "", err
	}
	tag, err := s.flagTag(flag)
	if err != nil {
		return "", err
	}
	if got, err := strconv.ParseFloat(tag.Get("default"), 64); err != nil || got != want {
		return "", fmt.Errorf("--%s is %q where nothing is given, and %s is %v", flag, tag.Get("default"), name, want)
	}
	return "`--" + flag + "`", nil
}

func (s *source) flagTag(flag string) (reflect.StructTag, error) {
	path := filepath.Join(s.root, "cmd", "parley", "serve.go")
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	f, err := parser.ParseFile(s.files, path, nil, 0)
	if err != nil {
		return "", err
	}
	var found reflect.StructTag
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		text, _ := strconv.Unquote(field.Tag.Value)
		if tag := reflect.StructTag(text); tag.Get("name") == flag {
			found = tag
		}
		return true
	})
	if found == "" {
		return "", fmt.Errorf("parley serve has no flag --%s", flag)
	}
	return found, nil
}
