# Processes that mpirun started know which ones they are, under Open MPI and
# under MPICH; of MPI they use nothing else.
. "$(dirname "$0")/lib.sh"
command -v mpirun.openmpi >/dev/null && command -v mpirun.mpich >/dev/null ||
  exit 77

sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/two.ptl"

# Each process' plan in a file of its own: their output could meet in a line.
cat >"$work/plan.sh" <<PLAN
#!/bin/sh
exec "$PTLC" check --plan "$work/two.ptl" >"$work/plan.\$\$"
PLAN
chmod +x "$work/plan.sh"
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

export PTL_COORDINATOR=tcp://127.0.0.1:29999
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
