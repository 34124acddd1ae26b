#!/usr/bin/env bash
# Checks the rivals that are built apart from the workspace (rivals/more): format, lint, one short round of each. Not part of
# ci/test.sh: they bring 240 crates along, and nothing of ringway's own. Takes no arguments.
set -euo pipefail
cd "$(dirname "$0")/../rivals/more"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

cargo fmt --check
cargo clippy --quiet --locked --all-targets -- -D warnings
cargo test --quiet --locked
