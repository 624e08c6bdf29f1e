package script_test

import (
	"context"
	"debug/elf"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// emptyRoot makes a root directory like that of the image: the binary, a data
// directory and a place for temporary files.
func emptyRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	built, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "parley"), built, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "data": 0o700} {
		if err := os.Mkdir(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// inside runs the binary with a directory for its root, by itself where the test
// is run by root and else in a namespace of users.
func inside(ctx context.Context, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/parley", args...)
	cmd.Env, cmd.Dir = []string{"PARLEY_DATA=/data"}, "/data"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd.CombinedOutput()
}

func TestStaticBinaryNeedsNothingAround(t *testing.T) {
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the binary needs %q, %v", libraries, err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	root := emptyRoot(t)
	for _, args := range [][]string{
		{"version"}, {"init"}, {"backup", "--to", "/data/backup.tar"}, {"verify"}, {"verify", "/data/backup.tar"},
		{"restore", "--from", "/data/backup.tar", "--data", "/data/restored"}, {"health", server.URL},
	} {
		if output, err := inside(t.Context(), root, args...); err != nil {
			t.Errorf("parley %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}

// The commands of the packaging are commands that exist, with flags that do.
func TestPackagingRunsWhatThereIs(t *testing.T) {
	help := make(map[string]string)
	invoked := regexp.MustCompile(`/parley((?: [a-z]+)?(?: --[a-z-]+)*)`)
	for _, name := range []string{"parley.service", "parley-backup.service"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for line := range strings.Lines(string(content)) {
			if !strings.HasPrefix(line, "ExecStart=") {
				continue
			}
			match := invoked.FindStringSubmatch(line)
			if match == nil {
				t.Errorf("%s: %q runs no parley", name, line)
				continue
			}
			found++
			words := strings.Fields(match[1])
			wantFlags(t, help, words[0], words[1:])
		}
		if found != 1 {
			t.Errorf("%s runs parley %d times", name, found)
		}
	}
}

// wantFlags demands that a command knows the flags.
func wantFlags(t *testing.T, help map[string]string, command string, flags []string) {
	t.Helper()
	if help[command] == "" {
		output, err := exec.CommandContext(t.Context(), binary, command, "--help").CombinedOutput()
		if err != nil {
			t.Errorf("there is no command %s: %v\n%s", command, err, output)
			return
		}
		help[command] = string(output)
	}
	for _, flag := range flags {
		if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).MatchString(help[command]) {
			t.Errorf("parley %s knows no %s", command, flag)
		}
	}
}

// What the operations manual has people type exists, too.
func TestManualNamesWhatThereIs(t *testing.T) {
	help := make(map[string]string)
	command := regexp.MustCompile(`(?m)\bparley ((?:serve|init|dev|backup|restore|verify|health|version)\b[^|\n]*)`)
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	for _, name := range []string{"docs/operations.md", "README.md"} {
		content, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		matches := command.FindAllStringSubmatch(strings.ReplaceAll(string(content), "\\\n", " "), -1)
		if len(matches) == 0 {
			t.Errorf("%s names no command", name)
		}
		for _, m := range matches {
			line := m[1]
			if i := strings.IndexByte(line, '`'); i >= 0 {
				line = line[:i]
			}
			wantFlags(t, help, strings.Fields(line)[0], flag.FindAllString(line, -1))
		}
	}
}
