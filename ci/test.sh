#!/usr/bin/env bash
# Tests everything: the one command, on a fresh machine with Rust. Takes no arguments; see the README for the
# longer runs. Prints what it skips and why.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s  (%d s)\n' "$1" $((SECONDS - started)); }
missing() {
  if [ "${CI:-}" = true ]; then
    echo "missing: $1 ($2)" >&2
    exit 1
  fi
  echo "SKIPPED: $1 is missing: $2"
}

command -v cargo >/dev/null || { echo "missing: cargo; install Rust from your distribution or by rustup" >&2; exit 1; }
# Line numbers are what a failed test shows; the rest of what debuggers want takes long to link.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only
rings_before=$(ls /dev/shm 2>/dev/null | grep -c '^\.\?ringway\.' || true)

step "format"
if cargo fmt --version >/dev/null 2>&1; then cargo fmt --all --check; else missing rustfmt "rustup component add rustfmt"; fi

step "lint"
if cargo clippy --version >/dev/null 2>&1; then
  cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
  cargo clippy --package ringway --quiet -- -D warnings # as most users build it
else
  missing clippy "rustup component add clippy"
fi

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --quiet

step "unit, integration and documentation tests, examples"
cargo build --workspace --examples --all-features --quiet
cargo test --workspace --all-features --quiet

step "benches as tests"
cargo test --workspace --all-features --quiet --bench '*' >/dev/null
cargo build --workspace --all-features --quiet --bins
"${CARGO_TARGET_DIR:-target}/debug/ringway" bench --smoke >/dev/null

step "crash matrix (a sample of every operation; all of it: ci/crash.sh)"
if [ -f docs/crash-matrix.md ]; then
  ci/crash.sh --sample
else
  ci/crash.sh --sample --no-table
  echo "SKIPPED: the comparison with docs/crash-matrix.md, which a whole run of ci/crash.sh makes"
fi

step "models"
ci/loom.sh

step "seeded faults (a quick choice; all of them: ci/faults.sh)"
ci/faults.sh --quick

step "what fuzzing has found, and what is near it (fuzzing itself: ci/fuzz.sh)"
ci/fuzz.sh --replay

step "data races (ThreadSanitizer)"
if cargo +nightly --version >/dev/null 2>&1; then ci/tsan.sh; else missing "nightly Rust" "rustup toolchain install nightly"; fi

step "a peer that overwrites everything, 20 s in each kind (longer: ci/scribble.sh)"
ci/scribble.sh --counted 10 1

step "the report page in a browser"
ci/page.sh

step "dependencies"
lines=$(cargo tree --edges normal --package ringway | wc -l)
echo "cargo tree -e normal -p ringway: $lines lines"
[ "$lines" -le 40 ] || { echo "the library's dependencies no longer fit on a screen" >&2; exit 1; }

step "leftovers"
rings_after=$(ls /dev/shm 2>/dev/null | grep -c '^\.\?ringway\.' || true)
[ "$rings_after" -le "$rings_before" ] || { ls -la /dev/shm; echo "the tests left rings in /dev/shm" >&2; exit 1; }

step "all passed"
