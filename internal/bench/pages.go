package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The figures of reading what was said.
const (
	SlowestPage = "page p50 at the slowest depth"
	HistoryCPU  = "CPU of the newest 1,000"
)

// How much is asked for, and how often.
const (
	pageSize     = 50
	pageTimes    = 200
	historyTimes = 300
	searchTimes  = 20
)

// pages reads in a long meeting, by one connection that asks for one thing after
// the other: pages at every depth, the newest messages again and again, and what
// was said of something.
func (w Workload) pages(ctx context.Context, d *Parley) (f Figures, err error) {
	p, err := d.startFilled(ctx, w.Messages)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGKILL)) }()
	m := d.meetings[0]
	c, err := Dial(ctx, p.Address, m, m.People[0], NewID())
	if err != nil {
		return nil, err
	}
	defer c.Cut()
	defer context.AfterFunc(ctx, c.Cut)()
	if _, err := c.Join(); err != nil {
		return nil, err
	}
	if err := c.leaf(&f, w.Messages); err != nil {
		return nil, err
	}
	if err := c.remember(&f, p, w.Messages); err != nil {
		return nil, err
	}
	return f, c.search(&f)
}

// leaf asks for pages at the ends, in the middle and anywhere, in both directions.
func (c *Client) leaf(f *Figures, messages int) error {
	first, err := c.page(0, false, 1)
	if err != nil {
		return err
	}
	last, err := c.page(uint64(time.Now().UnixMilli()), true, 1)
	if err != nil {
		return err
	}
	oldest, newest := first[0].GetCreatedAtMs(), last[0].GetCreatedAtMs()
	middle := func() uint64 { return oldest + (newest-oldest)/2 }
	// anywhere keeps so far from both ends that pages are full.
	anywhere := func() uint64 {
		span := newest - oldest
		margin := min(span/4, 2*span*pageSize/uint64(messages))
		return oldest + margin + rand.N(span-2*margin+1) //nolint:gosec // depths to read at are no secrets
	}
	var slowest time.Duration
	for _, place := range []struct {
		name     string
		backward bool
		time     func() uint64
	}{
		{"from the oldest", false, func() uint64 { return 0 }},
		{"from the middle on", false, middle},
		{"before the middle", true, middle},
		{"from anywhere on", false, anywhere},
		{"before anywhere", true, anywhere},
		{"before the newest", true, func() uint64 { return newest + 1 }},
	} {
		got, err := c.page(place.time(), place.backward, pageSize)
		if err != nil {
			return err
		}
		if full := messages >= 4*pageSize; full && len(got) != pageSize {
			return fmt.Errorf("a page %s has %d messages, %d are wanted", place.name, len(got), pageSize)
		}
		took, err := c.timed(pageTimes, protocol.GetPaginatedMessages, func() proto.Message {
			return &rtkwire.PageRequest{TimeStamp: place.time(), Reversed: place.backward, Size: pageSize}
		})
		if err != nil {
			return err
		}
		middle := Percentile(took, 50)
		slowest = max(slowest, middle)
		add(f, "page "+place.name+" p50", Milliseconds(middle), "ms")
		add(f, "page "+place.name+" p99", Milliseconds(Percentile(took, 99)), "ms")
	}
	add(f, SlowestPage, Milliseconds(slowest), "ms")
	return nil
}

// remember asks for the newest messages, which the server has ready.
func (c *Client) remember(f *Figures, p *Process, messages int) error {
	const newest = 1000
	answer, err := c.ask(protocol.GetMessages, nil, HeadBytes)
	if err != nil {
		return err
	}
	if least := min(newest, messages) * len(Filler); answer.Bytes < least {
		return fmt.Errorf("the newest messages are %d bytes, which are to be %d", answer.Bytes, least)
	}
	var took []time.Duration
	used, err := p.spent(func() (err error) {
		took, err = c.timed(historyTimes, protocol.GetMessages, nil)
		return err
	})
	if err != nil {
		return err
	}
	add(f, HistoryCPU, Milliseconds(used)/historyTimes, "ms")
	add(f, "the newest 1,000 p50", Milliseconds(Percentile(took, 50)), "ms")
	return nil
}

// search looks for what every message says and for what none does, for which the
// server goes as far back as it ever does.
func (c *Client) search(f *Figures) error {
	for _, what := range []struct{ name, term string }{
		{"search for what is there p50", "before the storm"}, {"search for what is not there p50", "no such words"},
	} {
		took, err := c.timed(searchTimes, protocol.SearchChannelMessages, func() proto.Message {
			return &rtkwire.SearchRequest{TimeStamp: uint64(time.Now().UnixMilli()), Reversed: true, SearchTerm: what.term}
		})
		if err != nil {
			return err
		}
		add(f, what.name, Milliseconds(Percentile(took, 50)), "ms")
	}
	return nil
}

// timed asks for something so many times, and gives how long each answer took to
// be there as a whole.
func (c *Client) timed(times int, event protocol.Event, payload func() proto.Message) ([]time.Duration, error) {
	took := make([]time.Duration, times)
	for i := range took {
		var m proto.Message
		if payload != nil {
			m = payload()
		}
		began := time.Now()
		if _, err := c.ask(event, m, HeadBytes); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	return took, nil
}

// page gives a page.
func (c *Client) page(at uint64, backward bool, size int32) ([]*rtkwire.ChatMessage, error) {
	answer, err := c.ask(protocol.GetPaginatedMessages, &rtkwire.PageRequest{TimeStamp: at, Reversed: backward, Size: size}, 1<<20)
	if err != nil {
		return nil, err
	}
	var frame rtkwire.Frame
	if err := proto.Unmarshal(answer.Start, &frame); err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	var page rtkwire.Page
	if err := proto.Unmarshal(frame.GetPayload(), &page); err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	if len(page.GetMessages()) == 0 {
		return nil, errors.New("a page is empty")
	}
	return page.GetMessages(), nil
}
