// Package groupcommit lets many writers share one transaction, and so one
// fsync: whoever wants to write waits in a queue, one goroutine takes
// everything that waits and commits it at once. It decides only when and what
// to take together; what a commit is, is its user's business.
package groupcommit

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/tally"
)

// Errors of Submit.
var (
	// ErrFull says that the queue is at its limit; trying again later may help.
	ErrFull = errors.New("the write queue is full")
	// ErrClosed says that the committer has stopped.
	ErrClosed = errors.New("the writer has stopped")
)

// What a Config that names nothing gets.
const (
	DefaultBatch    = 1024
	DefaultQueue    = 16384
	DefaultBusyRate = 500
	DefaultWindow   = 1500 * time.Microsecond
)

// Config tunes a Committer. The zero value takes the defaults.
type Config struct {
	// Batch is the greatest number of jobs in one commit. Default 1024.
	Batch int
	// Queue is how many jobs may wait, in each class. Default 16384.
	Queue int
	// BusyRate is the number of jobs a second above which the committer waits
	// for company before it commits. Default 500.
	BusyRate float64
	// Window is how long it waits then, at most: no longer than until the batch
	// is as large as the largest of late. Default 1.5 ms.
	Window time.Duration
}

func (c Config) withDefaults() Config {
	if c.Batch <= 0 {
		c.Batch = DefaultBatch
	}
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	if c.BusyRate <= 0 {
		c.BusyRate = DefaultBusyRate
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	return c
}

// Committer collects jobs of type J into batches. Make it with New.
type Committer[J any] struct {
	config  Config
	commit  func([]J)
	urgent  chan J
	backlog chan J
	stopped chan struct{}
	rate    rate
	largest largest
	window  *time.Timer
	counts  Counters
	since   atomic.Int64 // when the commit under way began, in unix nanoseconds, or 0
}

// Counters counts commits.
type Counters struct {
	// Jobs is how many jobs a commit had.
	Jobs *tally.Histogram
	// Nanoseconds is how long a commit took.
	Nanoseconds *tally.Histogram
}

// Counters gives the counts, which go on.
func (c *Committer[J]) Counters() Counters { return c.counts }

// Under tells for how long the commit that is under way has been so, 0 when
// there is none. A commit that does not end keeps all others waiting.
func (c *Committer[J]) Under() time.Duration {
	since := c.since.Load()
	if since == 0 {
		return 0
	}
	return max(time.Since(time.Unix(0, since)), 1)
}

// New makes a committer that hands each batch to commit, one batch at a time,
// in the order in which the jobs were submitted. commit must not keep the
// slice.
func New[J any](config Config, commit func([]J)) *Committer[J] {
	config = config.withDefaults()
	return &Committer[J]{
		config:  config,
		commit:  commit,
		urgent:  make(chan J, config.Queue),
		backlog: make(chan J, config.Queue),
		stopped: make(chan struct{}),
		counts: Counters{
			Jobs: tally.NewHistogram(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
			Nanoseconds: tally.NewHistogram(
				100e3, 250e3, 500e3, 1e6, 2.5e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9),
		},
	}
}

// Submit puts a job into the queue and returns at once. Jobs submitted by one
// goroutine are committed in its order. After an error the job will never run.
func (c *Committer[J]) Submit(job J) error { return c.put(c.urgent, job) }

// SubmitBehind is Submit for work in the background: it is taken only into
// the room that urgent jobs leave in a batch.
func (c *Committer[J]) SubmitBehind(job J) error { return c.put(c.backlog, job) }

func (c *Committer[J]) put(queue chan J, job J) error {
	select {
	case <-c.stopped:
		return ErrClosed
	default:
	}
	select {
	case queue <- job:
		return nil
	default:
		return ErrFull
	}
}

// Waiting tells how many jobs wait now.
func (c *Committer[J]) Waiting() int { return len(c.urgent) + len(c.backlog) }

// Run commits until ctx ends, then commits what still waits and returns. Jobs
// submitted while it returns may be neither run nor refused; so stop those who
// submit first.
func (c *Committer[J]) Run(ctx context.Context) {
	batch := make([]J, 0, c.config.Batch)
	c.window = time.NewTimer(c.config.Window)
	defer c.window.Stop()
	for {
		first, ok := c.next(ctx)
		if !ok {
			close(c.stopped)
			c.drain(batch)
			return
		}
		batch = append(batch[:0], first)
		batch = c.fill(batch)
		if c.rate.busy(c.config.BusyRate) {
			batch = c.await(batch, min(c.config.Batch, c.largest.wanted()))
		}
		c.rate.count(len(batch))
		c.largest.saw(len(batch))
		c.carryOut(batch)
		clear(batch)
	}
}

// next waits for the first job of a batch; false when ctx has ended. An urgent
// job that waits goes before one of the backlog.
func (c *Committer[J]) next(ctx context.Context) (job J, ok bool) {
	if ctx.Err() != nil {
		return job, false
	}
	select {
	case job = <-c.urgent:
		return job, true
	default:
	}
	select {
	case job = <-c.urgent:
		return job, true
	case job = <-c.backlog:
		return job, true
	case <-ctx.Done():
		return job, false
	}
}

// fill takes what waits already, urgent jobs first.
func (c *Committer[J]) fill(batch []J) []J {
	for _, queue := range []chan J{c.urgent, c.backlog} {
		for len(batch) < c.config.Batch {
			select {
			case job := <-queue:
				batch = append(batch, job)
				continue
			default:
			}
			break
		}
	}
	return batch
}

// await gives others the time of the window to join the batch, until it has as
// many jobs as are wanted.
func (c *Committer[J]) await(batch []J, wanted int) []J {
	if len(batch) >= wanted {
		return batch
	}
	c.window.Reset(c.config.Window)
	for len(batch) < wanted {
		select {
		case job := <-c.urgent:
			batch = append(batch, job)
		case <-c.window.C:
			return c.fill(batch)
		}
	}
	return c.fill(batch)
}

func (c *Committer[J]) drain(batch []J) {
	for {
		batch = c.fill(batch[:0])
		if len(batch) == 0 {
			return
		}
		c.carryOut(batch)
	}
}

// carryOut commits a batch, and counts it.
func (c *Committer[J]) carryOut(batch []J) {
	began := time.Now()
	c.since.Store(began.UnixNano())
	c.commit(batch)
	c.since.Store(0)
	c.counts.Jobs.Observe(int64(len(batch)))
	c.counts.Nanoseconds.Observe(int64(time.Since(began)))
}

// rate is a moving average of jobs a second, over about the last quarter of a
// second.
type rate struct {
	since   time.Time
	counted int
	average float64
}

const rateStep = 100 * time.Millisecond

func (r *rate) count(jobs int) {
	now := time.Now()
	if r.since.IsZero() {
		r.since = now
	}
	r.counted += jobs
	elapsed := now.Sub(r.since)
	if elapsed < rateStep {
		return
	}
	recent := float64(r.counted) / elapsed.Seconds()
	if elapsed > 5*rateStep {
		r.average = recent
	} else {
		r.average += (recent - r.average) * 0.5
	}
	r.since, r.counted = now, 0
}

// busy tells whether there are more jobs a second than limit. What was measured
// before a pause says nothing about now.
func (r *rate) busy(limit float64) bool {
	return r.average > limit && time.Since(r.since) <= 5*rateStep
}

// largest knows how large batches become. Those who wait for an answer before
// they submit again are never more in a batch than they are: when as many have
// come as come at most, nobody else will, and the rest of the window is lost.
type largest struct {
	since       time.Time
	before, now int // in the last period and in this one
}

// largestPeriod is for how long a batch counts at least, and at most twice.
const largestPeriod = 100 * time.Millisecond

// wanted tells with how many jobs a batch is complete. The first batch of each
// period never is: it waits to find out whether there are more by now.
func (l *largest) wanted() int {
	if time.Since(l.since) >= largestPeriod {
		return math.MaxInt
	}
	return max(l.before, l.now)
}

func (l *largest) saw(jobs int) {
	if elapsed := time.Since(l.since); elapsed >= largestPeriod {
		l.since, l.before, l.now = time.Now(), l.now, 0
	}
	l.now = max(l.now, jobs)
}
