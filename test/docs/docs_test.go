// Package docs runs each block of code in docs/api.md, docs/chat-api.md and
// docs/webhooks.md as it stands there, on the real binary.
package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/peer"
	"github.com/parley-chat/parley/test/shipped"
)

// block is a piece of code in a page.
type block struct{ language, code, at string }

// blocks gives the fenced blocks of a page. What is not to be run has the
// language json, and must be JSON.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(raw), "\n") {
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{language: language, at: fmt.Sprintf("docs/%s:%d", page, i+1)}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.code += line + "\n"
		}
	}
	if open != nil || len(all) == 0 {
		t.Fatalf("%s has no blocks, or one that does not end", page)
	}
	return all
}

// server is a development server, and what it prints.
type server struct {
	HTTP    string `json:"http_url"`
	Account string `json:"account_id"`
	App     string `json:"app_id"`
	Token   string `json:"api_token"`
	CAFile  string `json:"ca_file"`
}

func serve(ctx context.Context, t *testing.T) server {
	t.Helper()
	binary, err := shipped.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "dev", "--json", "--data", t.TempDir(), "--http-port", "0", "--https-port", "0", "--log-level", "debug")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLEY_") })
	cmd.Stderr = logs.Writer("docs")
	lines := start(t, cmd)
	var s server
	if err := json.Unmarshal([]byte(<-lines), &s); err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	logs.Secret(s.Token)
	return s
}

// start starts a program for as long as the test runs and gives the lines that it
// prints.
func start(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // "go run" has a child
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
		_ = cmd.Wait()
	})
	return lines
}

// attend makes a meeting session: somebody joins and says something.
func attend(ctx context.Context, t *testing.T, s server, meeting, token string) {
	t.Helper()
	logs.Secret(token)
	p, err := peer.Dial(ctx, "ws"+strings.TrimPrefix(s.HTTP, "http"), token, peer.Options{Meeting: meeting})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Cut)
	if _, err := p.Join(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SendText(ctx, "Hello"); err != nil {
		t.Fatal(err)
	}
}

// The commands of api.md are run in their order, as one would type them into one
// shell.
func TestTheCommandsOfThePageOfTheAPIWork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*peer.Timeout)
	defer cancel()
	s := serve(ctx, t)
	dir := s.shell(t, "")
	joined := false
	for _, b := range blocks(t, "api.md") {
		if b.language != "sh" {
			b.mustBeJSON(t)
			continue
		}
		if strings.Contains(b.code, "active-session") && !joined {
			joined = true
			attend(ctx, t, s, shell(ctx, t, dir, b.at, `printf %s "$MEETING"`), shell(ctx, t, dir, b.at, `printf %s "$TOKEN"`))
		}
		// The link leads to the public address, which curl may not find here.
		code := strings.ReplaceAll(b.code, `"$LINK"`, `"$PARLEY_URL/${LINK#*://*/}"`)
		shell(ctx, t, dir, b.at, code)
	}
	file, err := os.ReadFile(filepath.Join(dir, "chat.csv"))
	if err != nil || !bytes.Contains(file, []byte(",TEXT_MESSAGE,Hello,")) {
		t.Errorf("the file is %q, %v", file, err)
	}
}

// The commands of chat-api.md are run in their order, about a meeting in which
// Alice has said something; then each program follows that meeting.
func TestTheCodeOfThePageOfTheChatAPIWorks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*peer.Timeout)
	defer cancel()
	s := serve(ctx, t)
	api := s.HTTP + "/client/v4/accounts/" + s.Account + "/realtime/kit/" + s.App
	meeting := call(ctx, t, s, api+"/meetings", `{"title":"Standup"}`).ID
	token := call(ctx, t, s, api+"/meetings/"+meeting+"/participants",
		`{"custom_participant_id":"u","name":"Alice","preset_name":"group_call_host"}`).Token
	attend(ctx, t, s, meeting, token)
	dir := s.shell(t, "MEETING="+meeting)
	ran := make(map[string]bool)
	for _, b := range blocks(t, "chat-api.md") {
		if b.language == "sh" {
			shell(ctx, t, dir, b.at, b.code)
			continue
		}
		if _, known := runners[b.language]; !known {
			b.mustBeJSON(t)
			continue
		}
		ran[b.language] = true
		t.Run(b.language, func(t *testing.T) { follow(ctx, t, s, b, meeting) })
	}
	if len(ran) != len(runners) {
		t.Errorf("only %v are there", ran)
	}
}

// follow runs a program that prints what is said, before it began and after.
func follow(ctx context.Context, t *testing.T, s server, b block, meeting string) {
	lines := b.run(ctx, t, "PARLEY_URL="+s.HTTP, "APP_ID="+s.App, "MEETING="+meeting, "API_TOKEN="+s.Token)
	printed := make(map[string]bool)
	hear := func(want string) {
		for !printed[want] {
			select {
			case got, ok := <-lines:
				if !ok {
					t.Fatalf("it has ended and not printed %q", want)
				}
				if printed[got] {
					t.Fatalf("it has printed %q twice", got)
				}
				printed[got] = true
			case <-ctx.Done():
				t.Fatalf("it has not printed %q", want)
			}
		}
	}
	hear("Alice: Hello")
	call(ctx, t, s, s.HTTP+"/v1/apps/"+s.App+"/meetings/"+meeting+"/messages", fmt.Sprintf(`{"text":"to %s","sender_name":"Helper"}`, b.language))
	hear("Helper: to " + b.language)
}

