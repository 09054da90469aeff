# --trace: a timeline that is JSON as a whole, of one process and of a cluster's
# as one; spans of a thread lie within each other or apart; what is computed does
# not change.
. "$(dirname "$0")/lib.sh"
mlp=$SOURCE/examples/digits_mlp.ptl
lenet=$(dirname "$0")/cluster/lenet.ptl
data="digits.root=$SOURCE/examples/data"

# count FILE WORDS: lines with all of them.
count() {
  local file=$1 lines
  shift
  lines=$(cat "$file")
  for word in "$@"; do
    lines=$(grep -F -- "$word" <<<"$lines" || true)
  done
  grep -c . <<<"$lines" || true
}

# whole FILE: a JSON array, one event a line, each with what it must have.
whole() {
  [ "$(head -n 1 "$1")" = '[' ] && [ "$(tail -n 1 "$1")" = ']' ] ||
    fail "$1 is no array"
  sed '1d;$d' "$1" >"$work/events"
  sed '$d' "$work/events" | grep -vq '},$' && fail "$1: no comma after an event"
  tail -n 1 "$work/events" | grep -q '}$' || fail "$1: a comma after the last"
  local number='[0-9]+\.[0-9]{3}' head='\{"ph":"X","pid":[0-9]+,"tid":[0-9]+'
  grep -F '"ph":"X"' "$work/events" | grep -Evq \
    "^$head,\"name\":\"[^\"]+\",\"cat\":\"[a-z]+\",\"ts\":$number,\"dur\":$number\},?\$" &&
    fail "$1: a span that is none"
  return 0
}

# nested FILE: spans of a thread do not cross (a microsecond for rounding).
nested() {
  grep -F '"ph":"X"' "$1" | sed -E \
    's/.*"pid":([0-9]+),"tid":([0-9]+),.*"ts":([0-9.]+),"dur":([0-9.]+).*/\1.\2 \3 \4/' |
    sort -k1,1 -k2,2n -k3,3nr | awk '
      $1 != thread { thread = $1; depth = 0 }
      { while (depth && ends[depth] <= $2 + 1) depth--
        if (depth && $2 + $3 > ends[depth] + 1) { print; exit 1 }
        ends[++depth] = $2 + $3 }' || fail "$1: spans cross"
}

run=("$PTLC" run "$mlp" --steps 5 --threads 1 --log json)
expect_status 0 "${run[@]}" --out "$work/without"
comparable "$work/out" >"$work/without.lines"
expect_status 0 "${run[@]}" --out "$work/with" --trace "$work/one.json"
comparable "$work/out" >"$work/with.lines"
cmp "$work/without.lines" "$work/with.lines" || fail "a trace changes lines"
whole "$work/one.json"
nested "$work/one.json"
for step in 1 2 3 4 5; do
  [ "$(count "$work/one.json" "\"step $step\"" '"loop"')" = 1 ] ||
    fail "step $step is not there once"
done
[ "$(count "$work/one.json" '"step 6"')" = 0 ] || fail "a step too many"
for what in '"read data"' '"compile"' '"evaluate"' '"checkpoint"' \
  '"for the batch"' '"cat":"kernel"' '"args":{"name":"batches"}'; do
  [ "$(count "$work/one.json" "$what")" -ge 1 ] || fail "there is no $what"
done

# A cluster: each process under its name, all on one clock, nothing left over.
expect_status 0 timeout 120 "$PTLC" launch "$lenet" --set "$data" \
  --local ps=1,worker=2 --set cluster.ps=1 --set cluster.worker=2 --steps 4 \
  --threads 1 --quiet --out "$work/cluster" --trace "$work/all.json"
whole "$work/all.json"
nested "$work/all.json"
for role in 'ps 0' 'worker 0' 'worker 1'; do
  [ "$(count "$work/all.json" '"process_name"' "{\"name\":\"$role\"}")" = 1 ] ||
    fail "no process $role"
done
[ "$(count "$work/all.json" '"step 4"')" = 2 ] || fail "step 4 of two workers"
for what in '"exchange"' '"for the others"' '"send PUSH"' '"take PUSH"' \
  'of bucket 0'; do
  [ "$(count "$work/all.json" "$what")" -ge 2 ] || fail "there is no $what"
done
if compgen -G "$work/all.json.*" >/dev/null; then
  fail "parts were left: $(ls "$work")"
fi

# Where it cannot be written.
expect_status 3 "${run[@]}" --out "$work/no" --trace "$work/none/one.json"
expect_text "$work/err" 'could not write the trace'
[ ! -e "$work/no" ] || fail "a run that did not begin left a folder"
if [ -w /dev/full ]; then
  expect_status 3 "${run[@]}" --out "$work/full" --trace /dev/full
  expect_text "$work/err" 'could not write the trace "/dev/full": No space'
fi
