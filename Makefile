# The project's habits. `make demo` and `make test` do all of their own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
export CARGO_TERM_PROGRESS_WHEN ?= never

.PHONY: help setup demo build test unit lint audit bench bench-long fuzz doc clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## what a fresh machine lacks: a C compiler for aws-lc, the lint tools
	@scripts/setup

demo: setup ## start, load 28,298 airports, query, kill -9, restart, count: under a minute after the build
	@$(CARGO) build --locked --profile demo -p sealdb-server -p sealdb-cli -p sealdb-benches
	@demo/run

build: setup ## release binaries in target/release
	$(CARGO) build --locked --release -p sealdb-server -p sealdb-cli

test: setup lint unit ## everything that CI runs

unit: ## all tests of the workspace, without lint
	@scripts/test

lint: setup ## format, clippy without warnings, licences, sources, arrows between rooms, docs
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path benches/peers/Cargo.toml
	$(CARGO) fmt --check --manifest-path tests/clients/rust/Cargo.toml
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	@scripts/formats --check
	@scripts/cargo-deny check --hide-inclusion-graph bans licenses sources

audit: setup ## known vulnerabilities, and the licences of the peers (needs the internet)
	@scripts/cargo-deny check advisories
	@scripts/cargo-deny --manifest-path benches/peers/Cargo.toml check --hide-inclusion-graph licenses sources

bench: setup ## sealed against plain, interleaved, in two minutes; README=1 puts it into the README, CRITERION=1 adds single calls
	@scripts/bench --quick

bench-long: setup ## what takes long, half an hour or more: ONLY="stored load ..." for some of it
	@scripts/bench $(if $(ONLY),$(addprefix --only ,$(ONLY)),--long)

fuzz: ## every target for SECONDS_EACH=60 with cargo-fuzz
	@scripts/fuzz

doc: ## API documentation in target/doc
	$(CARGO) doc --locked --workspace --no-deps

clean:
	$(CARGO) clean
