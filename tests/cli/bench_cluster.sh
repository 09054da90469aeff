#!/usr/bin/env bash
# scripts/bench-cluster cannot rot: each of its works runs, and all figures come
# out with their bars. Nothing here asserts a time.
. "$(dirname "$0")/lib.sh"
program=$(dirname "$PTLC")/bench_cluster

# steps WORK...: two turns of a work give two numbers.
steps() {
  printf '%s\n' 1 "2 1000" >"$work/lines"
  expect_status 0 timeout 60 bash -c "'$program' $* <'$work/lines'"
  [ "$(head -n 1 "$work/out")" = ready ] || fail "$*: $(cat "$work/out")"
  [ "$(grep -c '^[0-9.]*$' "$work/out")" = 2 ] || fail "$*: no two numbers"
}
small="tensors=3x100000"
steps kind=raw "$small"
steps kind=ping workers=1
steps kind=barrier
for via in tcp ipc shared; do
  steps via=$via "$small" workers=3
done
steps "$small" bucket=1 original=1 ordered=0

# The tools on top of it, on what is built already.
[ "$(dirname "$PTLC")" = "$SOURCE/build/bin" ] || exit 0
expect_status 0 python3 "$SOURCE/scripts/bench_tools/cluster.py" --quick \
  --no-peers --json "$work/json"
expect_text "$work/out" "of 8 held"
python3 -m json.tool "$work/json" >/dev/null || fail "no JSON"
[ "$(grep -c '"held": ' "$work/json")" = 8 ] || fail "no eight figures"
