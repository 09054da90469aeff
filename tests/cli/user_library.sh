# A library of a user's own: it is tested, documented and found as ours is, and
# what is wrong with an import is said with where it was looked for.
. "$(dirname "$0")/lib.sh"
blocks="$SOURCE/examples/blocks"

# Its tests and gradient checks, and the program that uses it.
expect_status 0 "$PTLC" test "$blocks"
expect_text "$work/out" "5 tests and 3 gradient checks, 0 failed"
expect_status 0 "$PTLC" run "$SOURCE/examples/digits_blocks.ptl" --log json \
  --epochs 4 --out "$work/digits"
at_least "$(last_value "$work/out" eval accuracy)" 0.95 "accuracy with blocks"
expect_status 0 "$PTLC" doc "$blocks"
expect_text "$work/out" "  squeeze_excite  Weighs the channels"
! grep -F '(no comment)' "$work/out" || fail "a block has no comment"

# From elsewhere it is found through -I or PTL_PATH, its own imports beside it.
mkdir "$work/lib" "$work/use"
cp "$blocks"/*.ptl "$work/lib"
cat >"$work/use/net.ptl" <<'P'
ptl 1;
import "residual.ptl" as blocks;
test "found" {
  model f = blocks.residual(ratio = 1);
  expect close(f([[[[0.0]]]]), [[[[0.0]]]], 0.0);
}
P
expect_status 1 "$PTLC" test "$work/use/net.ptl"
expect_text "$work/err" 'there is no file "residual.ptl"'
expect_text "$work/err" "tried $work/use/residual.ptl"
expect_text "$work/err" "[import]"
expect_status 0 "$PTLC" test -I "$work/lib" "$work/use/net.ptl"
expect_status 0 env PTL_PATH="$work/lib" "$PTLC" test "$work/use/net.ptl"

# -I comes before PTL_PATH, and the file's own folder before both.
mkdir "$work/other"
echo 'ptl 1; fn residual() -> y: real { y = 1; }' >"$work/other/residual.ptl"
expect_status 0 env PTL_PATH="$work/other" "$PTLC" test -I "$work/lib" \
  "$work/use/net.ptl"
expect_status 1 env PTL_PATH="$work/lib" "$PTLC" test -I "$work/other" \
  "$work/use/net.ptl"
cp "$work/other/residual.ptl" "$work/use"
expect_status 1 "$PTLC" test -I "$work/lib" "$work/use/net.ptl"
rm "$work/use/residual.ptl"

# A test that does not hold is told with its file, whichever of the folder's.
sed 's/nn.relu(x + weigh/nn.relu(x - weigh/' "$blocks/residual.ptl" \
  >"$work/lib/minus.ptl"
expect_status 1 "$PTLC" test "$work/lib"
expect_text "$work/err" "lib/minus.ptl:"
expect_text "$work/err" 'in test "residual adds what its parts give"'
expect_text "$work/out" "1 failed"
rm "$work/lib/minus.ptl"

# wrong IMPORT WORDS: a program with this import is refused with the words.
wrong() {
  printf 'ptl 1;\n%s\n' "$1" >"$work/use/wrong.ptl"
  expect_status 1 "$PTLC" check -I "$work/lib" "$work/use/wrong.ptl"
  expect_text "$work/err" "use/wrong.ptl:2:"
  expect_text "$work/err" "$2"
}
wrong 'import "resdual.ptl" as r;' 'did you mean "residual.ptl"?'
wrong 'import "../lib/focl.ptl" as r;' 'did you mean "../lib/focal.ptl"?'
wrong 'import "../lib" as r;' 'lib, which is a folder: import its files one by one'
wrong 'import "wrong.ptl" as me;' 'files import each other'
wrong 'import "focal.ptl" as a; import "residual.ptl" as a;' \
  '`a` already names another import'

# One file by two ways is one module; an error in it is told once, at its place.
cat >"$work/use/twice.ptl" <<'P'
ptl 1;
import "focal.ptl" as a;
import "../lib/focal.ptl" as b;
P
expect_status 0 "$PTLC" check -I "$work/lib" "$work/use/twice.ptl"
sed -i 's/lse(k) z\[n, k\]/lse(k) z[k, n]/' "$work/lib/focal.ptl"
expect_status 1 "$PTLC" check -I "$work/lib" "$work/use/twice.ptl"
expect_text "$work/err" "lib/focal.ptl:7:"
[ "$(grep -c 'error:' "$work/err")" = 1 ] || fail "not one message"
