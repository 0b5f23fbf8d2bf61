# Fulcrum. Every target first installs what this machine lacks (third_party/install.sh).
#
#   make run     build, then bring up the lab and show all forwarding modes at work (root)
#   make test    every test (root for those that need namespaces or DPDK)
#   make build   bin/fulcrum, and bin/libfulcrum-ipvs.so for ipvsadm and keepalived
#   make bench   measure the director beside testpmd (root; docs/benchmark.md), for example BENCH=--quick
#   make pgo     measure what the director spends its time on, for the compiler: cmd/fulcrum/default.pgo (root)
#   make bench-packages   the benchmarks of all packages
#   make lint    formatting, vet, staticcheck, the width of comments and prose, the cgo-free build
#   make fmt     format the code
#   make fuzz    every fuzz target for FUZZTIME (10s)
#   make soak    what is too long for CI, hours of it: every fuzz target for SOAKTIME (5m), property
#                tests with SOAKCHECKS (20000) checks, the race detector, end-to-end tests SOAKCOUNT
#                (10) times (root; docs/testing.md)
#   make clean   remove what was built

FUZZTIME ?= 10s
SOAKTIME ?= 5m
SOAKCHECKS ?= 20000
SOAKCOUNT ?= 10
BENCH ?=

# The Go that install.sh fetches, where the machine has none.
go_home := $(shell third_party/install.sh --go-home)
export PATH := $(go_home)/bin:$(PATH):/usr/local/go/bin
# Stamping the commit fails in a clone that belongs to another user, as under sudo. So make asks git.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
revision := $(or $(shell git -c safe.directory='*' describe --always --dirty --abbrev=12 2>/dev/null),unknown)

# A failing go list must not pass for an empty one.
SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c

# Sets packages to everything but the DPDK binding and what links it.
cgofree = packages=$$(CGO_ENABLED=0 go list ./... | grep -v -e '^fulcrum/ports/dpdk$$' -e '^fulcrum/cmd/')

.PHONY: run test build bench pgo bench-packages lint fmt fuzz clean native test-cgofree test-race test-all lint-format lint-vet lint-staticcheck lint-width
.PHONY: soak soak-fresh soak-fuzz soak-properties soak-race soak-end-to-end soak-health
.NOTPARALLEL:

run: build
	bin/fulcrum lab

build: native bin/libfulcrum-ipvs.so
	go build -ldflags '-X fulcrum/control.revision=$(revision)' -o bin/fulcrum ./cmd/fulcrum

bin/libfulcrum-ipvs.so: preload/ipvs.c preload/build | native
	preload/build $@

# Stage by stage; the first that fails ends it, and make names it.
test: native test-cgofree test-race build test-all

test-cgofree: native
	@echo '== build without cgo: everything but ports/dpdk and cmd'
	@$(cgofree); CGO_ENABLED=0 go build $$packages

# -short leaves the end-to-end tests to the last stage.
test-race: native
	@echo '== tests under the race detector: everything but ports/dpdk and cmd'
	@$(cgofree); go test -race -short -timeout 10m $$packages

# Packages that have test beds one at a time: several beds at once would fight for two CPUs. Never from the cache: the
# test cache does not see that bin/fulcrum, the kernel or DPDK changed.
beds = ^fulcrum/(cmd/.*|ports/dpdk|lab|bench|guard|hostway|hostnet|adopt|director|ethtool)$$
test-all: build
	@echo '== all tests'
	@packages=$$(go list ./... | grep -v -E '$(beds)'); go test -count 1 -timeout 10m $$packages
	@packages=$$(go list ./... | grep -E '$(beds)'); go test -p 1 -parallel 3 -count 1 -timeout 10m $$packages

bench: build
	bin/fulcrum bench $(BENCH)

# From a build without a profile, so that one profile does not depend on the last.
pgo: native
	go build -pgo=off -o bin/fulcrum ./cmd/fulcrum
	bin/fulcrum bench --quick --profile cmd/fulcrum/default.pgo
	$(MAKE) build

bench-packages: native
	go test -p 1 -run '^$$' -bench . -benchmem ./...

lint: native lint-format lint-vet lint-staticcheck lint-width test-cgofree

lint-format:
	@unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { echo "not formatted, run make fmt: $$unformatted"; exit 1; }

lint-vet:
	go vet ./...

lint-staticcheck:
	go tool staticcheck ./...

# No comment and no prose is wider than 100 columns, but for tables, code blocks and what links to.
# A tab counts as one column. The bytes that continue a UTF-8 character count for nothing, because
# LC_ALL=C counts bytes. WIDTHS chooses files.
WIDTHS ?= *.go *.c *.h *.md
lint-width:
	@set -f; git -c safe.directory='*' ls-files -z -- $(WIDTHS) | LC_ALL=C xargs -0 -r awk ' \
		FNR == 1 { fenced = 0; prose = FILENAME ~ /\.md$$/ } \
		prose && /^ *```/ { fenced = !fenced } \
		prose && (fenced || /^(    |\t)/ || /^ *\|/) { next } \
		!prose && !/(^|[^:"])\/\/|\/\*|^[ \t]*\* / { next } \
		{ text = $$0; gsub(/[\200-\277]/, "", text); gsub(/\]\([^)]*\)/, "", text) } \
		length(text) > 100 { print FILENAME ":" FNR ": " length(text) " columns, more than 100"; wide = 1 } \
		END { exit wide }'

fmt: native
	gofmt -w .

# go test fuzzes one target of one package at a time. A new input may take a second to become
# shorter, not a minute as by default: that would leave no time for others.
fuzz: native
	@packages=$$(go list ./...); for package in $$packages; do \
		targets=$$(go test -list '^Fuzz' $$package | { grep '^Fuzz' || true; }); \
		for target in $$targets; do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package; \
		done; \
	done

# Stage by stage, as test; docs/testing.md says what each looks for.
soak: native soak-fresh soak-properties soak-race build soak-end-to-end soak-health soak-fuzz
	@echo '== soak: all stages passed'

soak-fresh: native
	@echo '== soak: build where no Go is'
	@FULCRUM_FRESH=true go test -count 1 -timeout 20m -run TestFreshMachine .

soak-fuzz: native
	@echo '== soak: every fuzz target for $(SOAKTIME)'
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(SOAKTIME)

soak-properties: native
	@echo '== soak: engine and conntrack with $(SOAKCHECKS) checks of each property'
	@go test -count 1 -timeout 6h ./engine ./conntrack -rapid.checks=$(SOAKCHECKS)

soak-race: native
	@echo '== soak: all tests under the race detector: everything but ports/dpdk and cmd'
	@$(cgofree); go test -race -count 1 -timeout 1h $$packages

soak-end-to-end: build
	@echo '== soak: end-to-end tests, $(SOAKCOUNT) times'
	@FULCRUM_SOAK=true go test -count $(SOAKCOUNT) -timeout 6h ./cmd/fulcrum

soak-health: build
	@echo '== soak: real servers fail in every way, in every mode, under load'
	@bin/fulcrum lab --health

clean:
	rm -rf bin

native:
	@third_party/install.sh
