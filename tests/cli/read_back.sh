# `ptlc emit grad-ptl` prints a program's derivative as PTL, its scans and
# those from the end included: read back, it gives the same gradients, and its
# own derivative does so again.
. "$(dirname "$0")/lib.sh"
peer=$SOURCE/tests/peers/torch
program=$peer/recurrent.ptl

expect_status 0 "$PTLC" emit ir "$program" --real f64
cp "$work/out" "$work/ir"
expect_status 0 "$PTLC" emit grad-ptl "$program" --real f64
cp "$work/out" "$work/text"
[ "$(grep -c '^scan ' "$work/text")" = 8 ] || fail "not four scans and four back"
! grep -q '^//' "$work/text" || fail "something is a comment"
python3 "$SOURCE/tests/cli/read_back.py" "$program" "$work/ir" "$work/text" \
  "$peer/recurrent_w.safetensors" \
  "$SOURCE/tests/golden/torch/recurrent.safetensors" "$work"
expect_status 0 "$PTLC" grad "$work/again.ptl" --real f64 \
  --inputs "$peer/recurrent_in.safetensors" \
  --weights "$work/again_w.safetensors" --out "$work/got.safetensors"
python3 "$SOURCE/tests/cli/agree.py" "$work/wanted.safetensors" \
  "$work/got.safetensors" || fail "the text has other gradients"
