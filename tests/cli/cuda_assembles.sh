# Every kernel of every example's training step goes through ptxas without a
# spilled byte, for the oldest and the newest architecture; with LONG=1 for all,
# and the kernels of the library's tests and of the examples' in both precisions.
# Both of NVIDIA's code generators are among them.
. "$(dirname "$0")/lib.sh"
archs="75 120"
[ -z "${LONG:-}" ] || archs="75 80 86 89 90 100 120"
[ -z "${SANITIZED:-}" ] || archs=75

# assembles FILE ARCH [OPTION...]: at least a kernel, none of which spills.
assembles() {
  local file=$1 arch=$2
  shift 2
  expect_status 0 "$PTLC" emit sass-report "$file" --arch "sm_$arch" "$@"
  kernels=$(grep -c ' registers, ' "$work/out") || fail "$file: no kernels"
  clean=$(grep -c 'stack, spills 0 + 0' "$work/out") || true
  [ "$kernels" = "$clean" ] || {
    grep -v 'spills 0 + 0' "$work/out" >&2
    fail "$file: kernels for sm_$arch spill"
  }
  ! grep -q 'says nothing' "$work/out" || fail "$file: no report"
}

# What `ptlc emit` shows the tests of.
tested_files() {
  grep -l '^test ' -r "$SOURCE/stdlib" "$SOURCE/examples" --include='*.ptl' |
    xargs grep -L '^train\b'
}

for example in $(training_examples); do
  for arch in $archs; do
    assembles "$example" "$arch"
  done
done

if [ -n "${LONG:-}" ]; then
  [ "$(tested_files | wc -l)" -ge 40 ] || fail "too few files with tests"
  for file in $(tested_files); do
    for arch in $archs; do
      assembles "$file" "$arch" --real f64
      assembles "$file" "$arch" --real f32
    done
  done
fi

# Loops in loops that NVRTC would unroll whole, with all they read in registers.
assembles "$SOURCE/stdlib/init/orthogonal.ptl" 90 --real f64

# Stages from the schedule on show a file's tests where it trains nothing.
expect_status 0 "$PTLC" emit kernels "$SOURCE/stdlib/nn/softmax.ptl"
grep -q 'softmax' "$work/out" || fail "kernels of tests are not shown"
printf 'ptl 1;\n' >"$work/nothing.ptl"
expect_status 1 "$PTLC" emit kernels "$work/nothing.ptl"
expect_text "$work/err" 'this file has no `train` block'

# The text of a kernel is stable.
for turn in 1 2; do
  expect_status 0 "$PTLC" emit cuda "$SOURCE/examples/digits_mlp.ptl"
  mv "$work/out" "$work/text$turn"
done
cmp "$work/text1" "$work/text2" || fail "CUDA C differs from run to run"

# An architecture nobody makes: those there are.
expect_status 3 "$PTLC" emit ptx "$SOURCE/examples/digits_mlp.ptl" --arch sm_70
expect_text "$work/err" "has no architecture sm_70, but sm_75"
