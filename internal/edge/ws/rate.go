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

// limit is something that a peer, or a participant, may do so and so often.
type limit int

const (
	textLimit   limit = iota // texts and everything else that is small
	imageLimit               // images
	fileLimit                // files
	signalLimit              // broadcasts
	storeLimit               // writes to stores
	findLimit                // searches of messages
	askLimit                 // asking about others, for a connection alone
	byteLimit                // what messages are long, for a participant alone
	joinLimit                // joins, for a participant alone
	knockLimit               // beginnings to wait, for a participant alone
	limitCount
)

const (
	bothLimits         = askLimit  // those before hold for a connection and for a participant
	limitsOfConnection = byteLimit // those before hold for a connection
)

func limitOfKind(kind chat.Kind) limit {
	switch kind {
	case chat.Image:
		return imageLimit
	case chat.File:
		return fileLimit
	case chat.Text, chat.Custom:
	}
	return textLimit
}

// allowed is what is allowed of each.
var allowed = [limitCount]struct {
	rate  rate.Limit
	burst int
}{
	textLimit:   {textRate, textBurst},
	imageLimit:  {uploadRate, uploadBurst},
	fileLimit:   {uploadRate, uploadBurst},
	signalLimit: {signalRate, signalBurst},
	storeLimit:  {storeRate, storeBurst},
	findLimit:   {findRate, findBurst},
	askLimit:    {askRate, askBurst},
	byteLimit:   {byteRate, byteBurst},
	joinLimit:   {joinRate, joinBurst},
	knockLimit:  {knockRate, knockBurst},
}

// bucket gives a full bucket, for so many connections.
func (l limit) bucket(times int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(times)*allowed[l].rate, times*allowed[l].burst)
}

// held is a limit of a participant.
type held struct {
	participant chat.ParticipantID
	limit       limit
}

// rates keeps the limits of participants, also while they are away: else
// connecting anew would fill the buckets.
type rates struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[held]*rate.Limiter // those that are not known are full
	swept time.Time
	// lifted: nobody is held back, which only benchmarks ask for.
	lifted bool
}

func newRates(now func() time.Time) *rates {
	return &rates{now: now, known: make(map[held]*rate.Limiter), swept: now()}
}

// peerRates are the limits of one connection of a participant. It is used by one
// goroutine at a time.
type peerRates struct {
	all         *rates
	participant chat.ParticipantID
	buckets     []*rate.Limiter // made when one is used; those that are nil are full
}

// of gives the limits for a new connection.
func (r *rates) of(id chat.ParticipantID) *peerRates {
	return &peerRates{all: r, participant: id}
}

// unlimited is a limit where limits are lifted.
var unlimited = rate.NewLimiter(rate.Inf, 0)

// lifts tells whether a limit does not hold.
func (r *rates) lifts(l limit) bool { return r.lifted && (l < bothLimits || l == byteLimit) }

// own gives a limit of the connection.
func (r *peerRates) own(l limit) *rate.Limiter {
	if r.all.lifts(l) {
		return unlimited
	}
	if r.buckets == nil {
		r.buckets = make([]*rate.Limiter, limitsOfConnection)
	}
	if r.buckets[l] == nil {
		r.buckets[l] = l.bucket(1)
	}
	return r.buckets[l]
}

// shared gives a limit that all connections of the participant share. It must be
// asked for each time: limits that are full are forgotten, also of those who are
// here.
func (r *peerRates) shared(l limit, now time.Time) *rate.Limiter {
	if r.all.lifts(l) {
		return unlimited
	}
	return r.all.shared(r.participant, l, now)
}

func (r *rates) shared(id chat.ParticipantID, l limit, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		for other, b := range r.known {
			if b.TokensAt(now) >= float64(b.Burst()) {
				delete(r.known, other)
			}
		}
	}
	key := held{id, l}
	b := r.known[key]
	if b == nil {
		times := 1
		if l < bothLimits {
			times = tabs
		}
		b = l.bucket(times)
		r.known[key] = b
	}
	return b
}

// rateNames are what the limits of messages are called where they are counted.
var rateNames = map[chat.Kind]string{
	chat.Text: "message_rate", chat.Custom: "message_rate", chat.Image: "image_rate", chat.File: "file_rate",
}

// takeBytes counts what a message is long, or refuses it.
func (r *peerRates) takeBytes(n int) error {
	now := r.all.now()
	l := r.shared(byteLimit, now)
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
	l := limitOfKind(kind)
	return takeAll(now, rateNames[kind], "too many messages, wait a little", r.own(l), r.shared(l, now))
}

// takeSignal counts one broadcast, or refuses it.
func (r *peerRates) takeSignal() error {
	now := r.all.now()
	return takeAll(now, "broadcast_rate", "too many broadcasts, wait a little", r.own(signalLimit), r.shared(signalLimit, now))
}

// takeStore counts one write to a store, or refuses it.
func (r *peerRates) takeStore() error {
	now := r.all.now()
	return takeAll(now, "store_write_rate", "too many writes to stores, wait a little", r.own(storeLimit), r.shared(storeLimit, now))
}

// takeFind counts one search of messages, or refuses it.
func (r *peerRates) takeFind() error {
	now := r.all.now()
	return takeAll(now, "search_rate", "too many searches, wait a little", r.own(findLimit), r.shared(findLimit, now))
}

// takeJoin counts one join, or refuses it.
func (r *peerRates) takeJoin() error {
	now := r.all.now()
	return takeAll(now, "join_rate", "you join too often, wait a little", r.shared(joinLimit, now))
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
