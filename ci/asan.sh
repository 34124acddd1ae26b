#!/usr/bin/env bash
# Runs the library's and the command line's tests built with AddressSanitizer. Needs nightly Rust; takes some ten minutes. What
# may be given are names of tests, as to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

# Killed processes free nothing: leaks are counted by ci/leaks.sh.
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/asan" CARGO_PROFILE_DEV_DEBUG=line-tables-only
# A target of its own keeps the sanitizer out of what runs while building.
what=(--quiet --package ringway --package ringway-cli --all-features --target x86_64-unknown-linux-gnu)
cargo +nightly build "${what[@]}" --examples
cargo +nightly test "${what[@]}" --no-fail-fast --tests -- "$@"
echo "== all passed"
