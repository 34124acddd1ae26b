#!/usr/bin/env bash
# Looks for data races with ThreadSanitizer: threads that share one mapping of a record ring, and of a slot ring. Needs nightly Rust.
#
# Why no other test: ThreadSanitizer relates accesses by address, and each handle of the public API has a mapping of its own;
# and nightly's standard library comes without its marks, so whatever std orders by itself (OnceLock, channels, the end of a
# scope, the test harness) looks like a race. Threads that are spawned and joined are seen, since pthread's calls are.
# Bells, whose edges are fences and system calls, carry no data; the models of loom-tests look at them.
#
# One suppression: what a thread has dropped last is freed by another without an edge that it sees, as the counts of Arc are
# std's. It names the function that frees, not the drops above it: wider ones would hide races of the ring's own memory.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

suppressions=$(mktemp)
trap 'rm -f "$suppressions"' EXIT
echo "race:alloc::alloc::dealloc" >"$suppressions"
host=x86_64-unknown-linux-gnu
RUSTFLAGS="--cfg fuzzing -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" TSAN_OPTIONS="suppressions=$suppressions" \
  CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/tsan" \
  cargo +nightly test --quiet --target $host --test races
