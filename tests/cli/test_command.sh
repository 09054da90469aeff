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
expect_status 2 "$PTLC" test --device cuda

# A layer that is wrong at every size fails; one that no size fits is counted.
cat >"$work/layers.ptl" <<'EOF'
ptl 1;
layer rank() { fn (x: real[N, D]) -> y: real[N, D] { y[n, d] = x[n]; } }
layer bounds() { fn (x: real[N, D]) -> y: real[N] { y[n] = sum(d) x[n, 2*d + 1]; } }
EOF
expect_status 1 "$PTLC" test "$work/layers.ptl"
expect_text "$work/err" "layers.ptl:2:64: error:"
expect_text "$work/out" "not checked: no random sizes fit"
