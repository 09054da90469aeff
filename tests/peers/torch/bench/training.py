"""Whole training steps: forward, loss, backward, update."""
import torch
import torch.nn.functional as F

from serve import Work


class Training(Work):
    """`parameters` by the names PTL gives them; `loss(p, batch)`."""

    variants = ["eager", "compile"]
    updates = True
    slots = {"m": "exp_avg", "v": "exp_avg_sq"}

    def __init__(self, settings):
        self.inputs = dict(self.batch, **self.parameters)
        self.losses = {False: self.loss,
                       True: torch.compile(self.loss, dynamic=False)}
        self.ready = {}

    def set(self, arrays):
        self.arrays = arrays
        self.ready = {}
        self.data = self.ready_batch(
            {n: torch.from_numpy(arrays[n]) for n in self.batch})
        self.batch_bytes = sum(t.nbytes for t in self.data.values())

    def prepare(self, variant):
        last = variant.endswith("last")
        t = {n: torch.from_numpy(self.arrays[n].copy())
             for n in self.parameters}
        if last:
            t = {n: x.contiguous(memory_format=torch.channels_last)
                 if x.dim() == 4 else x for n, x in t.items()}
        p = {n: torch.nn.Parameter(t[n]) for n in self.parameters}
        return p, self.optimizer(list(p.values()))

    def ready_batch(self, batch):
        """The batch as the step takes it: not part of the step's time."""
        return batch

    def run(self, variant):
        if variant not in self.ready:
            self.ready[variant] = self.prepare(variant)
        p, optimizer = self.ready[variant]
        optimizer.zero_grad(set_to_none=True)
        self.last = self.losses[variant.startswith("compile")](
            p, self.data)
        self.last.backward()
        optimizer.step()

    def values(self, variant):
        p, optimizer = self.ready[variant]
        out = {"loss": self.last.detach().numpy().reshape(1)}
        for name, w in p.items():
            out[name] = w.detach().contiguous().numpy()
            for slot, key in self.slots.items():
                out[name + "/" + slot] = optimizer.state[w][key].numpy()
        return out


def images(rows):
    """Pixels as PTL has them, 0 to 255; divided before the step begins."""
    return {"image": ((rows, 28, 28), "int"), "label": ((rows,), "int")}


def pixels(batch, *shape):
    return dict(batch, image=batch["image"].float().reshape(shape) / 255)


class Mlp(Training):
    sizes = [784, 512, 512, 10]
    batch = images(128)
    parameters = {}
    for i in range(3):
        parameters["net.f%d.w" % (i + 1)] = (sizes[i + 1], sizes[i])
        parameters["net.f%d.b" % (i + 1)] = (sizes[i + 1],)

    def ready_batch(self, batch):
        return pixels(batch, -1, 784)

    def optimizer(self, p):
        return torch.optim.Adam(p, lr=1e-3, fused=True)

    def loss(self, p, batch):
        h = batch["image"]
        h = F.relu(F.linear(h, p["net.f1.w"], p["net.f1.b"]))
        h = F.relu(F.linear(h, p["net.f2.w"], p["net.f2.b"]))
        z = F.linear(h, p["net.f3.w"], p["net.f3.b"])
        return F.cross_entropy(z, batch["label"])


class LeNet(Training):
    variants = ["eager", "channels_last", "compile", "compile_last"]
    batch = images(64)
    parameters = {
        "net.c1.w": (16, 1, 5, 5), "net.c1.b": (16,),
        "net.c2.w": (32, 16, 5, 5), "net.c2.b": (32,),
        "net.f1.w": (120, 800), "net.f1.b": (120,),
        "net.f2.w": (10, 120), "net.f2.b": (10,)}

    def ready_batch(self, batch):
        return pixels(batch, -1, 1, 28, 28)

    def optimizer(self, p):
        return torch.optim.Adam(p, lr=1e-3, fused=True)

    def loss(self, p, batch):
        h = batch["image"]
        h = F.relu(F.conv2d(h, p["net.c1.w"], p["net.c1.b"], padding=2))
        h = F.max_pool2d(h, 2)
        h = F.relu(F.conv2d(h, p["net.c2.w"], p["net.c2.b"]))
        h = F.max_pool2d(h, 2).flatten(1)
        h = F.relu(F.linear(h, p["net.f1.w"], p["net.f1.b"]))
        z = F.linear(h, p["net.f2.w"], p["net.f2.b"])
        return F.cross_entropy(z, batch["label"])


