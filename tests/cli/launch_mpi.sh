# Processes that mpirun started know which ones they are and train, under Open
# MPI and under MPICH; of MPI they use nothing else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles_lib.sh"

command -v mpirun.openmpi >/dev/null && command -v mpirun.mpich >/dev/null ||
  exit 77
openmpi="mpirun.openmpi --allow-run-as-root --oversubscribe -np"
mpich="mpirun.mpich -n"

# Where the coordinator is nobody knows, unless told.
for start in "$openmpi" "$mpich"; do
  got=0
  # shellcheck disable=SC2086
  $start 3 "$PTLC" launch "$work/two.ptl" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = 78 ] || fail "$start: ended with $got without a coordinator"
  expect_text "$work/err" "set PTL_COORDINATOR=tcp://HOST:PORT"
  got=0
  # shellcheck disable=SC2086
  $start 4 "$PTLC" launch "$work/two.ptl" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = 78 ] || fail "$start: ended with $got for four processes"
  expect_text "$work/err" 'SIZE is "4", and the cluster (1 ps, 2 workers) has 3'
done

export PTL_COORDINATOR=tcp://127.0.0.1:$((20000 + $$ % 10000))
roles() {
  rm -f "$work"/plan.[0-9]*
  expect_status 0 "$@" 3 "$work/plan.sh"
  grep -h '^this process' "$work"/plan.[0-9]* | sort >"$work/roles"
  [ "$(wc -l <"$work/roles")" = 3 ] || fail "not three processes"
  expect_text "$work/roles" "ps 0 of 1 ps and 2 workers, says $name"
  expect_text "$work/roles" "worker 0 of 1 ps and 2 workers, says $name"
  expect_text "$work/roles" "worker 1 of 1 ps and 2 workers, says $name"
}
# shellcheck disable=SC2086
name="Open MPI: OMPI_COMM_WORLD_RANK" roles $openmpi
# shellcheck disable=SC2086
name="PMI: PMI_RANK" roles $mpich

data="digits.root=$SOURCE/examples/data"
expect_status 0 "$PTLC" run "$work/two.ptl" --set "$data" --shards 2 --steps 20 \
  --out "$work/one"
for start in "$openmpi" "$mpich"; do
  rm -rf "$work/many"
  # shellcheck disable=SC2086
  expect_status 0 $start 3 "$PTLC" launch "$work/two.ptl" --set "$data" \
    --steps 20 --out "$work/many"
  cmp "$work/one/step-20/model.safetensors" \
    "$work/many/step-20/model.safetensors" ||
    fail "$start: other bits than of two shards"
done

# Told to end, MPICH's tells its processes. (Open MPI's stops reading what they
# write first, and kills them a second later.)
# shellcheck disable=SC2086
setsid $mpich 3 "$PTLC" launch "$work/two.ptl" --set "$data" --log json \
  --epochs 1000000 --out "$work/long" --set train.eval_every=1000000 \
  --set train.checkpoint_every=1000000 >"$work/part" 2>"$work/err" </dev/null &
pid=$!
for i in $(seq 600); do
  ! grep -q '"event":"step","step":20,' "$work/part" || break
  sleep 0.1
done
kill -TERM $pid
got=0
wait $pid || got=$?
[ "$got" = 143 ] || {
  tail -n 20 "$work/err" >&2
  fail "mpirun that was told to end gave $got, not 143"
}
ls "$work/long" | grep -q '^step-' || fail "no checkpoint after SIGTERM"
