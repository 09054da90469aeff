"""read_back.py PROGRAM IR TEXT WEIGHTS GOLDEN FOLDER: a derivative that was
printed as PTL (TEXT, of PROGRAM, whose inputs IR lists) becomes a program
again: FOLDER/again.ptl, with its weights, and what it should give: the
gradients of GOLDEN, once as the text works them out and once as derived from
the text's loss."""
import json
import re
import struct
import sys


def read(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    tensors = json.loads(raw[8:8 + size])
    tensors.pop("__metadata__", None)
    return tensors, raw[8 + size:]


def write(path, tensors, body):
    text = json.dumps(tensors).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def word(name):
    return re.sub(r"\W", "_", name)


def derivative(name):
    """As the compiler names it: a d before the last part."""
    return word(re.sub(r"([^.]*)$", r"d\1", name, count=1))


program, ir, text, weights, golden, folder = sys.argv[1:]
inputs = re.findall(r"^input (\S+): (\S+?)(\[.*\])? (\w+) \w+;$",
                    open(ir).read(), re.M)
params = [(n, shape) for n, _, shape, role in inputs if role == "param"]
data = [(n, kind, shape) for n, kind, shape, role in inputs if role == "data"]
names = ["loss"] + [derivative(n) for n, _ in params]
rows = re.search(r"^data .*?^}$", open(program).read(), re.M | re.S).group()
with open(folder + "/again.ptl", "w") as f:
    f.write("ptl 1;\nimport std.data;\nimport std.optim;\nmodel again {\n")
    for n, shape in params:
        f.write("  param %s%s ~ normal();\n" % (word(n), shape))
    f.write("  fn (%s) -> (%s) {\n%s  }\n}\n%s\n" % (
        ", ".join("%s: %s%s" % d for d in data),
        ", ".join(["loss: real"] + ["%s: real%s" % (derivative(n), shape)
                                    for n, shape in params]),
        open(text).read(), rows))
    f.write("train {\n  model net = again();\n  data rows;\n  (%s) = net(%s);\n"
            "  loss = of_loss;\n" % (
                ", ".join("of_" + n for n in names),
                ", ".join(n for n, _, _ in data)))
    f.writelines("  %s = of_%s;\n" % (n, n) for n in names[1:])
    f.write("  optimizer = optim.sgd(lr = 0.25);\n  batch = 3; epochs = 1; "
            "seed = 1;\n}\n")

tensors, body = read(weights)
write(folder + "/again_w.safetensors",
      {"net." + word(n): t for n, t in tensors.items()}, body)
tensors, body = read(golden)
wanted = {"loss": tensors["loss"]}
for n, _ in params:
    wanted[derivative(n)] = tensors["grad/" + n]
    wanted["grad/net." + word(n)] = tensors["grad/" + n]
write(folder + "/wanted.safetensors", wanted, body)
