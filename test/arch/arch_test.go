// Package arch checks what holds for all packages of this module and what no
// linter knows: that imports keep their direction, and that nobody sleeps.
//
// Which packages of this module may know which others is a table here, and a
// package that is not in it does not pass. What foreign packages may be used
// where is the concern of depguard, in .golangci.yml.
package arch

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/parley-chat/parley"

// row says what one package may import of this module, tests aside. Paths are
// relative to the module; "..." at the end stands for all that lies below.
type row struct {
	level  int
	pkg    string
	allows []string
}

// table is who may import whom. Within a level nobody imports a neighbour but
// where a row says so; such packages meet through interfaces that the consumer
// declares and that package server ties together.
var table = []row{
	// 0: the domain, the wire, and what would serve any program. They know
	// nothing of ours, and protocol and chat do not know each other.
	{0, "internal/chat", nil},
	{0, "protocol", nil},
	{0, "protocol/rtkwire", nil},
	{0, "internal/tally", nil},
	{0, "internal/fault", []string{"internal/tally"}},
	{0, "internal/groupcommit", []string{"internal/tally"}},
	{0, "internal/blob", nil},
	{0, "internal/route", nil},
	{0, "internal/localca", nil},
	{0, "web", nil},

	// 1: what is kept, and who is who.
	{1, "internal/auth", []string{"internal/chat"}},
	{1, "internal/content", []string{"internal/chat"}},
	{1, "internal/directory", []string{"internal/chat"}},
	{1, "internal/audit", []string{"internal/chat"}},
	{1, "internal/journal", []string{"internal/audit", "internal/chat", "internal/fault"}},
	{1, "internal/kv", []string{"internal/chat", "internal/journal"}},
	{1, "internal/blob/disk", []string{"internal/blob"}},

	// 2: what happens. upload is a service with an HTTP face of its own.
	{2, "internal/room", []string{"internal/chat", "internal/fault", "internal/journal", "internal/kv"}},
	{2, "internal/session", []string{"internal/chat"}},
	{2, "internal/upload", []string{
		"internal/chat", "internal/auth", "internal/blob", "internal/content", "internal/directory", "internal/route", "internal/tally",
	}},

	// Those who follow what has happened, and tell it elsewhere.
	{2, "internal/follow/webhook", []string{"internal/chat"}},
	{2, "internal/follow/export", []string{"internal/chat", "internal/blob", "internal/follow/webhook", "internal/tally"}},

	// 3: the edges translate between the wire and the rest; they never see a
	// store. The stores implement what the packages above them declare; they
	// never see an edge, the wire or the server.
	{3, "internal/edge/ice", []string{"internal/fault"}},
	{3, "internal/edge/ws/transport", nil},
	{3, "internal/edge/gate", nil},
	{3, "internal/edge/ws", []string{
		"protocol/...", "internal/audit", "internal/chat", "internal/auth", "internal/content", "internal/directory", "internal/journal", "internal/kv",
		"internal/room", "internal/session", "internal/edge/ice", "internal/edge/ws/transport", "internal/fault", "internal/tally",
	}},
	{3, "internal/edge/rest", []string{
		"internal/audit", "internal/chat", "internal/auth", "internal/directory", "internal/journal", "internal/follow/webhook", "internal/follow/export", "internal/session",
		"internal/route", "internal/tally",
	}},
	{3, "internal/store/sqlite", []string{
		"internal/audit", "internal/chat", "internal/fault", "internal/groupcommit", "internal/tally", "internal/auth", "internal/directory",
		"internal/journal", "internal/kv", "internal/room", "internal/session", "internal/upload", "internal/follow/webhook", "internal/follow/export",
	}},

	// 4: the server knows every part; dev prepares one for trying out.
	{4, "internal/metrics", []string{
		"internal/edge/...", "internal/follow/export", "internal/follow/webhook", "internal/groupcommit", "internal/journal", "internal/room", "internal/store/...", "internal/tally", "internal/upload",
	}},
	{4, "internal/server", []string{
		"internal/audit", "internal/chat", "internal/auth", "internal/blob/disk", "internal/content", "internal/directory", "internal/journal", "internal/kv",
		"internal/room", "internal/session", "internal/upload", "internal/follow/webhook", "internal/follow/export", "internal/route", "internal/edge/...", "internal/store/...",
		"internal/fault", "internal/metrics", "internal/tally",
	}},
	{4, "internal/backup", []string{
		"internal/blob", "internal/blob/disk", "internal/content", "internal/journal", "internal/store/sqlite",
	}},
	{5, "internal/dev", []string{"internal/chat", "internal/auth", "internal/directory", "internal/server", "web"}},
	{5, "", []string{"internal/server"}},
	{5, "internal/bench", []string{
		"protocol/...", "internal/auth", "internal/chat", "internal/directory", "internal/journal", "internal/session", "internal/server", "internal/store/sqlite",
	}},

	// 6: the binary is a thin shell.
	{6, "cmd/parley", []string{
		"", "internal/chat", "internal/auth", "internal/backup", "internal/bench", "internal/edge/gate", "internal/server", "internal/dev", "internal/localca", "web",
	}},

	// Contracts come with their suites, which know contracts alone. Only tests
	// import them, and what lies in test.
	{7, "internal/blob/blobtest", []string{"internal/blob"}},
	{7, "internal/directory/directorytest", []string{"internal/chat", "internal/directory"}},
	{7, "internal/follow/export/exporttest", nil},
	{7, "internal/follow/webhook/webhooktest", []string{"internal/chat", "internal/follow/webhook"}},
	{7, "internal/session/sessiontest", []string{"internal/chat", "internal/directory", "internal/journal", "internal/session"}},
	{7, "internal/journal/journaltest", []string{"internal/chat", "internal/directory", "internal/journal", "internal/session"}},
	{7, "internal/kv/kvtest", []string{"internal/chat", "internal/directory", "internal/journal", "internal/kv", "internal/session"}},
	{6, "test/logs", nil},
	{6, "test/shipped", nil},
	{7, "test/peer", []string{"protocol/...", "test/logs"}},
	{7, "test/powercut", nil},
	{7, "test/raw", nil},
	{7, "test/hostile", []string{"protocol/...", "test/raw"}},
	{8, "test/hostile/cmd", []string{"test/hostile"}},
	{7, "test/bench", []string{
		"protocol/...", "test/shipped", "internal/bench", "internal/chat", "internal/auth", "internal/directory", "internal/journal", "internal/session",
		"internal/server", "internal/store/sqlite",
	}},
	{7, "test/slow", []string{"test/logs", "test/peer", "test/shipped"}},

	// What runs the tests, and what writes pages.
	{7, "scripts/gotest", nil},
	{7, "scripts/checklogs", nil},
	{7, "scripts/limits", []string{"internal/metrics"}},
	{7, "scripts/metrics", []string{"internal/metrics"}},
	{7, "scripts/dashboard", []string{"internal/metrics"}},
}

