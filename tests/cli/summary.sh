# `ptlc check --summary`: its form, what can be counted by hand, and that the
# batch it names fits where it says.
. "$(dirname "$0")/lib.sh"
digits="$SOURCE/examples/digits_mlp.ptl"

# The form: every number as N.
expect_status 0 "$PTLC" check --summary --verbose "$digits"
sed -E 's/[0-9]+(\.[0-9]+)?/N/g; s/ +/ /g; s/ [kMG]?FLOP/ FLOP/; s/ [KMGT]?i?B$/ B/' \
  "$work/out" >"$work/form"
diff - "$work/form" <<'P' || fail "another form"
model mlp
parameters N in N tensors
 net.fN.w N [N, N]
 net.fN.b N [N]
 net.fN.w N [N, N]
 net.fN.b N [N]
batch N
operations a step N FLOP
 sums of products N FLOP
 others, about N FLOP
bytes moved a step N B
peak memory N B
 parameters, slots N B
 values of a step N B
 batches of data N B
largest batch here N rows in N B
P

# 64 * 256 + 256 + 256 * 10 + 10 parameters. Products of a step, 2 operations
# each: both layers forward and for their weights, the second for its input;
# 32 * 2 * (2 * 64 * 256 + 3 * 256 * 10).
expect_text "$work/out" "parameters             19210 in 4 tensors"
expect_text "$work/out" "  sums of products     2.59 MFLOP"
expect_text "$work/out" "net.f1.w                            16384  [256, 64]"
# Adam keeps two numbers beside each: 3 * 4 * 19210 bytes, padded to 64 each.
expect_text "$work/out" "  parameters, slots    225.19 KiB"
expect_status 0 "$PTLC" check --summary --set train.batch=64 "$digits"
expect_text "$work/out" "  sums of products     5.18 MFLOP"

# What check warns of is said once, whatever else is compiled for the summary.
sed -e 's|use f = nn.linear(out = 1);|&\n  use g = nn.linear(out = 1);|' \
  -e "s|\"data\"|\"$SOURCE/examples/data\"|" \
  -e 's|h = f(x);|&\n    unused = g(x);|' \
  "$SOURCE/examples/linear_regression.ptl" >"$work/unused.ptl"
expect_status 0 "$PTLC" check --summary "$work/unused.ptl"
[ "$(grep -c '\[no-gradient\]' "$work/err")" = 1 ] ||
  fail "not one warning"
# At the train block's own line, not within the library's loss.
expect_text "$work/err" "$work/unused.ptl:31:3: warning: no derivative of the"

# So is a setting under the name others have for it.
sed -e 's|batch = [0-9]*;|& batch_size = 4; device = "gpu"; num_epochs = 2;|' \
  -e "s|\"data\"|\"$SOURCE/examples/data\"|" \
  "$SOURCE/examples/linear_regression.ptl" >"$work/foreign.ptl"
expect_status 0 "$PTLC" check "$work/foreign.ptl"
[ "$(grep -c '\[unused\]' "$work/err")" = 3 ] || fail "not three warnings"
expect_text "$work/err" "nothing reads \`batch_size\`, and it is no setting; did you mean \`batch\`?"
expect_text "$work/err" "nothing reads \`device\`, and it is no setting of train"
expect_text "$work/err" "did you mean \`epochs\`?"

# in_bytes TEXT: "1.50 KiB" is 1536.
in_bytes() {
  echo "$1" | awk '{
    u["B"] = 1; u["KiB"] = 1024; u["MiB"] = 1024 ^ 2; u["GiB"] = 1024 ^ 3
    u["TiB"] = 1024 ^ 4; printf "%.0f\n", $1 * u[$2] }'
}

# The largest batch takes nearly all of what there is, and no more.
for example in digits_mlp linear_regression; do
  expect_status 0 "$PTLC" check --summary "$SOURCE/examples/$example.ptl"
  largest=$(sed -n 's/^largest batch here *//p' "$work/out")
  rows=${largest%% rows*}
  room=$(in_bytes "${largest##* in }")
  expect_status 0 "$PTLC" check --summary --set "train.batch=$rows" \
    "$SOURCE/examples/$example.ptl"
  peak=$(in_bytes "$(sed -n 's/^peak memory *//p' "$work/out")")
  awk -v peak="$peak" -v room="$room" \
    'BEGIN { exit !(peak <= 1.001 * room && peak >= 0.95 * room) }' ||
    fail "$example: $rows rows take $peak of $room bytes"
done

# What fits in no machine is said so; nothing of it is allocated.
cat >"$work/huge.ptl" <<P
ptl 1;
import std.loss;
import std.optim;
import std.data;
layer wide(out: int in [1, 16777216]) {
  param w[out, K] ~ zeros();
  fn (x: real[N, K]) -> y: real[N, out] { y[n, o] = sum(k) w[o, k] * x[n, k]; }
}
model huge {
  use up[4] = wide(out = 1048576);
  use down[4] = wide(out = 65536);
  fn (x: real[N, 2]) -> y: real[N] {
    h = down[0](up[0](x));
    for i in 1..4 { h = down[i](up[i](h)); }
    y[n] = h[n, 0];
  }
}
data points {
  train = data.csv(path = "$SOURCE/examples/data/plane.csv", header = true,
                   x = "x1,x2", y = "y");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}
train {
  model net = huge();
  data points;
  loss = loss.mse(net(x), y);
  optimizer = optim.sgd(lr = 0.1);
  batch = 50; epochs = 1;
}
P
expect_status 0 "$PTLC" check --summary "$work/huge.ptl"
expect_text "$work/out" "largest batch here     none fits in"

# A file that trains nothing has no summary.
expect_status 2 "$PTLC" check --summary "$SOURCE/stdlib/nn/relu.ptl"
expect_text "$work/err" "has no train block"
