// Package shipped builds what is tested as a process of its own: the server as it
// is shipped, without cgo, and without the race detector, which is for the
// process of the tests.
package shipped

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the server in a folder and gives its path.
func Build(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "parley")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/parley-chat/parley/cmd/parley")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return path, nil
}

// Main is what TestMain does in packages whose tests share one server: it builds
// it, tells where it is, and runs the tests. It gives the exit code.
func Main(m interface{ Run() int }, path *string) int {
	dir, err := os.MkdirTemp("", "parley-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		*path, err = Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
