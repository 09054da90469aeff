# What becomes of a cluster that loses a process, is told to end, or is not
# alike: every process ends, soon, with a reason, and the checkpoint is whole.
. "$(dirname "$0")/lib.sh"
lenet=$(dirname "$0")/cluster/lenet.ptl

# start NAME OPTION...: 1 ps and 2 workers in the background, which would run
# for minutes; $launcher is the launcher's process.
start() {
  local name=$1
  shift
  "$PTLC" launch "$lenet" --set "digits.root=$SOURCE/examples/data" \
    --log json --threads 1 --local ps=1,worker=2 --set train.steps=100000 \
    --set train.checkpoint_every=25 --out "$work/$name" "$@" \
    >"$work/out" 2>"$work/err" </dev/null &
  launcher=$!
}

# seen WORDS: waits until the output has them, a minute at most.
seen() {
  for _ in $(seq 600); do
    grep -q -F -- "$1" "$work/out" && return
    sleep 0.1
  done
  tail -n 20 "$work/out" "$work/err" >&2
  fail "no \"$1\" within a minute"
}

# child ROLE INDEX: its process.
child() {
  pgrep -P "$launcher" -f -- "--job $1 --task $2" | head -n 1
}

# ends STATUS: the launcher does, within half a minute, and nobody is left.
ends() {
  local wanted=$1 got=0
  for _ in $(seq 300); do
    kill -0 "$launcher" 2>/dev/null || break
    sleep 0.1
  done
  kill -0 "$launcher" 2>/dev/null && fail "the launcher is still there"
  wait "$launcher" || got=$?
  [ "$got" = "$wanted" ] || {
    tail -n 20 "$work/err" >&2
    fail "ended with $got, not $wanted"
  }
  pgrep -P "$launcher" && fail "processes are left" || true
}

# goes_on NAME: from its newest checkpoint, in one process.
goes_on() {
  local newest
  newest=$(ls "$work/$1" | sed -n 's/^step-\([0-9]*\)$/\1/p' | sort -n | tail -n 1)
  [ -n "$newest" ] || fail "no checkpoint in $1"
  expect_status 0 "$PTLC" run "$lenet" --set train.steps=100000 \
    --set "digits.root=$SOURCE/examples/data" --set train.checkpoint_every=25 \
    --shards 2 --steps $((newest + 5)) --resume "$work/$1" --log json
}

# Killed with -9: the others go on to their end with 75 and its name.
start worker
seen '"event":"checkpoint","step":50'
kill -9 "$(child worker 1)"
ends 137
expect_text "$work/err" "worker 1"
goes_on worker

start ps
seen '"event":"checkpoint","step":50'
kill -9 "$(child ps 0)"
ends 137
expect_text "$work/err" "ps 0"
goes_on ps

# Ctrl-C: all after the same step, and a checkpoint of it.
start interrupted
seen '"event":"step","step":30,'
kill -INT "$launcher"
ends 130
goes_on interrupted

# One process is told to end: so is the job, in order.
start asked
seen '"event":"step","step":30,'
kill -TERM "$(child worker 1)"
ends 143
goes_on asked
