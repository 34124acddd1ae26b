#!/usr/bin/env bash
# Kills, stops and fails every operation at every instruction, in every state, kind and memory, and checks what is left.
#
#   ci/crash.sh                   the whole matrix, three rounds at each point; writes docs/crash-matrix.md. Ended and
#                                 started again, it goes on where it was (same commit, same build). Takes half an hour.
#   ci/crash.sh --sample          a few points of every cell, and a comparison with the table; less than a minute
#   ci/crash.sh replay CELL@POINT one point again, as a failure prints it
#   ci/crash.sh run|sample|cells  with options: see ci/crash.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  "") set -- run ;;
  --sample) shift; set -- sample "$@" ;;
esac
exec cargo run --release --quiet --package ringway-crash-matrix -- "$@"
