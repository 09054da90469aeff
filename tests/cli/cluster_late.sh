# A step that begins before all of its values are there: many short ones of a
# model without states, in buckets of a few KiB, are what one process makes.
. "$(dirname "$0")/lib.sh"
mlp=$SOURCE/examples/digits_mlp.ptl
steps=2000
[ -z "${SANITIZED:-}" ] || steps=200
options=(--set "digits.root=$SOURCE/examples/data" --log json --threads 1
  --steps "$steps")

# lines NAME
lines() {
  sed 's/"role":"worker0",//' "$work/out" >"$work/$1.json"
  comparable "$work/$1.json" >"$work/$1.lines"
  [ "$(grep -c '"event":"step"' "$work/$1.lines")" = "$steps" ] ||
    fail "$1: not $steps steps"
}

# check PS WORKERS BUCKET
check() {
  local ps=$1 workers=$2 name="$1.$2.$3"
  expect_status 0 timeout 300 "$PTLC" launch "$mlp" "${options[@]}" \
    --local "ps=$ps,worker=$workers" --set "cluster.ps=$ps" \
    --set "cluster.worker=$workers" --set "cluster.bucket=$3 KiB" \
    --out "$work/$name"
  lines "$name"
  cmp "$work/alone$workers.lines" "$work/$name.lines" || fail "$name differs"
}

for workers in 2 3; do
  expect_status 0 "$PTLC" run "$mlp" "${options[@]}" --shards "$workers" \
    --out "$work/alone$workers"
  lines "alone$workers"
done
check 1 2 8
check 2 3 8
check 2 2 64
