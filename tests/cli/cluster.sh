# A cluster of n shards is `--shards n`, bit for bit: 200 steps of a LeNet with
# batch norm and dropout, over every placement, number of parameter servers,
# workers and towers. Two runs are equal too. Sanitized, a few of them.
#
#   cluster.sh [one WORKERS TOWERS PS PLACEMENT | resumed]   one check alone
#
# CLUSTER names another binary for the cluster's processes (tests/planted).
. "$(dirname "$0")/lib.sh"
lenet=$(dirname "$0")/cluster/lenet.ptl
data="digits.root=$SOURCE/examples/data"

# alone NAME OPTION...: in one process.
alone() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$lenet" --set "$data" --log json --threads 1 \
    --out "$work/$name" "$@"
  comparable "$work/out" >"$work/$name.lines"
}

# cluster NAME PS WORKERS OPTION...: in so many, here.
cluster() {
  local name=$1 ps=$2 workers=$3
  shift 3
  expect_status 0 timeout 120 "${CLUSTER:-$PTLC}" launch "$lenet" --set "$data" \
    --log json --threads 1 --local "ps=$ps,worker=$workers" \
    --set "cluster.ps=$ps" --set "cluster.worker=$workers" \
    --out "$work/$name" "$@"
  sed 's/"role":"worker0",//' "$work/out" >"$work/$name.json"
  comparable "$work/$name.json" >"$work/$name.lines"
}

# same NAME NAME: equal lines and equal tensors, in bits.
same() {
  cmp "$work/$1.lines" "$work/$2.lines" || fail "$1 and $2 differ"
  [ "$(wc -l <"$work/$1.lines")" -ge 100 ] || fail "$1 has too few lines"
  cmp "$work/$1/step-200/model.safetensors" \
    "$work/$2/step-200/model.safetensors" || fail "tensors of $1 and $2 differ"
}

# one WORKERS TOWERS PS PLACEMENT: is what so many shards of one process are.
one() {
  local of=$1.$2 name=$4$1.$2.$3
  [ -e "$work/alone$of.lines" ] ||
    alone "alone$of" --shards $(($1 * $2)) --set "cluster.towers=$2"
  cluster "$name" "$3" "$1" --set "cluster.towers=$2" \
    --set "cluster.placement=$4" --set "cluster.bucket=$((4 * ($3 > 0 ? $3 : 1))) KiB" \
    --set "cluster.slots=$([ "$3" = 0 ] && echo worker || echo ps)"
  same "alone$of" "$name"
}

# A checkpoint from the middle goes on with other numbers of servers, in one
# process, and with slots that move to the workers and back.
resumed() {
  [ -e "$work/alone2.1.lines" ] || alone alone2.1 --shards 2
  cluster middle 1 2 --steps 100
  cp -r "$work/middle" "$work/middle_alone"
  cp -r "$work/middle" "$work/middle_slots"
  cluster middle_slots 1 2 --steps 150 --set cluster.slots=worker \
    --resume "$work/middle_slots"
  cluster middle_slots 2 2 --resume "$work/middle_slots"
  cluster middle 3 2 --resume "$work/middle"
  alone middle_alone --shards 2 --resume "$work/middle_alone"
  for name in middle middle_alone middle_slots; do
    cmp "$work/alone2.1/step-200/model.safetensors" \
      "$work/$name/step-200/model.safetensors" || fail "$name differs"
  done
}

