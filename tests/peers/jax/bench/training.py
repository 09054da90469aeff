"""Whole training steps, each one jitted function; what it replaces is given
up to it (donated). The shapes are those of PyTorch's side."""
import jax
import jax.numpy as jnp
import numpy as np

from serve import Work


class Training(Work):
    """`inputs` are data, then parameters; `loss(p, batch)`."""

    variants = ["jit"]
    updates = True
    data = {}
    parameters = {}
    decay = 0.0

    def __init__(self, settings):
        self.inputs = dict(self.data, **self.parameters)
        self.ready = jax.jit(self.step, donate_argnums=0)

    def set(self, arrays):
        p = {n: jnp.asarray(arrays[n]) for n in self.parameters}
        self.batch = self.ready_batch({n: arrays[n] for n in self.data})
        self.state = jax.block_until_ready(self.begin(p))

    def begin(self, p):
        return {"p": p, "m": jax.tree.map(jnp.zeros_like, p),
                "v": jax.tree.map(jnp.zeros_like, p),
                "step": jnp.zeros((), jnp.int32)}

    def step(self, state, batch):
        loss, g = jax.value_and_grad(self.loss)(state["p"], batch)
        t = (state["step"] + 1).astype(jnp.float32)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], g)

        def update(w, m, v):
            m, v = m / (1 - 0.9 ** t), v / (1 - 0.999 ** t)
            return w - 1e-3 * (m / (jnp.sqrt(v) + 1e-8) + self.decay * w)

        p = jax.tree.map(update, state["p"], m, v)
        return {"p": p, "m": m, "v": v, "step": state["step"] + 1}, loss

    def run(self, variant):
        self.state, self.last = jax.block_until_ready(
            self.ready(self.state, self.batch))

    def values(self, variant):
        out = {"loss": np.asarray(self.last).reshape(1)}
        for name in self.parameters:
            out[name] = np.asarray(self.state["p"][name])
            for slot in "mv":
                if slot in self.state:
                    out[name + "/" + slot] = np.asarray(
                        self.state[slot][name])
        return out


def images(rows):
    return {"image": ((rows, 28, 28), "int"), "label": ((rows,), "int")}


def pixels(batch, *shape):
    image = batch["image"].astype(np.float32).reshape(shape) / np.float32(255)
    return {"image": jnp.asarray(image), "label": jnp.asarray(batch["label"])}


def linear(p, name, x):
    return x @ p[name + ".w"].T + p[name + ".b"]


def conv(x, w, b, padding):
    y = jax.lax.conv(x, w, (1, 1), [(padding, padding)] * 2)
    return y + b[:, None, None]


def pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2),
                                 (1, 1, 2, 2), "VALID")


def cross_entropy(z, label):
    z = z.reshape(-1, z.shape[-1])
    label = label.reshape(-1, 1)
    picked = jnp.take_along_axis(z, label, 1, mode="promise_in_bounds")
    return (jax.nn.logsumexp(z, axis=1) - picked[:, 0]).mean()


class Mlp(Training):
    data = images(128)
    parameters = {
        "net.f1.w": (512, 784), "net.f1.b": (512,),
        "net.f2.w": (512, 512), "net.f2.b": (512,),
        "net.f3.w": (10, 512), "net.f3.b": (10,)}

    def ready_batch(self, batch):
        return pixels(batch, -1, 784)

    def loss(self, p, batch):
        h = jax.nn.relu(linear(p, "net.f1", batch["image"]))
        h = jax.nn.relu(linear(p, "net.f2", h))
        return cross_entropy(linear(p, "net.f3", h), batch["label"])


class LeNet(Training):
    data = images(64)
    parameters = {
        "net.c1.w": (16, 1, 5, 5), "net.c1.b": (16,),
        "net.c2.w": (32, 16, 5, 5), "net.c2.b": (32,),
        "net.f1.w": (120, 800), "net.f1.b": (120,),
        "net.f2.w": (10, 120), "net.f2.b": (10,)}

    def ready_batch(self, batch):
        return pixels(batch, -1, 1, 28, 28)

    def loss(self, p, batch):
        h = batch["image"]
        h = pool(jax.nn.relu(conv(h, p["net.c1.w"], p["net.c1.b"], 2)))
        h = pool(jax.nn.relu(conv(h, p["net.c2.w"], p["net.c2.b"], 0)))
        h = jax.nn.relu(linear(p, "net.f1", h.reshape(h.shape[0], -1)))
        return cross_entropy(linear(p, "net.f2", h), batch["label"])


def normed(p, name, x):
    mu = x.mean(-1, keepdims=True)
    var = jnp.square(x - mu).mean(-1, keepdims=True)
    return (p[name + ".gamma"] * (x - mu) * jax.lax.rsqrt(var + 1e-5) +
            p[name + ".beta"])


