# Two runs, and one and two threads, print equal lines.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl
for threads in 1 2 2; do
  runs=${runs:-0}
  runs=$((runs + 1))
  expect_status 0 "$PTLC" run "$digits" --epochs 2 --log json \
    --threads $threads --out "$work/run$runs"
  comparable "$work/out" >"$work/lines$runs"
done
[ "$(wc -l <"$work/lines1")" -ge 90 ] || fail "too few lines to compare"
cmp "$work/lines1" "$work/lines2" || fail "1 and 2 threads differ"
cmp "$work/lines2" "$work/lines3" || fail "two runs differ"
