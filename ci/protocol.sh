#!/usr/bin/env bash
# Explores the slot ring's model in all configurations, one after the other: about five minutes and up to 2 GB. `--quick`
# leaves out those that take long; a name or part of one runs only the configurations with it. Each says how far it
# is, how many states it has and how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."

which=(--include-ignored)
if [ "${1:-}" = --quick ]; then
  which=()
  shift
fi
exec cargo test --package ringway-protocol-model --test protocol -- \
  --nocapture --test-threads 1 "${which[@]}" "$@"
