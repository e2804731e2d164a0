# Two commands do everything, with only git, make and Rust (https://rustup.rs) on the machine:
# `make demo` and `make test`. One profile, release, so that everything is built once.

SHELL := /bin/sh
# Where `make lint-tools` puts its own, and where rustup puts cargo.
export PATH := $(CURDIR)/.deps/lint/bin:$(PATH):$(HOME)/.cargo/bin

# Industrial cameras, where Aravis is installed (`make setup` does that). The same features for demo, tests and
# lints, so that everything is built once.
FEATURES = $(shell pkg-config --exists aravis-0.8 2>/dev/null && echo --features genicam)

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults million fuzz lint lint-tools bench figures train-setup models-real exporters sparkplug-tools schema-tools chessboards clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## install what is missing (system packages, ONNX Runtime); asks for sudo only then
	@scripts/setup.sh

demo: setup ## build, then show the gate at work on the samples
	cargo build --release $(FEATURES)
	target/release/taktgate demo

test: setup ## run all tests
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo test --release $(FEATURES) --doc && cargo nextest run --release $(FEATURES); \
	else \
		echo "cargo-nextest is not installed, so plain \`cargo test\` runs the tests"; \
		set -x; cargo test --release $(FEATURES); \
	fi

faults: setup ## put a station through all faults at length (half an hour), and write docs/faults.md
	cargo test --release $(FEATURES) --test faults -- --ignored --nocapture the_table_of_faults
	cargo test --release $(FEATURES) --test genicam -- --ignored --nocapture

million: setup ## a million triggers through one station (ten minutes)
	cargo test --release $(FEATURES) --test faults -- --ignored --nocapture a_million_triggers

fuzz: setup ## fuzz the parsers, each group for FUZZ_SECONDS (60), with cargo-fuzz in .deps/fuzz
	@scripts/fuzz.sh

lint: setup ## formatting, spelling, clippy and documentation; every warning is an error
	cargo fmt --check
	@if command -v typos >/dev/null; then typos; else echo "typos is not installed: make lint-tools"; fi
	@if command -v taplo >/dev/null; then RUST_LOG=warn taplo fmt --check; else echo "taplo is not installed: make lint-tools"; fi
	cargo clippy --locked --release $(FEATURES) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release $(FEATURES) --no-deps

lint-tools: ## install typos and taplo into .deps/lint
	@test -x .deps/lint/bin/typos -a -x .deps/lint/bin/taplo || \
		python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
			--only-binary=:all: --target .deps/lint typos==1.52.0 taplo==0.9.3

bench: setup ## run the benchmarks
	cargo bench --profile release $(FEATURES)

train-setup: ## a Python environment for training models, in .deps/train (5 GB)
	python3 -m venv .deps/train
	.deps/train/bin/pip install --disable-pip-version-check -r models/train/requirements.txt

# Weights trained on these pictures may not be shared (models/train/README.md), so models/real is not under git.
MODELS_REAL := steel-classes steel-masks steel-boxes weld-boxes weld-boxes-baseline body-boxes body-boxes-baseline

models-real: ## train models on the real pictures in TAKTGATE_DATA, into models/real (hours; goes on where it stopped)
	for model in $(MODELS_REAL); do \
		.deps/train/bin/python models/train/train.py models/train/$$model.toml --out models/real --threads 1 || exit 1; \
	done

figures: ## the table of models/README.md: all models that are here on the labelled sets in TAKTGATE_DATA
	cargo build --release $(FEATURES)
	scripts/model-figures.py

exporters: ## the exporters that the parity tests run, in .deps/exporters (2.4 GB, a minute)
	@scripts/exporters.sh

sparkplug-tools: ## the foreign readers that the Sparkplug tests ask, in .deps/sparkplug (60 MB, half a minute)
	@scripts/sparkplug-tools.sh

schema-tools: ## the foreign readers of docs/schema that its tests run, in .deps/schema-tools (100 MB, half a minute)
	@scripts/schema-tools.sh

chessboards: ## the pictures of OpenCV's samples that the calibration is tested on, in .deps/chessboards (fetches 96 MB)
	@scripts/chessboards.sh

clean: ## remove what was built; .deps stays
	cargo clean
