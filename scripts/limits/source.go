package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/parley-chat/parley"

// source reads constants and sentences of this module's packages.
type source struct {
	root     string
	files    *token.FileSet
	foreign  types.Importer
	packages map[string]*unit // by import path
}

// unit is a package as far as the page needs it.
type unit struct {
	types *types.Package
	// texts are the string literals in it.
	texts map[string]bool
	err   error
}

func newSource(root string) *source {
	files := token.NewFileSet()
	return &source{
		root: root, files: files, foreign: importer.ForCompiler(files, "source", nil),
		packages: make(map[string]*unit),
	}
}

// foreignTypes are the foreign packages whose types constants have. Others are
// not looked into.
var foreignTypes = map[string]bool{"time": true, "math": true, "golang.org/x/time/rate": true}

// Import implements types.Importer.
func (s *source) Import(path string) (*types.Package, error) {
	if path == module || strings.HasPrefix(path, module+"/") {
		u := s.load(path)
		return u.types, u.err
	}
	if foreignTypes[path] {
		return s.foreign.Import(path)
	}
	return nil, errors.New("not needed for constants")
}

// load parses a package and works out its constants. What constants do not
// need may stay unknown, so mistakes of that kind are passed over.
func (s *source) load(path string) *unit {
	if u := s.packages[path]; u != nil {
		return u
	}
	u := &unit{texts: make(map[string]bool)}
	s.packages[path] = u
	dir := filepath.Join(s.root, filepath.FromSlash(strings.TrimPrefix(strings.TrimPrefix(path, module), "/")))
	listed, err := build.ImportDir(dir, 0)
	if err != nil {
		u.err = fmt.Errorf("looking for package %s: %w", path, err)
		return u
	}
	var files []*ast.File
	for _, name := range listed.GoFiles {
		f, err := parser.ParseFile(s.files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			u.err = err
			return u
		}
		files = append(files, f)
		ast.Inspect(f, u.note)
	}
	config := types.Config{Importer: s, IgnoreFuncBodies: true, FakeImportC: true, Error: func(error) {}}
	u.types, _ = config.Check(path, s.files, files, nil)
	return u
}

// note keeps the string literals, those joined by + as one.
func (u *unit) note(n ast.Node) bool {
	e, ok := n.(ast.Expr)
	if !ok {
		return true
	}
	text, ok := literal(e)
	if ok {
		u.texts[text] = true
	}
	return !ok
}

func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		left, ok := literal(e.X)
		right, also := literal(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}

// find gives a package by its path below internal, or else below the top.
func (s *source) find(pkg string) (*unit, error) {
	for _, path := range []string{"internal/" + pkg, pkg} {
		if _, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(path))); err == nil {
			u := s.load(module + "/" + path)
			return u, u.err
		}
	}
	return nil, fmt.Errorf("there is no package %s", pkg)
}

// value gives a constant by its package and name; "-1" behind it takes one
// away, for what counts one thing too many.
func (s *source) value(name string) (constant.Value, error) {
	if more, ok := strings.CutSuffix(name, "-1"); ok {
		v, err := s.value(more)
		if err != nil {
			return nil, err
		}
		return constant.BinaryOp(v, token.SUB, constant.MakeInt64(1)), nil
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil, fmt.Errorf("%q names no package", name)
	}
	u, err := s.find(name[:dot])
	if err != nil {
		return nil, err
	}
	c, ok := u.types.Scope().Lookup(name[dot+1:]).(*types.Const)
	if !ok || c.Val().Kind() == constant.Unknown {
		return nil, fmt.Errorf("%s is no constant", name)
	}
	return c.Val(), nil
}

// number gives a constant that is a number.
func (s *source) number(name string) (float64, error) {
	v, err := s.value(name)
	if err != nil {
		return 0, err
	}
	v = constant.ToFloat(v)
	if v.Kind() != constant.Float {
		return 0, fmt.Errorf("%s is no number", name)
	}
	n, _ := constant.Float64Val(v)
	return n, nil
}
