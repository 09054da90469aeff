# Wrong programs, damaged data and damaged checkpoints: a clear message, the
# right exit status, nothing half-written.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl
cp "$SOURCE/examples/data/digits.csv.gz" "$work/digits.csv.gz"

# refused STATUS WORDS COMMAND...
refused() {
  local status=$1 words=$2
  shift 2
  expect_status "$status" "$@"
  cat "$work/out" "$work/err" >"$work/both"
  expect_text "$work/both" "$words"
}

# Programs.
printf 'ptl 1;\nfn f(x: real[N]) -> y: real[N] { y[i] = x[i] +; }\n' >"$work/a.ptl"
refused 1 "[syntax]" "$PTLC" check "$work/a.ptl"
{
  printf 'ptl 1;\nfn f(x: real[N]) -> y: real[N] { y[i] = '
  head -c 100000 /dev/zero | tr '\0' '('
  printf '1; }\n'
} >"$work/deep.ptl"
refused 1 "nest" "$PTLC" check "$work/deep.ptl"
head -c 4300000 /dev/zero | tr '\0' ' ' >"$work/large.ptl"
refused 1 "large.ptl" "$PTLC" check "$work/large.ptl"
printf 'ptl 1;\nhyper a: real = 1\0;\n' >"$work/nul.ptl"
refused 1 "NUL" "$PTLC" check "$work/nul.ptl"
printf 'ptl 1;\n// \xff\xfe\n' >"$work/utf.ptl"
refused 1 "UTF-8" "$PTLC" check "$work/utf.ptl"
printf 'ptl 1;\nimport "two.ptl" as t;\n' >"$work/one.ptl"
printf 'ptl 1;\nimport "one.ptl" as o;\n' >"$work/two.ptl"
refused 1 "cycle" "$PTLC" check "$work/one.ptl"
refused 1 "lr" "$PTLC" run "$digits" --set train.lrr=1
refused 2 "" "$PTLC" run

# Data.
run_data() {
  "$PTLC" run "$digits" --set "digits.root=$work" --steps 5 --log json \
    --out "$work/run"
}
head -c 20000 "$SOURCE/examples/data/digits.csv.gz" >"$work/digits.csv.gz"
refused 3 "digits.csv.gz" run_data
rm "$work/digits.csv.gz"
refused 3 "digits.csv.gz" run_data
gzip -dc "$SOURCE/examples/data/digits.csv.gz" |
  sed '100s/[0-9]*$/10/' | gzip >"$work/digits.csv.gz"
refused 3 "10" run_data
expect_text "$work/both" "100"
gzip -dc "$SOURCE/examples/data/digits.csv.gz" |
  sed '7s/^0,/zero,/' | gzip >"$work/digits.csv.gz"
refused 3 "zero" run_data
cp "$SOURCE/examples/data/digits.csv.gz" "$work/digits.csv.gz"

# Checkpoints.
expect_status 0 "$PTLC" run "$digits" --steps 5 --log json --out "$work/good"
checkpoint=$(ls -d "$work"/good/step-* | tail -n 1)
cp -r "$checkpoint" "$work/cut"
truncate -s -100 "$work/cut/model.safetensors"
refused 3 "model.safetensors" "$PTLC" eval "$digits" --from "$work/cut"
cp -r "$checkpoint" "$work/flipped"
printf '\x55' | dd of="$work/flipped/model.safetensors" bs=1 seek=20000 \
  conv=notrunc status=none
refused 3 "model.safetensors" "$PTLC" eval "$digits" --from "$work/flipped"
rm "$work/flipped/manifest.json"
refused 3 "" "$PTLC" eval "$digits" --from "$work/flipped"
refused 3 "" "$PTLC" run "$digits" --steps 9 --resume "$work/nowhere"

# A learning rate that blows up: stops, and the last checkpoint stays whole.
plane=$SOURCE/examples/linear_regression.ptl
refused 3 "non-finite" "$PTLC" run "$plane" --log json --set train.lr=10 \
  --set train.checkpoint_every=1 --out "$work/blown"
expect_status 0 "$PTLC" eval "$plane" --from "$work/blown" --log json
expect_text "$work/out" '"event":"eval"'

# A full disk (here: a limit on the size of a file): stops, and the checkpoint
# before it stays whole.
full_disk() (
  ulimit -f 100
  exec "$PTLC" run "$digits" --steps 40 --log json --resume "$work/full" \
    --set train.checkpoint_every=10
)
expect_status 0 "$PTLC" run "$digits" --steps 10 --log json --out "$work/full"
trap '' XFSZ
refused 3 "safetensors" full_disk
expect_status 0 "$PTLC" eval "$digits" --from "$work/full" --log json

# A record of another shape than the program wants is the data's fault.
mkdir -p "$work/shape/data"
cp "$work/digits.csv.gz" "$work/shape/data/"
sed 's/"0..64"/"0..63"/' "$digits" >"$work/shape/digits.ptl"
expect_status 0 "$PTLC" check "$work/shape/digits.ptl"
refused 3 "does not fit" "$PTLC" run "$work/shape/digits.ptl" --out "$work/shape/run"
