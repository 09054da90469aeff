#!/usr/bin/env bash
# Without LLVM's library, or with one that is not it: a clear sentence and
# status 3 from what generates code, and nothing is left behind; what only reads
# programs does not miss it.
source "${0%/*}/lib.sh"
program=$SOURCE/examples/digits_mlp.ptl

PTL_LLVM=$work/none expect_status 3 "$PTLC" run "$program" --steps 1 \
  --out "$work/run"
expect_text "$work/err" "PTL_LLVM names \"$work/none\", which cannot be opened"
[ ! -e "$work/run" ] || fail "a run that did not begin left a folder"
PTL_LLVM=$work/none expect_status 3 "$PTLC" test --device cpu \
  "$SOURCE/stdlib/nn/relu.ptl"
PTL_LLVM=$work/none expect_status 3 "$PTLC" emit asm "$program"
expect_text "$work/err" 'PTL_LLVM names'
if [ -n "$COUNTER" ]; then
  PTL_LLVM=$COUNTER expect_status 3 "$PTLC" emit asm "$program"
  expect_text "$work/err" 'LLVM is too old: it has no LLVM'
fi

PTL_LLVM=$work/none expect_status 0 "$PTLC" check "$program"
PTL_LLVM=$work/none expect_status 0 "$PTLC" emit grad-ptl "$program"
