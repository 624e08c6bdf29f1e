package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	// ID is the same in all attempts, so that receivers can tell repeats.
	ID      string
	Webhook ID
	URL     string
	Event   Event
	Body    []byte
	// Attempts counts those made before this one.
	Attempts int
}

// Outcome is what has become of a delivery.
type Outcome struct {
	ID string
	// Tried is false for a delivery that is given back as it was taken.
	Tried bool
	// At is the time of the attempt, Status the answer's, 0 if there was none,
	// and Reason why it was no success, in a few words without the URL.
	At     time.Time
	Status int
	Reason string
	// Next is when to try again; zero when this was the last attempt.
	Next time.Time
	// Delivered says that the receiver has it.
	Delivered bool
	// Gone says that the receiver wants no more: the webhook is disabled.
	Gone bool
}

// Queue keeps deliveries. They are put into it by whoever stores what has
// happened, in the same transaction.
type Queue interface {
	// Take leases deliveries that are due at now until a later time, at most
	// limit, oldest first for each webhook. It passes over webhooks that are
	// disabled, and those of whose deliveries another lease still runs: so the
	// deliveries of one webhook are made one after the other.
	Take(ctx context.Context, now, until time.Time, limit int) ([]Delivery, error)
	// Settle ends leases with what has become of the deliveries.
	Settle(context.Context, []Outcome) error
	// Forget drops what happened before a time, whatever has become of it:
	// what still waits then is for a webhook that is disabled.
	Forget(ctx context.Context, before time.Time) error
}

// The times of delivering.
const (
	// DefaultTimeout is how long an endpoint has to answer.
	DefaultTimeout = 10 * time.Second
	// Kept is how long deliveries are kept, and so what has become of them.
	Kept = 30 * 24 * time.Hour

	lease     = 2 * time.Minute
	pollEvery = time.Second
	batch     = 256
	// parallel is how many webhooks are called at the same time.
	parallel = 32
	// longestWait bounds what an endpoint may ask for by Retry-After.
	longestWait = 24 * time.Hour
	maxAnswer   = 16 << 10
)

// delays are the times between attempts: ten attempts over three days.
var delays = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxAttempts is how often a delivery is tried.
const MaxAttempts = 10

// Courier delivers what the queue holds. Make it with NewCourier.
type Courier struct {
	queue  Queue
	signer *Signer
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{}

	// Delivered, Retried and Failed count attempts by their outcome.
	Delivered, Retried, Failed atomic.Uint64
}

// CourierConfig is what a Courier is made of. Queue and Signer must be set.
type CourierConfig struct {
	Queue  Queue
	Signer *Signer
	Guard  Guard
	// Timeout is how long an endpoint has to answer. Default DefaultTimeout.
	Timeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger. Default: nothing is logged.
	Logger *slog.Logger
}

// NewCourier makes a courier. Start its Run.
func NewCourier(c CourierConfig) *Courier {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{Timeout: c.Timeout, Control: c.Guard.Control}
	return &Courier{
		queue: c.Queue, signer: c.Signer, now: c.Now, log: c.Logger, wake: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: c.Timeout,
			// No proxy: it would connect in our place, to whatever address.
			Transport: &http.Transport{
				DialContext: dialer.DialContext, TLSHandshakeTimeout: c.Timeout, ForceAttemptHTTP2: true,
				MaxIdleConns: 100, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
				DisableCompression: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Wake makes the courier look into the queue at once, instead of within a
// second. It never blocks.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends. Deliveries under way then are tried again after
// the next start: receivers may get them twice.
func (c *Courier) Run(ctx context.Context) {
	defer c.client.CloseIdleConnections()
	slots := make(chan struct{}, parallel)
	var work sync.WaitGroup
	defer work.Wait()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var forgot time.Time
	for {
		full := c.round(ctx, slots, &work)
		if now := c.now(); now.Sub(forgot) > time.Hour {
			forgot = now
			if err := c.queue.Forget(ctx, now.Add(-Kept)); err != nil && ctx.Err() == nil {
				c.log.Error("old deliveries of webhooks could not be dropped", "err", err)
			}
		}
		if full && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-tick.C:
		}
	}
}

// round takes what is due and hands it to goroutines, one for each webhook. It
// tells whether there may be more.
func (c *Courier) round(ctx context.Context, slots chan struct{}, work *sync.WaitGroup) bool {
	now := c.now()
	due, err := c.queue.Take(ctx, now, now.Add(lease), batch)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Error("the deliveries of webhooks cannot be read", "err", err)
		}
		return false
	}
	byWebhook := make(map[ID][]Delivery)
	for _, d := range due {
		byWebhook[d.Webhook] = append(byWebhook[d.Webhook], d)
	}
	for _, deliveries := range byWebhook {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots; c.Wake() }()
			c.deliverAll(ctx, deliveries, now.Add(lease))
		})
	}
	return len(due) == batch
}

