package metrics

import (
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/tally"
)

// family is a metric: what it is called and means, what to do when it moves,
// and how it is read.
type family struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string // for those who read the scrape
	act    string // for those whom it wakes
	read   func(*moment, put)
	// spread is set for histograms: the values, and by what to multiply them.
	spread func(*moment) (*tally.Histogram, float64)
}

// put shows a value, under the values of the labels.
type put func(value float64, labels ...string)

func (f *family) desc() *prometheus.Desc { return prometheus.NewDesc(f.name, f.help, f.labels, nil) }

// What values of most metrics come from.
func number[T ~int | ~int64 | ~uint64](of func(*moment) T) func(*moment, put) {
	return func(m *moment, put put) { put(float64(of(m))) }
}

func truth(of func(*moment) bool) func(*moment, put) {
	return func(m *moment, put put) {
		if of(m) {
			put(1)
			return
		}
		put(0)
	}
}

func words(of func(*moment) *tally.Words) func(*moment, put) {
	return func(m *moment, put put) {
		of(m).Each(func(word string, n uint64) { put(float64(n), word) })
	}
}

// behind shows what waits, where that is known.
func behind(of func(sqlite.Backlog) float64) func(*moment, put) {
	return func(m *moment, put put) {
		if m.backlogKnown {
			put(of(m.backlog))
		}
	}
}

const (
	gauge       = prometheus.GaugeValue
	counter     = prometheus.CounterValue
	nanoseconds = 1e-9
)

