#!/usr/bin/env bash
# Runs the library's and the command line's tests built with AddressSanitizer. Needs nightly Rust; takes some fifteen minutes. What
# may be given are names of tests, as to `cargo test`.
#
# Left out are tests of what the sanitizer itself changes: the memory of a process (it keeps what was freed), and its system calls.
set -euo pipefail
cd "$(dirname "$0")/.."

left_out=(--skip doors::coming_and_going_leaves_nothing_behind --skip nursery::the_dead_leave_nothing_behind
  --skip refusals::refusals_leave_nothing_behind --skip census::what_is_kept_is_noticed --skip silent::
  --skip latency_sensitive_makes_no_system_call)

# Killed processes free nothing: leaks are counted by ci/leaks.sh. Signals end who gets them, as tests expect of those that they send.
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/asan" CARGO_PROFILE_DEV_DEBUG=line-tables-only
# A target of its own keeps the sanitizer out of what runs while building.
what=(--quiet --package ringway --package ringway-cli --all-features --target x86_64-unknown-linux-gnu)
cargo +nightly build "${what[@]}" --examples
cargo +nightly test "${what[@]}" --no-fail-fast --tests -- "${left_out[@]}" "$@"
echo "== all passed"
