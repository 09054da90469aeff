# --shards and the cluster block: what each key of it does to a run.
. "$(dirname "$0")/lib.sh"
data=$SOURCE/examples/data

# A network whose rows nothing couples; each test sets the rest.
cat >"$work/plain.ptl" <<END
ptl 1;
import std.nn;
import std.loss;
import std.optim;
import std.data;
hyper momentum: real = 0.0;
hyper rate: real = 0.1;
model net() {
  use f1 = nn.linear(out = 16);
  use f2 = nn.linear(out = 10);
  use c = counts();
  fn (x: real[N, 64]) -> z: real[N, 10] { z = f2(nn.relu(f1(c(x)))); }
}
// What is drawn is added up as whole numbers, which is exact in any order.
layer counts() {
  state seen = 0 sync sum;
  state drawn = 0 sync sum;
  state average = 0 sync mean;
  state own = 0 sync local;
  state loose = 0;
  fn (x: real[N, K]) -> y: real[N, K] {
    y = x;
    u[n] = uniform() + 0 * x[n, 0];
    seen <- seen + N;
    drawn <- drawn + sum(n) floor(1024 * u[n]);
    average <- mean(n) x[n, 10];
    own <- own + N;
    loose <- loose + N;
  }
}
data digits {
  train = data.csv(path = "$data/digits.csv.gz", header = false, image = "0..64",
                   label = "64", take = 1024);
  image[d]: real[64] = raw.image[d] / 16.0;
  label: idx(10) = raw.label;
}
train {
  model m = net();
  data digits;
  loss = loss.cross_entropy(m(image), label);
  optimizer = optim.sgd(lr = rate, momentum = momentum);
  batch = 30; epochs = 1; seed = 3; checkpoint_every = 1;
}
cluster { towers = 1; }
END

# run NAME OPTION...: into the folder NAME; the log is NAME.json.
run() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$work/plain.ptl" --log json --out "$work/$name" \
    --threads 1 "$@"
  cp "$work/out" "$work/$name.json"
}

# value FOLDER/step-N TENSOR [d8]: the first element, by hand: the header says
# where it lies. It is a real, or an integer of 8 bytes.
value() {
  local file=$work/$1/model.safetensors length at type=${3:-f4}
  length=$(od -A n -t u8 -N 8 "$file" | tr -d ' ')
  at=$(head -c $((length + 8)) "$file" | tail -c "$length" |
    sed -E "s|.*\"$2\":\{[^}]*\"data_offsets\":\[([0-9]+),.*|\1|")
  tail -c +$((length + 9 + at)) "$file" |
    od -A n -t "$type" -N "${type#?}" | tr -d ' '
}

is() {
  local got
  got=$(value "$1" "$2")
  awk -v a="$got" -v b="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d <= 1e-5 * (1 + (b < 0 ? -b : b))) }' ||
    fail "$2 of $1 is $got, not $3"
}

# Losses of the last step: what the parameters came to.
last_loss() {
  last_value "$work/$1.json" step loss
}
losses_near() {
  awk -v a="$(last_loss "$1")" -v b="$(last_loss "$2")" \
    'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d <= 2e-5) }' ||
    fail "$1 ends with $(last_loss "$1"), $2 with $(last_loss "$2")"
}
losses_far() {
  awk -v a="$(last_loss "$1")" -v b="$(last_loss "$2")" \
    'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d > 1e-4) }' ||
    fail "$1 and $2 both end with $(last_loss "$1")"
}

# States after ten steps of 30 rows: three shards have 10 each, seven 4 or 5.
run whole --steps 10
for n in 3 7; do
  run "s$n" --shards "$n" --steps 10
  losses_near whole "s$n"
  is "s$n/step-10" m.c.seen 300
  is "s$n/step-10" m.c.drawn "$(value whole/step-10 m.c.drawn)"
  is "s$n/step-10" m.c.average "$(value whole/step-10 m.c.average)"
done
is s3/step-10 m.c.own 100
is s7/step-10 m.c.own 50
# Nothing was due for the state without a word: an epoch has 35 steps.
is s3/step-10 m.c.loose 0
run never --shards 3 --steps 10 --set cluster.state_sync=never
is never/step-10 m.c.loose 100
run chief --shards 7 --steps 10 --set 'cluster.state_sync=chief(every = 4)'
is chief/step-3 m.c.loose 0
is chief/step-4 m.c.loose 20
is chief/step-10 m.c.loose 40
# The mean of 2 shards of 5 rows and 5 of 4 is 130/30 a step; all go on from it.
run mean --shards 7 --steps 10 --set 'cluster.state_sync=mean(every = 4)'
is mean/step-4 m.c.loose 17.333333
is mean/step-9 m.c.loose 34.666667
is whole/step-10 m.c.loose 300

