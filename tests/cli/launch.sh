# ptlc launch: what it refuses, which process an environment makes of this one,
# and the files for other systems.
. "$(dirname "$0")/lib.sh"

unset SLURM_JOB_ID RANK WORLD_SIZE TF_CONFIG DMLC_ROLE JOB_COMPLETION_INDEX
sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/two.ptl"
sed 's/^train {/cluster { ps = ["n0:2222"]; worker = ["n0:2223", "n1:2223"]; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/listed.ptl"
two=$work/two.ptl listed=$work/listed.ptl

# ---------- usage ----------
expect_status 2 "$PTLC" launch
expect_text "$work/err" "which FILE?"
expect_status 2 "$PTLC" launch "$two" "$two"
expect_status 2 "$PTLC" launch "$two" --local ps=1,worker=2 --ssh
expect_text "$work/err" "at a time"
for counts in "" ps ps=x ps=1,ps=2 ps=1,workers=2 ps=1, worker=2000000; do
  expect_status 2 "$PTLC" launch "$two" --local "$counts"
  expect_text "$work/err" "--local wants ps=P,worker=N, not \"$counts\""
done
expect_status 1 "$PTLC" launch "$two" --local ps=0,worker=2
expect_text "$work/err" "--set cluster.ps=0: more than one worker needs"
expect_status 1 "$PTLC" launch "$two" --set cluster.bucket=3
expect_status 2 "$PTLC" launch "$two" --ssh
expect_text "$work/err" 'as lists of "host:port"'
expect_status 2 "$PTLC" launch "$listed"
expect_text "$work/err" "the cluster block lists other machines"
expect_status 2 "$PTLC" launch --agent "$two"
expect_status 2 "$PTLC" launch "$SOURCE/stdlib/nn/linear.ptl"

# ---------- which process this is ----------
# plan NAME=VALUE...: the plan's line about this process, in that environment
plan() {
  expect_status 0 env "$@" "$PTLC" check --plan "$file"
  grep '^this process' "$work/out" >"$work/line" || : >"$work/line"
}
file=$two
plan NOTHING=
[ ! -s "$work/line" ] || fail "a process without an environment has a role"
plan PTL_ROLE=worker PTL_INDEX=1 PTL_COORDINATOR=tcp://127.0.0.1:99
expect_text "$work/line" "this process: worker 1 of 1 ps and 2 workers, says \
PTL_ROLE and PTL_INDEX; coordinator tcp://127.0.0.1:99, listens at \
tcp://127.0.0.1:*"
plan RANK=0 WORLD_SIZE=3 MASTER_ADDR=m MASTER_PORT=7
expect_text "$work/line" "this process: ps 0 of 1 ps and 2 workers, says \
torchrun: RANK = 0 of WORLD_SIZE = 3; coordinator tcp://m:7, listens at tcp://*:7"
plan RANK=0 WORLD_SIZE=4
expect_text "$work/line" "this process: none, since WORLD_SIZE is \"4\""
file=$listed
plan OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=3
expect_text "$work/line" "this process: worker 1 of 1 ps and 2 workers, says \
Open MPI: OMPI_COMM_WORLD_RANK = 2 of OMPI_COMM_WORLD_SIZE = 3; coordinator \
tcp://n0:2222, listens at tcp://*:2223"

# A wrong environment is refused in a way that nobody tries again.
expect_status 78 env RANK=0 WORLD_SIZE=4 "$PTLC" launch "$two"
expect_text "$work/err" 'WORLD_SIZE is "4", and the cluster (1 ps, 2 workers)'
expect_status 78 env PMI_RANK=0 PMI_SIZE=3 "$PTLC" launch "$two"
expect_text "$work/err" "set PTL_COORDINATOR=tcp://HOST:PORT"

# ---------- files for other systems ----------
expect_status 0 "$PTLC" launch --manifest sbatch "$listed" --threads 4 \
  --set "digits.root=a b" --seed 7
cp "$work/out" "$work/job.sh"
sh -n "$work/job.sh"
expect_text "$work/job.sh" "#SBATCH --job-name=mlp"
expect_text "$work/job.sh" "#SBATCH --ntasks=3"
expect_text "$work/job.sh" "#SBATCH --cpus-per-task=4"
expect_text "$work/job.sh" "srun --kill-on-bad-exit=1 ptlc launch \
--set 'digits.root=a b' --threads 4 --seed 7 \"\$@\" -- $listed"
expect_text "$work/job.sh" 'run=runs/mlp-$SLURM_JOB_ID'
expect_text "$work/job.sh" "--make-keys \"\$PTL_KEYS\" -- $listed"
expect_status 0 "$PTLC" launch --manifest sbatch "$listed" --insecure \
  --set cluster.security=none --out "it's"
expect_text "$work/out" "run='it'\\''s'"
! grep -q PTL_KEYS "$work/out" || fail "keys though nothing is secure"
expect_status 2 "$PTLC" launch --manifest sbatch "$listed" \
  --set cluster.security=none
expect_text "$work/err" "--insecure allows it"

expect_status 0 "$PTLC" launch --manifest k8s "$two" --resume "it's"
expect_text "$work/out" "completions: 3 # 1 ps, 2 workers"
expect_text "$work/out" "command: [\"ptlc\",\"launch\",\"--resume\",\"it's\",\"--\",\"$two\"]"
expect_text "$work/out" "secretName: mlp-keys"

expect_status 0 "$PTLC" launch "$listed" --make-keys "$work/keys"
[ "$(ls "$work/keys" | tr '\n' ' ')" = \
  "clients ps-0.key server-0.key servers worker-0.key worker-1.key " ] ||
  fail "other keys than those of one ps and two workers"

# Over a network the processes need keys.
expect_status 78 env RANK=1 WORLD_SIZE=3 MASTER_ADDR=m MASTER_PORT=7 "$PTLC" \
  launch "$two"
expect_text "$work/err" 'PTL_KEYS is not set, and "tcp://m:7" is reached over'
