package clients_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/cloudflare/cloudflare-go/v7/realtime_kit"
)

// A client that asks too much is told for how long to wait, waits so long by
// itself, and then has what it asked for.
func TestTheOfficialGoClientWaitsWhenItIsToldTo(t *testing.T) {
	w := newWorld(t, serve(t), forms[0])
	const burst, asking = 3500, 16
	transport := &http.Transport{MaxIdleConnsPerHost: asking}
	defer transport.CloseIdleConnections()
	var all sync.WaitGroup
	for range asking {
		all.Go(func() {
			for range burst / asking {
				r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.origin()+"/v2/meetings/x", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.SetBasicAuth(w.app, w.token)
				answer, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
			}
		})
	}
	all.Wait()
	// What has come back meanwhile is taken, too.
	for {
		_, err := w.try("Meetings.Get", nil)
		if refusal, ok := errors.AsType[*realtime_kit.Error](err); ok {
			if refusal.StatusCode != http.StatusTooManyRequests || refusal.Errors[0].Message == "" {
				t.Fatal(err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.retries = 2
	if _, err := w.try("Meetings.Get", nil); err != nil {
		t.Error(err)
	}
	if got := w.statuses(); !slices.Equal(got, []int{http.StatusOK}) && !slices.Equal(got, []int{http.StatusTooManyRequests, http.StatusOK}) {
		t.Errorf("answered %v", got)
	}
}