class Gpt(Training):
    dim, heads, depth, length, words = 128, 4, 4, 128, 65
    decay = 0.01
    data = {"text": ((16, 129), "int")}
    parameters = {"net.token.w": (words, dim), "net.place.w": (length, dim)}
    for i in range(depth):
        at = "net.blocks.%d." % i
        for n in ("n1", "n2"):
            parameters[at + n + ".gamma"] = (dim,)
            parameters[at + n + ".beta"] = (dim,)
        for n in "qkvo":
            parameters[at + "attention.w" + n] = (dim, dim)
            parameters[at + "attention.b" + n] = (dim,)
        parameters[at + "up.w"] = (4 * dim, dim)
        parameters[at + "up.b"] = (4 * dim,)
        parameters[at + "down.w"] = (dim, 4 * dim)
        parameters[at + "down.b"] = (dim,)
    parameters.update({"net.last.gamma": (dim,), "net.last.beta": (dim,),
                       "net.head.w": (words, dim), "net.head.b": (words,)})

    def ready_batch(self, batch):
        text = jnp.asarray(batch["text"])
        return {"text": text[:, :-1], "next": text[:, 1:]}

    def attention(self, p, at, x):
        def heads(n):
            y = x @ p[at + ".w" + n].T + p[at + ".b" + n]
            return y.reshape(*x.shape[:2], self.heads, -1)

        y = jax.nn.dot_product_attention(heads("q"), heads("k"), heads("v"),
                                         is_causal=True)
        return y.reshape(x.shape) @ p[at + ".wo"].T + p[at + ".bo"]

    def loss(self, p, batch):
        x = p["net.token.w"].at[batch["text"]].get(mode="promise_in_bounds")
        x = x + p["net.place.w"]
        for i in range(self.depth):
            at = "net.blocks.%d." % i
            x = x + self.attention(p, at + "attention",
                                   normed(p, at + "n1", x))
            h = linear(p, at + "up", normed(p, at + "n2", x))
            x = x + linear(p, at + "down", jax.nn.gelu(h, approximate=False))
        z = linear(p, "net.head", normed(p, "net.last", x))
        return cross_entropy(z, batch["next"])


class Lstm(Training):
    """lax.scan over the steps; the input's product is one of all steps."""

    dim, length, words = 256, 64, 65
    data = {"text": ((32, 65), "int")}
    parameters = {
        "net.token.w": (words, dim),
        "net.cell.w_ih": (4 * dim, dim), "net.cell.w_hh": (4 * dim, dim),
        "net.cell.b_ih": (4 * dim,), "net.cell.b_hh": (4 * dim,),
        "net.head.w": (words, dim), "net.head.b": (words,)}

    def ready_batch(self, batch):
        text = jnp.asarray(batch["text"])
        return {"text": text[:, :-1], "next": text[:, 1:]}

    def loss(self, p, batch):
        x = p["net.token.w"].at[batch["text"].T].get(mode="promise_in_bounds")
        a = (x @ p["net.cell.w_ih"].T + p["net.cell.b_ih"] +
             p["net.cell.b_hh"])

        def step(state, a):
            h, c = state
            g = a + h @ p["net.cell.w_hh"].T
            i, f, m, o = jnp.split(g, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(m)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((a.shape[1], self.dim))
        _, h = jax.lax.scan(step, (zero, zero), a)
        z = linear(p, "net.head", h)
        return cross_entropy(z, batch["next"].T)


class Residual(Training):
    data = {}
    parameters = {"given.x": (32, 64, 32, 32)}
    for i in "12":
        parameters["net.c%s.w" % i] = (64, 64, 3, 3)
        parameters["net.c%s.b" % i] = (64,)
        parameters["net.n%s.gamma" % i] = (64,)
        parameters["net.n%s.beta" % i] = (64,)

    def ready_batch(self, batch):
        return batch

    def begin(self, p):
        return {"p": p, "runs": {i: (jnp.zeros(64), jnp.ones(64))
                                 for i in "12"}}

    def normed_conv(self, p, runs, i, x):
        x = conv(x, p["net.c%s.w" % i], p["net.c%s.b" % i], 1)
        mu = x.mean((0, 2, 3))
        var = jnp.square(x - mu[:, None, None]).mean((0, 2, 3))
        count = x.size // 64
        runs[i] = (0.9 * runs[i][0] + 0.1 * mu,
                   0.9 * runs[i][1] + 0.1 * var * count / (count - 1))
        scale = p["net.n%s.gamma" % i] * jax.lax.rsqrt(var + 1e-5)
        return ((x - mu[:, None, None]) * scale[:, None, None] +
                p["net.n%s.beta" % i][:, None, None])

    def loss(self, p, runs):
        x, runs = p["given.x"], dict(runs)
        h = jax.nn.relu(self.normed_conv(p, runs, "1", x))
        y = jax.nn.relu(x + self.normed_conv(p, runs, "2", h))
        return jnp.square(y).mean(), runs

    def step(self, state, batch):
        (loss, runs), g = jax.value_and_grad(self.loss, has_aux=True)(
            state["p"], state["runs"])
        p = jax.tree.map(lambda w, g: w - 1e-3 * g, state["p"], g)
        return {"p": p, "runs": runs}, loss


class AdamW(Training):
    """The update alone: the gradient is an input, nothing is differentiated."""

    decay = 0.01

    def __init__(self, settings):
        count = (int(settings["count"]),)
        self.inputs = {n: count for n in ("w", "m", "v", "g")}
        self.ready = jax.jit(self.step, donate_argnums=0)

    def set(self, arrays):
        t = {n: jnp.asarray(a) for n, a in arrays.items()}
        self.batch = t.pop("g")
        self.state = dict(t, step=jnp.zeros((), jnp.int32))

    def step(self, state, g):
        t = (state["step"] + 1).astype(jnp.float32)
        m = 0.9 * state["m"] + 0.1 * g
        v = 0.999 * state["v"] + 0.001 * g * g
        mh, vh = m / (1 - 0.9 ** t), v / (1 - 0.999 ** t)
        w = state["w"]
        w = w - 1e-3 * (mh / (jnp.sqrt(vh) + 1e-8) + self.decay * w)
        return {"w": w, "m": m, "v": v, "step": state["step"] + 1}, t

    def values(self, variant):
        return {n: np.asarray(self.state[n]) for n in "wmv"}


KINDS = {"mlp": Mlp, "lenet": LeNet, "gpt": Gpt, "lstm": Lstm,
         "residual": Residual, "adamw": AdamW}
