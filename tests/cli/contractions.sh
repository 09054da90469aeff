# No sum of products above 1 MFLOP in any example is off the contraction
# template, forward or gradient: read from the report of `emit schedule`.
. "$(dirname "$0")/lib.sh"

# The lines of the report $work/out that are off the template and above 1 MFLOP.
off_template() {
  sed -n '/^sums of products/,/^buffers/p' "$work/out" |
    awk '/: off the template/ && $(NF - 1) > 1000000'
}

sums=0
for example in $(training_examples); do
  expect_status 0 "$PTLC" emit schedule "$example"
  expect_text "$work/out" "sums of products"
  off=$(off_template)
  [ -z "$off" ] || fail "$example: $off"
  sums=$((sums + $(grep -c -E ': (packed|in place), [0-9]+ flops$' "$work/out" || true)))
done
[ "$sums" -ge 20 ] || fail "only $sums sums of products in all examples"

# The report does tell: a filtered product of 2 MFLOP is off, and why.
cat >"$work/triangle.ptl" <<P
ptl 1;
import std.nn;
import std.loss;
import std.optim;
import std.data;
model triangle {
  param a[128, 64] ~ ones();
  fn (x: real[N, 2]) -> y: real[N] {
    t[i, j] = sum(k if k <= i) a[i, k] * a[j, k];
    total = sum(i, j) t[i, j] * t[j, i];
    y[n] = total * x[n, 0];
  }
}
fn ones() -> w: real[..i] { w[..i] = 1; }
data points {
  train = data.csv(path = "$SOURCE/examples/data/plane.csv", header = true,
                   x = "x1,x2", y = "y");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}
train {
  model net = triangle();
  data points;
  loss = loss.mse(net(x), y);
  optimizer = optim.sgd(lr = 0.1);
  batch = 50; epochs = 1;
}
P
expect_status 0 "$PTLC" emit schedule "$work/triangle.ptl"
off_template | grep -q -F 'off the template (filtered), 2097152 flops' ||
  fail "a filtered product is not told: $(cat "$work/out")"
