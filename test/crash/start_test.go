package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/test/peer"
)

// closedForRestart is the close code that tells peers to come back.
const closedForRestart = 1012

func TestSigtermSendsPeersAwayAndLosesNothing(t *testing.T) {
	random := seeded(t)
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	w := newWorld(ctx, t, random, t.TempDir())
	w.enter(ctx)
	quiet := w.listen(ctx)
	w.demand(w.strike(ctx, func() {
		if code := w.child.end(ctx, t, syscall.SIGTERM); code != 0 {
			t.Errorf("the server stopped with exit code %d", code)
		}
		for _, p := range quiet {
			if code, err := p.Closed(ctx); code != closedForRestart || err != nil {
				t.Errorf("a peer was sent away with code %d (%v)", code, err)
			}
		}
	}))
	w.finish(ctx)
}

// listen connects one more peer to each meeting, who says nothing.
func (w *world) listen(ctx context.Context) []*peer.Peer {
	w.Helper()
	var peers []*peer.Peer
	for _, m := range w.meetings {
		p, err := peer.Dial(ctx, w.socket(), m.people[0].token, peer.Options{Meeting: m.id})
		w.must(err)
		w.Cleanup(p.Cut)
		_, err = p.Join(ctx, "")
		w.must(err)
		peers = append(peers, p)
	}
	return peers
}

func TestSecondStartFindsTheSetUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	data := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	first := start(ctx, t, data)
	authority, meeting := readFile(t, first.CAFile), demoMeeting(ctx, t, first)
	if code := first.end(ctx, t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with exit code %d", code)
	}

	second := start(ctx, t, data)
	if second.Account != first.Account || second.App != first.App || second.Token != first.Token {
		t.Errorf("the second start made another app: %+v, before %+v", second.address, first.address)
	}
	if second.CAFile != first.CAFile || !bytes.Equal(readFile(t, second.CAFile), authority) {
		t.Error("the certificate authority is another")
	}
	if again := demoMeeting(ctx, t, second); again != meeting {
		t.Errorf("the demo meeting is %s, before %s", again, meeting)
	}
}

// demoMeeting asks a server for the id of its demo meeting.
func demoMeeting(ctx context.Context, t *testing.T, c *child) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP+"/demo/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var session struct {
		Meeting struct{ ID string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&session); err != nil || session.Meeting.ID == "" {
		t.Fatalf("the demo has no meeting: %s, %v", answer.Status, err)
	}
	return session.Meeting.ID
}

func TestSecondProcessOnADataDirectoryIsRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	data := t.TempDir()
	first := start(ctx, t, data)
	second := launch(t, data)
	if code := second.exitCode(ctx, t); code != 1 {
		t.Errorf("the second process ended with exit code %d, want 1", code)
	}
	if want := "parley: the data directory " + data + " is in use by another parley process\n"; !strings.HasSuffix(second.log.String(), want) {
		t.Errorf("the second process said %q, want %q", second.log.String(), want)
	}
	demoMeeting(ctx, t, first) // it has not been disturbed
}

// readFile reads a small file.
func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
