package ws

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/chat"
)

// Sending is limited as the official client limits itself, for each peer, and
// three times that for each participant: several tabs are legitimate.
const (
	textBurst, textRate     = 180, rate.Limit(3)
	uploadBurst, uploadRate = 20, rate.Limit(1.0 / 3)
	tabs                    = 3
)

// buckets are the limits of one sender: for texts and everything else that is
// small, for images, for files.
type buckets struct{ text, image, file *rate.Limiter }

func newBuckets(times int) buckets {
	n := rate.Limit(times)
	return buckets{
		text:  rate.NewLimiter(n*textRate, times*textBurst),
		image: rate.NewLimiter(n*uploadRate, times*uploadBurst),
		file:  rate.NewLimiter(n*uploadRate, times*uploadBurst),
	}
}

func (b buckets) of(kind chat.Kind) *rate.Limiter {
	switch kind {
	case chat.Image:
		return b.image
	case chat.File:
		return b.file
	case chat.Text, chat.Custom:
	}
	return b.text
}

func (b buckets) full(now time.Time) bool {
	for _, l := range []*rate.Limiter{b.text, b.image, b.file} {
		if l.TokensAt(now) < float64(l.Burst()) {
			return false
		}
	}
	return true
}

// rates keeps the limits of participants, also while they are away: else
// connecting anew would fill the buckets.
type rates struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[chat.ParticipantID]buckets
	swept time.Time
}

func newRates(now func() time.Time) *rates {
	return &rates{now: now, known: make(map[chat.ParticipantID]buckets), swept: now()}
}

// peerRates are the limits of one connection of a participant.
type peerRates struct {
	now         func() time.Time
	peer        buckets
	participant buckets
}

func (r *rates) of(id chat.ParticipantID) *peerRates {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		for other, b := range r.known {
			if b.full(now) {
				delete(r.known, other)
			}
		}
	}
	b, ok := r.known[id]
	if !ok {
		b = newBuckets(tabs)
		r.known[id] = b
	}
	return &peerRates{now: r.now, peer: newBuckets(1), participant: b}
}

// take counts one message, or refuses it.
func (r *peerRates) take(kind chat.Kind) error {
	now := r.now()
	for _, l := range []*rate.Limiter{r.peer.of(kind), r.participant.of(kind)} {
		if !l.AllowN(now, 1) {
			return &chat.Error{
				Code: chat.Limited, Message: "too many messages, wait a little",
				RetryAfter: time.Duration(float64(time.Second) / float64(l.Limit())),
			}
		}
	}
	return nil
}
