# Processes started one by one, on a port of their own: who is not alike is
# refused with the first difference in words, and rubbish on the port changes
# nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cluster_lib.sh"

# refused WORDS ROLE...: with exit 78.
refused() {
  local words=$1 got=0
  shift
  role "$@" || got=$?
  [ "$got" = 78 ] || fail "\"$*\" ended with $got, not 78"
  expect_text "$work/$1-$2.err" "$words"
}

role ps 0 &
server=$!
role worker 0 &
chief=$!
refused 'worker 1 has `seed = 7`, the cluster has `seed = 1`' worker 1 --seed 7
refused 'worker 1 has `batch = 64`, the cluster has `batch = 32`' \
  worker 1 --set train.batch=64
refused 'worker 1 has `aggregate = sum, ordered`' \
  worker 1 --set cluster.aggregate=sum
refused 'worker 1 has `real = f64`' worker 1 --real f64
got=0
role worker 5 || got=$?
[ "$got" = 2 ] || fail "a worker that is not there ended with $got"

# What is no peer, while the job runs.
rubbish() {
  local i
  for i in 1 2 3 4 5; do
    printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
    head -c 3000 /dev/urandom
    printf '\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL'
  done
}
role worker 1 &
second=$!
for i in $(seq 20); do
  (
    trap '' PIPE
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    rubbish >&3
  ) 2>/dev/null || true
done
wait "$second" || fail "worker 1 ended with $?"
wait "$chief" || fail "worker 0 ended with $?"
wait "$server" || fail "ps 0 ended with $?"

comparable "$work/worker-0.out" >"$work/cluster.lines"
expect_status 0 "$PTLC" run "$lenet" --set "digits.root=$SOURCE/examples/data" \
  --shards 2 --log json --threads 1 --out "$work/alone"
comparable "$work/out" >"$work/alone.lines"
cmp "$work/alone.lines" "$work/cluster.lines" || fail "the lines differ"
cmp "$work/alone/step-200/model.safetensors" \
  "$work/run/step-200/model.safetensors" || fail "the tensors differ"
