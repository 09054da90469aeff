# cluster_lib.sh - for tests that start the processes of a cluster one by one, on
# a port of their own. Sourced after lib.sh.
lenet=$(dirname "$0")/cluster/lenet.ptl

port=$(free_port)

# role JOB TASK OPTION...: in the foreground; what it says goes to JOB-TASK.
role() {
  local name=$1-$2
  timeout -k 10 100 "${CLUSTER:-$PTLC}" run "$lenet" \
    --set "digits.root=$SOURCE/examples/data" \
    --set "cluster.ps=[\"127.0.0.1:$port\"]" --job "$1" --task "$2" --log json \
    --threads 1 --out "$work/run" "${@:3}" \
    >"$work/$name.out" 2>"$work/$name.err" </dev/null
}
