# Whole programs on every instruction set this machine has: LeNet, an MLP, an
# LSTM and a GPT, cut small. With --portable-bits losses and weights are the same bits;
# without, they agree within the error model. What `portable` cannot do in one
# instruction it does in C, slowly: three steps are enough.
. "$(dirname "$0")/lib.sh"
here="$SOURCE/tests/cli"
data="$SOURCE/examples/data"
agree="python3 $here/agree.py"

# level_runs CPU: the machine has it.
level_runs() {
  "$PTLC" run "$here/levels/lenet.ptl" --set "digits.root=$data" --steps 1 \
    --cpu "$1" --quiet --out "$work/try-$1" >"$work/out" 2>"$work/err" ||
    { expect_text "$work/err" "cannot run here" && return 1; }
}

# train NAME CPU OPTION...: three steps of program NAME; log in $work/out.
train() {
  local name=$1 cpu=$2
  shift 2
  local file="$SOURCE/examples/$name.ptl" sets=()
  case $name in
  lenet)
    file="$here/levels/lenet.ptl"
    sets=(--set "digits.root=$data")
    ;;
  digits_lstm) sets=(--set train.hidden=12) ;;
  gpt_nano)
    sets=(--set train.dim=16 --set train.depth=1 --set licence.length=16)
    ;;
  esac
  expect_status 0 "$PTLC" run "$file" --steps 3 --log json --cpu "$cpu" \
    "${sets[@]}" "$@" --out "$work/$name-$cpu"
}

levels=(portable)
for cpu in avx2 avx512; do
  if level_runs $cpu; then levels+=($cpu); fi
done
levels+=(native)

names="lenet digits_mlp digits_lstm gpt_nano"
[ -z "${SANITIZED:-}" ] || names=lenet
for name in $names; do
  for cpu in "${levels[@]}"; do
    train $name "$cpu" --portable-bits
    comparable "$work/out" >"$work/lines-$cpu"
    cp "$work/$name-$cpu/step-3/model.safetensors" "$work/bits-$cpu"
    cmp "$work/lines-portable" "$work/lines-$cpu" ||
      fail "$name: losses of portable and $cpu differ"
    cmp "$work/bits-portable" "$work/bits-$cpu" ||
      fail "$name: weights of portable and $cpu differ"
    rm -r "$work/$name-$cpu"

    train $name "$cpu" --real f64
    cp "$work/$name-$cpu/step-3/model.safetensors" "$work/f64-$cpu"
    $agree "$work/f64-portable" "$work/f64-$cpu" ||
      fail "$name: portable and $cpu disagree"
    rm -r "$work/$name-$cpu"
  done
  [ "$(grep -c '"event":"step"' "$work/lines-portable")" = 3 ] ||
    fail "$name: not three steps"
done
