# NVRTC that is too old, has no such architecture, refuses a kernel or crashes (a
# stand-in for it does): who reads the message learns which kernel, and which
# line of the .ptl it was made for.
. "$(dirname "$0")/lib.sh"
export PTL_NVRTC=$FAKE_NVRTC_LIBRARY
file=$SOURCE/examples/linear_regression.ptl

FAKE_NVRTC=version expect_status 3 "$PTLC" emit ptx "$file"
expect_text "$work/err" 'NVRTC 11.8 is too old: at least 12.0 is wanted'
FAKE_NVRTC=archs expect_status 3 "$PTLC" emit ptx "$file" --arch sm_80
expect_text "$work/err" 'NVRTC 13.0 has no architecture sm_80, but sm_90'

# The stand-in refuses the second kernel: its name, and where it comes from.
expect_status 0 "$PTLC" emit cuda "$file"
second=$(grep -A1 '^extern "C" __global__' "$work/out" | sed -n '5s/(.*//p')
[ -n "$second" ] || fail "emit cuda shows no second kernel"
refused() {
  local kind=$1 words=$2 place name
  FAKE_NVRTC=$kind expect_status 70 "$PTLC" emit ptx "$file" --arch sm_80
  expect_text "$work/err" "that was made for this: $words"
  name=$(sed -n 's/.*refuses the kernel "\([^"]*\)".*/\1/p' "$work/err")
  [ "k1_$(echo "$name" | tr -c 'a-zA-Z0-9\n' _)" = "$second" ] ||
    fail "$kind: $name is named, not $second"
  place=$(sed -n 's/^ptlc: error: \([^ ]*\): NVRTC .*/\1/p' "$work/err")
  grep -Eq '^std/[a-z/]+\.ptl:[0-9]+:[0-9]+$' <<<"$place" ||
    fail "$kind: no place: $place"
  line=$(cut -d: -f2 <<<"$place")
  sed -n "${line}p" "$SOURCE/stdlib/$(cut -d: -f1 <<<"${place#std/}")" |
    grep -q 'mean\|sum' || fail "$kind: $place has no reduction"
}
refused source 'this is not liked'
refused assembler "Entry function '$second' uses too much shared data"

FAKE_NVRTC=crash expect_status 3 "$PTLC" emit ptx "$file" --arch sm_80
expect_text "$work/err" 'ptlc: error: NVRTC 13.0 crashed while it compiled "'
expect_text "$work/err" 'linear_regression.ptl:'
[ "$(wc -l <"$work/err")" = 1 ] || fail "a crash says more than a line"