[ $# = 0 ] || { "$@"; exit; }

all_workers="2 3" all_towers="1 2" all_ps="1 2 3"
[ -z "${SANITIZED:-}" ] || all_workers=3 all_towers=2 all_ps=2
for workers in $all_workers; do
  for towers in $all_towers; do
    for ps in $all_ps; do
      for placement in replicated parameter_server; do
        one "$workers" "$towers" "$ps" "$placement"
      done
    done
    one "$workers" "$towers" 0 allreduce
  done
done
[ -z "${SANITIZED:-}" ] || exit 0
cluster again 3 3 --set "cluster.bucket=12 KiB"
same replicated3.1.3 again
[ "$(grep -c '"event":"comm".*"slowest":"worker' "$work/again.json")" = 2 ] ||
  fail "no two lines about exchanges"
# Buckets go while the backward pass runs, all but the last.
early=$(grep -o '"bytes_early":[0-9]*' "$work/again.json" | head -n 1)
out=$(grep -o '"bytes_out":[0-9]*' "$work/again.json" | head -n 1)
[ "${early#*:}" -gt 0 ] && [ "${early#*:}" -lt "${out#*:}" ] ||
  fail "of $out bytes there went $early early"

# Barriers as the original has them hold nobody up for good.
for placement in replicated parameter_server; do
  cluster "strict.$placement" 2 3 --set cluster.strict=true \
    --set "cluster.placement=$placement"
  same alone3.1 "strict.$placement"
done

# A worker without rows has no loss, which is not one that is no number.
alone few --shards 3 --set train.batch=2
cluster few_rows 2 3 --set train.batch=2
same few few_rows

# Workers that update their replicas themselves.
for towers in 1 2; do
  cluster "slots$towers" 2 3 --set "cluster.towers=$towers" \
    --set cluster.slots=worker --set 'cluster.bucket=8 KiB'
  same "alone3.$towers" "slots$towers"
done
cluster slots_strict 2 3 --set cluster.slots=worker --set cluster.strict=true
same alone3.1 slots_strict
expect_status 2 "$PTLC" launch "$lenet" --set "$data" --local ps=1,worker=2 \
  --set cluster.slots=worker --on-nan skip --out "$work/skip"
expect_text "$work/err" "the other workers have made it"

# With keys.
cluster curve 2 3 --set cluster.security=curve
same alone3.1 curve
cluster curve_allreduce 0 2 --set cluster.security=curve \
  --set cluster.placement=allreduce --set cluster.slots=worker
same alone2.1 curve_allreduce

# What is added up otherwise is so in one process too.
for option in cluster.aggregate=sum cluster.aggregate=apply_each \
  train.accumulate=2 cluster.balance=round_robin; do
  alone "alone.$option" --shards 3 --set "$option"
  cluster "$option" 2 3 --set "$option"
  same "alone.$option" "$option"
  [ "$option" = cluster.aggregate=apply_each ] && continue
  cluster "slots.$option" 2 3 --set "$option" --set cluster.slots=worker
  same "alone.$option" "slots.$option"
done

# Gradients as bf16, rounded alike in one process; half the bytes go.
for aggregate in mean sum apply_each; do
  options=(--set cluster.compress=bf16 --set "cluster.aggregate=$aggregate")
  alone "alone.bf16.$aggregate" --shards 3 "${options[@]}"
  cluster "bf16.$aggregate" 2 3 "${options[@]}"
  same "alone.bf16.$aggregate" "bf16.$aggregate"
done
cluster slots_bf16 2 3 --set cluster.compress=bf16 --set cluster.slots=worker
same alone.bf16.mean slots_bf16
! cmp -s "$work/alone3.1.lines" "$work/bf16.mean.lines" ||
  fail "bf16 rounds nothing"
[ "$(grep -o '"bytes_out":[0-9]*' "$work/bf16.mean.json" | head -n 1)" != \
  "$out" ] || fail "bf16 sends $out too"
expect_status 1 "$PTLC" run "$lenet" --set "$data" --shards 2 --real f64 \
  --set cluster.compress=bf16 --out "$work/refused"
expect_text "$work/err" "half of each f32"

alone alone_f64 --shards 2 --real f64
cluster f64 2 2 --real f64
same alone_f64 f64
alone alone_one --shards 1 --set cluster.worker=1
cluster one 1 1
same alone_one one

# Sums that wait for an exchange lie in the checkpoint of one process alone.
alone alone_every --shards 2 --set cluster.sync_every=3
cluster every 2 2 --set cluster.sync_every=3
cmp "$work/alone_every.lines" "$work/every.lines" || fail "sync_every differs"
cluster every_slots 2 2 --set cluster.sync_every=3 --set cluster.slots=worker
cmp "$work/alone_every.lines" "$work/every_slots.lines" ||
  fail "sync_every differs where workers update"

resumed
