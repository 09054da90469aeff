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

for example in $(training_examples); do
  expect_status 0 "$PTLC" check --summary "$example"
  summary=$(stated "$work/out")
  got=0
  "$PTLC" run "$example" --steps 3 --log json --out "$work/run" \
    >"$work/log" 2>"$work/err" || got=$?
  grep -q 'could not open' "$work/err" && continue # its data is not here
  [ "$got" = 0 ] || fail "$example ended with $got: $(cat "$work/err")"
  mapped=$(last_value "$work/log" end peak_bytes)
  near "$(last_value "$work/log" start peak_bytes)" "$mapped" "start, $example"
  near "$summary" "$mapped" "summary, $example"
done
