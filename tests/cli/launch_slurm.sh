# A small Slurm of our own, on this machine: its steps know which process they
# are and train, a wrong number of tasks is refused, the batch file runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles_lib.sh"
. "$(dirname "$0")/slurm_lib.sh"

# ---------- roles ----------
expect_status 0 srun -n 3 "$work/plan.sh"
grep -h '^this process' "$work"/plan.[0-9]* | sort >"$work/roles"
[ "$(wc -l <"$work/roles")" = 3 ] || fail "not three processes"
[ "$(sed 's/.*coordinator \([^,]*\),.*/\1/' "$work/roles" | sort -u | wc -l)" = 1 ] ||
  fail "not one coordinator"
expect_text "$work/roles" "coordinator tcp://localhost:"
for who in "ps 0 of 1 ps and 2 workers, says Slurm: SLURM_PROCID = 0" \
  "worker 0 of 1 ps and 2 workers, says Slurm: SLURM_PROCID = 1" \
  "worker 1 of 1 ps and 2 workers, says Slurm: SLURM_PROCID = 2"; do
  expect_text "$work/roles" "$who of SLURM_NTASKS = 3"
done

# ---------- refusals ----------
expect_status 78 srun -n 2 "$PTLC" launch "$work/two.ptl"
expect_text "$work/err" 'SLURM_NTASKS is "2", and the cluster (1 ps, 2 workers)'

# In the script of a batch job there is no step yet.
cat >"$work/batch.sh" <<BATCH
#!/bin/sh
"$PTLC" launch "$work/two.ptl"
BATCH
expect_status 78 sbatch --wait -n 3 -o "$work/batch.out" "$work/batch.sh"
expect_text "$work/batch.out" "start the processes with \`srun ptlc launch\`"

# ---------- training ----------
data="digits.root=$SOURCE/examples/data"
expect_status 0 "$PTLC" run "$work/two.ptl" --set "$data" --shards 2 --steps 20 \
  --out "$work/one"
same() {
  cmp "$work/one/step-20/model.safetensors" \
    "$1/step-20/model.safetensors" || fail "$2: other bits than of two shards"
}
expect_status 0 srun -n 3 "$PTLC" launch "$work/two.ptl" --set "$data" \
  --steps 20 --out "$work/step"
same "$work/step" srun

# The batch file looks for ptlc in PATH.
mkdir "$work/bin"
ln -s "$PTLC" "$work/bin/ptlc"
export PATH="$work/bin:$PATH"
cd "$work"
expect_status 0 ptlc launch --manifest sbatch two.ptl --set "$data" --steps 20 \
  --out batch
cp "$work/out" "$work/job.sh"
expect_status 0 sbatch --wait -o "$work/batch.out" "$work/job.sh"
same "$work/batch" sbatch
[ -z "$(ls -d "$work"/ptl-keys-* 2>/dev/null)" ] || fail "keys are left"

# A step that is ended in order ends so.
srun -n 3 "$PTLC" launch "$work/two.ptl" --set "$data" --epochs 1000000 \
  --out "$work/long" --log json --set train.eval_every=1000000 \
  --set train.checkpoint_every=1000000 >"$work/part" 2>"$work/err" </dev/null &
step=$!
for i in $(seq 600); do
  ! grep -q '"event":"step","step":20,' "$work/part" || break
  sleep 0.1
done
scancel --signal=TERM "$(squeue -h -o %i | head -n 1)"
got=0
wait $step || got=$?
[ "$got" = 143 ] || {
  tail -n 20 "$work/err" >&2
  fail "a step that was told to end gave $got, not 143"
}
ls "$work/long" | grep -q '^step-' || fail "no checkpoint after scancel"
