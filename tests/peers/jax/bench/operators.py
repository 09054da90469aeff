"""Products, memory-bound operators and a convolution, each one jitted
function of its inputs."""
import jax
import jax.numpy as jnp
import numpy as np

from serve import Work


class Jitted(Work):
    """`compute(*inputs)` gives the outputs named by `outputs`."""

    variants = ["jit"]
    outputs = ()

    def __init__(self, settings):
        self.settings = settings
        numbers = {k: int(v) for k, v in settings.items() if v.isdigit()}
        self.inputs = self.shapes(**numbers)
        self.ready = jax.jit(self.compute)

    def set(self, arrays):
        self.tensors = [jnp.asarray(arrays[n]) for n in self.inputs]

    def run(self, variant):
        self.result = jax.block_until_ready(self.ready(*self.tensors))

    def values(self, variant):
        return {n: np.asarray(r) for n, r in zip(self.outputs, self.result)}


class Product(Jitted):
    outputs = ("c",)

    def shapes(self, m, n, k, batch):
        self.form = self.settings["form"]
        front = (batch,) if batch > 1 else ()
        return {"a": front + ((k, m) if self.form == "tn" else (m, k)),
                "b": front + ((n, k) if self.form == "nt" else (k, n))}

    def compute(self, a, b):
        a = a.mT if self.form == "tn" else a
        b = b.mT if self.form == "nt" else b
        return (a @ b,)


class Pointwise(Jitted):
    outputs = ("z",)

    def shapes(self, rows, columns):
        return {"x": (rows, columns), "y": (rows, columns)}

    def compute(self, x, y):
        return (x * 0.5 + y * x,)


class Softmax(Jitted):
    outputs = ("p",)

    def shapes(self, rows, columns):
        return {"x": (rows, columns)}

    def compute(self, x):
        return (jax.nn.softmax(x, axis=1),)


class LayerNorm(Jitted):
    outputs = ("y",)

    def shapes(self, rows, columns):
        return {"x": (rows, columns), "g": (columns,), "b": (columns,)}

    def compute(self, x, g, b):
        mu = x.mean(1, keepdims=True)
        var = jnp.square(x - mu).mean(1, keepdims=True)
        return (g * (x - mu) * jax.lax.rsqrt(var + 1e-5) + b,)


class Embedding(Jitted):
    outputs = ("y",)

    def shapes(self, rows, columns, words):
        return {"e": (words, columns), "t": ((rows,), "int")}

    def compute(self, e, t):
        # The indices are known to be right, as PTL's are.
        return (e.at[t].get(mode="promise_in_bounds"),)


class Conv(Jitted):
    outputs = ("y", "dx", "dw")

    def shapes(self, batch, channels, size):
        image = (batch, channels, size, size)
        return {"x": image, "w": (channels, channels, 3, 3), "dy": image}

    def compute(self, x, w, dy):
        y, back = jax.vjp(lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"),
                          x, w)
        return (y, *back(dy))


KINDS = {"product": Product, "pointwise": Pointwise, "softmax": Softmax,
         "layer_norm": LayerNorm, "embedding": Embedding, "conv": Conv}
