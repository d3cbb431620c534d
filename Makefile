# What people type. Each target works on a fresh machine and installs what it lacks.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help run web console-check console-tests test nightly check bench tier waiting flood quota bill sim fuzz clients fmt clean setup

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

run: setup web ## Build and start the service with the demo tenant, in the foreground
	cargo build --release --locked --package firn
	$(TARGET)/release/firn standalone --bootstrap infra/demo.toml

web: ## Build the web console, which the next build of the binary then has
	@infra/setup-web.sh
	cd web && npm run build

console-check: web console-tests ## Check the web console: lint, unit tests, and a browser on every page

console-tests:
	@infra/setup-web.sh browser
	cd web && npm run lint && npm test
	cargo build --locked --package firn
	cd web && FIRN_BIN=$(abspath $(TARGET))/debug/firn npm run e2e

test: web check ## Run every check and every test
	cargo test --workspace --locked
	$(MAKE) console-tests
	infra/fuzz-api.sh $(TARGET)/debug/firn $(TARGET)/schemathesis
	python3 firn/tests/clients/table_test.py
	python3 firn/tests/clients/grpc/run.py $(TARGET)/debug/firn $(TARGET)/clients/grpc
	python3 firn/tests/clients/mq_http/run.py $(TARGET)/debug/firn $(TARGET)/clients/mq_http

clients: setup ## Try the client libraries and write into docs/clients.md what works
	cargo build --locked --package firn
	python3 firn/tests/clients/grpc/run.py $(TARGET)/debug/firn $(TARGET)/clients/grpc --table docs/clients.md
	python3 firn/tests/clients/mq_http/run.py $(TARGET)/debug/firn $(TARGET)/clients/mq_http --table docs/clients.md

fuzz: setup ## Fuzz the HTTP API longer: make fuzz EXAMPLES=200 SEED=1
	cargo build --locked --package firn
	infra/fuzz-api.sh $(TARGET)/debug/firn $(TARGET)/schemathesis $(or $(EXAMPLES),200) $(or $(SEED),$$RANDOM)

sim: setup ## Simulate many seeds: make sim SEEDS=1000
	FIRN_SIM_SEEDS=$(or $(SEEDS),1000) cargo test --release --locked --package firn --test e2e sim:: -- --nocapture

nightly: setup ## Run the tests that take minutes, too
	FIRN_SEEDS=10 cargo test --workspace --locked -- --include-ignored
	FIRN_SEEDS=5 FIRN_NAPS=30 cargo test --package firn-storage-node --locked --test node -- crash:: cold:: object_histories::
	$(MAKE) fuzz

check: setup ## Format, lints and documentation, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

bench: setup ## Measure against the servers that it installs under .bench
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench setup
	$(TARGET)/release/firn-bench run

tier: setup ## Measure object storage against an S3 server that it installs under .bench
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench tier
	$(TARGET)/release/firn-bench tier --latency-ms 20 --sparse-mib 0

waiting: setup ## Measure what very many delayed and failing messages cost
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench waiting

flood: setup ## Measure what a tenant's flood does to its neighbour
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench flood

quota: setup ## Measure how exactly plans let messages pass
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench quota

bill: setup ## Compare bills with what happened, through kills of the process
	cargo build --release --locked --package firn --package firn-load-tests
	$(TARGET)/release/firn-bench bill

fmt: setup ## Format the code
	cargo fmt --all

setup: ## Install what a build needs, if it is missing
	@infra/setup.sh

clean: ## Remove what was built and measured; data stays
	cargo clean
	rm -rf .bench
