# Killed with -9 at ten arbitrary steps and resumed equals never interrupted,
# dropout included. The steps come from a seed that is printed.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl
settings="--set train.checkpoint_every=3 --set train.eval_every=20"
steps=60
seed=${PTL_TEST_SEED:-$(date +%s)}
echo "seed $seed"
# shellcheck disable=SC2086
expect_status 0 "$PTLC" run "$digits" --steps $steps --log json \
  --out "$work/whole" $settings
comparable "$work/out" | sort -u >"$work/expected"

# Kills the run once it printed the line of step $1; it goes on from the last
# whole checkpoint the next time.
resume=""
run_until() {
  : >"$work/part"
  # shellcheck disable=SC2086
  "$PTLC" run "$digits" --steps $steps --log json --out "$work/cut" \
    $settings $resume >"$work/part" 2>"$work/err" </dev/null &
  local pid=$! waited=0
  while kill -0 $pid 2>/dev/null; do
    grep -q "\"event\":\"step\",\"step\":$1," "$work/part" && break
    sleep 0.005
    waited=$((waited + 1))
    [ $waited -lt 6000 ] || fail "no step $1 within its deadline"
  done
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  # A line may be cut where the process died.
  grep '}$' "$work/part" >>"$work/all" || true
  if ls "$work"/cut/step-*/manifest.json >/dev/null 2>&1; then
    resume="--resume $work/cut"
  fi
}

: >"$work/all"
for at in $(awk -v seed="$seed" 'BEGIN { srand(seed)
    for (i = 0; i < 10; i++) print 4 + 5 * i + int(rand() * 5) }'); do
  run_until "$at"
done
# shellcheck disable=SC2086
expect_status 0 "$PTLC" run "$digits" --steps $steps --log json \
  --out "$work/cut" $settings $resume
cat "$work/out" >>"$work/all"
comparable "$work/all" | sort -u >"$work/got"
diff "$work/expected" "$work/got" >"$work/diff" ||
  { head -5 "$work/diff" >&2; fail "interrupted and whole differ (seed $seed)"; }
last=$(ls -d "$work"/whole/step-* | sort -V | tail -n 1)
cmp "$last/model.safetensors" "$work/cut/$(basename "$last")/model.safetensors" ||
  fail "the last checkpoints differ (seed $seed)"
