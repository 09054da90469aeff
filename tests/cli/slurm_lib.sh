# slurm_lib.sh - a small Slurm of our own on this machine, with one node of 8
# processors, that ends with the test. Sourced after lib.sh; leaves (77) where
# there is no Slurm.
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
SlurmctldHost=localhost(127.0.0.1)
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
NodeName=localhost NodeAddr=127.0.0.1 CPUs=8
PartitionName=all Nodes=ALL Default=YES
CONF
export SLURM_CONF=$work/slurm.conf

# Each in the foreground of its own, so that we know whom to end.
munged --foreground --force --key-file="$work/munge/key" \
  --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed" \
  >"$work/munged.out" 2>&1 &
daemons=$!
# Steps first: they would wait for daemons that are gone.
end_slurm() {
  scancel -u "$(id -un)" 2>/dev/null || :
  for i in $(seq 100); do
    [ -n "$(squeue -h 2>/dev/null)" ] || break
    sleep 0.1
  done
  # shellcheck disable=SC2086
  kill $daemons 2>/dev/null || :
  for i in $(seq 50); do
    # shellcheck disable=SC2086
    kill -0 $daemons 2>/dev/null || break
    sleep 0.1
  done
  # shellcheck disable=SC2086
  kill -9 $daemons 2>/dev/null || :
  wait
  rm -rf "$work"
}
trap end_slurm EXIT
for i in $(seq 100); do [ -S "$work/munge/socket" ] && break || sleep 0.1; done
slurmctld -D >"$work/slurmctld.out" 2>&1 &
daemons="$! $daemons"
slurmd -D >"$work/slurmd.out" 2>&1 &
daemons="$! $daemons"
for i in $(seq 300); do
  sinfo -h -o %t 2>/dev/null | grep -q idle && break || sleep 0.1
done
sinfo -h -o %t | grep -q idle || {
  tail -n 20 "$work"/*.log "$work"/*.out >&2
  fail "Slurm did not come up"
}
