# The memory that `check --summary` and the first line of a run state is what the
# run maps for its tensors, within 5 %. That the system counts the same is in
# unit/runtime/test_memory.c.
. "$(dirname "$0")/lib.sh"

# near A B WHAT: within 5 %.
near() {
  awk -v a="$1" -v b="$2" 'BEGIN {
    d = a > b ? a - b : b - a; exit !(a > 0 && d <= 0.05 * b) }' ||
    fail "$3: $1 stated, $2 mapped"
}

# Bytes of "peak memory   11.15 MiB".
stated() {
  awk '/^peak memory/ {
    u["B"] = 1; u["KiB"] = 1024; u["MiB"] = 1024 ^ 2; u["GiB"] = 1024 ^ 3
    printf "%.0f\n", $3 * u[$4] }' "$1"
}

# stated_is_mapped FILE WHAT: false where its data is not here.
stated_is_mapped() {
  local summary mapped got=0
  expect_status 0 "$PTLC" check --summary "$1"
  summary=$(stated "$work/out")
  "$PTLC" run "$1" --steps 3 --log json --out "$work/run" \
    >"$work/log" 2>"$work/err" || got=$?
  grep -q 'could not open' "$work/err" && return 1
  [ "$got" = 0 ] || fail "$1 ended with $got: $(cat "$work/err")"
  mapped=$(last_value "$work/log" end peak_bytes)
  near "$(last_value "$work/log" start peak_bytes)" "$mapped" "start, $2"
  near "$summary" "$mapped" "summary, $2"
}

examples=$(training_examples)
[ -z "${SANITIZED:-}" ] || examples=$(head -n 3 <<<"$examples")
for example in $examples; do
  stated_is_mapped "$example" "$example" || true
done

# What metrics add up counts too: here 300 by 300 numbers.
sed -e "s|root: path = \"data\"|root: path = \"$SOURCE/examples/data\"|" \
  -e 's/out = 10)/out = 300)/; s/real\[N, 10\]/real[N, 300]/; s/idx(10)/idx(300)/' \
  -e 's/^  metric accuracy.*/  metric f { c += metrics.confusion(logits, label); value = metrics.macro_f1(c); }/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/sums.ptl"
grep -q 'metric f' "$work/sums.ptl" || fail "no metric with accumulators"
stated_is_mapped "$work/sums.ptl" "accumulators" || fail "no data for sums.ptl"
