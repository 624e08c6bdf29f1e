package groupcommit

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// job is work of one submitter.
type job struct{ submitter, n int }

// disk stands for what a commit costs: a commit does not end before the test
// lets it. It is used inside a synctest bubble, where Wait means that the
// committer rests.
type disk struct {
	mu      sync.Mutex
	batches [][]job
	times   []time.Time
	permits chan struct{} // nil: commits end at once
	takes   time.Duration // each commit
	answer  func(job)     // when not nil, called for each job that is committed
}

func (d *disk) commit(batch []job) {
	d.mu.Lock()
	d.batches = append(d.batches, slices.Clone(batch))
	d.times = append(d.times, time.Now())
	d.mu.Unlock()
	if d.permits != nil {
		<-d.permits
	}
	if d.takes > 0 {
		<-time.After(d.takes)
	}
	for _, j := range batch {
		if d.answer != nil {
			d.answer(j)
		}
	}
}

func (d *disk) committed() [][]job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.batches
}

func (d *disk) all() []job { return slices.Concat(d.committed()...) }

// forget leaves out of the account what was committed so far.
func (d *disk) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches, d.times = nil, nil
}

func jobs(submitter, from, to int) []job {
	var list []job
	for n := from; n <= to; n++ {
		list = append(list, job{submitter, n})
	}
	return list
}

// running starts a committer that the returned function stops and waits for.
func running(config Config, d *disk) (*Committer[job], func()) {
	c := New(config, d.commit)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { c.Run(ctx) })
	return c, func() {
		cancel()
		done.Wait()
	}
}

func submit(t *testing.T, put func(job) error, list ...job) {
	t.Helper()
	for _, j := range list {
		if err := put(j); err != nil {
			t.Fatalf("submitting %v: %v", j, err)
		}
	}
}

func TestLoneJobIsCommittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		c, stop := running(Config{}, d)
		start := time.Now()
		submit(t, c.Submit, job{1, 1})
		synctest.Wait()
		stop()
		if !slices.Equal(d.all(), jobs(1, 1, 1)) {
			t.Fatalf("committed %v", d.batches)
		}
		if waited := d.times[0].Sub(start); waited != 0 {
			t.Errorf("an idle committer waited %v for company", waited)
		}
	})
}

func TestWhatWaitsDuringACommitIsTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{permits: make(chan struct{})}
		c, stop := running(Config{Batch: 10}, d)
		submit(t, c.Submit, job{1, 1})
		synctest.Wait() // the first commit is under way
		submit(t, c.Submit, jobs(1, 2, 26)...)
		if n := c.Waiting(); n != 25 {
			t.Errorf("Waiting() = %d, want 25", n)
		}
		close(d.permits)
		synctest.Wait()
		stop()
		var sizes []int
		for _, b := range d.batches {
			sizes = append(sizes, len(b))
		}
		if want := []int{1, 10, 10, 5}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %v, want %v", sizes, want)
		}
		if !slices.Equal(d.all(), jobs(1, 1, 26)) {
			t.Errorf("committed %v", d.batches)
		}
		if n := c.Waiting(); n != 0 {
			t.Errorf("Waiting() = %d when all is done", n)
		}
	})
}

func TestOrderOfEachSubmitterIsKept(t *testing.T) {
	const submitters, each = 32, 200
	d := &disk{}
	c, stop := running(Config{Batch: 7, Window: time.Microsecond}, d)
	var all sync.WaitGroup
	for s := range submitters {
		all.Go(func() {
			for n := 1; n <= each; n++ {
				for c.Submit(job{s, n}) != nil { // full: the committer will make room
				}
			}
		})
	}
	all.Wait()
	stop()
	last := make(map[int]int)
	for _, j := range d.all() {
		if j.n != last[j.submitter]+1 {
			t.Fatalf("submitter %d: job %d came after %d", j.submitter, j.n, last[j.submitter])
		}
		last[j.submitter] = j.n
	}
	for s := range submitters {
		if last[s] != each {
			t.Errorf("submitter %d: %d of %d jobs were committed", s, last[s], each)
		}
	}
	for _, b := range d.batches {
		if len(b) == 0 || len(b) > 7 {
			t.Fatalf("a batch has %d jobs, want 1 to 7", len(b))
		}
	}
}

func TestUrgentJobsGoBeforeTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// More than once: where both classes wait a select would draw lots.
		for range 20 {
			d := &disk{permits: make(chan struct{})}
			c, stop := running(Config{Batch: 4}, d)
			submit(t, c.Submit, job{1, 0})
			synctest.Wait() // the first commit is under way
			submit(t, c.SubmitBehind, jobs(2, 1, 3)...)
			submit(t, c.Submit, jobs(1, 1, 6)...)
			close(d.permits)
			synctest.Wait()
			stop()
			want := [][]job{
				{{1, 0}},
				jobs(1, 1, 4),
				{{1, 5}, {1, 6}, {2, 1}, {2, 2}},
				{{2, 3}},
			}
			if !slices.EqualFunc(d.batches, want, slices.Equal) {
				t.Fatalf("committed %v, want %v", d.batches, want)
			}
		}
	})
}

func TestBacklogIsCommittedWhenNothingIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		c, stop := running(Config{}, d)
		submit(t, c.SubmitBehind, jobs(1, 1, 3)...)
		synctest.Wait()
		stop()
		if !slices.Equal(d.all(), jobs(1, 1, 3)) {
			t.Errorf("committed %v", d.batches)
		}
	})
}

// load submits one job each interval, each a commit of its own, for a while.
func load(t *testing.T, c *Committer[job], interval, duration time.Duration) {
	t.Helper()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		submit(t, c.Submit, job{})
		<-time.After(interval)
	}
}

func TestBusyCommitterWaitsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 10 * time.Millisecond
		d := &disk{}
		c, stop := running(Config{BusyRate: 500, Window: window}, d)
		load(t, c, time.Millisecond, time.Second) // 1000 a second
		<-time.After(2 * window)                  // the last of them are committed
		d.forget()

		start := time.Now()
		submit(t, c.Submit, job{1, 1})
		synctest.Wait()
		if len(d.committed()) != 0 {
			t.Fatal("a busy committer did not wait for company")
		}
		<-time.After(window / 2)
		submit(t, c.Submit, job{1, 2})
		submit(t, c.SubmitBehind, job{2, 1})
		<-time.After(window)
		synctest.Wait()
		stop()
		if want := [][]job{{{1, 1}, {1, 2}, {2, 1}}}; !slices.EqualFunc(d.batches, want, slices.Equal) {
			t.Fatalf("committed %v, want %v", d.batches, want)
		}
		if waited := d.times[0].Sub(start); waited != window {
			t.Errorf("the batch was committed after %v, want %v", waited, window)
		}
	})
}

func TestWindowEndsWithAFullBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		c, stop := running(Config{Batch: 3, BusyRate: 500, Window: time.Hour}, d)
		for range 2000 { // full batches, which wait for nobody
			submit(t, c.Submit, jobs(0, 1, 3)...)
			<-time.After(time.Millisecond)
		}
		synctest.Wait()
		d.forget()

		start := time.Now()
		submit(t, c.Submit, job{1, 1})
		<-time.After(time.Millisecond)
		submit(t, c.Submit, jobs(1, 2, 3)...)
		synctest.Wait()
		if want := [][]job{jobs(1, 1, 3)}; !slices.EqualFunc(d.batches, want, slices.Equal) {
			t.Fatalf("committed %v, want %v", d.batches, want)
		}
		if waited := d.times[0].Sub(start); waited != time.Millisecond {
			t.Errorf("the full batch was committed after %v, want %v", waited, time.Millisecond)
		}
		stop()
	})
}

func TestQuietCommitterDoesNotWait(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(*testing.T, *Committer[job])
	}{
		{"AtLessThanTheBusyRate", func(t *testing.T, c *Committer[job]) {
			load(t, c, 4*time.Millisecond, time.Second) // 250 a second
		}},
		{"AfterABurstLongAgo", func(t *testing.T, c *Committer[job]) {
			load(t, c, time.Millisecond/2, time.Second) // 2000 a second
			<-time.After(time.Minute)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{}
				c, stop := running(Config{BusyRate: 500, Window: 10 * time.Millisecond}, d)
				test.before(t, c)
				synctest.Wait()
				d.forget()
				start := time.Now()
				submit(t, c.Submit, job{1, 1})
				synctest.Wait()
				stop()
				if len(d.times) != 1 || d.times[0] != start {
					t.Errorf("a job submitted at %v was committed at %v", start, d.times)
				}
			})
		})
	}
}

// conversation has submitters submit, each its next job when it has thought
// about the answer to its last, until the test stops the committer.
type conversation struct {
	c       *Committer[job]
	answers map[int]chan struct{}
	all     sync.WaitGroup
}

// converse begins a conversation of at most n submitters, with commits that
// take half a millisecond each.
func converse(n int) (*conversation, *disk) {
	talk := &conversation{answers: make(map[int]chan struct{})}
	for submitter := range n {
		talk.answers[submitter] = make(chan struct{}, 1)
	}
	d := &disk{takes: time.Millisecond / 2, answer: func(j job) { talk.answers[j.submitter] <- struct{}{} }}
	return talk, d
}

func (talk *conversation) join(submitter int, thinks time.Duration) {
	talk.all.Go(func() {
		for n := 1; talk.c.Submit(job{submitter, n}) == nil; n++ {
			<-talk.answers[submitter]
			<-time.After(thinks)
		}
	})
}

// end stops the committer, and answers those who came too late.
func (talk *conversation) end(stop func()) {
	stop()
	for _, answer := range talk.answers {
		close(answer)
	}
	talk.all.Wait()
}

