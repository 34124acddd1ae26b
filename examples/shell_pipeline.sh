#!/bin/sh
# A shell pipeline whose middle goes through shared memory: words are counted by another pipeline, in another process group, that
# was started before. Needs `ringway` in the PATH; `sh examples/shell_pipeline.sh < README.md`.
set -eu
ring="shm:shell-pipeline-$$"

# A pipeline that takes its input from a ring, and ends when the ring's sender says goodbye.
ringway recv "$ring" --lines --quiet | sort | uniq -c | sort -rn | head -n 5 &
counting=$!

# `send stdio:` writes ringway's frames to a pipe, as any program that uses the library can; `pipe` passes them on into the ring.
tr -cs '[:alpha:]' '\n' | ringway send stdio: --lines --quiet | ringway pipe stdio: "$ring" --quiet
wait "$counting"