// file is what matters of a Go file.
type file struct {
	pkg     string   // its package, relative to the module
	name    string   // its path, relative to the module
	imports []string // those of this module, relative to it
}

func TestImportsKeepTheirDirection(t *testing.T) {
	files := sources(t, filepath.Join("..", ".."))
	if len(files) == 0 {
		t.Fatal("found no Go files")
	}
	for _, complaint := range check(table, files) {
		t.Error(complaint)
	}
}

func TestTablePointsDownwards(t *testing.T) {
	level := make(map[string]int)
	for _, r := range table {
		if _, twice := level[r.pkg]; twice {
			t.Errorf("%s has two rows", title(r.pkg))
		}
		level[r.pkg] = r.level
	}
	for _, r := range table {
		for _, a := range r.allows {
			for pkg, l := range level {
				neighbour := path.Dir(a) == path.Dir(r.pkg) || strings.HasPrefix(a, r.pkg+"/")
				if pkg != r.pkg && matches(a, pkg) && (l > r.level || (l == r.level && !neighbour)) {
					t.Errorf("%s is of level %d and may not allow %s of level %d", title(r.pkg), r.level, title(pkg), l)
				}
			}
		}
	}
}

func TestCheckTellsWhatIsWrong(t *testing.T) {
	rows := []row{{0, "internal/chat", nil}, {1, "internal/journal", []string{"internal/chat"}}, {4, "internal/server", []string{"internal/..."}}}
	good := []file{
		{"internal/chat", "internal/chat/decide.go", nil},
		{"internal/journal", "internal/journal/journal.go", []string{"internal/chat"}},
		{"internal/server", "internal/server/server.go", []string{"internal/journal", "internal/chat"}},
	}
	if got := check(rows, good); len(got) != 0 {
		t.Errorf("complains of good imports: %q", got)
	}
	for what, bad := range map[string]file{
		"an import upwards":      {"internal/chat", "internal/chat/pin.go", []string{"internal/journal"}},
		"a package without row":  {"internal/util", "internal/util/util.go", nil},
		"a pattern's own parent": {"internal/server", "internal/server/run.go", []string{"internal"}},
	} {
		got := check(rows, append(slices.Clone(good), bad))
		if len(got) != 1 || !strings.Contains(got[0], bad.name) {
			t.Errorf("%s: complaints %q, want one that names %s", what, got, bad.name)
		}
	}
	if got := check(rows, good[1:]); len(got) != 1 || !strings.Contains(got[0], "internal/chat") {
		t.Errorf("a row without package: complaints %q", got)
	}
}

