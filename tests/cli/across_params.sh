# The norm of all gradients together: frozen parameters are left out, large
# ones are cut into blocks, and one and two threads give the same bits.
. "$(dirname "$0")/lib.sh"

printf '%s\n' 1,0.5 2,-1 0.5,3 -1,2 >"$work/points.csv"
program() {
  cat <<END_OF_PROGRAM
ptl 1;
import std.loss;
import std.optim;
import std.data;
import std.init;
model big() {
  param w[300, 300] ~ zeros();
  param v[70000] ~ zeros();
  param u[1024, 96] ~ zeros();
  param s ~ zeros();
  param frozen[2] ~ ones();
  fn (x: real[N]) -> y: real[N] {
    a = sum(i, j) w[i, j] * (real((i * 7 + j * 3) % 11) - 4);
    b = sum(i) v[i] * real(i % 5);
    c = sum(i, j) u[i, j] * real((i + j) % 3);
    y[n] = x[n] * 1e-3 * (a + b + c + s) + sum(k) frozen[k] * 1000 * x[n];
  }
}
data points {
  train = data.csv(path = "points.csv", header = false, x = "0", y = "1");
  x: real = raw.x;
  y: real = raw.y;
}
train {
  model net = big();
  data points;
  loss = loss.mse(net(x), y);
  optimizer = optim.sgd(lr = 1.0$1);
  freeze "net.frozen";
  batch = 4; epochs = 1;
}
END_OF_PROGRAM
}
program "" >"$work/plain.ptl"
program ", clip = 0.75" >"$work/clipped.ptl"
expect_status 0 "$PTLC" run "$work/plain.ptl" --real f64 --out "$work/plain"
expect_status 0 "$PTLC" run "$work/clipped.ptl" --real f64 --out "$work/one" \
  --threads 1
expect_status 0 "$PTLC" run "$work/clipped.ptl" --real f64 --out "$work/two" \
  --threads 2
cmp "$work/one/step-1/model.safetensors" "$work/two/step-1/model.safetensors" ||
  fail "two threads give other bits"
python3 - "$SOURCE" "$work" <<'END_OF_PYTHON' || fail "not clipped as it should"
import json, math, struct, sys
def read(path):
    data = open(path + "/step-1/model.safetensors", "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name == "__metadata__" or "/" in name:
            continue
        begin, end = (8 + size + o for o in t["data_offsets"])
        out[name] = struct.unpack("<%dd" % ((end - begin) // 8), data[begin:end])
    return out
plain, clipped = read(sys.argv[2] + "/plain"), read(sys.argv[2] + "/one")
trained = ["net.w", "net.v", "net.u", "net.s"]
norm = math.sqrt(math.fsum(v * v for n in trained for v in plain[n]))
assert norm > 10, norm
scale = 0.75 / (norm + 1e-6)
for n in trained:
    for a, b in zip(plain[n], clipped[n]):
        assert abs(a * scale - b) <= 1e-12 * abs(a * scale), (n, a, b)
assert set(clipped["net.frozen"]) == {1.0}
END_OF_PYTHON
