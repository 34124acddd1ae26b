#!/usr/bin/env bash
# Makes the page of `ringway bench --report` out of a committed raw file (made-up figures of every kind) and looks at it in
# a headless Chromium, on a phone and on a desk, light and dark: nothing sticks out, overlaps, is unreadable, missing or
# fetched. Given a folder, leaves screenshots there. Needs node and Chromium, which it installs where it can.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
  if [ "${CI:-}" = true ]; then
    echo "missing: $1 ($2)" >&2
    exit 1
  fi
  echo "SKIPPED: $1 is missing: $2"
  exit 0
}

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
chromium=$(find_chromium)
if [ -z "$chromium" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
  chromium=$(find_chromium)
fi
[ -n "$chromium" ] || missing chromium "install your distribution's package"
command -v node >/dev/null || missing node "install Node.js 18 or later"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
raw=cli/tests/data/bench-sample.jsonl
# As ci/test.sh builds it.
cargo build --quiet --workspace --all-features --bins
"${CARGO_TARGET_DIR:-target}/debug/ringway" bench --from "$raw" --compare "$raw" --report "$folder/page.html" >/dev/null
node ci/page.mjs "$chromium" "$folder/page.html" "$raw" "$@"
