# roles_lib.sh - for tests in which somebody else starts the processes: a file with
# a cluster, and what a process says it is. Sourced after lib.sh.
sed 's/^train {/cluster { ps = 1; worker = 2; }\n\n&/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$work/two.ptl"

# Each process' plan in a file of its own: their output could meet in a line.
cat >"$work/plan.sh" <<PLAN
#!/bin/sh
exec "$PTLC" check --plan "$work/two.ptl" >"$work/plan.\$\$"
PLAN
chmod +x "$work/plan.sh"
