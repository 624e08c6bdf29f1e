// Command gotest runs "go test" with the arguments it is given and fails when
// a test was skipped: a test that cannot run must say so loudly. What a test
// printed is shown only where it failed or was skipped; the last line counts
// the tests.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	sum, err := run(os.Args[1:], os.Stdout, os.Stderr)
	for _, name := range sum.skipped {
		fmt.Fprintln(os.Stdout, "skipped, which counts as failed:", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	fmt.Fprintf(os.Stdout, "gotest: %d passed, %d failed, %d skipped\n", sum.passed, sum.failed, len(sum.skipped))
	if err != nil || sum.failed > 0 || len(sum.skipped) > 0 {
		os.Exit(1)
	}
}

// run runs the tests. Its error says that go test failed, or that there was
// nothing to test.
func run(args []string, stdout, stderr io.Writer) (tally, error) {
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, fmt.Errorf("starting go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return tally{}, fmt.Errorf("starting go test: %w", err)
	}
	sum, broken := read(out, stdout)
	if err := cmd.Wait(); err != nil {
		return sum, fmt.Errorf("go test: %w", err)
	}
	if broken == nil && sum.passed == 0 {
		broken = errors.New("no test ran")
	}
	return sum, broken
}

// event is a line of "go test -json"; see "go doc test2json".
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

// tally counts tests; subtests count like tests.
type tally struct {
	passed, failed int
	skipped        []string
}

// read counts what the events tell and writes what a person wants to see.
func read(events io.Reader, to io.Writer) (tally, error) {
	var sum tally
	said := make(map[event][]string) // what each test, and each package, has printed
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// Not every complaint of the go command comes as an event.
			fmt.Fprintln(to, lines.Text())
			continue
		}
		sum.take(e, said, to)
	}
	if err := lines.Err(); err != nil {
		return sum, fmt.Errorf("reading the events of go test: %w", err)
	}
	return sum, nil
}

func (s *tally) take(e event, said map[event][]string, to io.Writer) {
	who := event{Package: e.Package, Test: e.Test}
	switch e.Action {
	case "output":
		said[who] = append(said[who], e.Output)
		return
	case "build-output":
		fmt.Fprint(to, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	text := said[who]
	delete(said, who)
	if e.Test == "" {
		closing(e, text, said, to)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
		return
	case "fail":
		s.failed++
	case "skip":
		s.skipped = append(s.skipped, e.Package+" "+e.Test)
	}
	fmt.Fprint(to, strings.Join(text, ""))
}

// closing shows the end of a package: its last line, or where it failed all it
// said, and what those of its tests said that never ended. A package without
// tests is nothing to show.
func closing(e event, text []string, said map[event][]string, to io.Writer) {
	if e.Action != "fail" {
		if e.Action == "pass" && len(text) > 0 {
			fmt.Fprint(to, text[len(text)-1])
		}
		return
	}
	var unfinished []event
	for who := range said {
		if who.Package == e.Package {
			unfinished = append(unfinished, who)
		}
	}
	slices.SortFunc(unfinished, func(a, b event) int { return strings.Compare(a.Test, b.Test) })
	for _, who := range unfinished {
		fmt.Fprint(to, strings.Join(said[who], ""))
		delete(said, who)
	}
	fmt.Fprint(to, strings.Join(text, ""))
}
