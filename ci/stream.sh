#!/usr/bin/env bash
# Moves a real tar of at least 2 GiB, built from what is on this machine, through every backing in both start
# orders, and through a pipe with chunks of the same size; compares checksums and times. Takes the directory to
# work in (6 GiB free, or a tmpfs) and the directories to pack (default: /usr).
set -euo pipefail
work=$(mktemp -d "${1:-/tmp}/ringway-stream.XXXXXX")
trap 'rm -rf "$work"' EXIT
here=$(cd "$(dirname "$0")/.." && pwd)
cargo build --release --quiet --manifest-path "$here/Cargo.toml" --package ringway-cli
ringway=$here/target/release/ringway
want=$((2 << 30))

set +o pipefail # tar ends by SIGPIPE when the piece is long enough
copies=0
while [ "$(stat -c %s "$work/in" 2>/dev/null || echo 0)" -lt "$want" ] && [ "$copies" -lt 8 ]; do
  tar -cf - --ignore-failed-read -C / "${@:2}" ${2:-usr} 2>/dev/null | head -c "$want" >>"$work/in"
  copies=$((copies + 1))
done
set -o pipefail
sum=$(cksum <"$work/in")
echo "a tar of $(stat -c %s "$work/in") bytes"

say() { # what, seconds, ratio's base
  awk -v what="$1" -v s="$2" -v base="$3" -v bytes="$(stat -c %s "$work/in")" \
    'BEGIN { printf "%-34s %6.2f GB/s  %5.2f x pipe\n", what, bytes / s / 1e9, base / s }'
}
timed() { # command…: prints the seconds
  local begin=$EPOCHREALTIME
  "$@"
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
through_pipe() { dd bs=64K status=none <"$work/in" | dd bs=64K iflag=fullblock status=none >"$1"; }
receiver_first() { "$ringway" recv "$1" >"$2" & "$ringway" send "$1" <"$work/in"; wait $!; }
sender_first() { "$ringway" send "$1" <"$work/in" & "$ringway" recv "$1" >"$2"; wait $!; }

for out in "$work/out" /dev/null; do
  echo "to $(basename "$out"):"
  pipe=$(timed through_pipe "$out")
  say "pipe, 64 KiB chunks" "$pipe" "$pipe"
  for address in "shm:stream-$$" "file:$work/ring"; do
    for order in receiver_first sender_first; do
      seconds=$(timed "$order" "$address" "$out")
      if [ -f "$out" ] && [ "$(cksum <"$out")" != "$sum" ]; then
        echo "checksums differ: $address, $order" >&2
        exit 1
      fi
      say "${address%%[:-]*} ring, ${order/_/ }" "$seconds" "$pipe"
    done
  done
  pipe=$(timed through_pipe "$out")
  say "pipe again" "$pipe" "$pipe"
done
echo "memfd pair (and the others), in memory:"
"$ringway" demo --bytes 1G
