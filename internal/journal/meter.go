package journal

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/chat"
)

// meter holds one token bucket for each busy meeting. It keeps the meetings'
// time from running ahead of the clock: entries get unique milliseconds.
type meter struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[chat.MeetingID]*rate.Limiter
	swept   time.Time
}

func newMeter(l Limits, now func() time.Time) *meter {
	m := &meter{limit: rate.Limit(l.Rate), burst: l.Burst, now: now, buckets: make(map[chat.MeetingID]*rate.Limiter)}
	if l.Rate == 0 {
		m.limit = DefaultRate
	}
	if l.Rate < 0 {
		m.limit = rate.Inf
	}
	if m.burst <= 0 {
		m.burst = DefaultBurst
	}
	return m
}

// take counts one entry and gives 0, or how long the meeting has to wait.
func (m *meter) take(id chat.MeetingID) time.Duration {
	if m.limit == rate.Inf {
		return 0
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	bucket := m.buckets[id]
	if bucket == nil {
		bucket = rate.NewLimiter(m.limit, m.burst)
		m.buckets[id] = bucket
	}
	if bucket.AllowN(now, 1) {
		return 0
	}
	return max(time.Duration(float64(time.Second)/float64(m.limit)), time.Millisecond)
}

// sweep forgets, once a minute, the meetings whose bucket is full again.
func (m *meter) sweep(now time.Time) {
	if now.Sub(m.swept) < time.Minute {
		return
	}
	m.swept = now
	for id, bucket := range m.buckets {
		if bucket.TokensAt(now) >= float64(m.burst) {
			delete(m.buckets, id)
		}
	}
}
