# Rubbish of every kind at the port of a job, all at once and all the time: HTTP,
# TLS, random bytes, ZMTP that breaks off, frames of 2 GiB, damaged messages of
# somebody who speaks ZMTP well, wrong keys, and a thousand connections that say
# nothing. The job ends with the bits it has without them. Once in the clear,
# once with keys.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cluster_lib.sh"
trap 'kill $(jobs -p) 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT
steps=(--set train.steps=1000)

# ended_badly NAME STATUS: the process should have ended well.
ended_badly() {
  tail -n 5 "$work/$1.err" >&2
  fail "$1 ended with $2"
}

# among_strangers NAME KEYS OPTION...: 1 ps, 2 workers; strangers come first.
among_strangers() {
  local name=$1 server chief stranger
  shift
  port=$(free_port)
  role ps 0 "$@" &
  server=$!
  role worker 0 "$@" &
  chief=$!
  : >"$work/said" # not what the one before said
  # Not by timeout: it sends SIGCONT after SIGTERM, which takes back the SIGSTOP
  # that LeakSanitizer waits for at a program's end.
  "$STRANGER" "127.0.0.1:$port" "${ends[@]}" >"$work/said" &
  stranger=$!
  for _ in $(seq 600); do
    grep -q 'all said' "$work/said" && break
    sleep 0.1
  done
  expect_text "$work/said" 'idle 1000'
  expect_text "$work/said" 'all said'
  role worker 1 "$@" || ended_badly worker-1 $?
  wait $chief || ended_badly worker-0 $?
  wait $server || ended_badly ps-0 $?
  kill -TERM $stranger
  wait $stranger || fail "the stranger ended with $?"
  mv "$work/run" "$work/$name"
  comparable "$work/worker-0.out" >"$work/$name.lines"
}

# said_much KIND...: each was said, more than once.
said_much() {
  local kind
  for kind in "$@"; do
    at_least "$(sed -n "s/^$kind //p" "$work/said")" 2 "the count of $kind"
  done
}

# undisturbed NAME: the same as alone.
undisturbed() {
  cmp "$work/alone.lines" "$work/$1.lines" || fail "lines differ, $1"
  cmp "$work/alone/step-1000/model.safetensors" \
    "$work/$1/step-1000/model.safetensors" || fail "tensors differ, $1"
}

expect_status 0 "$PTLC" run "$lenet" --set "digits.root=$SOURCE/examples/data" \
  "${steps[@]}" --shards 2 --log json --threads 1 --out "$work/alone"
comparable "$work/out" >"$work/alone.lines"
for keys in right wrong; do
  expect_status 0 "$PTLC" launch "$lenet" --make-keys "$work/$keys"
done
not_zmtp="http tls random broken_off first_version huge"
damaged="truncated frames oversized flipped"

# In the clear, who speaks ZMTP gets in, and not with keys.
ends=(- "$work/wrong")
among_strangers plain "${steps[@]}"
# shellcheck disable=SC2086
said_much $not_zmtp $damaged got_in
expect_text "$work/ps-0.err" "did not get in"
expect_text "$work/ps-0.err" "a message was dropped"
undisturbed plain

# With keys, nobody without a key of the job; one who has stolen a worker's does,
# and is no better.
ends=(- "$work/wrong" "$work/right")
PTL_KEYS=$work/right among_strangers curve "${steps[@]}" \
  --set cluster.security=curve
# shellcheck disable=SC2086
said_much $not_zmtp $damaged got_in
expect_text "$work/ps-0.err" "did not get in"
expect_text "$work/ps-0.err" "a message was dropped"
undisturbed curve
