# SIGINT and SIGTERM end a run in order: the step ends, a checkpoint is
# written, 130 or 143; resumed, it is as if nothing had happened.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl
steps=1300
settings="--set train.eval_every=50 --set train.checkpoint_every=1000"
# shellcheck disable=SC2086
expect_status 0 "$PTLC" run "$digits" --steps $steps --log json \
  --out "$work/whole" $settings
comparable "$work/out" >"$work/expected"

# end_by SIGNAL STATUS
end_by() {
  rm -rf "$work/cut"
  : >"$work/part"
  # shellcheck disable=SC2086
  setsid "$PTLC" run "$digits" --steps $steps --log json --out "$work/cut" \
    $settings >"$work/part" 2>"$work/err" </dev/null &
  local pid=$! waited=0 got=0
  until grep -q '"event":"step","step":20,' "$work/part"; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.005
    waited=$((waited + 1))
    [ $waited -lt 6000 ] || fail "no step 20 within its deadline"
  done
  kill -"$1" $pid 2>/dev/null || true
  wait $pid || got=$?
  # On a machine fast enough the run was over before the signal came; the
  # signal may then have met the process while it was leaving.
  grep -q "\"event\":\"end\",\"steps\":$steps," "$work/part" && return
  [ "$got" = "$2" ] || fail "SIG$1 gave $got, not $2"
  expect_text "$work/err" "ended by SIG$1"
  expect_text "$work/part" '"event":"checkpoint"'
  # shellcheck disable=SC2086
  expect_status 0 "$PTLC" run "$digits" --steps $steps --log json \
    --resume "$work/cut" $settings
  { comparable "$work/part"; comparable "$work/out"; } >"$work/got"
  cmp "$work/expected" "$work/got" || fail "lines differ after SIG$1"
}

end_by INT 130
end_by TERM 143
