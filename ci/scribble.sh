#!/usr/bin/env bash
# One process overwrites what it can write of a ring while another uses it: for SECONDS in each role of each kind (default: 900),
# and for at least OPERATIONS of the victim's in each (default: 250000000). Tells how far it is every five seconds. Then a tenth of
# both with every visit of a slot or record counted, where a call that makes one too many is a panic. With nightly Rust the processes
# are built with AddressSanitizer, else without, as is said.
#   ci/scribble.sh [SECONDS [OPERATIONS]]     ci/scribble.sh --counted [SECONDS [OPERATIONS]]: all of it with visits counted
set -euo pipefail
cd "$(dirname "$0")/.."

counted=false
if [ "${1:-}" = --counted ]; then
  counted=true
  shift
fi
seconds=${1:-900} operations=${2:-250000000}
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
run=(test --release --quiet --package ringway --test scribble)
flags=${RUSTFLAGS:-}
if cargo +nightly --version >/dev/null 2>&1; then
  how="with AddressSanitizer"
  # The end of a killed process is no leak; the library's own leaks are counted elsewhere (ci/leaks.sh).
  flags+=" -Zsanitizer=address"
  export ASAN_OPTIONS=detect_leaks=0
  run=(+nightly "${run[@]}" --target x86_64-unknown-linux-gnu)
elif [ "${CI:-}" = true ]; then
  echo "missing: nightly Rust (rustup toolchain install nightly)" >&2
  exit 1
else
  how="without AddressSanitizer"
  echo "SKIPPED: AddressSanitizer: nightly Rust is missing (rustup toolchain install nightly)"
fi
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

# In a build of this name, with these flags: so many seconds and operations.
scribble() {
  RUSTFLAGS="$flags $2" CARGO_TARGET_DIR="$target_dir/$1" RINGWAY_SCRIBBLE_SECONDS=$3 RINGWAY_SCRIBBLE_OPERATIONS=$4 \
    cargo "${run[@]}" -- --nocapture --test-threads=1 2>&1 |
    grep --line-buffered -v '^$\|^@\|^running\|^test .* ok$\|^\.*$\|^ok$'
}
if ! $counted; then
  echo "== $seconds s a role, $how"
  scribble asan "" "$seconds" "$operations"
  seconds=$(((seconds + 9) / 10)) operations=$(((operations + 9) / 10))
fi
echo "== $seconds s a role, $how, visits counted"
scribble asan-counted "--cfg fuzzing" "$seconds" "$operations"
echo "== all passed"
