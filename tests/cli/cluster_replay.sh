# What workers did that do not wait for each other is recorded, and replayed in
# one process: lines and tensors of worker 0, bit for bit. What no schedule can
# say is refused, and so is a schedule of another job.
. "$(dirname "$0")/lib.sh"
model=$(dirname "$0")/cluster/apart.ptl
data="digits.root=$SOURCE/examples/data"

# record NAME PS WORKERS TOWERS OPTION...
record() {
  local name=$1 ps=$2 workers=$3
  options=(--set "$data" --log json --threads 1 --set "cluster.ps=$ps"
    --set "cluster.worker=$workers" --set "cluster.towers=$4" "${@:5}")
  expect_status 0 timeout 120 "$PTLC" launch "$model" "${options[@]}" \
    --local "ps=$ps,worker=$workers" --out "$work/$name" \
    --record "$work/$name.schedule"
  comparable "$work/out" | sed 's/"role":"worker0",//' >"$work/$name.lines"
}

# replay NAME OF SHARDS: what was recorded last, by the schedule OF.
replay() {
  expect_status 0 timeout 120 "$PTLC" run "$model" "${options[@]}" \
    --shards "$3" --replay "$work/$2.schedule" --out "$work/$1"
  comparable "$work/out" >"$work/$1.lines"
}

# same NAME NAME: equal lines and equal tensors of every checkpoint, in bits.
same() {
  local file saved=("$work/$1"/step-*/model.safetensors)
  cmp "$work/$1.lines" "$work/$2.lines" || fail "lines of $1 and $2 differ"
  [ "$(wc -l <"$work/$1.lines")" -ge 10 ] || fail "$1 has too few lines"
  [ -e "${saved[0]}" ] || fail "$1 has no checkpoint"
  for file in "${saved[@]}"; do
    cmp "$file" "${file/"$work/$1"/"$work/$2"}" ||
      fail "tensors of $1 and $2 differ"
  done
}

# one NAME PS WORKERS TOWERS OPTION...: recorded, and replayed.
one() {
  record "$@"
  replay "$1.again" "$1" $(($3 * $4))
  same "$1" "$1.again"
}

one async 2 3 1 --set 'cluster.bucket=8 KiB'
replay twice async 3
same async twice

# Two updates of a bucket the other way round: other bits, or no way at all.
awk '
  { line[NR] = $0 }
  $1 ~ /^(read|apply|empty|slots)$/ && $2 == 0 { at[++n] = NR }
  function is(i, what, of) {
    split(line[at[i]], words, " ")
    return words[1] == what && (of == "" || words[3] == of)
  }
  END {
    for (i = 100; i + 3 <= n; i++) {
      split(line[at[i]], a, " "); split(line[at[i + 2]], b, " ")
      if (a[3] == b[3] || !is(i, "apply") || !is(i + 1, "read", a[3]) ||
          !is(i + 2, "apply") || !is(i + 3, "read", b[3])) continue
      for (k = 0; k < 2; k++) {
        first = line[at[i + k]]
        line[at[i + k]] = line[at[i + k + 2]]; line[at[i + k + 2]] = first
      }
      changed = 1
      break
    }
    for (i = 1; i <= NR; i++) print line[i]
    exit !changed
  }' "$work/async.schedule" >"$work/changed.schedule" ||
  fail "nothing to be changed in the schedule"
if timeout 100 "$PTLC" run "$model" "${options[@]}" --shards 3 \
  --replay "$work/changed.schedule" --out "$work/changed" \
  >"$work/out" 2>"$work/err" </dev/null; then
  ! cmp -s "$work/async/step-60/model.safetensors" \
    "$work/changed/step-60/model.safetensors" ||
    fail "the order of updates makes no difference"
else
  expect_text "$work/err" 'the schedule "'
fi

# wrong STATUS WORDS OPTION...: the schedule of `async` with other options.
wrong() {
  local status=$1 words=$2
  shift 2
  expect_status "$status" timeout 100 "$PTLC" run "$model" "${options[@]}" \
    --replay "$work/async.schedule" --out "$work/wrong" "$@"
  expect_text "$work/err" "$words"
}
wrong 2 'the schedule "'"$work/async.schedule"'" is of 3 workers of 1 tower' \
  --shards 2
wrong 2 'all take each step together' --shards 3 --set cluster.sync=barrier
wrong 2 '--replay wants --shards N'
wrong 2 '--on-nan skip takes back' --shards 3 --on-nan skip
wrong 3 'it has `seed = 1`, and this run has `seed = 2`' --shards 3 --seed 2
wrong 3 'it has `batch = 32`, and this run has `batch = 16`' --shards 3 \
  --set train.batch=16
wrong 3 'every --set counts' --shards 3 --set cluster.stall='61 s'
expect_status 2 "$PTLC" run "$model" "${options[@]}" --shards 3
expect_text "$work/err" '--record FILE'
mv "$work/async.schedule" "$work/whole"
head -c 9000 "$work/whole" >"$work/async.schedule"
wrong 3 'it breaks off' --shards 3
sed 's/^read 0 1 7$/read 0 1 8/' "$work/whole" >"$work/async.schedule"
wrong 3 '`read` of exchange 8 of worker 1 and bucket 0 does not follow' --shards 3
[ ! -e "$work/wrong" ] || fail "a run that did not begin left a folder"
# altered AWK: the schedule of `async` with its events altered, and counted anew.
altered() {
  awk "$1" "$work/whole" | awk '
    /^begin/ { n = -1 }
    /^end/ { $2 = n }
    { n++; print }' >"$work/async.schedule"
}
# It stops in the middle of a bucket.
altered '!(/^[a-z]+ 0 [0-9]+ [0-9]+$/ && ++n > 60)'
wrong 3 'ends before worker 0 has the value of bucket 0 for step' --shards 3
# Worker 0 reads what follows from what it gives later.
altered '
  /^[a-z]+ 0 0 [0-9]+$/ && $4 >= 9 && !over { held = held $0 "\n"; next }
  { print }
  /^apply 0 1 59$/ { over = 1; printf "%s", held }'
