# Recurrent layers in f64: with `scan` and with every step written out they give
# what PyTorch's give, and so do their derivatives.
. "$(dirname "$0")/lib.sh"
peer=$SOURCE/tests/peers/torch
golden=$SOURCE/tests/golden/torch
agree="python3 $SOURCE/tests/cli/agree.py"

# grad PROGRAM OUT
grad() {
  expect_status 0 "$PTLC" grad "$1" --real f64 \
    --inputs "$peer/recurrent_in.safetensors" \
    --weights "$peer/recurrent_w.safetensors" --out "$2"
}

grad "$peer/recurrent.ptl" "$work/scan.safetensors"
$agree "$golden/recurrent.safetensors" "$work/scan.safetensors" ||
  fail "recurrent layers differ from PyTorch's"

sed "s|import std.nn as cells|import \"$peer/unrolled.ptl\" as cells|" \
  "$peer/recurrent.ptl" >"$work/unrolled.ptl"
! grep -q 'std.nn' "$work/unrolled.ptl" || fail "the library is still there"
grad "$work/unrolled.ptl" "$work/unrolled.safetensors"
$agree "$work/unrolled.safetensors" "$work/scan.safetensors" ||
  fail "a scan differs from its steps written out"

# The same bits on one and two threads.
expect_status 0 "$PTLC" grad "$peer/recurrent.ptl" --real f64 --threads 1 \
  --inputs "$peer/recurrent_in.safetensors" \
  --weights "$peer/recurrent_w.safetensors" --out "$work/one.safetensors"
cmp "$work/scan.safetensors" "$work/one.safetensors" ||
  fail "bits depend on the number of threads"
