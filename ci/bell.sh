#!/usr/bin/env bash
# What do the bell, the fork check and the counters cost? Builds the ring once with and once without them
# (`--cfg ringway_bare`) and measures both in one run. Passes further arguments to `ringway bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --package ringway-cli
RUSTFLAGS="--cfg ringway_bare" cargo build --release --quiet --package ringway-cli --target-dir target/bare
exec target/release/ringway bench --against target/bare/release/ringway \
  --mechanisms spin --patterns single --sizes 8,64,248 --starts 10 "$@"
