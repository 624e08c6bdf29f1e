package main

// rows are what the dashboard shows, from top to bottom: first what tells whether
// somebody has to act, then what helps to find out why.
var rows = []row{
	{"Is it well", []panel{
		{title: "Messages are stored", single: true, goodFrom: 1, states: []string{"no", "yes"}, queries: []query{{`min(parley_ready{$s})`, ""}}},
		{title: "Last start", single: true, unit: "dateTimeFromNow", queries: []query{{`max(parley_start_time_seconds{$s}) * 1000`, ""}}},
		{title: "Version", single: true, byName: true, queries: []query{{`max by (version) (parley_build_info{$s})`, "{{version}}"}}},
		{title: "Peers", single: true, queries: []query{{`sum(parley_sockets{$s})`, ""}}},
		{title: "Panics in a day", single: true, badFrom: 1, queries: []query{{`ceil(sum(increase(parley_panics_total{$s}[24h])))`, ""}}},
		{title: "Damaged rows in a day", single: true, badFrom: 1, queries: []query{{`ceil(sum(increase(parley_damaged_rows_total{$s}[24h])))`, ""}}},
		{title: "Store failures in a day", single: true, badFrom: 1, queries: []query{{`ceil(sum(increase(parley_store_failures_total{$s}[24h])))`, ""}}},
		{title: "Disk free", single: true, unit: "percentunit", goodFrom: 0.2, queries: []query{{`min(parley_disk_free_bytes{$s} / parley_disk_bytes{$s})`, ""}}},
		{title: "Commit, 99th percentile", unit: "s", badFrom: 0.1, queries: []query{
			{`histogram_quantile(0.99, sum by (le, instance) (rate(parley_commit_seconds_bucket{$s}[$__rate_interval])))`, "{{instance}}"},
		}},
		{title: "Store: stopped, or without room", max: 1, badFrom: 1, queries: []query{
			{`parley_store_failed{$s}`, "stopped {{instance}}"}, {`parley_store_full{$s}`, "no room {{instance}}"},
		}},
		{title: "Faults", queries: []query{
			{`sum by (where) (increase(parley_panics_total{$s}[$__rate_interval])) > 0`, "panic: {{where}}"},
			{`sum by (reason) (increase(parley_store_failures_total{$s}[$__rate_interval])) > 0`, "store: {{reason}}"},
			{`sum(increase(parley_damaged_rows_total{$s}[$__rate_interval])) > 0`, "damaged rows"},
			{`sum(increase(parley_rooms_dropped_total{$s}[$__rate_interval])) > 0`, "rooms dropped"},
			{`sum(increase(parley_room_gaps_total{$s}[$__rate_interval])) > 0`, "gaps"},
		}},
	}},
	{"Traffic", []panel{
		{title: "Peers", queries: []query{
			{`sum(parley_sockets{$s})`, "sockets"}, {`sum(parley_members{$s})`, "members"}, {`sum(parley_members_away{$s})`, "away"},
		}},
		{title: "Meetings", queries: []query{{`sum(parley_rooms{$s})`, "in memory"}, {`sum(parley_sessions_live{$s})`, "live sessions"}}},
		{title: "Messages stored", unit: "ops", stacked: true, queries: []query{{`sum by (kind) (rate(parley_entries_total{$s}[$__rate_interval]))`, "{{kind}}"}}},
		{title: "Joining and leaving", unit: "ops", queries: []query{
			{`sum(rate(parley_joins_total{$s}[$__rate_interval]))`, "joins"}, {`sum(rate(parley_leaves_total{$s}[$__rate_interval]))`, "leaves"},
			{`sum(rate(parley_sockets_opened_total{$s}[$__rate_interval]))`, "sockets opened"},
		}},
		{title: "Sockets closed, by code", unit: "ops", stacked: true, queries: []query{
			{`sum by (code) (rate(parley_sockets_closed_total{$s}[$__rate_interval])) > 0`, "{{code}}"},
		}},
		{title: "Peers not let in, by reason", unit: "ops", stacked: true, queries: []query{
			{`sum by (code) (rate(parley_sockets_refused_total{$s}[$__rate_interval])) > 0`, "{{code}}"},
		}},
		{title: "Requests done", unit: "reqps", stacked: true, queries: []query{
			{`sum by (request) (rate(parley_requests_total{$s,outcome="done"}[$__rate_interval]))`, "{{request}}"},
		}},
		{title: "Requests refused", unit: "reqps", stacked: true, queries: []query{
			{`sum by (request, outcome) (rate(parley_requests_total{$s,outcome!="done"}[$__rate_interval])) > 0`, "{{request}}: {{outcome}}"},
		}},
		{title: "HTTP", unit: "reqps", stacked: true, queries: []query{
			{`sum by (surface, status) (rate(parley_http_requests_total{$s}[$__rate_interval]))`, "{{surface}} {{status}}"},
		}},
		{title: "Connectivity checks", unit: "ops", queries: []query{
			{`sum by (outcome) (rate(parley_ice_checks_total{$s}[$__rate_interval]))`, "{{outcome}}"},
		}},
		{title: "Uploads", unit: "ops", queries: []query{{`sum by (step) (rate(parley_uploads_total{$s}[$__rate_interval]))`, "{{step}}"}}},
		{title: "Bytes of uploads", unit: "Bps", queries: []query{{`sum(rate(parley_upload_bytes_total{$s}[$__rate_interval]))`, "put"}}},
	}},
	{"Latency", []panel{
		{title: "Sends, edits, deletes, pins: to disk and room", unit: "s", queries: quantiles("parley_command_seconds")},
		{title: "Commits", unit: "s", queries: quantiles("parley_commit_seconds")},
		{title: "API", unit: "s", queries: quantiles("parley_rest_seconds")},
	}},
	{"Fan-out", []panel{
		{title: "Deliveries and writes", unit: "ops", queries: []query{
			{`sum(rate(parley_deliveries_total{$s}[$__rate_interval]))`, "deliveries"}, {`sum(rate(parley_socket_writes_total{$s}[$__rate_interval]))`, "writes"},
		}},
		{title: "Deliveries for each write", queries: []query{
			{`sum(rate(parley_deliveries_total{$s}[$__rate_interval])) / sum(rate(parley_socket_writes_total{$s}[$__rate_interval]))`, "deliveries for each write"},
		}},
		{title: "Bytes to sockets", unit: "Bps", queries: []query{{`sum(rate(parley_socket_written_bytes_total{$s}[$__rate_interval]))`, "written"}}},
		{title: "The peer that lags most", unit: "bytes", queries: []query{{`max by (instance) (parley_peer_lag_bytes{$s})`, "{{instance}}"}}},
		{title: "Peers behind", queries: []query{{`sum by (bytes) (parley_peers_behind{$s})`, "more than {{bytes}} bytes"}}},
		{title: "Broadcasts lost, entries replayed", unit: "ops", queries: []query{
			{`sum(rate(parley_broadcasts_lost_total{$s}[$__rate_interval]))`, "lost"}, {`sum(rate(parley_replayed_entries_total{$s}[$__rate_interval]))`, "replayed"},
		}},
		{title: "Histories", unit: "ops", stacked: true, queries: []query{{`sum by (outcome) (rate(parley_histories_total{$s}[$__rate_interval]))`, "{{outcome}}"}}},
		{title: "Memory for histories", unit: "bytes", queries: []query{{`sum by (instance) (parley_history_bytes{$s})`, "{{instance}}"}}},
	}},
	{"Store", []panel{
		{title: "Writes for each commit", queries: []query{
			{`sum(rate(parley_commit_jobs_sum{$s}[$__rate_interval])) / sum(rate(parley_commit_jobs_count{$s}[$__rate_interval]))`, "writes for each commit"},
		}},
		{title: "Writes and commits", unit: "ops", queries: []query{
			{`sum(rate(parley_commit_jobs_sum{$s}[$__rate_interval]))`, "writes"}, {`sum(rate(parley_commit_jobs_count{$s}[$__rate_interval]))`, "commits"},
		}},
		{title: "Writes that wait", queries: []query{{`parley_write_queue{$s}`, "{{instance}}"}}},
		{title: "Age of the commit under way", unit: "s", badFrom: 10, queries: []query{{`parley_commit_age_seconds{$s}`, "{{instance}}"}}},
		{title: "Reads", unit: "ops", queries: []query{
			{`sum(rate(parley_store_reads_total{$s}[$__rate_interval]))`, "of the database"},
			{`sum by (outcome) (rate(parley_access_lookups_total{$s}[$__rate_interval]))`, "access: {{outcome}}"},
		}},
		{title: "Size of the database", unit: "bytes", queries: []query{
			{`parley_database_bytes{$s}`, "database {{instance}}"}, {`parley_wal_bytes{$s}`, "log {{instance}}"},
		}},
		{title: "Disk of the data directory", unit: "bytes", queries: []query{
			{`parley_disk_free_bytes{$s}`, "free {{instance}}"}, {`parley_disk_bytes{$s}`, "size {{instance}}"},
		}},
	}},
	{"Limits hit", []panel{
		{title: "Limits, by their names in docs/limits.md", unit: "ops", stacked: true, queries: []query{
			{`sum by (limit) (rate(parley_limits_total{$s}[$__rate_interval])) > 0`, "{{limit}}"},
		}},
		{title: "HTTP connections", queries: []query{{`sum by (instance) (parley_http_connections{$s})`, "{{instance}}"}}},
		{title: "HTTP connections refused", unit: "ops", stacked: true, queries: []query{
			{`sum by (reason) (rate(parley_http_connections_refused_total{$s}[$__rate_interval]))`, "{{reason}}"},
		}},
		{title: "Connections for connectivity checks", queries: []query{{`sum by (instance) (parley_ice_connections{$s})`, "{{instance}}"}}},
		{title: "Connections for connectivity checks refused", unit: "ops", stacked: true, queries: []query{
			{`sum by (reason) (rate(parley_ice_connections_refused_total{$s}[$__rate_interval]))`, "{{reason}}"},
		}},
	}},
	{"Webhooks and exports", []panel{
		{title: "Attempts to deliver", unit: "ops", queries: []query{{`sum by (outcome) (rate(parley_webhook_attempts_total{$s}[$__rate_interval]))`, "{{outcome}}"}}},
		{title: "Deliveries that wait", queries: []query{{`parley_webhook_deliveries_waiting{$s}`, "{{instance}}"}}},
		{title: "The delivery that has been due for longest", unit: "s", badFrom: 60, queries: []query{{`parley_webhook_overdue_seconds{$s}`, "{{instance}}"}}},
		{title: "Exports", unit: "ops", queries: []query{
			{`sum by (outcome) (rate(parley_exports_total{$s}[$__rate_interval]))`, "{{outcome}}"}, {`sum(rate(parley_export_downloads_total{$s}[$__rate_interval]))`, "sent out"},
		}},
		{title: "Bytes of exports", unit: "Bps", queries: []query{{`sum(rate(parley_export_bytes_total{$s}[$__rate_interval]))`, "made"}}},
		{title: "Sessions that wait for their export", queries: []query{{`parley_exports_waiting{$s}`, "{{instance}}"}}},
	}},
	{"Resources", []panel{
		{title: "CPU", queries: []query{{`rate(process_cpu_seconds_total{$s}[$__rate_interval])`, "cores {{instance}}"}}},
		{title: "Memory", unit: "bytes", queries: []query{
			{`process_resident_memory_bytes{$s}`, "resident {{instance}}"}, {`go_memstats_heap_inuse_bytes{$s}`, "heap {{instance}}"},
		}},
		{title: "Descriptors", queries: []query{{`process_open_fds{$s}`, "open {{instance}}"}, {`process_max_fds{$s}`, "most {{instance}}"}}},
		{title: "Goroutines", queries: []query{{`go_goroutines{$s}`, "{{instance}}"}}},
		{title: "Longest pause for the garbage collector", unit: "s", queries: []query{{`go_gc_duration_seconds{$s,quantile="1"}`, "{{instance}}"}}},
		{title: "Network of the machine", unit: "Bps", queries: []query{
			{`rate(process_network_receive_bytes_total{$s}[$__rate_interval])`, "in {{instance}}"},
			{`rate(process_network_transmit_bytes_total{$s}[$__rate_interval])`, "out {{instance}}"},
		}},
	}},
}

// quantiles shows how long most, many and nearly all took.
func quantiles(histogram string) []query {
	of := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (rate(" + histogram + "_bucket{$s}[$__rate_interval])))"
	}
	return []query{{of("0.5"), "50 %"}, {of("0.9"), "90 %"}, {of("0.99"), "99 %"}}
}
