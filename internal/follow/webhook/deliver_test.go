package webhook_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/follow/webhook"
)

// queue is a queue in memory, with the rules of Queue; the engines have a suite
// of their own.
type queue struct {
	mu      sync.Mutex
	rows    []*row
	gone    []webhook.ID
	changed chan struct{}
}

type row struct {
	webhook.Delivery
	due, leased time.Time
	settled     bool
	outcomes    []webhook.Outcome
}

func newQueue(deliveries ...webhook.Delivery) *queue {
	q := &queue{changed: make(chan struct{}, 1)}
	for _, d := range deliveries {
		q.rows = append(q.rows, &row{Delivery: d})
	}
	return q
}

func (q *queue) Take(_ context.Context, now, until time.Time, limit int) ([]webhook.Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	busy := make(map[webhook.ID]bool)
	for _, r := range q.rows {
		busy[r.Webhook] = busy[r.Webhook] || r.leased.After(now)
	}
	var taken []webhook.Delivery
	for _, r := range q.rows {
		if len(taken) < limit && !r.settled && !r.due.After(now) && !busy[r.Webhook] && !slices.Contains(q.gone, r.Webhook) {
			r.leased = until
			taken = append(taken, r.Delivery)
		}
	}
	return taken, nil
}

func (q *queue) Settle(_ context.Context, outcomes []webhook.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range outcomes {
		for _, r := range q.rows {
			if r.ID != o.ID {
				continue
			}
			r.leased = time.Time{}
			if !o.Tried {
				continue
			}
			r.outcomes = append(r.outcomes, o)
			r.Attempts++
			r.due, r.settled = o.Next, o.Next.IsZero()
			if o.Gone {
				q.gone = append(q.gone, r.Webhook)
			}
		}
	}
	select {
	case q.changed <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) Forget(context.Context, time.Time) error { return nil }

// outcomes waits until a delivery has been tried a number of times.
func (q *queue) outcomes(t *testing.T, id string, n int) []webhook.Outcome {
	t.Helper()
	for {
		q.mu.Lock()
		for _, r := range q.rows {
			if r.ID == id && len(r.outcomes) >= n {
				defer q.mu.Unlock()
				return slices.Clone(r.outcomes)
			}
		}
		q.mu.Unlock()
		select {
		case <-q.changed:
		case <-t.Context().Done():
			t.Fatalf("%s was not tried %d times", id, n)
		}
	}
}

var loopback = webhook.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

var signer = sync.OnceValue(func() *webhook.Signer {
	key, err := webhook.NewSigningKey()
	if err != nil {
		panic(err)
	}
	return webhook.NewSigner(func(context.Context) ([]byte, error) { return key, nil })
})

// run runs a courier over the queue for as long as the test lasts.
func run(t *testing.T, q *queue, change func(*webhook.CourierConfig)) *webhook.Courier {
	t.Helper()
	config := webhook.CourierConfig{Queue: q, Signer: signer(), Guard: loopback}
	if change != nil {
		change(&config)
	}
	c := webhook.NewCourier(config)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return c
}

// endpoint answers what handle answers, and notes the requests.
func endpoint(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

func TestADeliveryIsSignedAndNamed(t *testing.T) {
	body := []byte(`{"event":"meeting.started","title":"é <&> \u2028"}`)
	type request struct {
		header http.Header
		body   []byte
		method string
	}
	requests := make(chan request, 1)
	url := endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		requests <- request{r.Header, raw, r.Method}
	})
	q := newQueue(webhook.Delivery{ID: "d-1", Webhook: "w-1", URL: url, Event: webhook.MeetingStarted, Body: body})
	c := run(t, q, nil)
	got := <-requests
	if got.method != "POST" || string(got.body) != string(body) || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %q of type %q", got.method, got.body, got.header.Get("Content-Type"))
	}
	for _, generation := range []string{"rtk", "dyte"} {
		if got.header.Get(generation+"-uuid") != "d-1" || got.header.Get(generation+"-webhook-id") != "w-1" {
			t.Errorf("headers %v", got.header)
		}
		signature, err := base64.StdEncoding.DecodeString(got.header.Get(generation + "-signature"))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if err := rsa.VerifyPKCS1v15(publicKey(t), crypto.SHA256, sum[:], signature); err != nil {
			t.Error(err)
		}
	}
	o := q.outcomes(t, "d-1", 1)[0]
	if !o.Delivered || o.Status != 200 || !o.Next.IsZero() || c.Delivered.Load() != 1 {
		t.Errorf("outcome %+v", o)
	}
}

// publicKey fetches the key as receivers do.
func publicKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	w := httptest.NewRecorder()
	signer().ServeHTTP(w, httptest.NewRequest("GET", webhook.KeyPath, nil))
	var answer struct {
		Success bool
		Data    struct{ PublicKey string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || !answer.Success {
		t.Fatalf("%s, %v", w.Body, err)
	}
	block, _ := pem.Decode([]byte(answer.Data.PublicKey))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PublicKey)
}

