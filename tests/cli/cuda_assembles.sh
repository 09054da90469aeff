# Every kernel of every example's training step goes through ptxas without a
# spilled byte, for the oldest and the newest architecture; with LONG=1 for all.
# Both of NVIDIA's code generators are among them.
. "$(dirname "$0")/lib.sh"
archs="75 120"
[ -z "${LONG:-}" ] || archs="75 80 86 89 90 100 120"

for example in $(training_examples); do
  for arch in $archs; do
    expect_status 0 "$PTLC" emit sass-report "$example" --arch "sm_$arch"
    kernels=$(grep -c ' registers, ' "$work/out") || fail "$example: no kernels"
    clean=$(grep -c 'stack, spills 0 + 0' "$work/out") || true
    [ "$kernels" = "$clean" ] || {
      grep -v 'spills 0 + 0' "$work/out" >&2
      fail "$example: kernels for sm_$arch spill"
    }
    ! grep -q 'says nothing' "$work/out" || fail "$example: no report"
  done
done

# The text of a kernel is stable.
for turn in 1 2; do
  expect_status 0 "$PTLC" emit cuda "$SOURCE/examples/digits_mlp.ptl"
  mv "$work/out" "$work/text$turn"
done
cmp "$work/text1" "$work/text2" || fail "CUDA C differs from run to run"

# An architecture nobody makes: those there are.
expect_status 3 "$PTLC" emit ptx "$SOURCE/examples/digits_mlp.ptl" --arch sm_70
expect_text "$work/err" "has no architecture sm_70, but sm_75"
