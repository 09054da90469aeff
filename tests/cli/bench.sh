#!/usr/bin/env bash
# scripts/bench cannot rot: PTL's own side of a product, a derivative, an
# update and a training step runs, and what comes out is what it should be.
# Nothing here asserts a time.
. "$(dirname "$0")/lib.sh"
worker=$(dirname "$PTLC")/bench_work
machine=$(dirname "$PTLC")/bench_machine

# A product of ones: c[i, j] = 3, as floats in a file.
cat >"$work/ones.ir" <<'IR'
input a: real[2, 3] generic f32;
input b: real[3, 2] generic f32;
comp c[i:2, j:2 | k:0..3] = sum a[i, k] * b[k, j];
output c = c;
IR
printf '%s\n' "open graph file=$work/ones.ir" "fill * 1 1" "run ptl 0.01" \
  "values ptl 1 $work" "memory ptl 1" "open nonsense" >"$work/lines"
expect_status 0 bash -c "'$worker' --threads 2 <'$work/lines'"
expect_text "$work/out" '"names":["c"]'
expect_text "$work/out" 'no kind of work: nonsense'
[ "$(od -An -tf4 "$work/0.f32" | tr -s ' \n' ' ')" = " 3 3 3 3 " ] ||
  fail "the product of ones is $(od -An -tf4 "$work/0.f32")"

# loss = sum x^2: its derivative at 2 is 4, and the loss is no output any more.
cat >"$work/square.ir" <<'IR'
input x: real[2] param f32;
comp loss[| i:0..2] = sum x[i] * x[i];
output loss = loss;
IR
printf '%s\n' "open graph file=$work/square.ir wrt=x" "fill x 2 2" \
  "values ptl 1 $work" >"$work/lines"
expect_status 0 bash -c "'$worker' <'$work/lines'"
expect_text "$work/out" '"names":["dx"]'
[ "$(od -An -tf4 "$work/0.f32" | tr -s ' \n' ' ')" = " 4 4 " ] ||
  fail "the derivative is $(od -An -tf4 "$work/0.f32")"

printf '%s\n' "open fma" "run fma 0.01" "open triad" "run plain 0.01" \
  >"$work/lines"
expect_status 0 bash -c "'$machine' --threads 2 <'$work/lines'"
! grep -q error "$work/out" || fail "the machine's rates: $(cat "$work/out")"

# The tools on top of it, on what is built already.
[ "$(dirname "$PTLC")" = "$SOURCE/build/bin" ] || exit 0
tools=$SOURCE/scripts/bench_tools/main.py
expect_status 0 python3 "$tools" --list
expect_text "$work/out" "gpt step"
expect_status 0 python3 "$tools" --quick --no-peers --json "$work/json"
expect_text "$work/out" "misses: 0"
python3 -m json.tool "$work/json" >/dev/null || fail "no JSON"
grep -q '"work": "mlp step"' "$work/json" || fail "no training step"
