# A LeNet with batch norm and dropout in clusters whose network is bad: what
# processes send one another is held up, some moments or for long, each
# connection by itself, so that it arrives in other orders than it was sent; in
# some connections break too. The bits are those of `--shards`.
#
#   cluster_chaos.sh [after ...]   one check alone
#
# CLUSTER names another binary for the cluster's processes (tests/planted).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cluster_lib.sh"
trap 'kill $(jobs -p) 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT

# through JOB TASK PORT COORDINATOR OPTION...: a process that others reach
# through the bad network alone.
through() {
  PTL_COORDINATOR=tcp://127.0.0.3:$4 PTL_BIND=tcp://127.0.0.2:$3 \
    PTL_HOST=127.0.0.3 role "$1" "$2" "${@:5}"
}

# did KIND: how often chaos did that.
did() { sed -n "s/^$1 //p" "$work/chaos"; }

# cluster NAME PS WORKERS "CHAOS'S OPTION..." OPTION...
cluster() {
  local name=$1 ps=$2 workers=$3 options=$4 chaos i ports=() roles=()
  shift 4
  for i in $(seq $((ps + workers))); do ports+=("$(free_port)"); done
  seed=$RANDOM
  # shellcheck disable=SC2086
  "$CHAOS" $options "$seed" "${ports[@]}" >"$work/chaos" &
  chaos=$!
  set -- --set "cluster.ps=$ps" --set "cluster.worker=$workers" "$@"
  for i in $(seq 0 $((ps + workers - 1))); do
    if [ "$i" -lt "$ps" ]; then
      through ps "$i" "${ports[i]}" "${ports[0]}" "$@" &
    else
      through worker $((i - ps)) "${ports[i]}" "${ports[0]}" "$@" &
    fi
    roles+=("$!")
  done
  for i in "${roles[@]}"; do
    wait "$i" || { tail -n 5 "$work"/*.err >&2; fail "$name, seed $seed: $?"; }
  done
  kill -TERM "$chaos"
  wait "$chaos" || fail "chaos ended with $?"
  echo "$name, seed $seed: $(paste -sd " " "$work/chaos")"
  mv "$work/run" "$work/$name"
  comparable "$work/worker-0.out" >"$work/$name.lines"
  at_least "$(did overtaken)" 20 "what came late of $name"
}

# alone WORKERS TOWERS: in one process.
alone() {
  expect_status 0 "$PTLC" run "$lenet" --set "digits.root=$SOURCE/examples/data" \
    --shards $(($1 * $2)) --set "cluster.towers=$2" --log json --threads 1 \
    --out "$work/alone$1.$2"
  comparable "$work/out" >"$work/alone$1.$2.lines"
}

# undisturbed NAME WORKERS TOWERS: the same as alone.
undisturbed() {
  cmp "$work/alone$2.$3.lines" "$work/$1.lines" || fail "lines differ, $1"
  cmp "$work/alone$2.$3/step-200/model.safetensors" \
    "$work/$1/step-200/model.safetensors" || fail "tensors differ, $1"
}

# after NAME TOWERS KIND COUNT PS WORKERS "CHAOS'S OPTION..." OPTION...: a
# cluster through which chaos did that at least so often, undisturbed.
after() {
  [ -e "$work/alone$6.$2.lines" ] || alone "$6" "$2"
  cluster "$1" "$5" "$6" "$7" --set "cluster.towers=$2" \
    --set "cluster.bucket=8 KiB" "${@:8}"
  at_least "$(did "$3")" "$4" "the count of \"$3\", $1"
  undisturbed "$1" "$6" "$2"
}

[ $# = 0 ] || { "$@"; exit; }

after copied 1 offers 6 2 3 --no-sharing
after cut_copied 1 cut 20 2 3 "--cut --no-sharing"
[ -z "${SANITIZED:-}" ] || exit 0
after strict 1 offers 6 3 2 --no-sharing --set cluster.strict=true
after cut 2 cut 4 1 3 --cut --set cluster.placement=parameter_server
allreduce=(--set cluster.placement=allreduce --set cluster.slots=worker)
after cut_allreduce 1 cut 8 0 2 "--cut --no-sharing" "${allreduce[@]}"
