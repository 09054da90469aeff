# A steady step of compiled kernels allocates nothing: counted by standing in
# for malloc's family, mmap and munmap in ptlc itself.
. "$(dirname "$0")/lib.sh"
[ -e "${COUNTER:-}" ] || exit 77
expect_status 0 env LD_PRELOAD="$COUNTER" PTL_TEST_ALLOCATIONS="$work/count" \
  "$PTLC" run "$SOURCE/examples/digits_mlp.ptl" --log json --steps 300 \
  --threads 2 --set train.eval_every=1000 --set train.checkpoint_every=1000 \
  --out "$work/run"
read -r lines before after <"$work/count"
[ "$lines" = 300 ] || fail "$lines step lines, not 300"
[ "$before" -gt 100 ] || fail "counted only $before calls before step 3"
[ "$after" = 0 ] || fail "$after calls between step 3 and step 300"
