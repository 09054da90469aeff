# accumulate: a batch in parts, one update. Without coupling it is the step of
# the whole batch but for rounding; the parts are cut and added as shards are, so
# they give the same bits as so many shards, with coupling too.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl

# run NAME FILE OPTION...: twelve steps, log and folder under NAME.
run() {
  local name=$1 file=$2
  shift 2
  expect_status 0 "$PTLC" run "$file" --steps 12 --log json \
    --out "$work/$name" "$@"
  comparable "$work/out" >"$work/$name.lines"
}

same() {
  cmp "$work/$1.lines" "$work/$2.lines" || fail "$1 and $2 differ"
  cmp "$work/$1/step-12/model.safetensors" \
    "$work/$2/step-12/model.safetensors" || fail "tensors of $1 and $2 differ"
}

# 1438 rows in batches of 300: an epoch's last batch has 238 rows.
run whole "$digits" --set train.batch=300
many=300
[ -z "${SANITIZED:-}" ] || many=
for a in 2 7 $many; do
  run "a$a" "$digits" --set train.batch=300 --set train.accumulate=$a
  losses_agree whole "a$a"
done
cmp -s "$work/whole.lines" "$work/a7.lines" && fail "seven parts were one"

# Threads do not show; going on is the same as never stopping.
run alone "$digits" --set train.batch=300 --set train.accumulate=7 --threads 1
same a7 alone
expect_status 0 "$PTLC" run "$digits" --steps 4 --log json \
  --out "$work/first" --set train.batch=300 --set train.accumulate=7
comparable "$work/out" | grep -v '"event":"eval"' >"$work/first.lines"
expect_status 0 "$PTLC" run "$digits" --steps 12 --log json \
  --resume "$work/first" --set train.batch=300 --set train.accumulate=7
comparable "$work/out" >>"$work/first.lines"
same a7 first

# Batch norm couples rows, so each part has its own mean, as each shard has.
cat >"$work/norm.ptl" <<END_OF_PROGRAM
ptl 1;
import std.nn;
import std.loss;
import std.optim;
import std.data;
model small() {
  use f1 = nn.linear(out = 24);
  use norm = nn.batch_norm();
  use f2 = nn.linear(out = 10);
  fn (x: real[N, 64]) -> z: real[N, 10] { z = f2(nn.relu(norm(f1(x)))); }
}
data digits {
  train = data.csv(path = "$SOURCE/examples/data/digits.csv.gz", header = false, x = "0..64", label = "64", take = 230);
  x[i]: real[64] = raw.x[i] / 16.0;
  label: idx(10) = raw.label;
}
train {
  model net = small();
  data digits;
  loss = loss.cross_entropy(net(x), label);
  optimizer = optim.adamw(lr = 1e-2, clip = 1.0);
  batch = 50; epochs = 3; seed = 3;
}
END_OF_PROGRAM
run norm "$work/norm.ptl"
run parts "$work/norm.ptl" --set train.accumulate=3
run shards "$work/norm.ptl" --shards 3
same parts shards
cmp -s "$work/norm.lines" "$work/parts.lines" && fail "batch norm saw the whole"
run both "$work/norm.ptl" --set train.accumulate=2 --shards 2

[ -z "${SANITIZED:-}" ] || exit 0
# Less memory for what lives between forward and backward.
peak() {
  expect_status 0 "$PTLC" check --summary "$SOURCE/examples/gpt_nano.ptl" "$@"
  awk '/^peak memory/ {
    u["KiB"] = 1; u["MiB"] = 1024; printf "%d", $3 * u[$4] }' "$work/out"
}
whole=$(peak)
parts=$(peak --set train.accumulate=4)
[ "$((parts * 2))" -lt "$whole" ] ||
  fail "in four parts $parts KiB, as a whole $whole KiB"

# What is said beforehand is what is mapped.
expect_status 0 "$PTLC" run "$SOURCE/examples/gpt_nano.ptl" --steps 2 \
  --log json --out "$work/gpt" --set train.accumulate=4
awk -v got="$(last_value "$work/out" end peak_bytes)" -v said="$parts" 'BEGIN {
  d = got / 1024 - said; exit !(d * d < 0.0025 * said * said) }' ||
  fail "said $parts KiB, mapped $(last_value "$work/out" end peak_bytes) bytes"
