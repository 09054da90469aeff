# `ptlc predict`: raw fields in, results out, and what is said about others.
. "$(dirname "$0")/lib.sh"

# zeros FILE ROWS COLUMNS: an npy file of f32 zeros.
zeros() {
  local header
  header=$(printf '%-117s' "{'descr': '<f4', 'fortran_order': False, 'shape': ($2, $3), }")
  {
    printf '\223NUMPY\001\000\166\000%s\n' "$header"
    head -c $(($2 * $3 * 4)) /dev/zero
  } >"$1"
}

plane="$SOURCE/examples/linear_regression.ptl"
expect_status 0 "$PTLC" run "$plane" --steps 3 --out "$work/run" --quiet
zeros "$work/x.npy" 5 2
zeros "$work/wide.npy" 5 3
predict=("$PTLC" predict "$plane" --from "$work/run")

# With and without the field's name, from the run and from its checkpoint.
expect_status 0 "${predict[@]}" --input "$work/x.npy" --output "$work/a.npy"
expect_status 0 "${predict[@]}" --input "x=$work/x.npy" --output "$work/b.npy"
cmp "$work/a.npy" "$work/b.npy" || fail "the name changes the result"
expect_status 0 "$PTLC" predict "$plane" --from "$work/run/step-3" \
  --input "$work/x.npy" --output "$work/c.npy"
cmp "$work/a.npy" "$work/c.npy" || fail "run and checkpoint differ"
expect_text "$work/a.npy" "(5,)"

# Unknown names, a file of another shape: nothing is written.
expect_status 2 "${predict[@]}" --input "z=$work/x.npy" --output "$work/no.npy"
expect_text "$work/err" 'the raw fields are `x`, `y`'
expect_status 2 "${predict[@]}" --input "$work/x.npy" --output "z=$work/no.npy"
expect_text "$work/err" "the model's results are \`fitted\`"
expect_status 3 "${predict[@]}" --input "$work/wide.npy" --output "$work/no.npy"
expect_text "$work/err" "raw.x [3]"
[ ! -e "$work/no.npy" ] || fail "a result of a wrong input"
