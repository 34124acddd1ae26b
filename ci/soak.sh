#!/usr/bin/env bash
# Kills processes that share a queue, at random and at chosen moments, and checks that nothing is lost, torn, sent
# twice without a mark or left hanging; then measures how long a death holds the others up. Takes the seconds for
# each of the four soaks (default: 60) and the kills for each of the five measurements (default: 250).
set -euo pipefail
cd "$(dirname "$0")/.."

run() { cargo test --release --quiet --test queue_processes -- --nocapture --test-threads=1 "$@" 2>&1 | grep --line-buffered -v '^$\|^running\|^test result\|^\.*$'; }
echo "== soaks, ${1:-60} s each"
RINGWAY_SOAK_SECONDS=${1:-60} run soak:: stopped:: handover::
echo "== from a death to the progress of those who waited"
RINGWAY_SOAK_KILLS=${2:-250} run latency::

echo "== all passed"
