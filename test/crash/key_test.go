package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// sendByAPI has the app send a message under a key, which is its text, too; the
// error tells that there was no answer.
func (w *world) sendByAPI(ctx context.Context, to, key string) (id string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(`{"text":"`+key+`"}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+w.child.Token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer got.Body.Close()
	var answer struct{ Data struct{ ID string } }
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		return "", err
	}
	if got.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("status %d", got.StatusCode)
	}
	return answer.Data.ID, nil
}

func TestKill9BetweenSendAndAnswerMakesNoMessageTwice(t *testing.T) {
	random := seeded(t)
	ctx, cancel := context.WithTimeout(t.Context(), roundTimeout)
	defer cancel()
	w := newWorld(ctx, t, random, t.TempDir())
	w.enter(ctx)
	messages := func() string {
		return fmt.Sprintf("%s/v1/apps/%s/meetings/%s/messages", w.child.HTTP, w.child.App, w.meetings[0].id)
	}
	answered := make(map[string]string) // by key; "" for no answer
	for round := range rounds(20, 3) {
		var mu sync.Mutex
		var sending sync.WaitGroup
		enough, to := make(chan struct{}), messages()
		var once sync.Once
		blow := 5 + random.IntN(100)
		for sender := range 4 {
			sending.Go(func() {
				for n := 0; ; n++ {
					key := fmt.Sprintf("key %d %d %d", round, sender, n)
					id, err := w.sendByAPI(ctx, to, key)
					mu.Lock()
					answered[key] = id
					if len(answered) >= blow+round*100 {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		select {
		case <-enough:
		case <-ctx.Done():
			t.Fatal("the senders do not get on")
		}
		w.child.end(ctx, t, syscall.SIGKILL)
		sending.Wait()
		w.hangUp()
		w.start(ctx)
		w.enter(ctx)
		for key, before := range answered {
			id, err := w.sendByAPI(ctx, messages(), key)
			if err != nil || (before != "" && id != before) {
				t.Errorf("%s was answered as %q, and repeated as %q, %v", key, before, id, err)
			}
			answered[key] = id
		}
	}
	seen := make(map[string]int)
	for after := "order=asc"; ; {
		raw, err := w.do(ctx, http.MethodGet, messages()+"?limit=200&"+after, w.child.Token, nil)
		w.must(err)
		var page struct {
			Data   []struct{ ID, Text string }
			Paging struct {
				After string
				More  bool
			}
		}
		w.must(json.Unmarshal(raw, &page))
		for _, m := range page.Data {
			if seen[m.Text]++; answered[m.Text] != m.ID {
				t.Errorf("%q is %s, and was answered as %s", m.Text, m.ID, answered[m.Text])
			}
		}
		if !page.Paging.More {
			break
		}
		after = "after=" + page.Paging.After
	}
	for key := range answered {
		if seen[key] != 1 {
			t.Errorf("%q is there %d times", key, seen[key])
		}
	}
	t.Logf("%d keys", len(answered))
}