// table is all that is shown, in the order of docs/metrics.md, which is made
// from it.
var table = []family{
	{
		name: "parley_build_info", kind: gauge, labels: []string{"version", "go"},
		help: "Always 1; the labels tell what runs.", act: "A step tells of an upgrade.",
		read: func(m *moment, put put) { put(1, m.Version, runtime.Version()) },
	},
	{
		// The process collector has one of its own, but cannot tell where /proc shows
		// processes alone, as under packaging/parley.service.
		name: "parley_start_time_seconds", kind: gauge, help: "When the server was started, in seconds since 1970.",
		act:  "A step that you did not make is a crash: the log of the unit or container tells how it ended.",
		read: func(m *moment, put put) { put(float64(m.Started.UnixMilli()) / 1e3) },
	},
	{
		name: "parley_ready", kind: gauge, help: "Whether messages are stored (1) or not (0), as /readyz says.",
		act:  "At 0, ask /readyz for the reason.",
		read: truth(func(m *moment) bool { return m.Ready() }),
	},

	// sockets
	{
		name: "parley_sockets", kind: gauge, help: "Open sockets: peers that are connected.",
		act:  "A sudden fall that is no restart: see parley_sockets_closed_total for the codes.",
		read: number(func(m *moment) int64 { return m.Sockets.Open.Load() }),
	},
	{
		name: "parley_sockets_opened_total", kind: counter, help: "Sockets that have been opened.",
		act:  "Much more than people who join: connections break; look at the codes and at the proxies in between.",
		read: number(func(m *moment) uint64 { return m.Sockets.Opened.Load() }),
	},
	{
		name: "parley_sockets_refused_total", kind: counter, labels: []string{"code"},
		help: "Peers that were not let in, by the code of the refusal.",
		act:  "unauthorized: tokens expired or of another server. rate_limited: too many connections of one participant. internal: see the log.",
		read: words(func(m *moment) *tally.Words { return m.Sockets.Refused }),
	},
	{
		name: "parley_sockets_closed_total", kind: counter, labels: []string{"code"},
		help: "Sockets that have ended, by the close code; other stands for unusual ones.",
		act: "1000 and 1001 are people who leave and lost connections. 1012 is a restart. 4008: peers that do not read fast enough. " +
			"4010: peers that vanished. 1011: a mistake of the server, see parley_panics_total. 1002, 1007, 1008, 1009: clients that break rules.",
		read: words(func(m *moment) *tally.Words { return m.Sockets.Closed }),
	},
	{
		name: "parley_requests_total", kind: counter, labels: []string{"request", "outcome"},
		help: "Requests of peers, by what was asked and the outcome: done, or the code of the refusal. A send, edit, delete or pin is done when it is stored.",
		act:  "unavailable: the store. internal: the log. rate_limited: see parley_limits_total. forbidden and invalid: an app that shows what its presets do not allow.",
		read: func(m *moment, put put) {
			m.Sockets.Requests(func(request, outcome string, n uint64) { put(float64(n), request, outcome) })
		},
	},
	{
		name: "parley_command_seconds", labels: nil,
		help:   "Time from reading a send, edit, delete or pin to its being on disk and told to the room.",
		act:    "The latency that people feel, without the network. When it grows, compare parley_commit_seconds (the disk) and CPU.",
		spread: func(m *moment) (*tally.Histogram, float64) { return m.Sockets.Stored, nanoseconds },
	},
	{
		name: "parley_socket_writes_total", kind: counter, help: "Writes to sockets.",
		act:  "Deliveries per write tell how much goes out together: under load it should grow.",
		read: number(func(m *moment) uint64 { return m.Sockets.Writes.Load() }),
	},
	{
		name: "parley_socket_written_bytes_total", kind: counter, help: "Bytes written to sockets, as WebSocket frames, TLS not counted.",
		act:  "Compare with the network's capacity.",
		read: number(func(m *moment) uint64 { return m.Sockets.WrittenBytes.Load() }),
	},
	{
		name: "parley_replayed_entries_total", kind: counter, help: "Entries told again to peers that came back.",
		act:  "Grows with broken connections; see parley_sockets_closed_total.",
		read: number(func(m *moment) uint64 { return m.Sockets.Replayed.Load() }),
	},

	// rooms
	{
		name: "parley_rooms", kind: gauge, help: "Meetings that are in memory: with peers, or shortly after.",
		act:  "No action; memory grows with it.",
		read: number(func(m *moment) int { return m.survey.Rooms }),
	},
	{
		name: "parley_members", kind: gauge, help: "Peers that have joined a meeting, those waited for included.",
		act:  "No action.",
		read: number(func(m *moment) int { return m.survey.Members }),
	},
	{
		name: "parley_members_away", kind: gauge, help: "Members whose connection broke and who are waited for.",
		act:  "A peak without a restart: the network in front of the server broke.",
		read: number(func(m *moment) int { return m.survey.Away }),
	},
	{
		name: "parley_joins_total", kind: counter, help: "Peers that became members, also those found again after a restart.",
		act:  "No action.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Joins.Load() }),
	},
	{
		name: "parley_leaves_total", kind: counter, help: "Members that left, were sent out or did not come back.",
		act:  "No action.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Leaves.Load() }),
	},
	{
		name: "parley_deliveries_total", kind: counter,
		help: "Frames put before peers, once for each peer; answers to a peer's own requests not counted, and frames about who is here counted for all members.",
		act:  "The work of the fan-out: messages times readers.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Deliveries.Load() }),
	},
	{
		name: "parley_peer_lag_bytes", kind: gauge, help: "How far the peer that lags most is behind its room, in bytes.",
		act:  "Peers are sent away at 1 MiB. High all the time: clients or their network are too slow for their room.",
		read: number(func(m *moment) int { return m.survey.Slowest }),
	},
	{
		name: "parley_peers_behind", kind: gauge, labels: []string{"bytes"}, help: "Peers that are more than so many bytes behind their room.",
		act: "A few are bad networks. Many at once: this server's network or CPU is at its end.",
		read: func(m *moment, put put) {
			for i, n := range m.survey.Behind {
				put(float64(n), fmt.Sprint(room.LagSteps[i]))
			}
		},
	},
	{
		name: "parley_broadcasts_lost_total", kind: counter, help: "Broadcasts that passed by a peer that did not keep up, once for each peer.",
		act:  "As parley_peers_behind. Broadcasts may be lost, messages never are.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Lost.Load() }),
	},
	{
		name: "parley_room_gaps_total", kind: counter, help: "Times that a room had to read entries that it was not told of.",
		act:  "Should be 0 on one node. Report it.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Gaps.Load() }),
	},
	{
		name: "parley_rooms_dropped_total", kind: counter, help: "Rooms given up after a panic; their peers came back to a new one.",
		act:  "A mistake in Parley: the log has the stack. Report it.",
		read: number(func(m *moment) uint64 { return m.Rooms.Counters().Dropped.Load() }),
	},
	{
		name: "parley_histories_total", kind: counter, labels: []string{"outcome"},
		help: "Histories that joining peers asked for: hit from memory, miss read from the store, coalesced waited for a reading under way, beyond needed more than memory holds.",
		act:  "Many misses: more meetings are busy than the memory for histories holds.",
		read: func(m *moment, put put) {
			h := m.history
			for outcome, n := range map[string]uint64{"hit": h.Hits, "miss": h.Misses, "coalesced": h.Coalesced, "beyond": h.Beyond} {
				put(float64(n), outcome)
			}
		},
	},
	{
		name: "parley_history_bytes", kind: gauge, help: "Memory that histories take.",
		act:  "At its bound the oldest are dropped.",
		read: number(func(m *moment) int64 { return m.history.Bytes }),
	},

	// journal and store
	{
		name: "parley_entries_total", kind: counter, labels: []string{"kind"}, help: "Entries of journals that were stored, by what happened.",
		act: "No action.",
		read: func(m *moment, put put) {
			c := m.Journal
			for kind, n := range map[string]uint64{
				"sent": c.Sent.Load(), "edited": c.Edited.Load(), "deleted": c.Deleted.Load(), "pinned": c.Pinned.Load(), "unpinned": c.Unpinned.Load(),
			} {
				put(float64(n), kind)
			}
		},
	},
	{
		name:   "parley_commit_seconds",
		help:   "Time a transaction took, with its fsync.",
		act:    "The disk. Above 50 ms people feel it; move the data directory to a faster disk, or find what else writes there.",
		spread: func(m *moment) (*tally.Histogram, float64) { return m.Store.Commits().Nanoseconds, nanoseconds },
	},
	{
		name:   "parley_commit_jobs",
		help:   "Writes that shared a transaction.",
		act:    "Grows under load; that is what keeps the disk from being the limit.",
		spread: func(m *moment) (*tally.Histogram, float64) { return m.Store.Commits().Jobs, 1 },
	},
	{
		name: "parley_write_queue", kind: gauge, help: "Writes that wait for a transaction.",
		act:  "Above some thousands for more than a moment, the disk does not keep up; at 16,384 writes are refused.",
		read: number(func(m *moment) int { return m.state.Waiting }),
	},
	{
		name: "parley_commit_age_seconds", kind: gauge, help: "For how long the transaction under way has been so, 0 when there is none.",
		act:  "Seconds: the disk hangs. After 10 s /readyz is red, after 2 minutes /healthz.",
		read: func(m *moment, put put) { put(m.state.Committing.Seconds()) },
	},
	{
		name: "parley_store_failures_total", kind: counter, labels: []string{"reason"}, help: "Transactions that failed: full, disk, damaged or other.",
		act:  "full: make room; it goes on by itself. disk, damaged: see docs/operations.md before you start again. other: see the log.",
		read: words(func(m *moment) *tally.Words { return m.Store.Failures() }),
	},
	{
		name: "parley_store_failed", kind: gauge, help: "1 when the store has stopped for good, until the server is started again.",
		act:  "The disk did not keep what was written, or the database is damaged. Look at the disk, run parley verify, then start again.",
		read: truth(func(m *moment) bool { return m.state.Failed != nil }),
	},
	{
		name: "parley_store_full", kind: gauge, help: "1 when the last transaction found no room on the disk.",
		act:  "Make room. Messages are refused until then; reading goes on.",
		read: truth(func(m *moment) bool { return m.state.Full }),
	},
	{
		name: "parley_damaged_rows_total", kind: counter, help: "Times that a damaged row was met and not served.",
		act:  "Run parley verify on a copy, look at the disk, think of restoring. The log names each row once.",
		read: number(func(m *moment) uint64 { return m.Store.Damaged() }),
	},
	{
		name: "parley_store_reads_total", kind: counter, help: "Readings of the database, those of transactions not counted.",
		act:  "Histories come from memory; many readings for each join mean that they do not.",
		read: number(func(m *moment) uint64 { return m.Store.Reads() }),
	},
	{
		name: "parley_access_lookups_total", kind: counter, labels: []string{"outcome"}, help: "Look-ups of who may do what: hit in memory, or miss.",
		act: "No action.",
		read: func(m *moment, put put) {
			hits, misses := m.Store.AccessCounts()
			put(float64(hits), "hit")
			put(float64(misses), "miss")
		},
	},
	{
		name: "parley_sessions_live", kind: gauge, help: "Sessions that have not ended.",
		act: "Much more than parley_rooms for long: report it.",
		read: func(m *moment, put put) {
			if m.sessionsKnown {
				put(float64(m.sessions))
			}
		},
	},
	{
		name: "parley_database_bytes", kind: gauge, help: "Size of the database, without its log and without files.",
		act: "Plan for its growth; a backup needs as much again.",
		read: func(m *moment, put put) {
			if m.spaceKnown {
				put(float64(m.space.Database))
			}
		},
	},
	{
		name: "parley_wal_bytes", kind: gauge, help: "Size of the write-ahead log.",
		act: "Some 8 MiB are usual. Hundreds: something reads for very long, such as a stuck backup.",
		read: func(m *moment, put put) {
			if m.spaceKnown {
				put(float64(m.space.WAL))
			}
		},
	},
	{
		name: "parley_disk_free_bytes", kind: gauge, help: "What may still be written to the disk of the data directory.",
		act: "Make room before it is 0; then messages are refused.",
		read: func(m *moment, put put) {
			if m.spaceKnown {
				put(float64(m.space.Free))
			}
		},
	},
	{
		name: "parley_disk_bytes", kind: gauge, help: "Size of the disk of the data directory.",
		act: "No action.",
		read: func(m *moment, put put) {
			if m.spaceKnown {
				put(float64(m.space.Total))
			}
		},
	},

	// what is told to others
	{
		name: "parley_webhook_attempts_total", kind: counter, labels: []string{"outcome"},
		help: "Attempts to deliver something to a webhook: delivered, retried is one that failed and is made again, failed one that was the last.",
		act:  "failed: the log names the webhook and the reason. retried: an endpoint is slow or down; nothing is lost for three days.",
		read: func(m *moment, put put) {
			put(float64(m.Courier.Delivered.Load()), "delivered")
			put(float64(m.Courier.Retried.Load()), "retried")
			put(float64(m.Courier.Failed.Load()), "failed")
		},
	},
	{
		name: "parley_webhook_deliveries_waiting", kind: gauge, help: "Deliveries on their way to webhooks that are enabled, those between two attempts included.",
		act:  "Grows while an endpoint is down. With parley_webhook_overdue_seconds: more happens than endpoints take.",
		read: behind(func(b sqlite.Backlog) float64 { return float64(b.Deliveries) }),
	},
	{
		name: "parley_webhook_overdue_seconds", kind: gauge, help: "For how long the delivery has been due that has been so longest, 0 when none is.",
		act:  "Seconds are usual. Minutes: an endpoint is too slow for what happens, since each is told one thing after the other.",
		read: behind(func(b sqlite.Backlog) float64 { return b.Overdue.Seconds() }),
	},
	{
		name: "parley_exports_total", kind: counter, labels: []string{"outcome"},
		help: "Files of what was said in a session: made, kept were still good when asked for, failed.",
		act:  "failed: see the log; the disk may be full. A session that has ended is tried again in 15 minutes.",
		read: func(m *moment, put put) {
			put(float64(m.Exports.Made.Load()), "made")
			put(float64(m.Exports.Kept.Load()), "kept")
			put(float64(m.Exports.Failed.Load()), "failed")
		},
	},
	{
		name: "parley_export_bytes_total", kind: counter, help: "Bytes of the files that were made of sessions.",
		act:  "No action.",
		read: number(func(m *moment) uint64 { return m.Exports.MadeBytes.Load() }),
	},
	{
		name: "parley_export_downloads_total", kind: counter, help: "Files of sessions that were sent out.",
		act:  "No action.",
		read: number(func(m *moment) uint64 { return m.Exports.Read.Load() }),
	},
	{
		name: "parley_exports_waiting", kind: gauge, help: "Sessions that have ended and whose file is not made yet.",
		act:  "Above 0 for minutes: exports fail, or many long sessions have ended at once. See parley_exports_total.",
		read: behind(func(b sqlite.Backlog) float64 { return float64(b.Sessions) }),
	},

	// what was refused or went wrong
	{
		name: "parley_limits_total", kind: counter, labels: []string{"limit"},
		help: "Times that a limit was reached, by its name in docs/limits.md.",
		act:  "docs/limits.md tells what is bounded and what was seen. One that honest people reach is too low: see parley serve --help for those that can be set.",
		read: words(func(m *moment) *tally.Words { return m.Limits }),
	},
	{
		name: "parley_panics_total", kind: counter, labels: []string{"where"}, help: "Panics that were stopped, by where.",
		act:  "Each is a mistake in Parley: the log has the stack of the first of its kind. Report it.",
		read: words(func(m *moment) *tally.Words { return m.Faults }),
	},

	// HTTP, files, connectivity
	{
		name: "parley_http_requests_total", kind: counter, labels: []string{"surface", "status"},
		help: "Requests by HTTP, by what they were for and the class of the answer.",
		act:  "5xx: see the log. 4xx of rest: an app's mistake, or a key that was revoked.",
		read: func(m *moment, put put) {
			m.HTTP.each(func(surface, status string, n uint64) { put(float64(n), surface, status) })
		},
	},
	{
		name:   "parley_rest_seconds",
		help:   "Time that requests to the API took, from their head to the end of the answer.",
		act:    "Writing takes a commit: compare parley_commit_seconds. Else CPU, or a list with a search that reads much.",
		spread: func(m *moment) (*tally.Histogram, float64) { return m.HTTP.took, nanoseconds },
	},
	{
		name: "parley_http_connections", kind: gauge, help: "Open HTTP connections that are no sockets.",
		act:  "At its bound (docs/limits.md) those that wait longest make room.",
		read: number(func(m *moment) int { return m.gate.Open }),
	},
	{
		name: "parley_http_connections_refused_total", kind: counter, labels: []string{"reason"},
		help: "Connections and requests that found no room (full), came too often from one address (rate), were closed while waiting, to make room (evicted), or did not send or take in time what they had to (slow).",
		act:  "Somebody holds connections open or knocks too often. Behind a proxy, is --trusted-proxies set?",
		read: func(m *moment, put put) {
			put(float64(m.gate.Refused), "full")
			put(float64(m.gate.TooFast), "rate")
			put(float64(m.gate.Evicted), "evicted")
			put(float64(m.gate.Slow), "slow")
		},
	},
	{
		name: "parley_uploads_total", kind: counter, labels: []string{"step"}, help: "Uploads asked for and granted, files put to the end, files sent out.",
		act: "Many asked and few put: the link that clients get does not lead here; see --public-url.",
		read: func(m *moment, put put) {
			put(float64(m.Uploads.Asked.Load()), "asked")
			put(float64(m.Uploads.Stored.Load()), "put")
			put(float64(m.Uploads.Read.Load()), "read")
		},
	},
	{
		name: "parley_upload_bytes_total", kind: counter, help: "Bytes of the files that were put to the end.",
		act:  "Plan for the growth of the disk.",
		read: number(func(m *moment) uint64 { return m.Uploads.StoredBytes.Load() }),
	},
	{
		name: "parley_ice_checks_total", kind: counter, labels: []string{"outcome"},
		help: "Connectivity checks that were answered; dropped is what was none, failed what could not be sent.",
		act:  "Joins without answered checks: clients do not reach the ICE port, and official ones cannot finish joining.",
		read: func(m *moment, put put) {
			put(float64(m.ice.Answered), "answered")
			put(float64(m.ice.Dropped), "dropped")
			put(float64(m.ice.Failed), "failed")
		},
	},
	{
		name: "parley_ice_connections", kind: gauge, help: "Open TCP connections for connectivity checks.",
		act:  "At its bound (docs/limits.md) new ones are closed.",
		read: number(func(m *moment) int64 { return m.ice.Open }),
	},
	{
		name: "parley_ice_connections_refused_total", kind: counter, labels: []string{"reason"},
		help: "TCP connections for connectivity checks that a limit kept out (full) or ended (cut).",
		act:  "Somebody holds connections open, or many people come from one address.",
		read: func(m *moment, put put) {
			put(float64(m.ice.Refused), "full")
			put(float64(m.ice.Cut), "cut")
		},
	},
}