grep -q 'warning.*saved as `state_sync` left it' "$work/err" ||
  fail "no warning of states that are saved late"

# What a weighted mean divides by is added up over the shards; in batches of 7,
# some shards have no weight at all.
sed 's/loss = loss.cross.*/z = m(image); loss = mean(n if label[n] > 4) ((lse(k) z[n, k]) - z[n, label[n]]);/' \
  "$work/plain.ptl" >"$work/weighted.ptl"
mv "$work/plain.ptl" "$work/kept.ptl"
cp "$work/weighted.ptl" "$work/plain.ptl"
run heavy --steps 10 --set train.batch=7
run heavy7 --steps 10 --set train.batch=7 --shards 7
losses_near heavy heavy7
losses_far heavy whole
mv "$work/kept.ptl" "$work/plain.ptl"

# Without momentum, one update by the sum of the workers' means is an update by
# each; with it, it is not.
run sum --shards 3 --steps 6 --set cluster.aggregate=sum --set rate=0.02
run each --shards 3 --steps 6 --set cluster.aggregate=apply_each --set rate=0.02
losses_near sum each
run slow --shards 3 --steps 6 --set rate=0.02
losses_far sum slow
run fast --shards 3 --steps 6 --set rate=0.06
losses_near sum fast
run sum_m --shards 3 --steps 6 --set cluster.aggregate=sum --set rate=0.02 \
  --set momentum=0.9
run each_m --shards 3 --steps 6 --set cluster.aggregate=apply_each \
  --set rate=0.02 --set momentum=0.9
losses_far sum_m each_m
[ "$(value each/step-6 updates d8)" = 18 ] ||
  fail "6 steps of 3 workers are $(value each/step-6 updates d8) updates"
# Four shards of two towers are two workers.
run pair --shards 2 --steps 6 --set cluster.aggregate=sum --set train.batch=32
run towers --shards 4 --steps 6 --set cluster.aggregate=sum \
  --set train.batch=32 --set cluster.towers=2
losses_near pair towers
expect_status 2 "$PTLC" run "$work/plain.ptl" --shards 3 --set cluster.towers=2
expect_text "$work/err" "it must be a multiple of 2"
expect_status 2 "$PTLC" run "$work/plain.ptl" --shards 2 \
  --set cluster.sync='stale(2)'
expect_text "$work/err" "--replay"
# Without --shards the block is for others.
run ignored --steps 10 --set cluster.towers=2 --set cluster.sync_every=5
cmp "$work/whole/step-10/model.safetensors" \
  "$work/ignored/step-10/model.safetensors" || fail "one shard heeds the block"

# Two steps of 16 before an update are one of 32: the same rows in this order.
run big --steps 8 --shards 2 --set train.batch=32
run every --steps 17 --shards 2 --set train.batch=16 --set cluster.sync_every=2
run fused --steps 8 --set train.batch=32
for p in m.f2.b; do
  is every/step-16 $p "$(value big/step-8 $p)"
  is every/step-16 $p "$(value fused/step-8 $p)"
done
run alone --steps 16 --shards 1 --set train.batch=16 --set cluster.sync_every=2
is alone/step-16 m.f2.b "$(value big/step-8 m.f2.b)"
# A checkpoint between two exchanges holds what waits for the next.
expect_status 0 "$PTLC" run "$work/plain.ptl" --log json --shards 2 --threads 2 \
  --set train.batch=16 --set cluster.sync_every=2 --steps 17 \
  --resume "$work/every/step-15" --out "$work/again"
cmp "$work/every/step-17/model.safetensors" \
  "$work/again/step-17/model.safetensors" || fail "the waiting sums were lost"
expect_status 0 "$PTLC" run "$work/plain.ptl" --shards 3 --steps 5 \
  --resume "$work/whole/step-3" --out "$work/later"
expect_text "$work/err" "was made by 1 shard, and this run has 3"
expect_status 3 "$PTLC" run "$work/plain.ptl" --shards 4 --set train.batch=16 \
  --set cluster.sync_every=2 --steps 17 --resume "$work/every/step-15" \
  --out "$work/other"
expect_text "$work/err" "worker2/sum"

# Values drawn at the start know no shards either.
run start --steps 1 --set rate=0.0
run start4 --steps 1 --set rate=0.0 --shards 4
is start4/step-1 m.c.drawn "$(value start/step-1 m.c.drawn)"
for t in m.f1.w m.f2.w; do
  [ "$(value start4/step-1 $t)" = "$(value start/step-1 $t)" ] ||
    fail "$t begins elsewhere under --shards"
done