// check tells which imports the table does not allow, which packages it does
// not know, and which of its packages do not exist.
func check(rows []row, files []file) []string {
	var complaints []string
	seen := make(map[string]bool)
	for _, f := range files {
		seen[f.pkg] = true
		i := slices.IndexFunc(rows, func(r row) bool { return r.pkg == f.pkg })
		if i < 0 {
			complaints = append(complaints, fmt.Sprintf("%s: package %s has no row in the table; decide who it may import", f.name, title(f.pkg)))
			continue
		}
		for _, imported := range f.imports {
			if !slices.ContainsFunc(rows[i].allows, func(a string) bool { return matches(a, imported) }) {
				complaints = append(complaints, fmt.Sprintf("%s: %s may not import %s", f.name, title(f.pkg), title(imported)))
			}
		}
	}
	for _, r := range rows {
		if !seen[r.pkg] {
			complaints = append(complaints, fmt.Sprintf("the table has a row for %s, which does not exist", title(r.pkg)))
		}
	}
	return complaints
}

// matches tells whether a path is one that the pattern means. "a/..." means a,
// too, except that "internal/..." means what lies below: there is no package
// internal.
func matches(pattern, pkg string) bool {
	below, ok := strings.CutSuffix(pattern, "/...")
	if !ok {
		return pkg == pattern
	}
	return (pkg == below && below != "internal") || strings.HasPrefix(pkg, below+"/")
}

func title(pkg string) string {
	if pkg == "" {
		return "parley (the root)"
	}
	return pkg
}

// sources reads the imports of all files of the module but tests: those may
// reach for a real store, a suite or a whole server.
func sources(t *testing.T, root string) []file {
	t.Helper()
	var files []file
	for _, name := range goFiles(t, root) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		imports, err := ownImports(name)
		if err != nil {
			t.Fatal(err)
		}
		slash := filepath.ToSlash(relative)
		pkg := path.Dir(slash)
		if pkg == "." {
			pkg = ""
		}
		files = append(files, file{pkg: pkg, name: slash, imports: imports})
	}
	return files
}

// goFiles lists the Go files of the module.
func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && foreign(name, entry.Name()):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, ".go"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// foreign tells whether a directory holds no packages of this module.
func foreign(dir, base string) bool {
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return !errors.Is(err, fs.ErrNotExist)
}

func ownImports(name string) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("reading imports: %w", err)
	}
	var own []string
	for _, i := range parsed.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: reading imports: %w", name, err)
		}
		if imported == module {
			own = append(own, "")
		} else if relative, ok := strings.CutPrefix(imported, module+"/"); ok {
			own = append(own, relative)
		}
	}
	return own, nil
}
