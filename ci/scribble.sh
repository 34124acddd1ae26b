#!/usr/bin/env bash
# One process overwrites a ring while another uses it: for SECONDS in each role of each kind (default: 900), and for at least
# OPERATIONS of the victim's in each (default: 250000000, so 10^9 in all). Tells how far it is every five seconds. With nightly
# Rust the processes are built with AddressSanitizer, else without, as is said.
set -euo pipefail
cd "$(dirname "$0")/.."

export RINGWAY_SCRIBBLE_SECONDS=${1:-900} RINGWAY_SCRIBBLE_OPERATIONS=${2:-250000000}
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
run=(test --release --quiet --package ringway --test scribble)
if cargo +nightly --version >/dev/null 2>&1; then
  echo "== $RINGWAY_SCRIBBLE_SECONDS s a role, with AddressSanitizer"
  # The end of a killed process is no leak; the library's own leaks are counted elsewhere (ci/leaks.sh).
  export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0 CARGO_TARGET_DIR="$target_dir/asan"
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
  run=(+nightly "${run[@]}" --target x86_64-unknown-linux-gnu)
elif [ "${CI:-}" = true ]; then
  echo "missing: nightly Rust (rustup toolchain install nightly)" >&2
  exit 1
else
  echo "SKIPPED: AddressSanitizer: nightly Rust is missing (rustup toolchain install nightly)"
  echo "== $RINGWAY_SCRIBBLE_SECONDS s a role"
fi
cargo "${run[@]}" -- --nocapture --test-threads=1 2>&1 |
  grep --line-buffered -v '^$\|^@\|^running\|^test .* ok$\|^\.*$\|^ok$'
echo "== all passed"
