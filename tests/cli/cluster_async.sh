# Workers that do not wait for each other reach what they reach together, within
# a point.
. "$(dirname "$0")/lib.sh"

# reaches NAME OPTION...: 0.95 of the digits held out; together it is 0.96.
reaches() {
  local name=$1
  shift
  expect_status 0 timeout 200 "$PTLC" launch \
    "$SOURCE/examples/digits_mlp.ptl" --log json --threads 1 \
    --local ps=2,worker=3 --set cluster.ps=2 --set cluster.worker=3 \
    --out "$work/$name" "$@"
  at_least "$(last_value "$work/out" eval accuracy)" 0.95 "$name"
  [ -d "$work/$name/step-1350" ] || fail "$name has no last checkpoint"
}

reaches async --set cluster.aggregate=apply_each --set cluster.sync=async \
  --set cluster.ordered=false
# The schedule counts every gradient, not the chief's alone: that would leave it
# at three quarters of its peak of 3e-3.
awk -v lr="$(last_value "$work/out" step lr)" 'BEGIN { exit !(lr < 1e-3) }' ||
  fail "the last rate is $(last_value "$work/out" step lr)"

reaches stale --set 'cluster.sync=stale(2)'
reaches stale_each --set 'cluster.sync=stale(2)' \
  --set cluster.aggregate=apply_each --set cluster.ordered=false
# Without a lock updates meet, and some are lost: not many.
reaches unlocked --set cluster.sync=async --set cluster.locking=false
reaches unlocked_together --set cluster.aggregate=apply_each \
  --set cluster.ordered=false --set cluster.locking=false

# With a barrier after every step nobody is ahead: one process in its bits.
options=(--steps 60 --set cluster.ps=2 --set cluster.worker=3 --log json --threads 1)
expect_status 0 "$PTLC" run "$SOURCE/examples/digits_mlp.ptl" --shards 3 \
  "${options[@]}" --out "$work/alone"
expect_status 0 timeout 100 "$PTLC" launch "$SOURCE/examples/digits_mlp.ptl" \
  --local ps=2,worker=3 "${options[@]}" \
  --set 'cluster.sync=stale(2)' --set 'cluster.barrier=every(1)' \
  --out "$work/barrier"
cmp "$work/alone/step-60/model.safetensors" \
  "$work/barrier/step-60/model.safetensors" ||
  fail "a barrier after every step changes something"
reaches barrier_epoch --set cluster.sync=async \
  --set 'cluster.barrier=every(1 epoch)'
