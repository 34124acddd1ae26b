#!/usr/bin/env bash
# Runs the loom models of the shipped ring, wait and layout. Arguments go to `cargo test`.
#
# Models are built for quick rebuilding, not for speed: only loom itself is optimized fully.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_INCREMENTAL=true

exec cargo test --config 'profile.release.package.loom.opt-level=3' \
  --config 'profile.release.package.generator.opt-level=3' --release --package ringway-loom-tests "$@"
