# vpphost: user-space host stack. `make help` lists the targets.

GO      ?= go
PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -X main.version=$(VERSION) -X main.built=$(shell git log -1 --format=%cI 2>/dev/null)
FUZZTIME ?= 60s

.PHONY: help deps test-deps build run demo million stall test race bench bench-chart lint fuzz install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the Debian packages that building and running need
	@scripts/deps.sh run

test-deps: ## install what the tests and benchmarks need besides
	@scripts/deps.sh test

build: deps ## build bin/vpphost and bin/vppctl
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/vpphost .
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/vppctl ./cli/vppctl

run: build ## start two instances joined by memif and open the shell of the second
	@scripts/run.sh

demo: build ## the whole tour without a person: ping, echo server, echo clients, sessions
	@scripts/demo.sh

million: build ## a million connections, opened, used, closed; prints what they cost
	@scripts/million.sh

stall: build ## ten minutes of full load with commands: the gaps, beside those of an empty loop
	@scripts/stall.sh

test: build test-deps ## unit tests, race tests and end-to-end tests
	@scripts/test.sh

bench: build test-deps ## beside the kernel and, with PEER_VPP=<prefix>, VPP; BENCHFLAGS=-list; writes bench-out/
	$(GO) run ./scripts/bench $(BENCHFLAGS)

bench-chart: ## draw the last bench into docs/bench.svg
	$(GO) run ./scripts/bench -chart docs/bench.svg

lint: deps ## go vet, gofmt and staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt needed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: deps ## fuzz every parser for FUZZTIME (60s) each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

install: build ## install both programs under PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/vpphost
	install -m 755 bin/vpphost bin/vppctl $(DESTDIR)$(PREFIX)/bin
	install -m 644 startup.conf scripts/*.cli $(DESTDIR)$(PREFIX)/share/vpphost

clean: ## remove what was built
	rm -rf bin bench-out
