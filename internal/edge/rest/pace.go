package rest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many requests one API key may make: as many at once as the official API
// takes in five minutes, and in the long run more than it takes.
const (
	requestBurst = 3500
	requestRate  = 50
)

// pace limits the requests of each API key.
type pace struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[string]*rate.Limiter
	swept time.Time
}

func newPace(now func() time.Time) *pace {
	return &pace{now: now, known: make(map[string]*rate.Limiter), swept: now()}
}

// take counts a request, or tells how long to wait before the next.
func (p *pace) take(key string) time.Duration {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.swept) > time.Minute {
		p.swept = now
		for other, l := range p.known {
			if l.TokensAt(now) >= requestBurst {
				delete(p.known, other)
			}
		}
	}
	l := p.known[key]
	if l == nil {
		l = rate.NewLimiter(requestRate, requestBurst)
		p.known[key] = l
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) / requestRate * float64(time.Second))
}
