# The Kubernetes manifest is what Kubernetes' own schema says a manifest is.
. "$(dirname "$0")/lib.sh"
validate=${PTL_VENV:-$SOURCE/.venv}/bin/kubernetes-validate
[ -x "$validate" ] || exit 77
sed 's/^train {/cluster { ps = 2; worker = 4..8; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/range.ptl"
for more in "" "--insecure --set cluster.security=none"; do
  # shellcheck disable=SC2086
  expect_status 0 "$PTLC" launch --manifest k8s "$work/range.ptl" $more
  cp "$work/out" "$work/job.yaml"
  expect_status 0 "$validate" --strict "$work/job.yaml"
done
expect_text "$work/job.yaml" "completions: 10 # 2 ps, 8 workers"
# The check itself can fail.
sed 's/completionMode/completionMood/' "$work/job.yaml" >"$work/wrong.yaml"
! "$validate" --strict "$work/wrong.yaml" >/dev/null 2>&1 ||
  fail "the schema takes anything"
