# The command line itself: help, wrong usage, what is not built yet.
. "$(dirname "$0")/lib.sh"

expect_status 2 "$PTLC"
expect_status 0 "$PTLC" --help
expect_text "$work/out" "ptlc COMMAND"
expect_status 0 "$PTLC" --version
expect_status 2 "$PTLC" chek
expect_text "$work/err" 'did you mean `check`?'
expect_status 2 "$PTLC" fmt x.ptl
expect_text "$work/err" "not built yet"
expect_status 0 "$PTLC" check --help
expect_text "$work/out" "--max-errors N"
expect_status 2 "$PTLC" check --max-errrs 3 x.ptl
expect_text "$work/err" 'did you mean `--max-errors`?'
expect_status 2 "$PTLC" check --steps 3 x.ptl
expect_status 3 "$PTLC" check "$work/nowhere.ptl"
expect_text "$work/err" "nowhere.ptl"

# Every message can be explained.
expect_status 0 "$PTLC" explain
cut -d ' ' -f 1 "$work/out" >"$work/slugs"
while read -r slug; do
  expect_status 0 "$PTLC" explain "$slug"
  for example in Wrong Right; do
    grep -qE "^$example[:,]" "$work/out" || fail "$slug: no example \"$example\""
  done
done <"$work/slugs"
expect_status 0 "$PTLC" explain "[syntax]"
expect_status 2 "$PTLC" explain sintax
expect_text "$work/err" "did you mean [syntax]?"

# Errors are limited, and colour is for terminals only.
{
  printf 'ptl 1;\nfn f(x: real) -> y: real {\n'
  for i in $(seq 30); do echo "  a$i = ;"; done
  printf '}\n'
} >"$work/many.ptl"
expect_status 1 "$PTLC" check "$work/many.ptl"
[ "$(grep -c 'error:' "$work/err")" = 20 ] || fail "not 20 messages"
expect_text "$work/err" "10 more errors"
expect_status 1 "$PTLC" check --max-errors 0 "$work/many.ptl"
[ "$(grep -c 'error:' "$work/err")" = 30 ] || fail "not 30 messages"
unset NO_COLOR
expect_status 1 "$PTLC" check "$work/many.ptl"
! grep -q "$(printf '\033')" "$work/err" || fail "colour in a file"

# Imports are searched for in the file's folder, -I, then PTL_PATH.
mkdir "$work/lib" "$work/path"
printf 'import "two.ptl" as two;\n' >"$work/one.ptl"
expect_status 1 "$PTLC" check "$work/one.ptl"
expect_text "$work/err" "[import]"
touch "$work/path/two.ptl"
expect_status 0 env PTL_PATH="$work/none:$work/path" "$PTLC" emit ast "$work/one.ptl"
expect_status 0 "$PTLC" check -I "$work/path" "$work/one.ptl"
expect_status 0 env PTL_PATH="$work/none:$work/path" "$PTLC" check "$work/one.ptl"

# --time is an option of every command.
plane="$SOURCE/examples/linear_regression.ptl"
expect_status 0 "$PTLC" check --time "$plane"
expect_text "$work/err" "read and parse"
expect_text "$work/err" "in all"
expect_status 0 "$PTLC" emit --time schedule "$plane"
expect_text "$work/err" "schedule"
expect_status 0 "$PTLC" explain --time syntax
expect_text "$work/err" "in all"

# A key of another block: the one that was meant is named.
expect_status 1 "$PTLC" check "$plane" --set data.root=x
expect_text "$work/err" 'did you mean `points.root`?'

# --seed is in the resolved configuration.
expect_status 0 "$PTLC" run "$plane" --seed 7 --steps 1 --log json --out "$work/seed"
expect_text "$work/out" '"train.seed":7'

# A schedule is of so many shards, without a barrier.
expect_status 2 "$PTLC" run "$plane" --replay x
expect_text "$work/err" "--replay wants --shards N"
expect_status 2 "$PTLC" run "$plane" --shards 2 --replay x --job worker --task 0
expect_text "$work/err" "--replay is one process"

# cuBLASLt is for devices, and its bits are its own.
expect_status 2 "$PTLC" run "$plane" --cublas
expect_text "$work/err" "--cublas wants --device cuda"
expect_status 2 "$PTLC" test "$plane" --device cpu --cublas
expect_text "$work/err" "--cublas wants --device cuda"
expect_status 2 "$PTLC" run "$plane" --device cuda --cublas --portable-bits
expect_text "$work/err" "--portable-bits asks for PTL's"
expect_status 2 "$PTLC" emit schedule "$plane" --cublas
expect_status 2 "$PTLC" grad "$plane" --inputs x --out y --threads 0
