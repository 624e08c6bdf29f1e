package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whoever sleeps hopes that something has happened by then: it is too long on
// one machine and too short on another. One waits for the thing itself. Under
// testing/synctest a sleep is exact, and a benchmark may let things settle.
func TestNobodySleeps(t *testing.T) {
	root := filepath.Join("..", "..")
	names := goFiles(t, root)
	if len(names) == 0 {
		t.Fatal("found no Go files")
	}
	for _, name := range names {
		sleeps, err := sleepsIn(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range sleeps {
			t.Errorf("%s sleeps; wait for what is to happen: a channel, a condition with a deadline, or testing/synctest", at)
		}
	}
}

func TestSleepsAreFound(t *testing.T) {
	const sleeper = "package p\nimport (\n\t\"testing\"\n\t\"time\"\n)\nfunc %s { time.Sleep(1) }\n"
	for what, c := range map[string]struct {
		source string
		want   int
	}{
		"a test":      {fmt.Sprintf(sleeper, "TestX(t *testing.T)"), 1},
		"a benchmark": {fmt.Sprintf(sleeper, "BenchmarkX(b *testing.B)"), 0},
		"a bubble":    {strings.Replace(fmt.Sprintf(sleeper, "TestX(t *testing.T)"), `"testing"`, `"testing/synctest"`, 1), 0},
		"a variable":  {"package p\nimport \"time\"\nvar nap = func() { time.Sleep(1) }\n", 1},
		"no sleep":    {"package p\nfunc Sleep() {}\nvar _ = Sleep\n", 0},
	} {
		got, err := sleepsIn("p.go", c.source)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != c.want {
			t.Errorf("%s: found %q, want %d", what, got, c.want)
		}
	}
}

// sleepsIn tells where a file calls time.Sleep. The source is read from the
// file where it is nil.
func sleepsIn(name string, source any) ([]string, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading a Go file: %w", err)
	}
	if slices.ContainsFunc(parsed.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` }) {
		return nil, nil
	}
	var found []string
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Benchmark") {
			continue
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Sleep" {
				return true
			}
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" {
				found = append(found, set.Position(s.Pos()).String())
			}
			return true
		})
	}
	return found, nil
}
