package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/server"
)

// parley runs a command line and gives what it prints.
func parley(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c cli
	command, err := newParser(&c, kong.Exit(func(int) { t.Fatal("usage") })).Parse(args)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	command.BindTo(t.Context(), (*context.Context)(nil))
	command.BindTo(&out, (*io.Writer)(nil))
	err = command.Run(slog.New(slog.DiscardHandler))
	return out.String(), err
}

func TestTokensAreManagedWhileAServerRuns(t *testing.T) {
	dir := t.TempDir()
	s, err := server.New(t.Context(), server.Config{
		Dir: dir, PublicURL: "https://api.example.com", ICEAddr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	printed := mustRun(t, "token", "create", "--data", dir, "--json", "--scope", "read,private.read", "a dashboard")
	var made keyLine
	if err := json.Unmarshal([]byte(printed), &made); err != nil {
		t.Fatal(err)
	}
	key, err := s.Keys.Check(t.Context(), made.Token)
	if err != nil || key.ID != made.ID || key.App != "" || !key.May(auth.PrivateRead) || key.May(auth.Admin) {
		t.Errorf("the server knows the token as %+v, %v", key, err)
	}
	listed := mustRun(t, "token", "list", "--data", dir)
	if !strings.Contains(listed, made.ID) || !strings.Contains(listed, "read,private.read") || strings.Contains(listed, made.Token) {
		t.Errorf("listed\n%s", listed)
	}
	mustRun(t, "token", "revoke", "--data", dir, made.ID)
	if _, err := s.Keys.Check(t.Context(), made.Token); err == nil {
		t.Error("the revoked token is still good")
	}
	if _, err := parley(t, "token", "revoke", "--data", dir, made.ID); err == nil {
		t.Error("a token can be revoked twice")
	}
	if _, err := parley(t, "token", "create", "--data", dir, "--app", "00000000-0000-4000-8000-000000000000", "x"); err == nil {
		t.Error("a token was made for an unknown app")
	}
}

func TestTokensNeedData(t *testing.T) {
	dir := t.TempDir()
	if _, err := parley(t, "token", "list", "--data", dir); err == nil {
		t.Error("there is a list of nothing")
	}
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := parley(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
