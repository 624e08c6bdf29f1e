# One door: what is done here by hand is what continuous integration does.
#
#   make test    everything, in the order in which it is soonest to fail
#   make fmt     make the code look as it must
#   make build   the binary, ./parley

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Tools have a module of their own, so that what they need is not needed by
# those who build or embed Parley.
TOOL := go tool -modfile=tools/go.mod

# Packages with tests that run longer with PARLEY_SOAK=1.
SOAK ?= ./test/...
export FUZZTIME ?= 60s

# What servers log in tests, for check-logs. A folder for each run: Go's cache of
# test results knows by it that there is something to be made anew.
ifndef PARLEY_TEST_LOGS
PARLEY_TEST_LOGS := $(or $(TMPDIR),/tmp)/parley-test-logs-$(shell date +%s)-$(shell echo $$PPID)
endif
export PARLEY_TEST_LOGS
export PARLEY_E2E_LOGS ?= $(PARLEY_TEST_LOGS)/e2e

.NOTPARALLEL:
.PHONY: all build test setup generate pages check-generated fmt lint test-go test-web test-clients test-demo test-e2e check-logs soak bench-slow bench-storms bench-lists bench-load bench-check bench-export fuzz clean
all: build

build:
	go build -o parley ./cmd/parley

test: setup lint check-generated test-go test-web test-clients test-demo test-e2e check-logs

## what tests need

setup:
	scripts/setup
	@$(MAKE) web/node_modules/.package-lock.json web/e2e/node_modules/.package-lock.json web/clients/node_modules/.package-lock.json

%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

## generated code

# Go and TypeScript from the .proto file, the built browser files, and pages
# of docs.
generate: pages web/node_modules/.package-lock.json
	protoc --plugin=protoc-gen-go="$$($(TOOL) -n protoc-gen-go)" --go_out=. --go_opt=paths=source_relative protocol/rtkwire/rtk.proto
	cd web && npm run --silent generate && npm run --silent build

# Pages that are made from the code: docs/limits.md, docs/metrics.md and the
# dashboard, packaging/grafana/parley.json.
pages:
	go run ./scripts/limits
	go run ./scripts/metrics
	go run ./scripts/dashboard

check-generated:
	scripts/check-generated

## looks

fmt:
	$(TOOL) golangci-lint fmt

lint: web/node_modules/.package-lock.json
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):" $$unformatted; exit 1; fi
	go mod tidy -diff
	go vet ./...
	GOOS=darwin CGO_ENABLED=0 go build -o /dev/null ./cmd/parley
	$(TOOL) golangci-lint run --allow-parallel-runners
	cd web && npm run --silent check

## tests

# All of Go, under the race detector; a skipped test is a failed one.
test-go:
	go run ./scripts/gotest -race -timeout 10m ./...

test-web: web/node_modules/.package-lock.json
	cd web && ../scripts/nodetest npm test --silent

# The official TypeScript client of the REST API, on a real server.
test-clients: web/clients/node_modules/.package-lock.json
	cd web/clients && ../../scripts/nodetest npm test --silent

# The demo page, in Chromium, on a real server.
test-demo: web/node_modules/.package-lock.json
	cd web && ../scripts/with-parley ../scripts/nodetest npm run --silent test:demo

# The official SDK, unmodified, in Chromium, on a real server.
test-e2e: web/e2e/node_modules/.package-lock.json
	cd web/e2e && ../../scripts/nodetest npm test --silent

# No log of any server that ran in the tests above may hold what people said,
# are called, or prove themselves by. It runs behind them, in the same make.
check-logs:
	go run ./scripts/checklogs $(PARLEY_TEST_LOGS) socket conformance crash hostile replay matrix clients docs slow dev demo e2e
	rm -rf $(PARLEY_TEST_LOGS)

# Power cuts and crashes, many more of them than in "make test".
soak:
	PARLEY_SOAK=1 go test -count=1 -v -timeout 60m $(SOAK)

# Joins while 2,000 slow connections are held; see docs/benchmarks.md.
bench-slow:
	go run ./test/slow

# Restarts under load, storms of clients, a peer that never reads.
bench-storms:
	go run ./test/bench restart
	go run ./test/bench storm
	go run ./test/bench slow

# Lists and single things of a large app, by REST.
bench-lists:
	go run ./test/bench lists

# What deliveries cost, beside NATS and a bare write.
bench-load:
	go run ./test/bench load

# All loads, beside NATS, JetStream, a bare write and a bare log, judged: fails
# when a figure is missed, and says so when a baseline is not what it is known to
# be. About 20 minutes; nothing else may run meanwhile.
bench-check:
	go run ./test/bench check

# The file of a session of a million messages, beside sqlite3 -csv.
bench-export:
	go run ./test/bench export

# Each fuzz target for FUZZTIME; PKG chooses packages.
fuzz:
	scripts/fuzz $(PKG)

clean:
	rm -rf parley web/node_modules web/e2e/node_modules web/clients/node_modules
