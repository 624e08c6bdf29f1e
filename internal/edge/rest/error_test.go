package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/edge/rest"
	"github.com/parley-chat/parley/internal/journal"
)

// faulty is a directory whose store fails to make meetings.
type faulty struct {
	*directory.Service
	err error
}

func (d faulty) CreateMeeting(context.Context, chat.AppID, directory.NewMeeting) (directory.Meeting, error) {
	return directory.Meeting{}, fmt.Errorf("creating a meeting: %w", d.err)
}

// logged rebuilds the edge over this directory, with a log of everything.
func (f *fixture) logged(d rest.Directory) *bytes.Buffer {
	f.Helper()
	log := new(bytes.Buffer)
	config := f.config()
	config.Directory = d
	config.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	handler, err := rest.New(config)
	if err != nil {
		f.Fatal(err)
	}
	f.handler = handler
	return log
}

func TestFaultsAreToldWithoutTheirCause(t *testing.T) {
	for _, c := range []struct {
		fault      error
		status     int
		retryAfter string
		logged     bool
	}{
		{errors.New("disk /dev/sda7 is on fire"), http.StatusInternalServerError, "", true},
		{fmt.Errorf("%w: sda7", journal.ErrFull), http.StatusServiceUnavailable, "30", false},
		{fmt.Errorf("%w: sda7", journal.ErrFailed), http.StatusServiceUnavailable, "30", false},
		{fmt.Errorf("%w: sda7", journal.ErrBusy), http.StatusServiceUnavailable, "1", false},
		{&chat.Error{Code: chat.Limited, Message: "slower", RetryAfter: 1500 * time.Millisecond}, http.StatusTooManyRequests, "2", false},
		{fmt.Errorf("%w: sda7", directory.ErrTaken), http.StatusConflict, "", false},
		{&chat.Error{Code: chat.Internal, Message: "sda7"}, http.StatusInternalServerError, "", true},
	} {
		f := start(t)
		log := f.logged(faulty{f.directory, c.fault})
		got := f.call(forms()[0], "POST", "/meetings", "")
		got.refused(c.status)
		if strings.Contains(string(got.raw), "sda7") || got.header.Get("Retry-After") != c.retryAfter {
			t.Errorf("%v: retry after %q: %s", c.fault, got.header.Get("Retry-After"), got.raw)
		}
		if told := strings.Contains(log.String(), "level=ERROR"); told != c.logged {
			t.Errorf("%v: an error is logged: %v, want %v", c.fault, told, c.logged)
		}
		if final := got.header.Get("X-Should-Retry") == "false"; final != (c.status == http.StatusConflict) {
			t.Errorf("%v: told not to retry: %v", c.fault, final)
		}
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	f := start(t)
	log := f.logged(f.directory)
	_, p := f.visitor(host)
	token := text(t, p, "token")
	f.visit("GET", details, token, "")
	f.visit("GET", details, token+"AAAA", "").refused(http.StatusUnauthorized)
	f.visit("GET", "/v2/plugins/user", "hunter2.hunter2.hunter2", "").refused(http.StatusUnauthorized)
	wrong := tenant{App: f.app.App, token: f.app.token + "AAAA"}
	for _, form := range forms() {
		f.send(form.request(wrong, "GET", "/meetings", nil)).refused(http.StatusUnauthorized)
	}
	if !strings.Contains(log.String(), "not let in") {
		t.Fatal("nothing was logged")
	}
	for _, secret := range []string{strings.Split(token, ".")[2], "hunter2", f.app.token, "Zoë", "Standup", "u-42"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}
