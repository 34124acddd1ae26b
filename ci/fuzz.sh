#!/usr/bin/env bash
# Fuzzes with AddressSanitizer: SECONDS for each target (default: 600), one after the other, or only for those named. Needs
# nightly Rust. What it finds it leaves in fuzz/work/found-*: such a file belongs into fuzz/findings/TARGET, with the repair.
# At the end: which part of the code's edges the inputs have reached. Inputs are kept in fuzz/work for the next time.
#   ci/fuzz.sh [SECONDS [TARGET…]]     ci/fuzz.sh --replay: the committed inputs, on stable Rust, without sanitizers
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}

if [ "${1:-}" = --replay ]; then
  RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzzing" CARGO_TARGET_DIR="$target_dir/replay" exec cargo test --quiet
fi

seconds=${1:-600}
shift $(($# > 0 ? 1 : 0))
[ $# -gt 0 ] || set -- header mpmc mpmc_lies records spsc spsc_lies stream
host=x86_64-unknown-linux-gnu
cover="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
cover="$cover -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="--cfg fuzzing $cover -Zsanitizer=address -Ccodegen-units=1" CARGO_TARGET_DIR="$target_dir/fuzz" \
  cargo +nightly build --quiet --release --features libfuzzer --target $host
fuzz="$target_dir/fuzz/$host/release/fuzz"

# Handles of those who die are meant to be lost.
export ASAN_OPTIONS=detect_leaks=0
mkdir -p work
failed=0
for target in "$@"; do
  echo "== $target: $seconds s"
  mkdir -p "work/$target" "findings/$target"
  dictionary=()
  [ ! -f "dictionaries/$target.dict" ] || dictionary=("-dict=dictionaries/$target.dict")
  RINGWAY_FUZZ_TARGET=$target "$fuzz" "${dictionary[@]}" -max_total_time="$seconds" -max_len=1500 -timeout=20 \
    -rss_limit_mb=4096 -artifact_prefix="work/found-$target-" "work/$target" "corpus/$target" "findings/$target" \
    >"work/$target.log" 2>&1 || { failed=1; grep -A2 'panicked\|ERROR' "work/$target.log" | head -20; }
  grep '^#[0-9]' "work/$target.log" | tail -1
  rmdir --ignore-fail-on-non-empty "findings/$target"
done

echo "== reached by all inputs together (of the edges, those that only a report of the sanitizer or a panic takes never are)"
for target in "$@"; do
  RINGWAY_FUZZ_TARGET=$target "$fuzz" -runs=0 -print_coverage=1 "work/$target" "corpus/$target" 2>&1 | grep 'COVERED_FUNC:' || true
done | awk '
  # [UN]COVERED_FUNC: hits: H edges: REACHED/ALL NAME FILE:LINE
  match($0, /src\/(ring|frame|layout|pipe|wait|sync)\/[a-z_\/]*\.rs:[0-9]+$/) {
    place = substr($0, RSTART); split($5, edges, "/"); part = place; sub(/^src\//, "", part); sub(/\/.*/, "", part)
    key = $0; sub(/^.*edges: [0-9]+\/[0-9]+ /, "", key)
    if (!(key in all)) { all[key] = edges[2]; of[key] = part }
    if (edges[1] > reached[key]) reached[key] = edges[1]
  }
  END {
    for (key in all) {
      sum[of[key]] += all[key]; got[of[key]] += reached[key]; functions[of[key]]++; entered[of[key]] += reached[key] > 0
    }
    for (part in sum)
      printf "src/%-7s %4d of %4d functions, %5d of %5d edges\n", part, entered[part], functions[part], got[part], sum[part]
  }' | sort
exit $failed
