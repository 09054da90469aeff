# Random values belong to a row of the whole batch: crops, flips, dropout and
# initial weights are the same bits on any number of threads and shards. All
# sums here are sums of small integers, exact in any order, so whole checkpoints
# can be compared.
. "$(dirname "$0")/lib.sh"

cat >"$work/random.ptl" <<EOF
ptl 1;
import std.nn;
import std.init;
import std.optim;
import std.data;

model augmented() {
  use crop = nn.random_crop(pad = 2);
  use flip = nn.random_flip();
  use drop = nn.dropout(p = 0.5);
  param w[8, 8] ~ normal();
  fn (x: real[N, C, 8, 8]) -> score: real[N] {
    y = drop(flip(crop(x)));
    score[n] = sum(c, h, k) y[n, c, h, k] * w[h, k];
  }
}
data digits {
  hyper root: path = "$SOURCE/examples/data";
  train = data.csv(path = "{root}/digits.csv.gz", header = false, pixel = "0..64");
  x[c, h, k]: real[1, 8, 8] = raw.pixel[8 * h + k];
}
train {
  model net = augmented();
  data digits;
  loss = mean(n) net(x)[n];
  optimizer = optim.sgd(lr = 0.25);
  batch = 16;
  steps = 6;
  seed = 3;
}
EOF

# train NAME OPTION...: its folder is NAME.
train() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$work/random.ptl" --out "$work/$name" "$@"
}
weights() { echo "$work/$1/step-6/model.safetensors"; }

train whole
for n in 1 2 3 4; do
  for threads in 1 2; do
    train "n$n-$threads" --shards "$n" --threads "$threads"
    cmp "$(weights whole)" "$(weights "n$n-$threads")" ||
      fail "$n shards on $threads threads draw differently"
  done
done

# They are drawn: another seed gives others, and so does drawing nothing.
train other --set train.seed=4
cmp -s "$(weights whole)" "$(weights other)" && fail "two seeds draw the same"
sed -i 's/pad = 2/pad = 0/; s/flip()/flip(p = 0)/; s/p = 0.5/p = 0/' \
  "$work/random.ptl"
train plain
cmp -s "$(weights whole)" "$(weights plain)" && fail "nothing was drawn"
exit 0
