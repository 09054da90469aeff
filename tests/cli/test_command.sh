# `ptlc test`: the library's own tests hold, a wrong one fails with its place.
. "$(dirname "$0")/lib.sh"

expect_status 0 "$PTLC" test "$SOURCE/stdlib"
expect_text "$work/out" " 0 failed"
cat >"$work/two.ptl" <<'END'
ptl 1;
test "right" { expect close([1.0], [1.0], 0.0); }
test "wrong" { expect close([1.0, 2.0], [1.0, 2.5], 1e-3); }
END
expect_status 1 "$PTLC" test "$work/two.ptl"
expect_text "$work/out" "2 tests"
expect_text "$work/out" "1 failed"
expect_text "$work/err" "two.ptl:3:16: error:"
expect_text "$work/err" "got 2, wanted 2.5 at [1]"
expect_text "$work/err" "[expect-failed]"
expect_status 3 "$PTLC" test "$work/nowhere.ptl"

# A comparison that fails tells both sides.
echo 'test "sides" { a = [1.0, 2.0]; expect a[0] > size(a, 0); }' >"$work/sides.ptl"
expect_status 1 "$PTLC" test "$work/sides.ptl"
expect_text "$work/err" "the left side is 1, the right side 2"

# Without arguments: the current folder.
mkdir "$work/folder"
cp "$work/two.ptl" "$work/folder"
cd "$work/folder"
expect_status 1 "$PTLC" test
expect_text "$work/out" "2 tests"
cd ..

# With an option about compiled programs they are compiled as well.
expect_status 0 "$PTLC" test --device cpu "$SOURCE/stdlib/nn/layer_norm.ptl" \
  "$SOURCE/stdlib/nn/pool.ptl"
expect_text "$work/out" "compiled for cpu in f64: "
expect_text "$work/out" " 0 failed"
for option in "--no-fuse" "--portable-bits" "--threads 2" "--cpu portable" \
  "--real f64"; do
  expect_status 0 "$PTLC" test $option "$SOURCE/stdlib/nn/relu.ptl"
  expect_text "$work/out" "compiled for cpu in f64: "
done
! "$PTLC" test "$SOURCE/stdlib/nn/relu.ptl" | grep -q compiled ||
  fail "compiled unasked"
# What the oracle finds wrong fails once, compiled or not.
expect_status 1 "$PTLC" test --device cpu two.ptl
expect_text "$work/out" "2 tests and 0 gradient checks, 1 failed"
# A tolerance of f64 does not hold in f32, the bounds of f32 do.
echo 'test "close" { x = [0.1, 0.2]; expect close(exp(x), [1.1051709180756477, 1.2214027581601699], 1e-14); }' >close.ptl
expect_status 0 "$PTLC" test --device cpu --real f32 close.ptl
expect_text "$work/out" "too close to call"
expect_status 0 "$PTLC" test --real f64 close.ptl
# What has no compiled form is counted.
echo 'test "wide" { expect 2^40 == 1099511627776; }' >wide.ptl
expect_status 0 "$PTLC" test --device cpu wide.ptl
expect_text "$work/out" "1 check not compiled: integers take more than 32 bits"
# Devices that are none, and none there.
expect_status 2 "$PTLC" test --device gpu close.ptl
PTL_CUDA_DRIVER=$work/none expect_status 3 "$PTLC" test --device cuda close.ptl
expect_text "$work/err" 'PTL_CUDA_DRIVER names'

# A layer that is wrong at every size fails; one that no size fits is counted.
cat >"$work/layers.ptl" <<'EOF'
ptl 1;
layer rank() { fn (x: real[N, D]) -> y: real[N, D] { y[n, d] = x[n]; } }
layer nowhere() { fn (x: real[N]) -> y: real { y = sum(n) log(-1 - x[n]^2); } }
layer bounds() { fn (x: real[N, D]) -> y: real[N] { y[n] = sum(d) x[n, 2*d + 1]; } }
EOF
expect_status 1 "$PTLC" test "$work/layers.ptl"
expect_text "$work/err" "layers.ptl:2:64: error:"
expect_text "$work/out" "3 gradients not checked: no random sizes fit"
