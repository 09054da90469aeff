# States of every word in a cluster: what is saved, at each of ten checkpoints,
# is what so many shards of one process save, whatever `state_sync` says of
# states without a word.
#
#   cluster_states.sh [equal SYNC TOWERS]   one check alone
#
# CLUSTER names another binary for the cluster's processes (tests/planted).
. "$(dirname "$0")/lib.sh"
model=$(dirname "$0")/cluster/states.ptl

# equal SYNC TOWERS: two workers of so many towers.
equal() {
  local saved options=(--set "cluster.state_sync=$1" --set "cluster.towers=$2"
    --set "digits.root=$SOURCE/examples/data" --log json --threads 1)
  rm -rf "$work/alone" "$work/many"
  expect_status 0 "$PTLC" run "$model" --shards $((2 * $2)) "${options[@]}" \
    --out "$work/alone"
  comparable "$work/out" >"$work/alone.lines"
  expect_status 0 timeout 120 "${CLUSTER:-$PTLC}" launch "$model" \
    --local ps=2,worker=2 "${options[@]}" --out "$work/many"
  comparable "$work/out" | sed 's/"role":"worker0",//' >"$work/many.lines"
  cmp "$work/alone.lines" "$work/many.lines" || fail "lines of $* differ"
  saved=("$work"/alone/step-*/model.safetensors)
  [ ${#saved[@]} = 10 ] || fail "$* has ${#saved[@]} checkpoints, not 10"
  for file in "${saved[@]}"; do
    cmp "$file" "${file/alone/many}" || fail "tensors of $* differ"
  done
}

[ $# = 0 ] || { "$@"; exit; }

for towers in 1 2; do
  for sync in never 'chief(every = 6)' 'mean(every = 6)' 'mean(every = 1)'; do
    equal "$sync" $towers
  done
done