// deliverAll makes the deliveries of one webhook in their order, as far as the
// lease lasts and the endpoint answers at all: one that does not would keep the
// others of this lease waiting, each for as long as the endpoint may take.
func (c *Courier) deliverAll(ctx context.Context, deliveries []Delivery, until time.Time) {
	outcomes := make([]Outcome, 0, len(deliveries))
	for i, d := range deliveries {
		if ctx.Err() != nil || c.now().Add(c.client.Timeout).After(until) || silent(outcomes) {
			for _, rest := range deliveries[i:] {
				outcomes = append(outcomes, Outcome{ID: rest.ID})
			}
			break
		}
		outcomes = append(outcomes, c.attempt(ctx, d))
	}
	// What has been delivered has to be noted also when the server stops now.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.client.Timeout)
	defer cancel()
	if err := c.queue.Settle(settling, outcomes); err != nil {
		c.log.Error("what has become of deliveries could not be stored; they are made again", "webhook", deliveries[0].Webhook, "err", err)
	}
}

// silent tells whether the last attempt got no answer.
func silent(outcomes []Outcome) bool {
	if len(outcomes) == 0 {
		return false
	}
	last := outcomes[len(outcomes)-1]
	return last.Tried && !last.Delivered && last.Status == 0
}

func (c *Courier) attempt(ctx context.Context, d Delivery) Outcome {
	o := Outcome{ID: d.ID, Tried: true, At: c.now()}
	status, wait, err := c.post(ctx, d)
	o.Status = status
	switch {
	case err != nil && ctx.Err() != nil: // the server stops
		return Outcome{ID: d.ID}
	case err != nil:
		o.Reason = reasonOf(err)
	case status >= 200 && status <= 299:
		o.Delivered = true
		c.Delivered.Add(1)
		return o
	default:
		o.Reason = fmt.Sprintf("the endpoint answered %d", status)
		o.Gone = status == http.StatusGone
	}
	if !worthRetrying(status, err) || d.Attempts+1 >= MaxAttempts {
		c.Failed.Add(1)
		c.log.Warn("a delivery to a webhook has failed for good", "webhook", d.Webhook, "delivery", d.ID, "event", d.Event, "reason", o.Reason)
		return o
	}
	c.Retried.Add(1)
	o.Next = c.now().Add(max(wait, jittered(delays[d.Attempts])))
	return o
}

// worthRetrying tells whether an endpoint may answer otherwise later. A status
// of 0 stands for no answer.
func worthRetrying(status int, err error) bool {
	switch {
	case errors.Is(err, ErrForbidden):
		return false
	case err != nil:
		return true
	}
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// jittered spreads deliveries that have failed together.
func jittered(d time.Duration) time.Duration {
	const tenth = 10
	return d + rand.N(d/tenth+1) //nolint:gosec // nobody gains from guessing it
}

// post makes one attempt and gives the status of the answer, and how long the
// endpoint wants to be left alone.
func (c *Courier) post(ctx context.Context, d Delivery) (status int, wait time.Duration, err error) {
	signature, err := c.signer.Sign(ctx, d.Body)
	if err != nil {
		return 0, 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Parley-Webhooks/1")
	// Both generations of receivers find the headers by their own names.
	for _, generation := range []string{"rtk", "dyte"} {
		r.Header.Set(generation+"-signature", signature)
		r.Header.Set(generation+"-uuid", d.ID)
		r.Header.Set(generation+"-webhook-id", string(d.Webhook))
	}
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	// Read to its end, an answer leaves the connection fit for the next.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		wait = min(time.Duration(seconds)*time.Second, longestWait)
	}
	return answer.StatusCode, wait, nil
}

// reasonOf tells an error without the URL, which may hold secrets.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return "the endpoint did not answer in time"
		}
		err = e.Err
	}
	if errors.Is(err, ErrForbidden) {
		return ErrForbidden.Error()
	}
	text := err.Error()
	const longest = 200
	return text[:min(len(text), longest)]
}