wrong 3 'does not lead to step 10 of worker 0' --shards 3
# An update comes long after the worker went on.
altered '
  /^apply 0 1 (9|10|11)$/ { held = held $0 "\n"; next }
  /^apply 0 1 12$/ { printf "%s", held }
  { print }'
wrong 3 'further ahead than `stale` lets it' --shards 3
mv "$work/whole" "$work/async.schedule"

one stale 2 3 1 --set 'cluster.sync=stale(2)' --set 'cluster.bucket=8 KiB'
# Workers without rows in a step give nothing in it.
one few 1 3 1 --set train.batch=2 --steps 30
grep -q '^empty ' "$work/few.schedule" || fail "nobody was without rows"
if [ -z "${SANITIZED:-}" ]; then
  one towers 1 2 2 --set 'cluster.state_sync=mean(every = 3)'
  one sliced 2 3 1 --set train.width=1100 --set 'cluster.slice=256 KiB' \
    --set 'cluster.bucket=300 KiB' --steps 20
  one every 1 2 1 --set cluster.sync_every=2 --set cluster.compress=bf16
  one sums 2 3 2 --set 'cluster.sync=stale(1)' --set cluster.aggregate=sum \
    --set cluster.ordered=false --set cluster.state_sync=never
  one each 1 3 1 --set 'cluster.sync=stale(2)' --set cluster.ordered=false \
    --set cluster.aggregate=apply_each --real f64
fi

record between 1 2 1 --set cluster.sync_every=2 --steps 6 \
  --set 'cluster.state_sync=mean(every = 3)'
expect_status 2 timeout 100 "$PTLC" run "$model" "${options[@]}" --shards 2 \
  --replay "$work/between.schedule" --out "$work/no"
expect_text "$work/err" 'comes between two exchanges'

# A job that was told to end: the replay ends there too.
options=(--set "$data" --log json --threads 1 --set cluster.ps=1
  --set cluster.worker=2 --set train.steps=200000 --set train.eval_every=1000)
"$PTLC" launch "$model" "${options[@]}" --local ps=1,worker=2 \
  --out "$work/told" --record "$work/told.schedule" \
  >"$work/told.out" 2>"$work/told.err" </dev/null &
job=$!
for _ in $(seq 1000); do
  grep -q '"step":50,' "$work/told.out" && break
  sleep 0.1
done
kill -TERM $job
wait $job && fail "it ended as if nobody had told it to"
comparable "$work/told.out" | sed 's/"role":"worker0",//' >"$work/told.lines"
replay told.again told 2
same told told.again

# A job that failed: its last worker has one row, by which it divides nothing by
# nothing in its eleventh step. The replay says so, and fails where worker 0
# stood.
sed 's/return f2(\(.*\));$/return once(f2(\1));/; s/use f2 = .*/&\n  use once = once();/' \
  "$model" >"$work/divides.ptl"
cat >>"$work/divides.ptl" <<'END'
layer once() {
  state age = 0 sync local;
  fn (x: real[N, K]) -> y: real[N, K] {
    z = N - 1.0 + maximum(10.0 - age, 0.0);
    y[n, k] = x[n, k] * z / z;
    age <- age + 1;
  }
}
END
options=(--set "$data" --log json --threads 1 --set train.batch=3
  --set 'cluster.sync=stale(2)' --set 'cluster.dead=2 s')
expect_status 3 timeout 120 "$PTLC" launch "$work/divides.ptl" "${options[@]}" \
  --local ps=1,worker=2 --out "$work/failed" --record "$work/failed.schedule"
comparable "$work/out" | sed 's/"role":"worker0",//' >"$work/failed.lines"
expect_status 3 timeout 100 "$PTLC" run "$work/divides.ptl" "${options[@]}" \
  --shards 2 --replay "$work/failed.schedule" --out "$work/failed.again"
expect_text "$work/err" 'the loss of worker 1 became non-finite (nan) at step 11'
comparable "$work/out" | grep -v '"event":"eval"' | cmp "$work/failed.lines" - ||
  fail "lines of a job that failed differ"

# ---------- refused ----------

# refused WORDS COMMAND OPTION...: wrong usage, and these words.
refused() {
  local words=$1 command=$2
  shift 2
  expect_status 2 "$PTLC" "$command" "$model" --set "$data" "$@"
  expect_text "$work/err" "$words"
}

for job in '--local ps=1,worker=2' '--ssh'; do
  # shellcheck disable=SC2086
  refused 'all take each step together' launch $job --record "$work/no" \
    --set cluster.sync=barrier
done
refused 'updates meet' launch --local ps=1,worker=2 --record "$work/no" \
  --set cluster.locking=false
refused '--record is for the processes of a cluster' run --record "$work/no"
refused 'all take each step together' run --job ps --task 0 \
  --record "$work/no" --set cluster.sync=barrier
[ ! -e "$work/no" ] || fail "a schedule nobody recorded"

# Where it cannot be written, no process goes on alone.
expect_status 3 timeout 100 "$PTLC" launch "$model" --set "$data" \
  --local ps=1,worker=2 --record "$work/none/all" --out "$work/none"
expect_text "$work/err" 'could not write the schedule'
