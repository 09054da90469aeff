# More parameters than caches hold, which are copied otherwise than few are: a
# cluster of n shards is `--shards n` here too, with a barrier and (replayed)
# without.
#
#   cluster_large.sh [one]   the first check alone
#
# CLUSTER names another binary for the cluster's processes (tests/planted).
. "$(dirname "$0")/lib.sh"
wide=$(dirname "$0")/cluster/large.ptl
data="digits.root=$SOURCE/examples/data"

# train NAME BINARY COMMAND OPTION...
train() {
  local name=$1
  shift
  expect_status 0 timeout 300 "$@" --set "$data" --log json --threads 1 \
    --out "$work/$name"
  sed 's/"role":"worker0",//' "$work/out" >"$work/$name.json"
  comparable "$work/$name.json" >"$work/$name.lines"
  [ "$(wc -l <"$work/$name.lines")" = 12 ] || fail "$name: not 12 lines"
}

# cluster NAME PS WORKERS OPTION...
cluster() {
  local name=$1 ps=$2 workers=$3
  shift 3
  train "$name" "${CLUSTER:-$PTLC}" launch "$wide" --local "ps=$ps,worker=$workers" \
    --set "cluster.ps=$ps" --set "cluster.worker=$workers" "$@"
}

# same NAME NAME: equal lines and equal tensors, in bits.
same() {
  cmp "$work/$1.lines" "$work/$2.lines" || fail "$1 and $2 differ"
  cmp "$work/$1/step-12/model.safetensors" \
    "$work/$2/step-12/model.safetensors" || fail "tensors of $1 and $2 differ"
}

train alone "$PTLC" run "$wide" --shards 2
cluster replicated 1 2
same alone replicated
[ "${1:-}" != one ] && [ -z "${SANITIZED:-}" ] || exit 0
cluster halves 2 2 --set cluster.placement=parameter_server
same alone halves

cluster stale 2 2 --set 'cluster.sync=stale(2)' --record "$work/schedule"
train replayed "$PTLC" run "$wide" --shards 2 --replay "$work/schedule" \
  --set cluster.ps=2 --set cluster.worker=2 --set 'cluster.sync=stale(2)'
same stale replayed
