# Options of parameter groups: from equal gradients each parameter moves by its
# own rate, the last `set` that matches wins, frozen ones stay and have no slots.
. "$(dirname "$0")/lib.sh"

printf '%s\n' 0.5,1,2 -1,0.25,1 2,1.5,-1 0.75,-2,3 >"$work/points.csv"
program() {
  cat <<END_OF_PROGRAM
ptl 1;
import std.nn;
import std.loss;
import std.optim;
import std.data;
schedule falling(peak: real) { return peak / (step + 1); }
schedule half_of(of: schedule) { return of / 2; }
model plane() {
  use f1 = nn.linear(out = 4);
  use f2 = nn.linear(out = 3);
  use f3 = nn.linear(out = 1);
  fn (x: real[N, 2]) -> y: real[N] {
    h = f3(tanh(f2(tanh(f1(x)))));
    y[n] = h[n, 0];
  }
}
data points {
  train = data.csv(path = "points.csv", header = false, x = "0..2", y = "2");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}
train {
  model net = plane();
  data points;
  loss = loss.mse(net(x), y);
  batch = 4; seed = 5; steps = 2; checkpoint_every = 1;
  $1
}
END_OF_PROGRAM
}
run() {
  program "$2" >"$work/$1.ptl"
  expect_status 0 "$PTLC" run "$work/$1.ptl" --real f64 --log json \
    --out "$work/$1"
  cp "$work/out" "$work/$1.log"
}
run still 'optimizer = optim.sgd(lr = 0.0, momentum = 0.5);'
run plain 'optimizer = optim.sgd(lr = 1.0, momentum = 0.5);'
run groups 'optimizer = optim.sgd(lr = falling(peak = 1.0), momentum = 0.5);
  set "**.b" { lr = 0.25 * lr; }
  set "net.f2.*", "net.f1.w" { lr = half_of(of = falling(peak = 0.5)); }
  set "net.f2.b" { lr = 0.125; }
  set "*.f3.w" { momentum = 0.0; lr = 2 * lr; }
  freeze "net.f1.b";'
[ "$(last_value "$work/groups.log" step lr)" = 0.5 ] || fail "the logged rate"

python3 - "$work" <<'END_OF_PYTHON' || fail "a group moved otherwise"
import json, struct, sys
def read(name, step):
    path = "%s/%s/step-%d/model.safetensors" % (sys.argv[1], name, step)
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for key, t in json.loads(data[8:8 + size]).items():
        if key != "__metadata__":
            begin, end = (8 + size + o for o in t["data_offsets"])
            out[key] = struct.unpack("<%dd" % ((end - begin) // 8), data[begin:end])
    return out
start, plain, groups = read("still", 1), read("plain", 1), read("groups", 1)
rates = {"net.f1.w": 0.25, "net.f1.b": 0.0, "net.f2.w": 0.25,
         "net.f2.b": 0.125, "net.f3.w": 2.0, "net.f3.b": 0.25}
for name, rate in rates.items():
    for w, p, g in zip(start[name], plain[name], groups[name]):
        wanted = w + rate * (p - w)
        assert abs(g - wanted) <= 1e-14, (name, g, wanted)
    assert (name + "/v" in groups) == (name != "net.f1.b"), name
assert any(a != b for a, b in zip(start["net.f1.b"], plain["net.f1.b"]))
END_OF_PYTHON
