# The programs of tests/peers/torch agree with PyTorch in f64. The MLP: loss,
# logits and gradients at the first step, then five steps of each optimizer.
# The library's layers: the same at the first step. Batch norm: its states.
. "$(dirname "$0")/lib.sh"
peer=$SOURCE/tests/peers/torch
golden=$SOURCE/tests/golden/torch
agree="python3 $SOURCE/tests/cli/agree.py"

expect_status 0 "$PTLC" grad "$peer/mlp.ptl" --real f64 \
  --inputs "$peer/in.safetensors" --out "$work/grad.safetensors"
$agree "$golden/grad.safetensors" "$work/grad.safetensors" ||
  fail "gradients differ from PyTorch's"

while read -r name optimizer; do
  sed "s|^  optimizer = .*|  optimizer = $optimizer;|" "$peer/mlp.ptl" \
    >"$work/$name.ptl"
  grep -q -F "$optimizer" "$work/$name.ptl" || fail "$name is not in the file"
  expect_status 0 "$PTLC" run "$work/$name.ptl" --real f64 --log json \
    --set "rows.root=$peer" --out "$work/$name"
  $agree "$golden/$name.safetensors" "$work/$name/step-5/model.safetensors" \
    "$work/out" || fail "$name differs from PyTorch's"
done <"$peer/optimizers.txt"

expect_status 0 "$PTLC" grad "$peer/layers.ptl" --real f64 \
  --inputs "$peer/layers_in.safetensors" \
  --weights "$peer/layers_w.safetensors" --out "$work/layers.safetensors"
$agree "$golden/layers.safetensors" "$work/layers.safetensors" ||
  fail "the layers' gradients differ from PyTorch's"

expect_status 0 "$PTLC" run "$peer/norm.ptl" --real f64 --log json \
  --set "rows.root=$peer" --out "$work/norm"
$agree "$golden/norm.safetensors" "$work/norm/step-5/model.safetensors" \
  "$work/out" || fail "batch norm's states differ from PyTorch's"
