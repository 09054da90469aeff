# What workers that do not wait for each other did is recorded, and refused where
# no schedule could say it.
. "$(dirname "$0")/lib.sh"
model=$(dirname "$0")/cluster/apart.ptl
data="digits.root=$SOURCE/examples/data"

# refused WORDS COMMAND OPTION...: wrong usage, and these words.
refused() {
  local words=$1 command=$2
  shift 2
  expect_status 2 "$PTLC" "$command" "$model" --set "$data" "$@"
  expect_text "$work/err" "$words"
}

for job in '--local ps=1,worker=2' '--ssh'; do
  # shellcheck disable=SC2086
  refused 'all take each step together' launch $job --record "$work/no" \
    --set cluster.sync=barrier
done
refused 'updates meet' launch --local ps=1,worker=2 --record "$work/no" \
  --set cluster.locking=false
refused '--record is for the processes of a cluster' run --record "$work/no"
refused 'all take each step together' run --job ps --task 0 \
  --record "$work/no" --set cluster.sync=barrier
[ ! -e "$work/no" ] || fail "a schedule nobody recorded"

# Where it cannot be written, no process goes on alone.
expect_status 3 timeout 100 "$PTLC" launch "$model" --set "$data" \
  --local ps=1,worker=2 --record "$work/none/all" --out "$work/none"
expect_text "$work/err" 'could not write the schedule'
