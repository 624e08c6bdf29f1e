package web_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-chat/parley/web"
)

func TestDemoHoldsEveryFileItsPageNames(t *testing.T) {
	page, err := fs.ReadFile(web.Demo(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(string(page), -1)
	if len(names) == 0 {
		t.Fatal("the page names no files")
	}
	for _, name := range names {
		if info, err := fs.Stat(web.Demo(), name[1]); err != nil || info.Size() == 0 {
			t.Errorf("%s: missing or empty (%v)", name[1], err)
		}
	}
}

func TestSDKHoldsTheBundlesAndNothingElse(t *testing.T) {
	var names []string
	err := fs.WalkDir(web.SDK(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(names, " "), "parley-client.iife.js parley-client.js"; got != want {
		t.Errorf("files %q, want %q", got, want)
	}
}