// mustBeJSON is for what is not run.
func (b block) mustBeJSON(t *testing.T) {
	t.Helper()
	if b.language != "json" {
		t.Errorf("%s: nothing runs %q", b.at, b.language)
	} else if !json.Valid([]byte(b.code)) {
		t.Errorf("%s is no JSON", b.at)
	}
}

// shell makes a folder for commands to run in, with variables to begin with.
func (s server) shell(t *testing.T, more string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	initial := fmt.Sprintf("PARLEY_URL=%s ACCOUNT_ID=%s APP_ID=%s API_TOKEN=%s %s\n", s.HTTP, s.Account, s.App, s.Token, more)
	if err := os.WriteFile(filepath.Join(dir, "variables"), []byte(initial), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shell runs commands with the variables that those before have left.
func shell(ctx context.Context, t *testing.T, dir, at, code string) string {
	t.Helper()
	script := "set -euo pipefail\nsource variables\n" + code +
		"\ndeclare -p PARLEY_URL ACCOUNT_ID APP_ID API_TOKEN API MEETING TOKEN SESSION LINK CHAT MESSAGE > left 2>/dev/null || true\nmv left variables\n"
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", at, err, out, &complaints)
	}
	return string(out)
}

// runners are how a program in each language is run.
var runners = map[string]struct {
	file    string
	command []string
}{
	"go":     {"main.go", []string{"go", "run"}},
	"js":     {"program.mjs", []string{"node"}},
	"python": {"program.py", []string{"python3"}},
}

// run runs the program of a block and gives the lines that it prints.
func (b block) run(ctx context.Context, t *testing.T, environment ...string) <-chan string {
	t.Helper()
	runner := runners[b.language]
	path := filepath.Join(t.TempDir(), runner.file)
	if err := os.WriteFile(path, []byte(b.code), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, runner.command[0], append(runner.command[1:], path)...)
	cmd.Env = append(os.Environ(), environment...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	t.Cleanup(func() { // by then it has ended: what start asks for is done before
		if t.Failed() {
			t.Logf("it complained: %s", &complaints)
		}
	})
	return start(t, cmd)
}

func TestTheReceiversOfThePageOfWebhooksBelieveWhatIsSigned(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*peer.Timeout)
	defer cancel()
	s := serve(ctx, t)
	ran := make(map[string]bool)
	for _, b := range blocks(t, "webhooks.md") {
		if _, known := runners[b.language]; !known {
			b.mustBeJSON(t)
			continue
		}
		ran[b.language] = true
		t.Run(b.language, func(t *testing.T) { receive(ctx, t, s, b) })
	}
	if len(ran) != len(runners) {
		t.Errorf("only %v are there", ran)
	}
}

// receive runs a receiver, tells it of a session, and of one that never was.
func receive(ctx context.Context, t *testing.T, s server, b block) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	free.Close()
	events := b.run(ctx, t, "PORT="+port, "PARLEY_URL="+s.HTTP)
	hook := "http://" + address + "/hook"
	for post(ctx, t, hook, "", []byte(`{"event":"forged"}`)) == 0 {
		if ctx.Err() != nil {
			t.Fatal("the receiver does not listen")
		}
	}
	if status := post(ctx, t, hook, "", []byte(`{"event":"forged"}`)); status != http.StatusUnauthorized {
		t.Errorf("what is not signed is answered %d", status)
	}

	api := s.HTTP + "/client/v4/accounts/" + s.Account + "/realtime/kit/" + s.App
	call(ctx, t, s, api+"/webhooks", fmt.Sprintf(`{"name":%q,"url":%q,"events":["meeting.started","meeting.ended","meeting.chatSynced"]}`, b.language, hook))
	meeting := call(ctx, t, s, api+"/meetings", `{"title":"Receivers"}`).ID
	token := call(ctx, t, s, api+"/meetings/"+meeting+"/participants", `{"custom_participant_id":"u","preset_name":"group_call_host"}`).Token
	attend(ctx, t, s, meeting, token)
	call(ctx, t, s, api+"/meetings/"+meeting+"/active-session/kick-all", "")
	for _, want := range []string{"meeting.started", "meeting.ended", "meeting.chatSynced"} {
		select {
		case got := <-events:
			if got != want {
				t.Fatalf("it was told %q, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("it was not told %s", want)
		}
	}
}

// post sends what is no delivery, and gives the status, 0 for no answer.
func post(ctx context.Context, t *testing.T, to, token string, body []byte) int {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Rtk-Signature", "bm9uc2Vuc2U=")
	r.Header.Set("Authorization", token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

type made struct{ ID, Token string }

func call(ctx context.Context, t *testing.T, s server, to, body string) made {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode > 299 {
		t.Fatalf("%s: %d %s %v", to, answer.StatusCode, raw, err)
	}
	var envelope struct{ Data made }
	if err := json.Unmarshal(raw, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Data
}
