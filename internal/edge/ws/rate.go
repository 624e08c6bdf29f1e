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

// What goes beside the chat is limited by the official client to 5 a second,
// stores each for itself. What it evened out may arrive at once.
const (
	signalBurst, signalRate = 10, rate.Limit(5)
	storeBurst, storeRate   = 50, rate.Limit(10)
)

// What is written waits for everybody who has not read it yet, so that one who
// sends much at once could throw others out for being behind. byteBurst is
// therefore well below what may wait for a connection (see package room), and
// what an official client may send in a minute is below what byteRate adds to it.
const (
	byteBurst            = 512 << 10
	byteRate  rate.Limit = 16 << 10
)

// A search of messages reads much, and one a second is more than anybody types.
const findBurst, findRate = 10, rate.Limit(1)

// joinBurst and joinRate limit how often a participant may join by whatever
// peers: each time is told to all and leaves a row.
const joinBurst, joinRate = 60, rate.Limit(1)

// buckets are the limits of one sender: for texts and everything else that is
// small, for images, for files, for broadcasts, for writes to stores, and for
// searches of messages.
type buckets struct{ text, image, file, signal, store, find *rate.Limiter }

func (r *rates) newBuckets(times int) buckets {
	if r.lifted {
		none := rate.NewLimiter(rate.Inf, 0)
		return buckets{none, none, none, none, none, none}
	}
	n := rate.Limit(times)
	return buckets{
		text:  rate.NewLimiter(n*textRate, times*textBurst),
		image: rate.NewLimiter(n*uploadRate, times*uploadBurst),
		file:  rate.NewLimiter(n*uploadRate, times*uploadBurst),

		signal: rate.NewLimiter(n*signalRate, times*signalBurst),
		store:  rate.NewLimiter(n*storeRate, times*storeBurst),
		find:   rate.NewLimiter(n*findRate, times*findBurst),
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

// shared are the limits that all connections of a participant share.
type shared struct {
	buckets
	bytes       *rate.Limiter
	join, knock *rate.Limiter
}

func (s shared) full(now time.Time) bool {
	for _, l := range []*rate.Limiter{s.text, s.image, s.file, s.signal, s.store, s.find, s.bytes, s.join, s.knock} {
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
	known map[chat.ParticipantID]shared
	swept time.Time
	// lifted: nobody is held back, which only benchmarks ask for.
	lifted bool
}

func newRates(now func() time.Time) *rates {
	return &rates{now: now, known: make(map[chat.ParticipantID]shared), swept: now()}
}

// peerRates are the limits of one connection of a participant.
type peerRates struct {
	all         *rates
	participant chat.ParticipantID
	peer        buckets
	asks        *rate.Limiter
}

// of gives the limits for a new connection.
func (r *rates) of(id chat.ParticipantID) *peerRates {
	return &peerRates{all: r, participant: id, peer: r.newBuckets(1), asks: rate.NewLimiter(askRate, askBurst)}
}

// shared gives what all connections of a participant share. It must be asked
// for each time: limits that are full are forgotten, also of those who are
// here.
func (r *rates) shared(id chat.ParticipantID, now time.Time) shared {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		for other, s := range r.known {
			if s.full(now) {
				delete(r.known, other)
			}
		}
	}
	s, ok := r.known[id]
	if !ok {
		bytes := rate.NewLimiter(byteRate, byteBurst)
		if r.lifted {
			bytes = rate.NewLimiter(rate.Inf, 0)
		}
		s = shared{r.newBuckets(tabs), bytes, rate.NewLimiter(joinRate, joinBurst), rate.NewLimiter(knockRate, knockBurst)}
		r.known[id] = s
	}
	return s
}

// rateNames are what the limits of messages are called where they are counted.
var rateNames = map[chat.Kind]string{
	chat.Text: "message_rate", chat.Custom: "message_rate", chat.Image: "image_rate", chat.File: "file_rate",
}

// takeBytes counts what a message is long, or refuses it.
func (r *peerRates) takeBytes(n int) error {
	now := r.all.now()
	l := r.all.shared(r.participant, now).bytes
	if l.AllowN(now, n) {
		return nil
	}
	missing := float64(n) - l.TokensAt(now)
	return &chat.Error{
		Code: chat.Limited, Message: "too much text at once, wait a little", Limit: "message_bytes_rate",
		RetryAfter: time.Duration(missing / float64(byteRate) * float64(time.Second)),
	}
}

// take counts one message, or refuses it.
func (r *peerRates) take(kind chat.Kind) error {
	now := r.all.now()
	shared := r.all.shared(r.participant, now)
	return takeAll(now, rateNames[kind], "too many messages, wait a little", r.peer.of(kind), shared.of(kind))
}

// takeSignal counts one broadcast, or refuses it.
func (r *peerRates) takeSignal() error {
	now := r.all.now()
	return takeAll(now, "broadcast_rate", "too many broadcasts, wait a little", r.peer.signal, r.all.shared(r.participant, now).signal)
}

// takeStore counts one write to a store, or refuses it.
func (r *peerRates) takeStore() error {
	now := r.all.now()
	return takeAll(now, "store_write_rate", "too many writes to stores, wait a little", r.peer.store, r.all.shared(r.participant, now).store)
}

// takeFind counts one search of messages, or refuses it.
func (r *peerRates) takeFind() error {
	now := r.all.now()
	return takeAll(now, "search_rate", "too many searches, wait a little", r.peer.find, r.all.shared(r.participant, now).find)
}

// takeJoin counts one join, or refuses it.
func (r *peerRates) takeJoin() error {
	now := r.all.now()
	return takeAll(now, "join_rate", "you join too often, wait a little", r.all.shared(r.participant, now).join)
}

func takeAll(now time.Time, limit, refusal string, limits ...*rate.Limiter) error {
	for _, l := range limits {
		if !l.AllowN(now, 1) {
			return &chat.Error{
				Code: chat.Limited, Message: refusal, Limit: limit,
				RetryAfter: time.Duration(float64(time.Second) / float64(l.Limit())),
			}
		}
	}
	return nil
}
