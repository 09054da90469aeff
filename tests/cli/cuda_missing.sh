#!/usr/bin/env bash
# Without a CUDA driver, without NVRTC, or with an architecture that it does
# not know: one clear sentence and status 3, and nothing is left behind.
source "${0%/*}/lib.sh"
lenet=$SOURCE/examples/digits_mlp.ptl

PTL_CUDA_DRIVER=$work/none expect_status 3 "$PTLC" run "$lenet" \
  --device cuda --steps 1 --out "$work/run"
expect_text "$work/err" 'PTL_CUDA_DRIVER names'
[ ! -e "$work/run" ] || fail "a run that did not begin left a folder"
expect_status 2 "$PTLC" run "$lenet" --device gpu --steps 1
expect_text "$work/err" 'cpu, cuda, cuda:N or cuda:N,M is wanted'

# A driver that is none: a library without its functions.
if [ -n "$COUNTER" ]; then
  PTL_CUDA_DRIVER=$COUNTER expect_status 3 "$PTLC" run "$lenet" \
    --device cuda --steps 1 --out "$work/run"
  expect_text "$work/err" 'too old: it has no cuInit'
fi

# Text needs neither.
PTL_NVRTC=$work/none expect_status 0 "$PTLC" emit cuda "$lenet"
expect_text "$work/out" '__global__ void'
PTL_NVRTC=$work/none expect_status 3 "$PTLC" emit ptx "$lenet"
expect_text "$work/err" 'PTL_NVRTC names'
