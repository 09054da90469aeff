# Optimizers that need numbers of all parameters, whose tensors are cut and lie
# with several servers: in the bits of one process.
. "$(dirname "$0")/lib.sh"
sliced=$(dirname "$0")/cluster/sliced.ptl
clipped=$work/clipped.ptl
sed 's/lamb(lr = 0.01);/optim.adamw(lr = 1e-3, clip = 0.5);/' "$sliced" \
  >"$clipped"
cmp -s "$sliced" "$clipped" && fail "the optimizer was not exchanged"

# equal FILE PS WORKERS OPTION...
equal() {
  local file=$1 ps=$2 workers=$3
  shift 3
  set -- --set "digits.root=$SOURCE/examples/data" --log json --threads 1 \
    --set "cluster.ps=$ps" --set "cluster.worker=$workers" "$@"
  rm -rf "$work/alone" "$work/many"
  expect_status 0 "$PTLC" run "$file" --shards "$workers" \
    --out "$work/alone" "$@"
  comparable "$work/out" >"$work/alone.lines"
  expect_status 0 timeout 120 "$PTLC" launch "$file" \
    --local "ps=$ps,worker=$workers" --out "$work/many" "$@"
  comparable "$work/out" | sed 's/"role":"worker0",//' >"$work/many.lines"
  [ "$(wc -l <"$work/alone.lines")" = 40 ] || fail "not 40 lines"
  cmp "$work/alone.lines" "$work/many.lines" || fail "$* differs"
  cmp "$work/alone/step-40/model.safetensors" \
    "$work/many/step-40/model.safetensors" || fail "tensors of $* differ"
}

for file in "$sliced" "$clipped"; do
  equal "$file" 3 2
  equal "$file" 0 2 --set cluster.placement=allreduce \
    --set cluster.slots=worker
done
equal "$sliced" 1 2
equal "$sliced" 3 3 --set cluster.placement=parameter_server
equal "$clipped" 2 2 --set cluster.aggregate=apply_each
equal "$clipped" 2 2 --set cluster.slots=worker
