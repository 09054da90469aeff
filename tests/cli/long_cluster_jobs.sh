# After 100 jobs, of which every tenth loses a process to kill -9, nothing is
# left: no process, no shared memory, and of files only the keys of launchers that
# were killed themselves.
. "$(dirname "$0")/lib.sh"
lenet=$(dirname "$0")/cluster/lenet.ptl
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

shared() { ls /dev/shm | wc -l; }
ours() { pgrep -f -- "--out $work/" | wc -l; }

# job NUMBER: 1 ps and 2 workers with keys; the number says who is killed.
job() {
  local n=$1 steps=5 victim
  [ $((n % 10)) = 9 ] && steps=100000
  "$PTLC" launch "$lenet" --set "digits.root=$SOURCE/examples/data" \
    --log json --threads 1 --local ps=1,worker=2 --set cluster.security=curve \
    --set "train.steps=$steps" --out "$work/run$n" \
    --set cluster.dead='1 s' --set cluster.heartbeat='100 ms' \
    >"$work/out" 2>"$work/err" </dev/null &
  local launcher=$! got=0
  if [ "$steps" != 5 ]; then
    until grep -q '"step":20,' "$work/out"; do sleep 0.05; done
    case $((n / 10 % 4)) in
    0) victim=$(pgrep -P $launcher -f -- "--job ps") ;;
    1) victim=$(pgrep -P $launcher -f -- "--job worker --task 0") ;;
    2) victim=$(pgrep -P $launcher -f -- "--job worker --task 1") ;;
    3) victim=$launcher ;;
    esac
    kill -9 $victim
  fi
  wait "$launcher" || got=$?
  [ "$steps" != 5 ] || [ "$got" = 0 ] || {
    cat "$work/err" >&2
    fail "job $n ended with $got"
  }
  rm -rf "$work/run$n"
}

before_shared=$(shared)
for n in $(seq 100); do job "$n"; done
for _ in $(seq 100); do
  [ "$(ours)" = 0 ] && break
  sleep 0.1
done
[ "$(ours)" = 0 ] || fail "processes are left: $(pgrep -af -- "--out $work/")"
[ "$(shared)" = "$before_shared" ] || fail "shared memory is left"
left=$(find "$TMPDIR" -mindepth 1 | head -n 5)
[ "$(find "$TMPDIR" -mindepth 1 -maxdepth 1 | wc -l)" -le 3 ] ||
  fail "files are left: $left"
