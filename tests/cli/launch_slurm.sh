# A small Slurm of our own, on this machine: its steps know which process they
# are, and a wrong number of tasks is refused.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
for program in munged slurmctld slurmd srun sbatch; do
  command -v "$program" >/dev/null || exit 77
done

# Ports that another test run is unlikely to have.
port=$((20000 + $$ % 5000 * 2))
mkdir -m 711 "$work/munge"
mkdir "$work/state" "$work/spool"
head -c 1024 /dev/urandom >"$work/munge/key"
chmod 400 "$work/munge/key"
cat >"$work/slurm.conf" <<CONF
ClusterName=ptl
SlurmctldHost=localhost
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
SlurmctldPort=$port
SlurmdPort=$((port + 1))
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=localhost CPUs=8
PartitionName=all Nodes=ALL Default=YES
CONF
export SLURM_CONF=$work/slurm.conf

# Each in the foreground of its own, so that we know whom to end.
munged --foreground --force --key-file="$work/munge/key" \
  --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed" \
  >"$work/munged.out" 2>&1 &
daemons=$!
trap 'kill $daemons 2>/dev/null; wait; rm -rf "$work"' EXIT
for i in $(seq 100); do [ -S "$work/munge/socket" ] && break || sleep 0.1; done
slurmctld -D >"$work/slurmctld.out" 2>&1 &
daemons="$daemons $!"
slurmd -D >"$work/slurmd.out" 2>&1 &
daemons="$daemons $!"
for i in $(seq 300); do
  sinfo -h -o %t 2>/dev/null | grep -q idle && break || sleep 0.1
done
sinfo -h -o %t | grep -q idle || {
  tail -n 20 "$work"/*.log "$work"/*.out >&2
  fail "Slurm did not come up"
}

sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/two.ptl"

# Each process' plan in a file of its own: their output could meet in a line.
cat >"$work/plan.sh" <<PLAN
#!/bin/sh
exec "$PTLC" check --plan "$work/two.ptl" >"$work/plan.\$\$"
PLAN
chmod +x "$work/plan.sh"

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
