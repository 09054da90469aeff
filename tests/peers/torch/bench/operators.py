"""Operators bound by memory: pointwise, softmax, layer norm, AdamW,
embedding. Each eagerly and through torch.compile."""
import torch

from serve import Work


class Operator(Work):
    """`outputs(tensors)` computes; both variants run it without a graph."""

    variants = ["eager", "compile"]
    outputs = None

    def __init__(self, settings):
        self.settings = {k: int(v) for k, v in settings.items()}
        self.inputs = self.shapes(**self.settings)
        self.ways = {"eager": self.compute,
                     "compile": torch.compile(self.compute, dynamic=False)}

    def set(self, arrays):
        self.tensors = [torch.from_numpy(arrays[n]) for n in self.inputs]

    @torch.no_grad()
    def run(self, variant):
        self.result = self.ways[variant](*self.tensors)

    def values(self, variant):
        return {self.output: self.result.numpy()}


class Pointwise(Operator):
    output = "z"

    def shapes(self, rows, columns):
        return {"x": (rows, columns), "y": (rows, columns)}

    def compute(self, x, y):
        return x * 0.5 + y * x


class Softmax(Operator):
    output = "p"

    def shapes(self, rows, columns):
        return {"x": (rows, columns)}

    def compute(self, x):
        return torch.softmax(x, 1)


class LayerNorm(Operator):
    output = "y"

    def shapes(self, rows, columns):
        return {"x": (rows, columns), "g": (columns,), "b": (columns,)}

    def compute(self, x, g, b):
        return torch.nn.functional.layer_norm(x, g.shape, g, b)


class Embedding(Operator):
    output = "y"

    def shapes(self, rows, columns, words):
        return {"e": (words, columns), "t": ((rows,), "int")}

    def compute(self, e, t):
        return torch.nn.functional.embedding(t, e)


class AdamW(Work):
    """torch.optim's fused update, and its plain one compiled."""

    variants = ["fused", "compile"]
    updates = True

    def __init__(self, settings):
        self.inputs = {n: (int(settings["count"]),)
                       for n in ("w", "m", "v", "g")}
        self.made = {}

    def set(self, arrays):
        self.arrays = arrays
        self.made = {}

    def make(self, variant):
        t = {n: torch.from_numpy(a.copy()) for n, a in self.arrays.items()}
        w = torch.nn.Parameter(t["w"])
        w.grad = t["g"]
        fused = variant == "fused"
        # The learning rate as a tensor: a number would be compiled in anew
        # at each change of the step.
        o = torch.optim.AdamW([w], lr=1e-3, fused=fused,
                              **({} if fused else {"capturable": False}))
        o.state[w] = {"step": torch.tensor(0.0), "exp_avg": t["m"],
                      "exp_avg_sq": t["v"]}
        step = o.step if fused else torch.compile(o.step)
        return o, w, step

    def run(self, variant):
        if variant not in self.made:
            self.made[variant] = self.make(variant)
        self.made[variant][2]()

    def values(self, variant):
        o, w, _ = self.made[variant]
        return {"w": w.detach().numpy(), "m": o.state[w]["exp_avg"].numpy(),
                "v": o.state[w]["exp_avg_sq"].numpy()}


KINDS = {"pointwise": Pointwise, "softmax": Softmax, "layer_norm": LayerNorm,
         "embedding": Embedding, "adamw": AdamW}
