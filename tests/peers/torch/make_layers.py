#!/usr/bin/env python3
"""Writes tests/golden/torch/layers.safetensors and norm.safetensors from
PyTorch, and the data beside this script. Run it as make_goldens.py says
(written with torch 2.15.0). In f64 on one thread.

    layers_in.safetensors  fields of layers.ptl's data
    layers_w.safetensors   its parameters
    layers.safetensors     loss, scores, logits and grad/PATH at the first
                           step
    norm.safetensors       norm.ptl: losses of 5 steps, then parameters and
                           states
"""
import math
import os

import torch
import torch.nn.functional as F

from make_goldens import data
from tensors import write

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "golden", "torch")
ROWS, PLACES, VOCAB, DIM = 3, 6, 5, 8


def numbers(seed, *shape):
    """Fractions of 16 in [-0.75, 0.75] without an obvious pattern."""
    n = math.prod(shape)
    return torch.tensor([((k * k * 7 + k * (seed + 3) + seed) % 25 - 12) / 16.0
                         for k in range(n)]).reshape(shape)


SHAPES = {
    "net.c1.w": (6, 2, 3, 3), "net.c1.b": (6,),
    "net.n1.gamma": (6,), "net.n1.beta": (6,),
    "net.c2.w": (6, 1, 3, 3), "net.c2.b": (6,),
    "net.f.w": (4, 6), "net.f.b": (4,),
    "text.token.w": (VOCAB, DIM), "text.place.w": (PLACES, DIM),
    "text.n1.gamma": (DIM,), "text.n1.beta": (DIM,),
    "text.a.wq": (DIM, DIM), "text.a.wk": (DIM, DIM), "text.a.wv": (DIM, DIM),
    "text.a.wo": (DIM, DIM), "text.a.bq": (DIM,), "text.a.bk": (DIM,),
    "text.a.bv": (DIM,), "text.a.bo": (DIM,),
    "text.n2.gamma": (DIM,), "text.n2.beta": (DIM,),
    "text.up.w": (12, DIM), "text.up.b": (12,),
    "text.down.w": (DIM, 12), "text.down.b": (DIM,),
    "text.head.w": (VOCAB, DIM), "text.head.b": (VOCAB,),
}
# A bias before a batch norm and a bias of all keys change nothing: what is
# left of their gradients is rounding.
ZERO = ["net.c1.b", "text.a.bk"]


def images(p, x):
    h = F.conv2d(x, p["net.c1.w"], p["net.c1.b"], stride=2, padding=1, groups=2)
    h = F.gelu(F.batch_norm(h, None, None, p["net.n1.gamma"], p["net.n1.beta"],
                            training=True))
    h = F.max_pool2d(h, 3, 1, 1)
    h = F.conv2d(h, p["net.c2.w"], p["net.c2.b"], padding=2, dilation=2,
                 groups=6)
    h = F.gelu(h, approximate="tanh")
    h = F.avg_pool2d(h, 2, 2, 1, count_include_pad=False)
    return F.linear(h.mean((2, 3)), p["net.f.w"], p["net.f.b"])


def heads(x, w, b):
    y = F.linear(x, w, b)
    return y.reshape(ROWS, PLACES, 2, DIM // 2).transpose(1, 2)


def texts(p, t):
    q = {n[len("text."):]: v for n, v in p.items()}
    x = q["token.w"][t] + q["place.w"]
    h = F.layer_norm(x, [DIM], q["n1.gamma"], q["n1.beta"])
    a = F.scaled_dot_product_attention(
        *(heads(h, q["a.w" + k], q["a.b" + k]) for k in "qkv"), is_causal=True)
    a = a.transpose(1, 2).reshape(ROWS, PLACES, DIM)
    x = x + F.linear(a, q["a.wo"], q["a.bo"])
    h = F.layer_norm(x, [DIM], q["n2.gamma"], q["n2.beta"])
    h = F.gelu(F.linear(h, q["up.w"], q["up.b"]))
    x = x + F.linear(h, q["down.w"], q["down.b"])
    return F.linear(x, q["head.w"], q["head.b"])


def layers():
    x = numbers(1, ROWS, 4, 9, 8)
    label = torch.tensor([3, 0, 1])
    t = torch.tensor([[(3 * n + i * i) % VOCAB for i in range(PLACES + 1)]
                      for n in range(ROWS)])
    p = {n: numbers(i, *s).requires_grad_()
         for i, (n, s) in enumerate(SHAPES.items())}
    write(os.path.join(HERE, "layers_in.safetensors"),
          {"image": x, "label": label, "tokens": t[:, :-1], "after": t[:, 1:]})
    write(os.path.join(HERE, "layers_w.safetensors"), p)
    scores, logits = images(p, x), texts(p, t[:, :-1])
    loss = (F.cross_entropy(scores, label) +
            F.cross_entropy(logits.reshape(-1, VOCAB), t[:, 1:].reshape(-1)))
    loss.backward()
    out = {"loss": loss, "scores": scores, "logits": logits}
    out.update({"grad/" + n: v.grad for n, v in p.items() if n not in ZERO})
    write(os.path.join(GOLDEN, "layers.safetensors"), out)


def norm():
    x, _ = data()
    n = torch.nn.BatchNorm1d(5, eps=2.0 ** -16, momentum=0.25)
    optimizer = torch.optim.SGD(n.parameters(), lr=0.25)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.mse_loss(n(x), x)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    write(os.path.join(GOLDEN, "norm.safetensors"),
          {"losses": torch.tensor(losses), "net.gamma": n.weight,
           "net.beta": n.bias, "net.mean_run": n.running_mean,
           "net.var_run": n.running_var})


torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
layers()
norm()
