# Operands of contractions in fewer bits: a network trains as well, steps are
# others than in full, any number of threads gives the same bits, and --real
# f64 on the command line has the last word.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl

# train NAME OPTION...: a run; its comparable lines in $work/NAME.
train() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$digits" --log json --out "$work/run-$name" "$@"
  comparable "$work/out" >"$work/$name"
}

train full --threads 1 --steps 20
for precision in bf16 tf32; do
  train "$precision" --threads 1 --set "train.precision=$precision"
  at_least "$(last_value "$work/out" eval accuracy)" 0.96 "$precision accuracy"
  train "$precision-2" --threads 2 --set "train.precision=$precision"
  cmp "$work/$precision" "$work/$precision-2" || fail "threads differ"
  head -n 20 "$work/$precision" | cmp -s - "$work/full" &&
    fail "$precision changes nothing"
done
train both --real f64 --set train.precision=bf16 --steps 20
train f64 --real f64 --steps 20
cmp "$work/both" "$work/f64" || fail "--real f64 does not win"