func TestBusySubmitterWithoutCompanyIsNotKeptWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk, d := converse(1)
		c, stop := running(Config{}, d)
		talk.c = c
		talk.join(0, 0)
		<-time.After(time.Second)
		talk.end(stop)
		// It could be 2000 if none had waited to see whether there is company.
		if n := len(d.all()); n < 1900 {
			t.Errorf("%d jobs in a second in which 2000 were possible", n)
		}
	})
}

func TestWindowEndsWhenAllHaveCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const submitters = 10
		talk, d := converse(submitters)
		c, stop := running(Config{}, d)
		talk.c = c
		for submitter := range submitters {
			talk.join(submitter, time.Duration(submitter)*100*time.Microsecond)
		}
		<-time.After(time.Second)
		d.forget()
		<-time.After(time.Second)
		batches := d.committed()
		talk.end(stop)
		// A commit takes 0.5 ms, and the slowest comes 0.9 ms after it.
		if n := len(batches); n < 680 || n > 715 {
			t.Errorf("%d commits in a second in which 714 were possible", n)
		}
		for _, batch := range batches {
			if len(batch) != submitters {
				t.Fatalf("a batch has %d jobs, want %d", len(batch), submitters)
			}
		}
	})
}

func TestCompanyThatComesLaterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const submitters = 4
		talk, d := converse(submitters)
		c, stop := running(Config{}, d)
		talk.c = c
		talk.join(0, 100*time.Microsecond)
		<-time.After(time.Second)
		for submitter := range submitters - 1 {
			talk.join(submitter+1, time.Millisecond)
		}
		<-time.After(2 * largestPeriod)
		d.forget()
		<-time.After(time.Second)
		batches := d.committed()
		talk.end(stop)
		for _, batch := range batches {
			if len(batch) != submitters {
				t.Fatalf("a batch has %d jobs, want %d", len(batch), submitters)
			}
		}
	})
}

// Those who submit when they please, and wait for nobody, may always be more
// than they were. Batches that end early must not make the next ones smaller.
func TestWindowStaysOpenForThoseWhoComeByChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, takes, seconds = 2000, time.Millisecond / 2, 10
		d := &disk{takes: takes}
		c, stop := running(Config{}, d)
		chance := rand.New(rand.NewPCG(1, 2))
		for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); {
			submit(t, c.Submit, job{})
			<-time.After(time.Duration(chance.ExpFloat64() / rate * float64(time.Second)))
		}
		stop()
		mean := float64(len(d.all())) / float64(len(d.committed()))
		// A whole window brings this many, and what came during a commit opens
		// the next window at once.
		if want := rate * (DefaultWindow + takes).Seconds(); mean < 0.95*want {
			t.Errorf("batches of %.2f jobs, want %.2f", mean, want)
		}
	})
}

func TestFullQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{permits: make(chan struct{})}
		c, stop := running(Config{Queue: 5}, d)
		submit(t, c.Submit, job{1, 0})
		synctest.Wait() // the first commit is under way
		for name, put := range map[string]func(job) error{"Submit": c.Submit, "SubmitBehind": c.SubmitBehind} {
			submit(t, put, jobs(1, 1, 5)...)
			if err := put(job{1, 6}); !errors.Is(err, ErrFull) {
				t.Errorf("%s into a full queue gave %v, want ErrFull", name, err)
			}
		}
		close(d.permits)
		synctest.Wait()
		submit(t, c.Submit, job{1, 7}) // there is room again
		synctest.Wait()
		stop()
		if n := len(d.all()); n != 1+5+5+1 {
			t.Errorf("%d jobs were committed, want 12: those accepted and no other", n)
		}
	})
}

func TestStopCommitsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{permits: make(chan struct{})}
		c := New(Config{Batch: 4}, d.commit)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			c.Run(ctx)
			close(ended)
		}()
		submit(t, c.Submit, job{1, 0})
		synctest.Wait() // the first commit is under way
		submit(t, c.SubmitBehind, jobs(2, 1, 5)...)
		submit(t, c.Submit, jobs(1, 1, 5)...)
		cancel()
		close(d.permits)
		<-ended
		if got := len(d.all()); got != 11 {
			t.Errorf("%d of 11 jobs were committed: %v", got, d.batches)
		}
		for name, put := range map[string]func(job) error{"Submit": c.Submit, "SubmitBehind": c.SubmitBehind} {
			if err := put(job{1, 9}); !errors.Is(err, ErrClosed) {
				t.Errorf("%s after the end gave %v, want ErrClosed", name, err)
			}
		}
	})
}

// Stopping must not wait until those who submit pause.
func TestStopUnderLoad(t *testing.T) {
	c := New(Config{}, func([]job) {})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for !errors.Is(c.Submit(job{}), ErrClosed) {
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(ended)
	}()
	cancel()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("Run did not end")
	}
	all.Wait()
}
