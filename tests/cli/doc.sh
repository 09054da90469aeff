# `ptlc doc`: the library's pages, those of a user's files, and where it looks.
. "$(dirname "$0")/lib.sh"

expect_status 0 "$PTLC" doc
expect_text "$work/out" "std.nn"
expect_text "$work/out" "std.data    (part of the compiler)"

# Everything in the library has a comment, and a page.
modules=$(awk '/^  std\./ { print $1 }' "$work/out")
for module in $modules; do
  expect_status 0 "$PTLC" doc "$module"
  ! grep -F '(no comment)' "$work/out" || fail "no comment in $module"
  sed -n 's/^  \([a-z][a-z0-9_]*\)  *.*/\1/p' "$work/out" >"$work/names"
  mapfile -t names <"$work/names"
  [ "${#names[@]}" -gt 0 ] || [ "$module" = std.data ] || fail "$module is empty"
  expect_status 0 "$PTLC" doc "$module" "${names[@]/#/$module.}"
  for name in "${names[@]}"; do
    expect_text "$work/out" "${module#std.}.$name  (std/"
  done
done

# A page has the signature, what the layer holds, the comment and the tests.
expect_status 0 "$PTLC" doc nn.conv2d
expect_text "$work/out" "layer conv2d(out: int in [1, 65536], k: int in [1, 1024],"
expect_text "$work/out" "param w[out, C / groups, k, k] ~ he_uniform()"
expect_text "$work/out" "fn (x: real[N, C, H, W])"
expect_text "$work/out" "A convolution with a square window"
expect_text "$work/out" "conv2d applies its own parameters"
! grep -q "$(printf '\033')" "$work/out" || fail "colour in a file"
cp "$work/out" "$work/page"
for name in std.nn.conv2d conv2d; do
  expect_status 0 "$PTLC" doc "$name"
  cmp "$work/page" "$work/out" || fail "$name is another page than nn.conv2d"
done

# What is not there, and what it is near to.
expect_status 2 "$PTLC" doc nn.conv2
expect_text "$work/err" 'std.nn has no `conv2`; did you mean `conv2d`?'
expect_status 2 "$PTLC" doc linaer
expect_text "$work/err" 'did you mean `linear`?'
expect_status 2 "$PTLC" doc xyzzy.plugh
expect_text "$work/err" 'nothing is called `xyzzy.plugh`: not in the library'
expect_status 3 "$PTLC" doc "$work/nowhere.ptl"
expect_text "$work/err" "nowhere.ptl"
expect_status 3 "$PTLC" doc "$work"
expect_text "$work/err" "no .ptl file"

# Files of a user's: by path, in a folder, through -I and PTL_PATH.
mkdir "$work/mine"
cat >"$work/mine/blocks.ptl" <<'P'
ptl 1;
/// Twice its input. Nothing else.
fn double(x: real[..i]) -> y: real[..i] { y = 2 * x; }
test "double, by hand" { expect close(double([2.0]), [4.0], 0.0); }
P
expect_status 0 "$PTLC" doc "$work/mine/blocks.ptl"
expect_text "$work/out" "double  Twice its input."
! grep -q "Nothing else" "$work/out" || fail "more than the first sentence"
expect_status 0 "$PTLC" doc "$work/mine"
expect_text "$work/out" "double  Twice its input."
expect_status 0 "$PTLC" doc "$work/mine/blocks.double"
expect_text "$work/out" "blocks.double  ($work/mine/blocks.ptl:3)"
expect_text "$work/out" "double, by hand"
expect_status 2 "$PTLC" doc blocks.double
expect_status 0 "$PTLC" doc -I "$work/mine" blocks.double
expect_text "$work/out" "Twice its input. Nothing else."
expect_status 0 env PTL_PATH="$work/none:$work/mine" "$PTLC" doc blocks
expect_text "$work/out" "double"
expect_status 0 "$PTLC" doc -I "$work" mine
expect_text "$work/out" "double"
expect_status 0 "$PTLC" doc -I "$work" mine/blocks.double
expect_text "$work/out" "Twice its input. Nothing else."
expect_status 0 "$PTLC" doc -I "$work/mine"
expect_text "$work/out" "blocks.ptl"
expect_status 2 "$PTLC" doc -I "$work/mine" blocks.duoble
expect_text "$work/err" 'did you mean `double`?'

# A file that does not parse has no pages.
echo 'fn f( { }' >"$work/mine/wrong.ptl"
expect_status 1 "$PTLC" doc "$work/mine/wrong.ptl"
expect_text "$work/err" "wrong.ptl:1"
