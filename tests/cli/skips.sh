# What may be left out on request is left out and reported.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl
gzip -dc "$SOURCE/examples/data/digits.csv.gz" |
  sed -e '102s/[0-9]*$/10/' -e '203s/^[^,]*,//' -e '304s/^0,/zero,/' |
  gzip >"$work/digits.csv.gz"
run=("$PTLC" run "$digits" --set "digits.root=$work" --steps 3 --log json
  --out "$work/run")
expect_status 3 "${run[@]}"
[ ! -e "$work/run" ] || fail "damaged data left a run folder"
expect_status 0 "${run[@]}" --on-bad-record skip
expect_text "$work/err" "3 bad training records were left out"
grep -q '"rows":1434' "$work/run/step-3/manifest.json" ||
  fail "the manifest does not count 1434 records"
