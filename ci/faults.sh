#!/usr/bin/env bash
# Seeds the faults of ci/faults.txt one at a time and expects the test that each names to go red: proof that the
# tests can fail. Works on a copy of the tree. `--quick` runs the few that the table chooses; a name or part of
# one runs only the faults with it.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=false
if [ "${1:-}" = --quick ]; then
  quick=true
  shift
fi
only=${1:-}

work=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/faults
tree=$work/tree
log=$work/log
seconds_for_one=120

# The tree's files get a new time each run, so that cargo never takes a faulty build for a sound one.
rm -rf "$tree"
mkdir -p "$tree"
tar --create --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar --extract --touch --directory "$tree"

# Cargo does not tell the copy's builds from the tree's: in a shared place, faulty ones would pass for sound.
export CARGO_TARGET_DIR=$work/target

# run KIND TEST: 0 green, 1 red, 2 no verdict (it does not compile, or there is no such test).
run() {
  local build run
  case $1 in
    models)
      build=("$tree/ci/loom.sh" --quiet --test models)
      # A whole module ends in "::".
      run=(-- "$2")
      if [[ $2 != *:: ]]; then run+=(--exact); fi
      ;;
    backings | durable | duplex | notify | untrusted)
      build=(cargo test --quiet --manifest-path "$tree/Cargo.toml" --test "$1")
      run=(-- "$2")
      ;;
    *) return 2 ;;
  esac
  "${build[@]}" --no-run >"$log" 2>&1 || return 2
  if timeout "$seconds_for_one" "${build[@]}" "${run[@]}" >>"$log" 2>&1; then
    grep -q '^test result: ok. [1-9]' "$log" || return 2
    return 0
  fi
  grep -q '^test result: FAILED' "$log" || return 2
  return 1
}

# seed FILE OLD NEW: replaces the one place in FILE that reads OLD.
seed() {
  local content changed
  content=$(<"$tree/$1")
  changed=${content/"$2"/"$3"}
  local without=${content//"$2"/}
  [ $((${#content} - ${#without})) -eq ${#2} ] || return 1
  printf '%s\n' "$changed" >"$tree/$1"
}

# The table's blocks, one element of each array for one block.
names=() files=() verdicts=() kinds=() tests=() olds=() news=()

# Takes the block that was read, if it is one to be run.
take_block() {
  [ -n "$name" ] && [[ $name == *"$only"* ]] || return 0
  if $quick && [ "$choice" != quick ]; then return 0; fi
  names+=("$name") files+=("$file") verdicts+=("$verdict") kinds+=("$kind") tests+=("$test")
  olds+=("${old%$'\n'}") news+=("${new%$'\n'}")
}

read_table() {
  local line number=0 name='' file verdict kind test choice old new
  while IFS= read -r line; do
    [[ $line != '#'* ]] || continue
    if [ -z "$line" ]; then
      take_block
      number=0 name=''
      continue
    fi
    number=$((number + 1))
    case $number in
      1) name=$line old='' new='' ;;
      2) file=$line ;;
      3) read -r verdict kind test choice <<<"$line" ;;
      *)
        case $line in
          -*) old+=${line#-}$'\n' ;;
          +*) new+=${line#+}$'\n' ;;
          *) echo "ci/faults.txt: neither - nor +: $line" >&2 && exit 2 ;;
        esac
        ;;
    esac
  done < <(cat ci/faults.txt; echo)
}

# Seeds the fault with this index and says what became of it.
verdict_of() {
  local file=${files[$1]} result=0
  : >"$log"
  cp "$tree/$file" "$work/sound"
  if ! seed "$file" "${olds[$1]}" "${news[$1]}"; then
    echo "an edit that no longer applies"
    return
  fi
  run "${kinds[$1]}" "${tests[$1]}" || result=$?
  cp "$work/sound" "$tree/$file"
  case $result in
    0) echo green ;;
    1) echo red ;;
    *) echo "no verdict" ;;
  esac
}

failures=0
fail() {
  echo "FAILED  $1"
  tail -n 20 "$log"
  failures=$((failures + 1))
}

read_table

# Without a fault, all of the tests are green.
declare -A sound
for i in "${!names[@]}"; do
  key="${kinds[$i]} ${tests[$i]}"
  [ -z "${sound[$key]:-}" ] || continue
  sound[$key]=yes
  run "${kinds[$i]}" "${tests[$i]}" || fail "${tests[$i]} is not green without a fault"
done

for i in "${!names[@]}"; do
  verdict=$(verdict_of "$i")
  if [ "$verdict" = "${verdicts[$i]}" ]; then
    printf '%-5s  %-58s %s\n' "$verdict" "${names[$i]}" "${tests[$i]}"
  else
    fail "${names[$i]}: $verdict instead of ${verdicts[$i]} in ${tests[$i]}"
  fi
done

echo "${#names[@]} faults, $failures failures, $SECONDS s"
[ "$failures" -eq 0 ] && [ "${#names[@]}" -gt 0 ]
