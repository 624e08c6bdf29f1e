package upload

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley/internal/chat"
)

// limits bounds what one participant may ask for and send at a time. It is
// of this process; what must hold beyond it (MaxUnused) is the store's.
type limits struct {
	mu      sync.Mutex
	buckets map[chat.ParticipantID]*rate.Limiter
	swept   time.Time
	putting map[chat.ParticipantID]int
}

func newLimits() *limits {
	return &limits{buckets: make(map[chat.ParticipantID]*rate.Limiter), putting: make(map[chat.ParticipantID]int)}
}

// ask counts one upload asked for and gives 0, or how long to wait.
func (l *limits) ask(who chat.ParticipantID, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	bucket := l.buckets[who]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(PerMinute)/60, PerMinute)
		l.buckets[who] = bucket
	}
	r := bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// sweep forgets, once a minute, the participants whose bucket is full again.
func (l *limits) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for who, bucket := range l.buckets {
		if bucket.TokensAt(now) >= PerMinute {
			delete(l.buckets, who)
		}
	}
}

// enter counts a body that is being sent; false if there are too many. After
// true, leave must be called.
func (l *limits) enter(who chat.ParticipantID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.putting[who] >= MaxPuts {
		return false
	}
	l.putting[who]++
	return true
}

func (l *limits) leave(who chat.ParticipantID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.putting[who]--; l.putting[who] == 0 {
		delete(l.putting, who)
	}
}
