# Programs on the virtual CUDA device: the same lines and weights, bit for bit,
# as on the CPU, whatever the program; a run goes on where it was left on the
# other kind of machine.
. "$(dirname "$0")/lib.sh"
here="$SOURCE/tests/cli"
data="$SOURCE/examples/data"
export PTL_CUDA_DRIVER="$VIRTUAL_CUDA" PTL_CUDA_PTX=1

# train NAME DEVICE STEPS OPTION...: into $work/NAME-DEVICE, log in .lines.
train() {
  local name=$1 device=$2 steps=$3 file="$SOURCE/examples/$1.ptl" sets=()
  shift 3
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
  expect_status 0 "$PTLC" run "$file" --steps "$steps" --log json \
    --log-every 1 --device "$device" "${sets[@]}" \
    --out "$work/$name-$device" "$@"
  comparable "$work/out" >"$work/$name-$device.lines"
}

# same NAME STEPS: what both devices wrote.
same() {
  cmp "$work/$1-cpu.lines" "$work/$1-cuda.lines" || fail "$1: lines differ"
  cmp "$work/$1-cpu/step-$2/model.safetensors" \
    "$work/$1-cuda/step-$2/model.safetensors" || fail "$1: weights differ"
  [ "$(grep -c '"event":"step"' "$work/$1-cuda.lines")" -ge 1 ] ||
    fail "$1: no steps"
}

# both NAME STEPS OPTION...
both() {
  train "$1" cpu "$2" "${@:3}"
  train "$1" cuda "$2" "${@:3}"
  expect_text "$work/out" '"device":"cuda:0"'
  same "$1" "$2"
}

both digits_mlp 50
both lenet 50
[ -n "${SANITIZED:-}" ] || both digits_lstm 3
[ -n "${SANITIZED:-}" ] || both gpt_nano 2
both linear_regression 20 --real f64

# 20 steps of the CPU, 20 more of the device: what 40 of the CPU are.
train digits_mlp cpu 40
rm -r "$work/digits_mlp-cuda"
train digits_mlp cpu 20 --out "$work/begun"
train digits_mlp cuda 40 --resume "$work/begun" --out "$work/ended"
cmp "$work/digits_mlp-cpu/step-40/model.safetensors" \
  "$work/ended/step-40/model.safetensors" || fail "resumed weights differ"

# Shards in one process, each on the device.
train lenet cpu 4 --shards 2 --out "$work/cpu-shards"
train lenet cuda 4 --shards 2 --out "$work/cuda-shards"
cmp "$work/lenet-cpu.lines" "$work/lenet-cuda.lines" ||
  fail "lines of two shards differ"
cmp "$work/cpu-shards/step-4/model.safetensors" \
  "$work/cuda-shards/step-4/model.safetensors" || fail "shards differ"

# Evaluation and prediction.
for device in cpu cuda; do
  expect_status 0 "$PTLC" eval "$SOURCE/examples/digits_mlp.ptl" \
    --from "$work/ended" --device $device --log json
  comparable "$work/out" >"$work/eval-$device"
done
cmp "$work/eval-cpu" "$work/eval-cuda" || fail "evaluations differ"

# Too little memory: what is too large, and status 3.
PTL_VIRTUAL_MEMORY=100000 expect_status 3 "$PTLC" run \
  "$SOURCE/examples/digits_mlp.ptl" --device cuda --steps 1 --out "$work/small"
expect_text "$work/err" "has no memory for the"
expect_text "$work/err" 'the largest in it: "net.f1.dw" (65536 bytes)'
PTL_VIRTUAL_MEMORY=150000 expect_status 3 "$PTLC" run \
  "$SOURCE/examples/digits_mlp.ptl" --device cuda --steps 1 --out "$work/small"
expect_text "$work/err" "bytes of parameters, states and slots"

# A device that is not there.
expect_status 3 "$PTLC" run "$SOURCE/examples/digits_mlp.ptl" \
  --device cuda:7 --steps 1 --out "$work/small"
expect_text "$work/err" "there is no device cuda:7"

# Several devices are shards, dealt out among them.
counts="2 4" rules="aggregate=mean aggregate=apply_each sync_every=2"
[ -z "${SANITIZED:-}" ] || counts=2 rules=aggregate=apply_each
for count in $counts; do
  devices=cuda:$(seq -s, 0 $((count - 1)))
  rm -r "$work"/lenet-*
  train lenet cpu 4 --shards $count --out "$work/cpu-shards$count"
  PTL_VIRTUAL_DEVICES=4 train lenet "$devices" 4 --out "$work/devices$count"
  expect_text "$work/out" "\"device\":\"$devices\""
  cmp "$work/lenet-cpu.lines" "$work/lenet-$devices.lines" ||
    fail "lines of $count devices differ"
  cmp "$work/cpu-shards$count/step-4/model.safetensors" \
    "$work/devices$count/step-4/model.safetensors" ||
    fail "weights of $count devices differ"
done

# More shards than devices; sums that the host adds up, side by side.
for rule in $rules; do
  rm -r "$work"/lenet-*
  train lenet cpu 4 --shards 5 --set cluster.$rule --out "$work/cpu-$rule"
  PTL_VIRTUAL_DEVICES=2 train lenet cuda:0,1 4 --shards 5 \
    --set cluster.$rule --out "$work/cuda-$rule"
  cmp "$work/lenet-cpu.lines" "$work/lenet-cuda:0,1.lines" ||
    fail "lines under $rule differ"
  cmp "$work/cpu-$rule/step-4/model.safetensors" \
    "$work/cuda-$rule/step-4/model.safetensors" ||
    fail "weights under $rule differ"
done
