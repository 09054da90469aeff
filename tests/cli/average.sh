# average: kept beside the weights, read by evaluation and prediction, the same
# after a resume; training itself does not see it.
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { for (i = 0; i < 22; i++) {
  x = (i * 7 % 11) / 8; z = (i * 5 % 13) / 8 - 0.5
  printf "%g,%g,%g\n", x, z, 2 * x - z + 0.25 + (i % 3) / 16 } }' \
  >"$work/points.csv"
# program AVERAGE: a line with a frozen offset.
program() {
  cat <<END_OF_PROGRAM
ptl 1;
import std.loss;
import std.optim;
import std.data;
model line() {
  param w[2] ~ ones();
  param b ~ zeros();
  param fixed ~ ones();
  fn (x: real[N, 2]) -> y: real[N] {
    y[n] = sum(i) x[n, i] * w[i] + b + 0.25 * fixed;
  }
}
data points {
  train = data.csv(path = "points.csv", header = false, x = "0..2", y = "2");
  eval = data.csv(path = "points.csv", header = false, x = "0..2", y = "2");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}
train {
  model net = line();
  data points;
  fitted = net(x);
  loss = loss.mse(fitted, y);
  optimizer = optim.sgd(lr = 0.1, momentum = 0.5);
  freeze "net.fixed";
  $1
  batch = 4; epochs = 2; seed = 1;
  checkpoint_every = 1; eval_every = 1;
}
END_OF_PROGRAM
}

# Twelve steps, six an epoch, with all checkpoints.
run() {
  program "$2" >"$work/$1.ptl"
  expect_status 0 "$PTLC" run "$work/$1.ptl" --real f64 --log json \
    --out "$work/$1"
  comparable "$work/out" >"$work/$1.lines"
}
run plain ""
run ema "average = ema(0.75);"
run swa "average = swa(after = 3);"
run epoch "average = swa(after = 1 epoch);"
for name in ema swa epoch; do
  cmp <(grep '"event":"step"' "$work/plain.lines") \
    <(grep '"event":"step"' "$work/$name.lines") ||
    fail "training sees the average of $name"
done

cat >"$work/check.py" <<'END_OF_PYTHON'
import json, struct, sys
work = sys.argv[1]
def read(name, step):
    data = open("%s/%s/step-%d/model.safetensors" % (work, name, step), "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for key, t in json.loads(data[8:8 + size]).items():
        if key != "__metadata__":
            begin, end = (8 + size + o for o in t["data_offsets"])
            out[key] = struct.unpack("<%dd" % ((end - begin) // 8), data[begin:end])
    return out
rows = [[float(v) for v in line.split(",")] for line in open(work + "/points.csv")]
def loss(w, b):
    return sum((r[0] * w[0] + r[1] * w[1] + b[0] + 0.25 - r[2]) ** 2 for r in rows) / len(rows)
def near(a, b):
    return all(abs(x - y) <= 1e-13 * (1 + abs(y)) for x, y in zip(a, b))
averages = {"net.w": (1.0, 1.0), "net.b": (0.0,)}
def ema(step, key, new):
    return [0.75 * a + 0.25 * w for a, w in zip(averages[key], new)]
history = {"net.w": [], "net.b": []}
def mean_from(start):
    def rule(step, key, new):
        seen = history[key][start:] or [new]
        return [sum(v) / len(seen) for v in zip(*seen)]
    return rule
for name, rule in (("ema", ema), ("swa", mean_from(3)), ("epoch", mean_from(6))):
    history = {"net.w": [], "net.b": []}
    evals = [json.loads(l)["loss"] for l in open("%s/%s.lines" % (work, name)) if '"eval"' in l]
    assert len(evals) == 12
    for step in range(1, 13):
        got = read(name, step)
        assert "net.fixed/average" not in got
        for key in averages:
            history[key].append(got[key])
            averages[key] = rule(step, key, got[key])
            assert near(got[key + "/average"], averages[key]), (name, step, key)
        assert near([loss(averages["net.w"], averages["net.b"])], [evals[step - 1]]), (name, step)
END_OF_PYTHON
python3 "$work/check.py" "$work" || fail "not the average it should be"

# `eval` and `predict` read the averages too.
expect_status 0 "$PTLC" eval "$work/ema.ptl" --real f64 --log json \
  --from "$work/ema"
cmp <(tail -n 1 "$work/ema.lines") <(comparable "$work/out") ||
  fail "eval differs from the evaluation of the run"
cmp -s <(tail -n 1 "$work/plain.lines") <(comparable "$work/out") &&
  fail "eval read the weights"

python3 - "$work" <<'END_OF_PYTHON'
import struct, sys
header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }"
header += " " * (117 - len(header)) + "\n"
with open(sys.argv[1] + "/x.npy", "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    f.write(struct.pack("<2d", 1.5, -2.0))
END_OF_PYTHON
expect_status 0 "$PTLC" predict "$work/ema.ptl" --real f64 --from "$work/ema" \
  --input "x=$work/x.npy" --output "$work/y.npy"
python3 - "$work" <<'END_OF_PYTHON' || fail "predict does not read the averages"
import json, struct, sys
data = open(sys.argv[1] + "/ema/step-12/model.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
t = {k: struct.unpack_from("<d", data, 8 + size + v["data_offsets"][0])[0]
     for k, v in json.loads(data[8:8 + size]).items() if k != "__metadata__"}
w = [t["net.w/average"], struct.unpack_from("<d", data, 16 + size + json.loads(
    data[8:8 + size])["net.w/average"]["data_offsets"][0])[0]]
wanted = 1.5 * w[0] - 2.0 * w[1] + t["net.b/average"] + 0.25
got = struct.unpack("<d", open(sys.argv[1] + "/y.npy", "rb").read()[-8:])[0]
assert abs(got - wanted) < 1e-13 * (1 + abs(wanted)), (got, wanted)
END_OF_PYTHON

# Going on is the same as never stopping; so are shards.
expect_status 0 "$PTLC" run "$work/swa.ptl" --real f64 --steps 5 \
  --out "$work/first"
expect_status 0 "$PTLC" run "$work/swa.ptl" --real f64 --resume "$work/first"
cmp "$work/swa/step-12/model.safetensors" \
  "$work/first/step-12/model.safetensors" || fail "a resume shows"
expect_status 0 "$PTLC" run "$work/epoch.ptl" --real f64 --shards 2 \
  --out "$work/shards"
[ -e "$work/shards/step-12" ] || fail "no checkpoint of shards"
expect_status 0 "$PTLC" run "$work/ema.ptl" --real f64 --out "$work/none" \
  --set train.average=none
expect_status 0 "$PTLC" run "$work/plain.ptl" --real f64 --out "$work/set" \
  --set 'train.average=ema(0.75)'
cmp "$work/set/step-12/model.safetensors" "$work/ema/step-12/model.safetensors" ||
  fail "--set is not the file's setting"
for wrong in 'ema' 'ema(1)' 'swa(0)' 'swa(2 rows)' 'mean(3)' 'ema(0.9'; do
  expect_status 1 "$PTLC" check "$work/plain.ptl" --set "train.average=$wrong"
done