func TestWhatIsTriedAgainAndWhatNot(t *testing.T) {
	for status, want := range map[int]struct{ again, gone bool }{
		200: {}, 204: {}, 299: {}, 301: {}, 302: {}, 400: {}, 401: {}, 404: {}, 409: {},
		408: {again: true}, 429: {again: true}, 500: {again: true}, 503: {again: true}, 410: {gone: true},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					t.Error("a redirect was followed")
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			})
			q := newQueue(webhook.Delivery{ID: "d", Webhook: "w", URL: url, Body: []byte("{}")})
			run(t, q, nil)
			o := q.outcomes(t, "d", 1)[0]
			if o.Status != status || o.Delivered != (status < 300) || !o.Next.IsZero() != want.again || o.Gone != want.gone {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestAnEndpointMaySayWhenToComeBack(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	q := newQueue(webhook.Delivery{ID: "d", Webhook: "w", URL: url, Body: []byte("{}")})
	run(t, q, nil)
	o := q.outcomes(t, "d", 1)[0]
	if wait := o.Next.Sub(o.At); wait < time.Hour || wait > time.Hour+time.Minute {
		t.Errorf("the next attempt is in %s", wait)
	}
}

func TestPrivateAddressesAreNeverCalled(t *testing.T) {
	called := make(chan struct{}, 1)
	url := endpoint(t, func(http.ResponseWriter, *http.Request) { called <- struct{}{} })
	q := newQueue(webhook.Delivery{ID: "d", Webhook: "w", URL: url, Body: []byte("{}")})
	run(t, q, func(c *webhook.CourierConfig) { c.Guard = webhook.Guard{} })
	o := q.outcomes(t, "d", 1)[0]
	if o.Delivered || !o.Next.IsZero() || o.Status != 0 || o.Reason != webhook.ErrForbidden.Error() {
		t.Errorf("%+v", o)
	}
	select {
	case <-called:
		t.Error("the endpoint was called")
	default:
	}
}

func TestOneWebhookIsToldInOrderAndOneAtATime(t *testing.T) {
	var mu sync.Mutex
	var told []string
	busy := false
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Rtk-Uuid")
		mu.Lock()
		defer mu.Unlock()
		if busy {
			t.Error("two deliveries at once")
		}
		busy = true
		told = append(told, id)
		busy = false
		if id == "d-02" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	q := newQueue()
	var want []string
	for i := range 40 {
		id := fmt.Sprintf("d-%02d", i)
		want = append(want, id)
		q.rows = append(q.rows, &row{Delivery: webhook.Delivery{ID: id, Webhook: "w", URL: url, Body: []byte("{}")}})
	}
	run(t, q, nil)
	q.outcomes(t, "d-39", 1)
	if !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	if o := q.outcomes(t, "d-02", 1)[0]; o.Next.IsZero() {
		t.Error("the one that failed is not tried again")
	}
}

func TestASlowEndpointHoldsUpNobodyElse(t *testing.T) {
	release := make(chan struct{})
	slow := endpoint(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	fast := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	q := newQueue(
		webhook.Delivery{ID: "slow", Webhook: "w-1", URL: slow, Body: []byte("{}")},
		webhook.Delivery{ID: "fast", Webhook: "w-2", URL: fast, Body: []byte("{}")},
	)
	run(t, q, func(c *webhook.CourierConfig) { c.Timeout = time.Minute })
	q.outcomes(t, "fast", 1)
}

func TestAnEndpointThatDoesNotAnswerIsTriedAgain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	q := newQueue(webhook.Delivery{ID: "d", Webhook: "w", URL: "http://" + listener.Addr().String() + "/?secret=1", Body: []byte("{}")})
	run(t, q, func(c *webhook.CourierConfig) { c.Timeout = 50 * time.Millisecond })
	o := q.outcomes(t, "d", 1)[0]
	if o.Delivered || o.Next.IsZero() || o.Status != 0 || o.Reason != "the endpoint did not answer in time" {
		t.Errorf("%+v", o)
	}
}

func TestTenAttemptsAreMadeOverThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(webhook.Delivery{ID: "d", Webhook: "w", URL: "http://127.0.0.1:1/", Body: []byte("{}")})
		begun := time.Now()
		c := run(t, q, nil)
		outcomes := q.outcomes(t, "d", webhook.MaxAttempts)
		if len(outcomes) != 10 || !outcomes[9].Next.IsZero() || outcomes[8].Next.IsZero() {
			t.Errorf("outcomes %+v", outcomes)
		}
		if took := outcomes[9].At.Sub(begun); took < 72*time.Hour || took > 96*time.Hour {
			t.Errorf("the last attempt came after %s", took)
		}
		if c.Retried.Load() != 9 || c.Failed.Load() != 1 {
			t.Errorf("%d retried, %d failed", c.Retried.Load(), c.Failed.Load())
		}
	})
}
