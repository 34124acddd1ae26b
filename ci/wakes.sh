#!/usr/bin/env bash
# Lets both sides of a ring sleep at random, kills them in their sleep, and looks for wake-ups that are lost, for each kind
# of wake-up. Takes the messages for each kind (default: 10000000, some four minutes) and then the kinds, by any of these
# words (default: all of them): futexes semaphores io_uring thread signals several tasks. Says after every few hundred
# thousand messages how far it is; a run that was stopped is taken up again by naming the kinds that are left.
set -euo pipefail
cd "$(dirname "$0")/.."

export RINGWAY_WAKE_MESSAGES=${1:-10000000}
kinds=("${@:2}")
[ ${#kinds[@]} -gt 0 ] || kinds=(futexes semaphores io_uring thread signals several tasks)
for kind in "${kinds[@]}"; do
  echo "== $kind, $RINGWAY_WAKE_MESSAGES messages"
  cargo test --release --quiet --features tokio --test wakes -- --nocapture --test-threads=1 "$kind" 2>&1 |
    grep --line-buffered -v '^$\|^@\|^running\|^test \|^\.*$'
done

echo "== all passed"
