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

.NOTPARALLEL:
.PHONY: all build test setup generate limits check-generated fmt lint test-go test-web test-demo test-e2e soak bench-slow fuzz clean
all: build

build:
	go build -o parley ./cmd/parley

test: setup lint check-generated test-go test-web test-demo test-e2e

## what tests need

setup:
	scripts/setup
	@$(MAKE) web/node_modules/.package-lock.json web/e2e/node_modules/.package-lock.json

%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

## generated code

# Go and TypeScript from the .proto file, the built browser files, and the page
# of limits.
generate: limits web/node_modules/.package-lock.json
	protoc --plugin=protoc-gen-go="$$($(TOOL) -n protoc-gen-go)" --go_out=. --go_opt=paths=source_relative protocol/rtkwire/rtk.proto
	cd web && npm run --silent generate && npm run --silent build

# docs/limits.md, from the constants that it names.
limits:
	go run ./scripts/limits

check-generated:
	scripts/check-generated

## looks

fmt:
	$(TOOL) golangci-lint fmt

lint: web/node_modules/.package-lock.json
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):" $$unformatted; exit 1; fi
	go mod tidy -diff
	go vet ./...
	$(TOOL) golangci-lint run --allow-parallel-runners
	cd web && npm run --silent check

## tests

# All of Go, under the race detector; a skipped test is a failed one.
test-go:
	go run ./scripts/gotest -race -timeout 10m ./...

test-web: web/node_modules/.package-lock.json
	cd web && ../scripts/nodetest npm test --silent

# The demo page, in Chromium, on a real server.
test-demo: web/node_modules/.package-lock.json
	cd web && ../scripts/with-parley ../scripts/nodetest npm run --silent test:demo

# The official SDK, unmodified, in Chromium, on a real server.
test-e2e: web/e2e/node_modules/.package-lock.json
	cd web/e2e && ../../scripts/nodetest npm test --silent

# Power cuts and crashes, many more of them than in "make test".
soak:
	PARLEY_SOAK=1 go test -count=1 -v -timeout 60m $(SOAK)

# Joins while 2,000 slow connections are held; see docs/benchmarks.md.
bench-slow:
	go run ./test/slow

# Each fuzz target for FUZZTIME; PKG chooses packages.
fuzz:
	scripts/fuzz $(PKG)

clean:
	rm -rf parley web/node_modules web/e2e/node_modules
