#!/usr/bin/env bash
# Kills processes that share rings, comes and goes, and is refused, again and again, and counts what is left: descriptors,
# mappings, memory, files, inodes, blocks and places must stay as they were. Takes the number of cycles (default:
# 100000) and tells how many are done every few seconds. Chances are taken by RINGWAY_LEAK_SEED, which each run says.
set -euo pipefail
cd "$(dirname "$0")/.."

export RINGWAY_LEAK_CYCLES=${1:-100000}
echo "== $RINGWAY_LEAK_CYCLES cycles"
cargo test --release --quiet --test leaks -- --nocapture --test-threads=1 2>&1 |
  grep --line-buffered -v '^$\|^@\|^running\|^test \|^\.*$'

echo "== all passed"
