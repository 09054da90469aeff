# ptlc launch --ssh with real processes and keys, through a remote shell that
# stays on this machine.
. "$(dirname "$0")/lib.sh"

port=$((20000 + $$ % 3000 * 3))
hosts="ps = [\"127.0.0.1:$port\"]; worker = [\"127.0.0.1:$((port + 1))\", \
\"localhost:$((port + 2))\"]; security = curve;"
sed "s/^train {/cluster { $hosts }\n\n&/" "$SOURCE/examples/digits_mlp.ptl" \
  >"$work/listed.ptl"
data="digits.root=$SOURCE/examples/data"
cat >"$work/shell" <<'SHELL'
#!/bin/sh
[ "$1" = -q ] || exit 9
echo "shell for $2" >&2
shift 2
cd /
exec sh -c "$*"
SHELL
chmod +x "$work/shell"
export PTL_SSH="$work/shell -q"
export TMPDIR="$work/tmp"
mkdir "$TMPDIR"

expect_status 0 "$PTLC" run "$work/listed.ptl" --set "$data" --shards 2 \
  --steps 20 --out "$work/one"
cd "$work"
expect_status 0 "$PTLC" launch --ssh listed.ptl --set "$data" --steps 20 \
  --out many
expect_text "$work/err" "shell for 127.0.0.1"
expect_text "$work/err" "shell for localhost"
expect_text "$work/out" "worker0| checkpoint many/step-20"
cmp one/step-20/model.safetensors many/step-20/model.safetensors ||
  fail "other bits than of two shards"
[ -z "$(ls "$TMPDIR")" ] || fail "keys are left: $(ls "$TMPDIR")"

# Workers that serve each other have a server's keys each.
sed "s/ps = [^;]*; //; s/security = curve;/& placement = allreduce; slots = worker;/" \
  listed.ptl >around.ptl
expect_text around.ptl "cluster { worker ="
expect_status 0 "$PTLC" launch --ssh around.ptl --set "$data" --steps 20 \
  --out around
cmp one/step-20/model.safetensors around/step-20/model.safetensors ||
  fail "other bits under allreduce"
