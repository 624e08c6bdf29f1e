package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/test/logs"
	"github.com/parley-chat/parley/test/shipped"
)

// server is the real binary in a process of its own.
type server struct {
	cmd *exec.Cmd
	log bytes.Buffer

	HTTP  string `json:"http_url"`
	REST  string `json:"rest_url"`
	App   string `json:"app_id"`
	Owner string `json:"account_id"`
	Token string `json:"api_token"`
}

// start builds the server and starts it on free ports.
func start(ctx context.Context, dir string) (*server, error) {
	binary, err := shipped.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, binary, "dev", "--json", "--data", filepath.Join(dir, "data"), "--http-port", "0", "--https-port", "0", "--log-level", "debug")}
	s.cmd.Stderr = io.MultiWriter(&s.log, logs.Writer("slow"))
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not start: %w", err), s.stop())
	}
	return s, nil
}

// stop demands that it ends in order.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended with %w\n%s", err, s.log.String())
	}
	return nil
}

func (s *server) socket() string { return "ws" + strings.TrimPrefix(s.HTTP, "http") }

// meeting is one, with the tokens of its people.
type meeting struct {
	id     string
	tokens []string
}

func (s *server) invite(ctx context.Context, people int) (meeting, error) {
	var made struct {
		Data struct{ ID, Token string }
	}
	meetings := s.REST + "/accounts/" + s.Owner + "/realtime/kit/" + s.App + "/meetings"
	if err := s.post(ctx, meetings, map[string]string{"title": "Slow"}, &made); err != nil {
		return meeting{}, err
	}
	m := meeting{id: made.Data.ID}
	for i := range people {
		name := fmt.Sprintf("Patient %d", i)
		wish := map[string]string{"name": name, "preset_name": "group_call_participant", "custom_participant_id": name}
		if err := s.post(ctx, meetings+"/"+m.id+"/participants", wish, &made); err != nil {
			return meeting{}, err
		}
		m.tokens = append(m.tokens, made.Data.Token)
	}
	return m, nil
}

func (s *server) post(ctx context.Context, to string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		said, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("POST %s was answered %s: %s", r.URL.Path, answer.Status, said)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// open counts the connections that the server has open on its plain port. It
// asks the kernel, which neither side can mislead.
func (s *server) open() (int, error) {
	u, err := url.Parse(s.HTTP)
	if err != nil {
		return 0, err
	}
	var port int
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		return 0, err
	}
	local, established := fmt.Sprintf(":%04X", port), "01"
	n := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		for line := range strings.Lines(string(raw)) {
			fields := strings.Fields(line)
			if len(fields) > 3 && strings.HasSuffix(fields[1], local) && fields[3] == established {
				n++
			}
		}
	}
	return n, nil
}

// awaitOpen waits until so many are open.
func (s *server) awaitOpen(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := s.open()
		if err != nil || open >= n {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d slow connections are open", open, n)
		}
	}
}
