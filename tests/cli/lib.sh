# lib.sh - what the command-line tests share. Sourced; PTLC names the binary,
# SOURCE the project's root. Each test gets an empty folder that goes with it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PTL_CACHE_DIR="$work/cache"
export NO_COLOR=1

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

# expect_status N COMMAND...: runs it, output in $work/out and $work/err.
expect_status() {
  local wanted=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
  [ "$got" = "$wanted" ] || {
    tail -n 20 "$work/out" "$work/err" >&2
    fail "\"$*\" ended with $got, not $wanted"
  }
}

# expect_text FILE WORDS: the file holds the words.
expect_text() {
  grep -q -F -- "$2" "$1" || {
    tail -n 20 "$1" >&2
    fail "no \"$2\" in the output"
  }
}

# The lines of a JSON log that equal runs share: step and eval lines without
# the speed, as command-line documentation defines them.
comparable() {
  grep -E '"event":"(step|eval)"' "$1" | sed -E 's/,"examples_per_s":[^,}]*//'
}

# losses_agree NAME NAME: the losses of the first ten steps in
# $work/NAME.lines, within 1e-5.
losses_agree() {
  local name
  for name in "$1" "$2"; do
    grep '"event":"step"' "$work/$name.lines" | head -n 10 |
      sed -E 's/.*"loss":([^,}]*).*/\1/' >"$work/$name.losses"
  done
  paste "$work/$1.losses" "$work/$2.losses" | awk '
    { d = $1 - $2; if (d < 0) d = -d; n++
      if (d > 1e-5 * ($1 > 1 ? $1 : 1)) { print; exit 1 } }
    END { exit n != 10 }' || fail "losses of $1 and $2 differ"
}

# The value of KEY in the last EVENT line of a JSON log.
last_value() {
  grep "\"event\":\"$2\"" "$1" | tail -n 1 | sed -E "s/.*\"$3\":([^,}]*).*/\1/"
}

at_least() {
  awk -v got="$1" -v floor="$2" 'BEGIN { exit !(got + 0 >= floor + 0) }' ||
    fail "$3 is $1, below $2"
}

# The examples that train something, one a line.
training_examples() { grep -l -E '^train\b' "$SOURCE"/examples/*.ptl; }

# A port that nobody listens at now; none of those the system gives to who
# connects, of which a thousand strangers take many.
free_port() {
  local port first
  read -r first _ </proc/sys/net/ipv4/ip_local_port_range
  for _ in $(seq 100); do
    port=$((first / 2 + RANDOM % (first / 2)))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  fail "no free port"
}
