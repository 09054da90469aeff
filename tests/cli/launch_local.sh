# ptlc launch --local with real processes: what they compute, how they end, and
# that none is left.
. "$(dirname "$0")/lib.sh"

file=$work/two.ptl
sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$file"
data="digits.root=$SOURCE/examples/data"

# Processes of this test: all have $file in their words; grep has not.
echo "$file" >"$work/pattern"
left() {
  grep -l -F -f "$work/pattern" /proc/[0-9]*/cmdline 2>/dev/null | wc -l
}

none_left() {
  for i in $(seq 300); do
    [ "$(left)" != 0 ] || return 0
    sleep 0.1
  done
  fail "$1: $(left) processes are left"
}

# ---------- what they compute ----------
expect_status 0 "$PTLC" run "$file" --set "$data" --shards 2 --steps 30 \
  --log json --out "$work/one"
comparable "$work/out" >"$work/expected"
expect_status 0 "$PTLC" launch "$file" --set "$data" --steps 30 --log json \
  --out "$work/many"
grep '^{"role":"worker0",' "$work/out" | sed 's/"role":"worker0",//' |
  comparable /dev/stdin >"$work/got"
cmp "$work/expected" "$work/got" || fail "other lines than of two shards"
cmp "$work/one/step-30/model.safetensors" \
  "$work/many/step-30/model.safetensors" || fail "other bits than of two shards"
! grep -v '^{"role":"[a-z]*[0-9]",.*}$' "$work/out" ||
  fail "lines of JSON without a role"

# Counts that the file does not have.
expect_status 0 "$PTLC" run "$file" --set "$data" --shards 3 --steps 3 \
  --set cluster.ps=2 --set cluster.worker=3 --out "$work/one"
expect_status 0 "$PTLC" launch "$file" --set "$data" --steps 3 \
  --local ps=2,worker=3 --out "$work/many"
expect_text "$work/out" "worker0| checkpoint $work/many/step-3"
cmp "$work/one/step-3/model.safetensors" "$work/many/step-3/model.safetensors" ||
  fail "other bits than of three shards"

# ---------- how they end ----------
# begin OPTION...: a launch that goes on, up to its twentieth step
begin() {
  rm -rf "$work/run"
  : >"$work/part"
  setsid "$PTLC" launch "$file" --set "$data" --log json --epochs 1000000 \
    --out "$work/run" --set train.eval_every=1000000 \
    --set train.checkpoint_every=1000000 "$@" \
    >"$work/part" 2>"$work/err" </dev/null &
  pid=$!
  for i in $(seq 600); do
    ! grep -q '"event":"step","step":20,' "$work/part" || return 0
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$work/err" >&2
  fail "no step 20 within its deadline"
}

# ended STATUS WHAT: with this status, and none is left
ended() {
  local got=0
  wait $pid || got=$?
  [ "$got" = "$1" ] || {
    tail -n 20 "$work/err" >&2
    fail "$2: ended with $got, not $1"
  }
  none_left "$2"
}

# process NAME INDEX: its number
process() {
  grep -l -z -x -e "$1" /proc/[0-9]*/cmdline 2>/dev/null | while read -r at; do
    tr '\0' ' ' 2>/dev/null <"$at" | grep -q -F -- "--job $1 --task $2 -- $file" || continue
    at=${at#/proc/}
    echo "${at%/cmdline}"
  done
}

for signal in INT:130 TERM:143; do
  begin
  kill "-${signal%:*}" $pid
  ended "${signal#*:}" "SIG${signal%:*}"
  expect_text "$work/part" '"role":"worker0","event":"checkpoint"'
  ls "$work/run" | grep -q '^step-' || fail "no checkpoint after SIG${signal%:*}"
done

begin
kill -9 $pid
ended 137 "a launcher that was killed"

begin --set "cluster.worker_loss=abort"
kill -9 "$(process worker 1)"
wait $pid || got=$?
[ "$got" != 0 ] || fail "a job that lost a worker ended well"
none_left "a killed worker"
expect_text "$work/err" "worker1 was ended by signal 9"
