# Processes that torchrun started know which ones they are, and train.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles_lib.sh"

torchrun=${PTL_VENV:-$SOURCE/.venv}/bin/torchrun
[ -x "$torchrun" ] || exit 77
expect_status 0 "$torchrun" --no-python --nproc-per-node 3 \
  "$work/plan.sh"
grep -h '^this process' "$work"/plan.[0-9]* | sort >"$work/roles"
[ "$(wc -l <"$work/roles")" = 3 ] || fail "not three processes"
expect_text "$work/roles" "ps 0 of 1 ps and 2 workers, says torchrun: RANK = 0"
expect_text "$work/roles" "worker 1 of 1 ps and 2 workers, says torchrun: RANK = 2"
[ "$(sed 's/.*coordinator \([^,]*\),.*/\1/' "$work/roles" | sort -u | wc -l)" = 1 ] ||
  fail "not one coordinator"

data="digits.root=$SOURCE/examples/data"
expect_status 0 "$PTLC" run "$work/two.ptl" --set "$data" --shards 2 --steps 20 \
  --out "$work/one"
expect_status 0 "$torchrun" --no-python --nproc-per-node 3 \
  "$PTLC" launch "$work/two.ptl" --set "$data" --steps 20 --out "$work/many"
cmp "$work/one/step-20/model.safetensors" \
  "$work/many/step-20/model.safetensors" || fail "other bits than of two shards"
