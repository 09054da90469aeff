# A cluster of two workers, each with two devices for its two towers, is four
# shards of one process, bit for bit, in both placements. A parameter server
# opens no device: its driver would be one that cannot be opened.
. "$(dirname "$0")/lib.sh"
lenet=$work/lenet.ptl # with a parameter large enough to lie on a device
sed 's/linear(out = 48)/linear(out = 1100)/' "${0%/*}/cluster/lenet.ptl" >"$lenet"
data="digits.root=$SOURCE/examples/data"
export PTL_CUDA_PTX=1 PTL_VIRTUAL_DEVICES=2 PTL_CUDA_DRIVER="$VIRTUAL_CUDA"
steps=10

# alone NAME OPTION...: four shards in one process.
alone() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$lenet" --set "$data" --log json --threads 1 \
    --steps $steps --shards 4 --set cluster.towers=2 --out "$work/$name" "$@"
  comparable "$work/out" >"$work/$name.lines"
}

alone cpu
alone device --device cuda:0,1
cmp "$work/cpu.lines" "$work/device.lines" || fail "lines of devices differ"

placements=("parameter_server(caching = device)" parameter_server replicated)
[ -z "${SANITIZED:-}" ] || placements=("${placements[0]}")
for placement in "${placements[@]}"; do
  expect_status 0 timeout 200 "$PTLC" launch "$lenet" --set "$data" \
    --log json --threads 1 --local ps=1,worker=2 --set cluster.ps=1 \
    --set cluster.worker=2 --set cluster.towers=2 --steps $steps \
    --set "cluster.placement=$placement" \
    --device cuda:0,1 --out "$work/$placement"
  sed 's/"role":"worker0",//' "$work/out" >"$work/$placement.json"
  comparable "$work/$placement.json" >"$work/$placement.lines"
  cmp "$work/device.lines" "$work/$placement.lines" ||
    fail "$placement: lines differ"
  for name in cpu "$placement"; do
    cmp "$work/device/step-$steps/model.safetensors" \
      "$work/$name/step-$steps/model.safetensors" || fail "$name: weights differ"
  done
done

# Without a barrier: the replay on devices, and on the CPU, is what the cluster
# was; each worker's states and sums go to the device and back.
apart=$work/apart.ptl
sed 's/width: int = 48/width: int = 1100/' "${0%/*}/cluster/apart.ptl" >"$apart"
free=(--set "$data" --log json --threads 1 --set cluster.ps=1
  --set cluster.worker=2 --set cluster.towers=2 --set cluster.sync_every=2
  --set 'cluster.placement=parameter_server(caching = device)' --steps $steps)
expect_status 0 timeout 200 "$PTLC" launch "$apart" "${free[@]}" \
  --local ps=1,worker=2 --device cuda:0,1 --record "$work/schedule" \
  --out "$work/free"
sed 's/"role":"worker0",//' "$work/out" >"$work/free.json"
comparable "$work/free.json" >"$work/free.lines"
for device in cpu cuda:0,1; do
  expect_status 0 timeout 200 "$PTLC" run "$apart" "${free[@]}" --shards 4 \
    --device "$device" --replay "$work/schedule" --out "$work/free.$device"
  comparable "$work/out" >"$work/replayed.lines"
  cmp "$work/free.lines" "$work/replayed.lines" ||
    fail "$device: the lines of a replay differ"
  cmp "$work/free/step-$steps/model.safetensors" \
    "$work/free.$device/step-$steps/model.safetensors" ||
    fail "$device: the weights of a replay differ"
done

# The server's own process, with a driver that cannot be opened.
port=$(free_port)
PTL_CUDA_DRIVER=$work/none timeout 60 "$PTLC" run "$lenet" --set "$data" \
  --set "cluster.ps=[\"127.0.0.1:$port\"]" --set cluster.worker=1 --job ps \
  --task 0 --device cuda --steps 2 >"$work/ps.out" 2>"$work/ps.err" &
server=$!
expect_status 0 timeout 60 "$PTLC" run "$lenet" --set "$data" --threads 1 \
  --set "cluster.ps=[\"127.0.0.1:$port\"]" --set cluster.worker=1 --job worker \
  --task 0 --device cuda --steps 2 --out "$work/run"
wait $server || fail "the server ended with $?: $(tail -n 2 "$work/ps.err")"
