// Package metrics shows what the parts have counted, in the form of Prometheus.
// It counts nothing itself and costs nothing between two scrapes: the parts
// count by plain atomics, and are read when somebody asks. No label has a value
// that a stranger can choose, and nothing tells of one meeting or person.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/parley-chat/parley/internal/edge/gate"
	"github.com/parley-chat/parley/internal/edge/ice"
	"github.com/parley-chat/parley/internal/edge/ws"
	"github.com/parley-chat/parley/internal/follow/export"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/groupcommit"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/tally"
	"github.com/parley-chat/parley/internal/upload"
)

// Rooms is what is asked of the rooms.
type Rooms interface {
	Counters() *room.Counters
	Survey() room.Survey
	HistoryCounts() room.HistoryCounts
}

// Store is what is asked of the store.
type Store interface {
	State() sqlite.State
	Commits() groupcommit.Counters
	Failures() *tally.Words
	Space() (sqlite.Space, error)
	Damaged() uint64
	Reads() uint64
	AccessCounts() (hits, misses uint64)
	LiveSessions(context.Context) (int, error)
	Backlog(context.Context) (sqlite.Backlog, error)
}

// Sources are the parts that have counted. All must be set.
type Sources struct {
	Sockets *ws.Counters
	Rooms   Rooms
	Journal *journal.Counters
	Store   Store
	Uploads *upload.Counters
	Exports *export.Counters
	Courier *webhook.Courier
	HTTP    *HTTP
	Gate    func() gate.Stats
	ICE     func() ice.Stats
	// Limits and Faults count by the names of limits, and by where panics were
	// stopped.
	Limits, Faults *tally.Words
	// Ready tells whether messages are stored.
	Ready   func() bool
	Version string
	Started time.Time
}

// Handler answers scrapes: with the metrics of the table, and those of the Go
// runtime and the process.
func Handler(s Sources) http.Handler {
	return promhttp.HandlerFor(registry(s), promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: scrapeTimeout, ErrorHandling: promhttp.ContinueOnError,
	})
}

// scrapeTimeout is how long a scrape may take.
const scrapeTimeout = 10 * time.Second

func registry(s Sources) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{sources: s},
	)
	return r
}

// collector reads the sources. It implements prometheus.Collector.
type collector struct{ sources Sources }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range table {
		out <- f.desc()
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	m := look(c.sources)
	for _, f := range table {
		desc := f.desc()
		if f.spread != nil {
			h, scale := f.spread(m)
			count, sum, upTo := h.Snapshot()
			buckets := make(map[float64]uint64, len(upTo))
			for bound, n := range upTo {
				buckets[float64(bound)*scale] = n
			}
			out <- prometheus.MustNewConstHistogram(desc, count, float64(sum)*scale, buckets)
			continue
		}
		f.read(m, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(desc, f.kind, value, labels...)
		})
	}
}

// moment is what is looked at once for all metrics of a scrape.
type moment struct {
	Sources
	survey   room.Survey
	history  room.HistoryCounts
	state    sqlite.State
	space    sqlite.Space
	sessions int
	backlog  sqlite.Backlog
	gate     gate.Stats
	ice      ice.Stats
	// These are false where the looking failed: then nothing is shown rather
	// than 0.
	spaceKnown, sessionsKnown, backlogKnown bool
}

func look(s Sources) *moment {
	m := &moment{
		Sources: s, survey: s.Rooms.Survey(), history: s.Rooms.HistoryCounts(), state: s.Store.State(),
		gate: s.Gate(), ice: s.ICE(),
	}
	var err error
	m.space, err = s.Store.Space()
	m.spaceKnown = err == nil
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout/2)
	defer cancel()
	m.sessions, err = s.Store.LiveSessions(ctx)
	m.sessionsKnown = err == nil
	m.backlog, err = s.Store.Backlog(ctx)
	m.backlogKnown = err == nil
	return m
}

// Family describes one metric.
type Family struct {
	// Name, Type and Labels are those of the scrape, Help what it means, and Act
	// what to do when it moves.
	Name, Type string
	Labels     []string
	Help, Act  string
}

// Families describes all metrics of the table.
func Families() []Family {
	list := make([]Family, len(table))
	for i, f := range table {
		kind := "histogram"
		switch {
		case f.spread != nil:
		case f.kind == gauge:
			kind = "gauge"
		case f.kind == counter:
			kind = "counter"
		}
		list[i] = Family{Name: f.name, Type: kind, Labels: f.labels, Help: f.help, Act: f.act}
	}
	return list
}
