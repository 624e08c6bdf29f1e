// Command checklogs looks through what servers logged while the tests ran for
// what no log may hold: tokens, signatures, passwords of connections, and
// whatever tests have said, or been called, and told package test/logs. It
// fails when it finds some, and when it has nothing to look through.
//
//	checklogs FOLDER SUITE...
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: checklogs FOLDER SUITE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "checklogs:", err)
		os.Exit(1)
	}
}

// run checks the logs of these suites, and of whoever else has left some.
func run(folder string, suites []string, out io.Writer) error {
	secrets, err := readSecrets(filepath.Join(folder, "secrets"))
	if err != nil {
		return err
	}
	for _, suite := range suites {
		if err := mustHaveLogged(filepath.Join(folder, suite)); err != nil {
			return fmt.Errorf("suite %s: %w", suite, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.log"))
	if err != nil {
		return err
	}
	lines, found := 0, 0
	for _, name := range files {
		n, leaks, err := check(name, secrets, out)
		if err != nil {
			return err
		}
		lines, found = lines+n, found+leaks
	}
	fmt.Fprintf(out, "checklogs: %d lines in %d files, %d secrets, %d leaks\n", lines, len(files), secrets.count, found)
	if found > 0 {
		return errors.New("secrets are in the log")
	}
	return nil
}

// mustHaveLogged demands a line at level debug: else the suite has kept no
// logs, or not all.
func mustHaveLogged(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return err
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if bytes.Contains(raw, []byte("level=DEBUG")) {
			return nil
		}
	}
	return fmt.Errorf("no debug log in its %d files", len(files))
}

// forms are what secrets look like that no test has to tell of.
var forms = map[string]*regexp.Regexp{
	"a participant's token":   regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`),
	"an API token":            regexp.MustCompile(`parley_[A-Za-z0-9]{20,}`),
	"a signature of a link":   regexp.MustCompile(`sig=[A-Za-z0-9_%-]{16,}`),
	"an address with a token": regexp.MustCompile(`authToken=[^"\s]`),
	"an authorization":        regexp.MustCompile(`(?i)\b(bearer|basic) [a-z0-9+/=_.-]{16,}`),
	"a password of ICE":       regexp.MustCompile(`ice-pwd[:=]\S`),
	"a secret of a webhook":   regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{8,}`),
	"a private key":           regexp.MustCompile(`PRIVATE KEY-----`),
}

// check looks through one log.
func check(name string, s *secrets, out io.Writer) (lines, leaks int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		lines++
		for _, what := range inLine(scanner.Bytes(), s) {
			leaks++
			fmt.Fprintf(out, "%s:%d: %s: %.300s\n", name, lines, what, scanner.Text())
		}
	}
	return lines, leaks, scanner.Err()
}

// inLine tells what is in a line that should not be.
func inLine(line []byte, s *secrets) []string {
	var found []string
	for what, form := range forms {
		if form.Match(line) {
			found = append(found, what)
		}
	}
	if text, ok := s.in(line); ok {
		found = append(found, fmt.Sprintf("what a test has said (%.60q)", text))
	}
	return found
}

// stem is how many bytes of a secret lead to it. It is the shortest length
// that test/logs remembers.
const stem = 6

// secrets are texts, by their first bytes: there are many, and logs are long.
type secrets struct {
	by    map[string][]string
	count int
}

func readSecrets(folder string) (*secrets, error) {
	s := &secrets{by: make(map[string][]string)}
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return s, err
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return s, err
		}
		for line := range bytes.Lines(raw) {
			var text string
			if err := json.Unmarshal(line, &text); err != nil {
				return s, fmt.Errorf("%s: %w", name, err)
			}
			s.add(text)
		}
	}
	if s.count == 0 {
		return s, fmt.Errorf("no test has told of a secret in %s", folder)
	}
	return s, nil
}

// add takes a text as it is and as loggers write it between quotes.
func (s *secrets) add(text string) {
	s.count++
	quoted := fmt.Sprintf("%q", text)
	for _, form := range slices.Compact([]string{text, quoted[1 : len(quoted)-1]}) {
		if len(form) >= stem {
			s.by[form[:stem]] = append(s.by[form[:stem]], form)
		}
	}
}

// in finds a secret in a line, as words of their own: "hello!" is not in
// "othello!x".
func (s *secrets) in(line []byte) (string, bool) {
	for i := 0; i+stem <= len(line); i++ {
		for _, text := range s.by[string(line[i:i+stem])] {
			if bytes.HasPrefix(line[i:], []byte(text)) && (i == 0 || !isWord(line[i-1]) || !isWord(text[0])) &&
				(i+len(text) == len(line) || !isWord(line[i+len(text)]) || !isWord(text[len(text)-1])) {
				return text, true
			}
		}
	}
	return "", false
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
