# What the library says about sizes that cannot be right: test blocks hold what
# is right only.
. "$(dirname "$0")/lib.sh"

cat >"$work/wrong.ptl" <<'P'
ptl 1;
import std.nn;
import std.optim;

// What the library says about sizes that cannot be right.

test "channels and the window's share of them" {
  x: real[1, 4, 3, 3];
  x[n, c, h, w] = 1;
  w: real[2, 3, 2, 2];
  w[o, c, r, s] = 1;
  y = nn.convolve(x, w);
}

test "outputs in groups" {
  x: real[1, 4, 3, 3];
  x[n, c, h, w] = 1;
  w: real[3, 2, 2, 2];
  w[o, c, r, s] = 1;
  y = nn.convolve(x, w, groups = 2);
}

test "channels in groups" {
  x: real[1, 4, 3, 3];
  x[n, c, h, w] = 1;
  model f = nn.conv2d(out = 3, k = 2, groups = 3);
  y = f(x);
  model g = nn.group_norm(groups = 3);
  z = g(x);
}

test "windows in the padding" {
  x: real[1, 1, 3, 3];
  x[n, c, h, w] = 1;
  y = nn.max_pool2d(x, k = 2, pad = 2);
}

test "windows in the padding again" {
  x: real[1, 1, 3, 3];
  x[n, c, h, w] = 1;
  y = nn.avg_pool2d(x, k = 2, pad = 2);
}

test "heads" {
  x: real[1, 2, 4];
  x[n, t, d] = 1;
  model f = nn.attention(heads = 3);
  y = f(x);
}

test "windows along time" {
  x: real[1, 1, 3];
  x[n, c, t] = 1;
  y = nn.max_pool1d(x, k = 2, pad = 2);
  z = nn.avg_pool1d(x, k = 2, pad = 2);
}

test "squares of channels" {
  x: real[1, 6, 1, 1];
  x[n, c, h, w] = 1;
  y = nn.pixel_shuffle(x, by = 2);
}

test "places" {
  x: real[1, 5, 2];
  x[n, t, d] = 1;
  model f = nn.positions(length = 4);
  y = f(x);
}
P
expect_status 1 "$PTLC" check "$work/wrong.ptl"
expect_text "$work/err" "x has 4 channels, and w wants 1 times 3 [assert-failed]"
expect_text "$work/err" "3 outputs do not fall into 2 groups [assert-failed]"
[ "$(grep -c '4 channels do not fall into 3 groups' "$work/err")" = 2 ] ||
  fail "conv2d and group_norm do not both say it"
[ "$(grep -c 'a window of 2 may lie outside an image' "$work/err")" = 2 ] ||
  fail "not both pools say it"
[ "$(grep -c 'a window of 2 may lie outside a row' "$work/err")" = 2 ] ||
  fail "not both pools along time say it"
expect_text "$work/err" "6 channels do not fall into squares of 2 [assert-failed]"
expect_text "$work/err" "model dim 4 must be divisible by heads 3 [assert-failed]"
expect_text "$work/err" "5 places, but vectors for 4 of them [assert-failed]"
