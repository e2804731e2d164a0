#!/bin/sh
# Fuzzes the parsers: each target of fuzz/ for FUZZ_SECONDS, from the good samples of tests/hostile/.
#
#   scripts/fuzz.sh             all targets, one after the other
#   scripts/fuzz.sh wire        one of them
#
# cargo-fuzz comes to .deps/fuzz. Coverage needs a compiler option that is not stable yet, hence
# RUSTC_BOOTSTRAP; no nightly compiler, and no address sanitizer: the gate has no unsafe code, and the
# bound of memory is held by the checks themselves. What was found lies in fuzz/artifacts.
set -eu

cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
targets=${*:-wire files pictures models labels}
version=0.13.2

export PATH="$PWD/.deps/fuzz/bin:$PATH"
cargo fuzz --version 2>/dev/null | grep -qF "$version" ||
	cargo install --quiet --locked --root .deps/fuzz "cargo-fuzz@$version"

TAKTGATE_SEEDS="$PWD/fuzz/corpus" cargo test --release --test hostile each_good_sample

# The targets that spoil one file of a folder work in memory where they can.
scratch=$(mktemp -d "$(test -d /dev/shm && echo /dev/shm || echo "${TMPDIR:-/tmp}")/taktgate-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

for target in $targets; do
	echo "== $target"
	TMPDIR="$scratch" RUSTC_BOOTSTRAP=1 cargo +stable fuzz run --sanitizer none "$target" -- \
		-max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
