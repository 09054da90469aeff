"""What is measured: one row for each work."""
import os
from dataclasses import dataclass, field

import graphs
from workers import ROOT

MODELS = os.path.join(ROOT, "tests", "bench", "models")


@dataclass
class Work:
    name: str
    group: str
    kind: str          # what peers open
    settings: dict     # and how
    graph: str = None  # PTL's side: a graph,
    wrt: str = None    # differentiated by these,
    model: str = None  # or a file of tests/bench/models
    fills: list = field(default_factory=list)  # (pattern, low, high)
    flops: float = 0   # of the mathematics, per execution
    bytes: float = 0   # that must move at least
    steps: int = 1     # executions before values are compared
    quick: bool = False  # part of --quick

    def ptl_line(self, folder):
        if self.model:
            return ["program", "file=" + os.path.join(MODELS, self.model)]
        path = os.path.join(folder, "work.ir")
        with open(path, "w") as f:
            f.write(self.graph)
        return ["graph", "file=" + path] + \
            (["wrt=" + self.wrt] if self.wrt else [])

    def peer_line(self):
        return [self.kind] + ["%s=%s" % s for s in self.settings.items()]


# ---------- products ----------

# rows, inner, columns; batch
SHAPES = [
    ("512 cubed", 512, 512, 512, 1),
    ("1024 cubed", 1024, 1024, 1024, 1),
    ("2048 cubed", 2048, 2048, 2048, 1),
    ("mlp 128x784x512", 128, 784, 512, 1),
    ("gpt 2048x128x384", 2048, 128, 384, 1),
    ("gpt 2048x128x512", 2048, 128, 512, 1),
    ("gpt 2048x512x128", 2048, 512, 128, 1),
    ("gpt 2048x128x65", 2048, 128, 65, 1),
    ("gpt 64 of 128x32x128", 128, 32, 128, 64),
    ("gpt 64 of 128x128x32", 128, 128, 32, 64),
    ("lenet 64x800x120", 64, 800, 120, 1),
    ("lenet 64x120x10", 64, 120, 10, 1),
    ("lenet 50176x25x16", 50176, 25, 16, 1),
    ("lenet 6400x400x32", 6400, 400, 32, 1),
]


def product(name, m, k, n, batch, form):
    return Work(name, "products", "product",
                {"batch": batch, "m": m, "n": n, "k": k, "form": form},
                graph=graphs.product(batch, m, n, k, form),
                flops=2.0 * batch * m * n * k,
                bytes=4.0 * batch * (m * k + k * n + m * n),
                quick=name == "512 cubed")


def products():
    """c = a b, and both its gradients: da = dc b^T, db = a^T dc."""
    out = []
    for name, m, k, n, batch in SHAPES:
        out.append(product(name, m, k, n, batch, "nn"))
        out.append(product(name + " da", m, n, k, batch, "nt"))
        out.append(product(name + " db", k, m, n, batch, "tn"))
    return out


# ---------- memory-bound operators, far out of cache ----------

ROWS, COLUMNS = 16384, 1024  # 64 MiB a tensor
COUNT = 8 << 20
WORDS = 32768


def operators():
    shape = {"rows": ROWS, "columns": COLUMNS}
    tensor = 4.0 * ROWS * COLUMNS
    return [
        Work("pointwise", "operators", "pointwise", shape,
             graph=graphs.pointwise(ROWS, COLUMNS), bytes=3 * tensor),
        Work("softmax", "operators", "softmax", shape,
             graph=graphs.softmax(ROWS, COLUMNS), bytes=2 * tensor),
        Work("layer norm", "operators", "layer_norm", shape,
             graph=graphs.layer_norm(ROWS, COLUMNS), bytes=2 * tensor),
        Work("adamw", "operators", "adamw", {"count": COUNT},
             graph=graphs.adamw(COUNT), bytes=4.0 * COUNT * 7,
             fills=[("m", -0.1, 0.1), ("v", 0, 0.01)], steps=3),
        Work("embedding", "operators", "embedding",
             dict(shape, words=WORDS),
             graph=graphs.embedding(ROWS, COLUMNS, WORDS),
             fills=[("t", 0, WORDS)], bytes=2 * tensor),
    ]


# ---------- convolution ----------


def convolutions():
    batch, channels, size = 32, 64, 32
    once = 2.0 * batch * size * size * channels * channels * 9
    return [
        Work("conv 3x3 forward backward", "conv", "conv",
             {"batch": batch, "channels": channels, "size": size},
             graph=graphs.conv(batch, channels, size), wrt="x,w",
             flops=3 * once),
    ]


# ---------- training steps ----------


def training():
    return [
        Work("mlp step", "steps", "mlp", {}, model="mlp.ptl",
             fills=[("image", 0, 256), ("label", 0, 10)], quick=True),
        Work("lenet step", "steps", "lenet", {}, model="lenet.ptl",
             fills=[("image", 0, 256), ("label", 0, 10)]),
        Work("gpt step", "steps", "gpt", {}, model="gpt_nano.ptl",
             fills=[("text", 0, 65)]),
        Work("lstm step", "steps", "lstm", {}, model="lstm.ptl",
             fills=[("text", 0, 65)]),
        Work("residual step", "steps", "residual", {}, model="residual.ptl",
             fills=[("given.x", -1, 1)]),
    ]


def all_works():
    return products() + operators() + convolutions() + training()
