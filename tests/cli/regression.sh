# Linear regression recovers y = 3 x1 - 2 x2 + 0.5: predictions at the corners
# of the square tell the coefficients.
. "$(dirname "$0")/lib.sh"
example=$SOURCE/examples/linear_regression.ptl
expect_status 0 "$PTLC" run "$example" --log json --out "$work/run"
python3 - "$work/x.npy" <<'P'
import struct, sys
points = [(0, 0), (1, 0), (0, 1), (-1, 1)]
header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }"
header += " " * (63 - (10 + len(header)) % 64) + "\n"
with open(sys.argv[1], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
    f.write(header.encode())
    for p in points:
        f.write(struct.pack("<2f", *p))
P
expect_status 0 "$PTLC" predict "$example" --from "$work/run" \
  --input x="$work/x.npy" --output "$work/y.npy"
python3 - "$work/y.npy" <<'P'
import struct, sys
data = open(sys.argv[1], "rb").read()
y = struct.unpack("<4f", data[-16:])
wanted = (0.5, 3.5, -1.5, -4.5)
for got, want in zip(y, wanted):
    assert abs(got - want) < 0.01, (y, wanted)
P
