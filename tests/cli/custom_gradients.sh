# Functions with a gradient of their own: training takes it, `ptlc test` holds
# it against the derivative.
. "$(dirname "$0")/lib.sh"

cat >"$work/points.csv" <<'END_OF_DATA'
1,2,3
2,1,0.5
-1,0.5,2
0.25,-2,1
3,1,-1
END_OF_DATA

# program BODY: a line fitted through a function whose definition is BODY.
program() {
  cat <<END_OF_PROGRAM
ptl 1;
import std.loss;
import std.optim;
import std.data;
$1
model line() {
  param w[2] ~ ones();
  param b[1] ~ ones();
  fn (x: real[N, 2]) -> y: real[N] {
    h[n] = sum(k) x[n, k] * w[k] + b[0];
    y = f(f(h));
  }
}
data points {
  train = data.csv(path = "points.csv", x = "0..2", y = "2");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}
train {
  model net = line();
  data points;
  fitted = net(x);
  loss = loss.mse(fitted, y);
  optimizer = optim.sgd(lr = 0.01);
  batch = 2; epochs = 3;
}
END_OF_PROGRAM
}

# steps NAME BODY: the loss of every step in $work/NAME.
steps() {
  program "$2" >"$work/$1.ptl"
  expect_status 0 "$PTLC" run "$work/$1.ptl" --log json --real f64 \
    --out "$work/$1.run"
  comparable "$work/out" >"$work/$1"
}

# Multiplying by two is exact, so both ways give the same bits.
steps derived 'fn f(x: real[..i]) -> y: real[..i] { y[..i] = 2 * x[..i]; }'
steps own 'fn f(x: real[..i]) -> y: real[..i] { y[..i] = 2 * x[..i]; }
  grad(dy) { dx[..i] = 2 * dy[..i]; }'
cmp "$work/derived" "$work/own" || fail "the same gradient trains otherwise"

# Nothing of the body is differentiated: a value that passes through, whose
# gradient is turned round, is 2 stop(x) - x.
steps stopped 'fn f(x: real[..i]) -> y: real[..i] { y[..i] = stop(2 * x[..i]) - x[..i]; }'
steps turned 'fn f(x: real[..i]) -> y: real[..i] { y = x; }
  grad(dy) { dx[..i] = -dy[..i]; }'
cmp "$work/stopped" "$work/turned" || fail "the body was differentiated"
steps plain 'fn f(x: real[..i]) -> y: real[..i] { y = x; }'
cmp -s "$work/plain" "$work/derived" && fail "the function made no difference"

# A wrong one is named where it is written.
cat >"$work/wrong.ptl" <<'END_OF_FILE'
ptl 1;
fn f(x: real[..i]) -> y: real[..i] { y[..i] = x[..i]^2; }
grad(dy) {
  dx[..i] = dy[..i] * x[..i];
}
END_OF_FILE
expect_status 1 "$PTLC" test "$work/wrong.ptl"
expect_text "$work/err" "wrong.ptl:4:3: error: the derivative of \`f\` by element"
expect_text "$work/err" "[gradient-check]"
