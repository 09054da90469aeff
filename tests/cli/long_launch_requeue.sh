# A batch job of Slurm that loses a worker is requeued and goes on from its last
# checkpoint, to the same bits. Slurm takes over two minutes to begin again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/slurm_lib.sh"

sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/two.ptl"
mkdir "$work/bin"
ln -s "$PTLC" "$work/bin/ptlc"
export PATH="$work/bin:$PATH"
cd "$work"
options=(--set "digits.root=$SOURCE/examples/data" --epochs 1000 --steps 20000
  --set train.checkpoint_every=500 --set train.eval_every=1000000)
expect_status 0 ptlc run two.ptl "${options[@]}" --shards 2 --out one

expect_status 0 ptlc launch --manifest sbatch two.ptl "${options[@]}" \
  --out batch --log json
cp out job.sh
sbatch -o "$work/batch.out" job.sh
for i in $(seq 600); do
  ! grep -q '"event":"checkpoint","step":500,' batch.out 2>/dev/null || break
  sleep 0.1
done
for at in /proc/[0-9]*; do
  if tr '\0' ' ' <"$at/cmdline" 2>/dev/null |
    grep -q -F -- "--job worker --task 1 -- two.ptl"; then
    kill -9 "${at#/proc/}"
  fi
done
for i in $(seq 4000); do
  [ ! -e batch/step-20000/manifest.json ] || break
  sleep 0.1
done
[ "$(grep -c '"event":"start"' batch.out)" = 2 ] || {
  tail -n 20 batch.out >&2
  fail "the job did not begin twice"
}
cmp one/step-20000/model.safetensors batch/step-20000/model.safetensors ||
  fail "other bits than of a run that nobody disturbed"
