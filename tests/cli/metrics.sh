# Metrics over a whole evaluation: means count every row alike, accumulators
# are added up over batches and their value is worked out once. The data have
# seven rows in batches of three, so the last batch is another program.
. "$(dirname "$0")/lib.sh"

cat >"$work/points.csv" <<'END_OF_DATA'
0.5,1
0.25,0
0.75,1
0.125,1
1.0,0
0.875,1
8.0,0
END_OF_DATA
cat >"$work/metrics.ptl" <<'END_OF_FILE'
ptl 1;
import std.loss;
import std.optim;
import std.data;
import std.metrics;
model line() {
  param b[1] ~ zeros();
  fn (x: real[N]) -> y: real[N] { y[n] = x[n] + b[0]; }
}
data points {
  train = data.csv(path = "points.csv", x = "0", y = "1");
  eval = data.csv(path = "points.csv", x = "0", y = "1");
  x: real = raw.x;
  y: real = raw.y;
}
train {
  model net = line();
  data points;
  fitted = net(x);
  loss = loss.mse(fitted, y);
  metric mean_x = mean(n) x[n];
  metric f1 {
    says[n] = x[n] > 0.4;
    tp += sum(n if says[n] && y[n] > 0.5) 1.0;
    fp += sum(n if says[n] && y[n] < 0.5) 1.0;
    missed += sum(n if !says[n] && y[n] > 0.5) 1.0;
    value = metrics.f1(tp, fp, missed);
  }
  metric batches { count += 1; value = count; }
  metric of_table {
    table: real[2, 2];
    low[n] = x[n] < 0.6 ? 0 : 1;
    one[n] = y[n] < 0.5 ? 0 : 1;
    table[low[n], one[n]] += x[n];
    rows[i] = table[i, 0] - 2 * table[i, 1];
    value = rows[0] + 100 * rows[1];
  }
  metric whole { pair: real[2]; pair[i] = x[0] * (1 + i); both += pair; both += [1.0, 1.0]; value = both[0] * both[1]; }
  optimizer = optim.sgd(lr = 0.0);
  batch = 3; epochs = 1;
}
END_OF_FILE

# is KEY WANTED: within a few roundings of F32.
is() {
  local got
  got=$(last_value "$work/out" eval "$1")
  awk -v a="$got" -v b="$2" \
    'BEGIN { d = a - b; exit !(d * d <= 1e-12 * (1 + b * b)) }' ||
    fail "$1 is $got, not $2"
}

# By hand: true positives 0.5, 0.75, 0.875; false ones 1.0, 8.0; 0.125 missed.
all_of_them() {
  is mean_x "$(awk 'BEGIN { printf "%.9g", 11.5 / 7 }')"
  is loss "$(awk -F, '{ d = $1 - $2; s += d * d } END { printf "%.9g", s / NR }' "$work/points.csv")"
  is f1 "$(awk 'BEGIN { printf "%.9g", 6 / (6 + 2 + 1) }')"
  is batches 3
  is of_table "$(awk 'BEGIN { printf "%.9g", 0.25 - 2 * 0.625 + 100 * (9 - 2 * 1.625) }')"
  is whole "$(awk 'BEGIN { printf "%.9g", (8.625 + 3) * (17.25 + 3) }')"
}
expect_status 0 "$PTLC" run "$work/metrics.ptl" --log json --out "$work/run"
all_of_them
expect_status 0 "$PTLC" eval "$work/metrics.ptl" --log json --from "$work/run"
all_of_them
for threads in 1 2; do
  "$PTLC" eval "$work/metrics.ptl" --log json --from "$work/run" \
    --threads $threads >"$work/log$threads" || fail "eval"
  comparable "$work/log$threads" >"$work/bits$threads"
done
cmp "$work/bits1" "$work/bits2"
