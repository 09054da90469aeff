"""agree.py WANTED GOT [LOG]: every tensor of the safetensors file WANTED is in
GOT, with its shape, and nearer than 1e-11 of the tensor's largest number.
`losses` is compared with the steps of LOG, a JSON log, instead."""
import json
import struct
import sys

CODES = {"F64": "d", "F32": "f", "I32": "i", "I64": "q"}


def read(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + o for o in t["data_offsets"])
        code = CODES[t["dtype"]]
        count = (end - begin) // struct.calcsize(code)
        out[name] = (t["shape"],
                     struct.unpack("<%d%s" % (count, code), data[begin:end]))
    return out


def losses(path):
    lines = [json.loads(line) for line in open(path) if line.startswith("{")]
    values = [e["loss"] for e in lines if e["event"] == "step"]
    return [len(values)], values


def difference(wanted, got):
    if wanted[0] != got[0]:
        return "shape %s, not %s" % (got[0], wanted[0])
    largest = max(abs(v) for v in wanted[1])
    worst = max(abs(a - b) for a, b in zip(wanted[1], got[1]))
    if not worst <= 1e-11 * largest:
        return "off by %g, largest number %g" % (worst, largest)
    return None


def main():
    wanted, got = read(sys.argv[1]), read(sys.argv[2])
    if len(sys.argv) > 3:
        got["losses"] = losses(sys.argv[3])
    bad = 0
    for name in wanted:
        why = difference(wanted[name], got[name]) if name in got else "missing"
        if why:
            print("%s: %s" % (name, why))
            bad += 1
    sys.exit(1 if bad or not wanted else 0)


main()
