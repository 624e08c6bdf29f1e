// Package logs keeps what servers log while tests run, down to level debug,
// and what must not be in it, for scripts/checklogs to compare. Both go into a
// folder for each suite below the one that PARLEY_TEST_LOGS names; where it
// names none, both are thrown away.
package logs

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// Folder is the environment variable.
const Folder = "PARLEY_TEST_LOGS"

// Shortest is the length in bytes from which on a text is looked for: shorter
// ones may occur by chance.
const Shortest = 6

// Logger is for servers in the process of a test.
func Logger(suite string) *slog.Logger {
	return slog.New(slog.NewTextHandler(Writer(suite), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Writer is for the standard error of a server in a process of its own, which
// has to log at level debug. It may be shared.
func Writer(suite string) io.Writer {
	f, err := open(suite, fmt.Sprintf("%d.log", os.Getpid()))
	if err != nil {
		panic(fmt.Sprintf("test logs: %v", err)) // else the check would check nothing
	}
	if f == nil {
		return io.Discard
	}
	return f
}

var (
	mu     sync.Mutex
	opened = make(map[string]*os.File)
	known  = make(map[string]bool)
)

// open opens a file once in this process, for appending. It is nil where
// nothing is kept.
func open(suite, name string) (*os.File, error) {
	folder := os.Getenv(Folder)
	if folder == "" {
		return nil, nil
	}
	mu.Lock()
	defer mu.Unlock()
	path := filepath.Join(folder, suite, name)
	if f := opened[path]; f != nil {
		return f, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		opened[path] = f
	}
	return f, err
}

// Secret remembers what people say, are called or prove themselves by, and
// what their files are called: no log may hold it.
func Secret(texts ...string) {
	for _, text := range texts {
		if err := remember(text); err != nil {
			panic(fmt.Sprintf("test logs: %v", err))
		}
	}
}

func remember(text string) error {
	if len(text) < Shortest {
		return nil
	}
	f, err := open("secrets", fmt.Sprintf("%d.txt", os.Getpid()))
	if f == nil || err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if known[text] {
		return nil
	}
	known[text] = true
	line, err := json.Marshal(text)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return err
}