class Gpt(Training):
    dim, heads, depth, length, words = 128, 4, 4, 128, 65
    batch = {"text": ((16, 129), "int")}
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
        text = batch["text"]
        return {"text": text[:, :-1].contiguous(),
                "next": text[:, 1:].contiguous().reshape(-1)}

    def optimizer(self, p):
        return torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01, fused=True)

    def norm(self, p, name, x):
        return F.layer_norm(x, (self.dim,), p[name + ".gamma"],
                            p[name + ".beta"])

    def attention(self, p, at, x):
        def heads(n):
            y = F.linear(x, p[at + ".w" + n], p[at + ".b" + n])
            return y.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

        y = F.scaled_dot_product_attention(heads("q"), heads("k"), heads("v"),
                                           is_causal=True)
        y = y.transpose(1, 2).reshape(x.shape)
        return F.linear(y, p[at + ".wo"], p[at + ".bo"])

    def loss(self, p, batch):
        x = F.embedding(batch["text"], p["net.token.w"]) + p["net.place.w"]
        for i in range(self.depth):
            at = "net.blocks.%d." % i
            x = x + self.attention(p, at + "attention",
                                   self.norm(p, at + "n1", x))
            h = F.linear(self.norm(p, at + "n2", x), p[at + "up.w"],
                         p[at + "up.b"])
            x = x + F.linear(F.gelu(h), p[at + "down.w"], p[at + "down.b"])
        z = F.linear(self.norm(p, "net.last", x), p["net.head.w"],
                     p["net.head.b"])
        return F.cross_entropy(z.view(-1, self.words), batch["next"])


@torch.compiler.disable
def lstm(x, state, weights):
    """What torch.nn.LSTM calls; torch.compile leaves that as it is, too."""
    return torch.lstm(x, state, weights, True, 1, 0.0, True, False, False)


class Lstm(Training):
    """Steps before rows: the layout torch.lstm computes in."""

    dim, length, words = 256, 64, 65
    batch = {"text": ((32, 65), "int")}
    parameters = {
        "net.token.w": (words, dim),
        "net.cell.w_ih": (4 * dim, dim), "net.cell.w_hh": (4 * dim, dim),
        "net.cell.b_ih": (4 * dim,), "net.cell.b_hh": (4 * dim,),
        "net.head.w": (words, dim), "net.head.b": (words,)}

    def ready_batch(self, batch):
        text = batch["text"].t()
        return {"text": text[:-1].contiguous(),
                "next": text[1:].contiguous().reshape(-1)}

    def optimizer(self, p):
        return torch.optim.Adam(p, lr=1e-3, fused=True)

    def loss(self, p, batch):
        x = F.embedding(batch["text"], p["net.token.w"])
        zero = x.new_zeros(1, x.shape[1], self.dim)
        weights = [p["net.cell." + n] for n in ("w_ih", "w_hh", "b_ih", "b_hh")]
        h, _, _ = lstm(x, (zero, zero), weights)
        z = F.linear(h, p["net.head.w"], p["net.head.b"])
        return F.cross_entropy(z.view(-1, self.words), batch["next"])


class Residual(Training):
    """relu(x + bn(conv(relu(bn(conv(x)))))), its mean square as loss; x is a
    parameter too, so its gradient is part of the step."""

    variants = ["eager", "channels_last", "compile", "compile_last"]
    batch, slots = {}, {}
    parameters = {"given.x": (32, 64, 32, 32)}
    for i in "12":
        parameters["net.c%s.w" % i] = (64, 64, 3, 3)
        parameters["net.c%s.b" % i] = (64,)
        parameters["net.n%s.gamma" % i] = (64,)
        parameters["net.n%s.beta" % i] = (64,)

    def __init__(self, settings):
        super().__init__(settings)
        self.runs = {i: [torch.zeros(64), torch.ones(64)] for i in "12"}

    def optimizer(self, p):
        return torch.optim.SGD(p, lr=1e-3, fused=True)

    def normed_conv(self, p, i, x):
        x = F.conv2d(x, p["net.c%s.w" % i], p["net.c%s.b" % i], padding=1)
        return F.batch_norm(x, *self.runs[i], p["net.n%s.gamma" % i],
                            p["net.n%s.beta" % i], training=True)

    def loss(self, p, batch):
        x = p["given.x"]
        h = F.relu(self.normed_conv(p, "1", x))
        return F.relu(x + self.normed_conv(p, "2", h)).square().mean()


KINDS = {"mlp": Mlp, "lenet": LeNet, "gpt": Gpt, "lstm": Lstm,
         "residual": Residual}
