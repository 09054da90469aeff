#!/usr/bin/env python3
"""Writes tests/golden/torch/recurrent.safetensors from PyTorch, and the data
beside this script. Run it as make_goldens.py says (written with torch 2.15.0).
In f64 on one thread, by torch.nn.RNN, GRU and LSTM.

    recurrent_in.safetensors  fields of recurrent.ptl's data
    recurrent_w.safetensors   its parameters
    recurrent.safetensors     loss, outputs of each layer and grad/PATH
"""
import math
import os

import torch

from tensors import write

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "golden", "torch")
ROWS, STEPS, INPUTS = 3, 6, 4
# In the order of the stack: name, PyTorch's layer, inputs, hidden.
LAYERS = [("r", torch.nn.RNN, 4, 5), ("g", torch.nn.GRU, 5, 4),
          ("s", torch.nn.LSTM, 4, 5), ("l", torch.nn.LSTM, 5, 3)]
NAMES = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0",
         "b_ih": "bias_ih_l0", "b_hh": "bias_hh_l0"}


def numbers(seed, *shape):
    """Fractions of 16 in [-0.75, 0.75] without an obvious pattern."""
    n = math.prod(shape)
    return torch.tensor([((k * k * 7 + k * (seed + 3) + seed) % 25 - 12) / 16.0
                         for k in range(n)]).reshape(shape)


def parameters(made):
    out = {}
    for layer, module in made.items():
        for name, theirs in NAMES.items():
            p = getattr(module, theirs)
            p.data = numbers(len(out), *p.shape)
            out["%s.%s" % (layer, name)] = p
    for name in ("h0", "c0"):
        out["s." + name] = numbers(len(out), 5).requires_grad_()
    return out


def main():
    made = {name: kind(k, h, batch_first=True) for name, kind, k, h in LAYERS}
    p = parameters(made)
    x, t = numbers(1, ROWS, STEPS, INPUTS), numbers(2, ROWS, STEPS, 3)
    write(os.path.join(HERE, "recurrent_in.safetensors"), {"x": x, "t": t})
    write(os.path.join(HERE, "recurrent_w.safetensors"), p)
    r1, _ = made["r"](x)
    g1, _ = made["g"](r1)
    begin = [p["s." + n].expand(1, ROWS, 5) for n in ("h0", "c0")]
    # nn.LSTM gives the last c alone, so steps are taken one by one.
    h1, c1 = [], []
    for step in g1.split(1, 1):
        h, begin = made["s"](step, tuple(begin))
        h1.append(h)
        c1.append(begin[1].transpose(0, 1))
    h1, c1 = torch.cat(h1, 1), torch.cat(c1, 1)
    y, _ = made["l"](h1)
    loss = (y - t).square().mean() + c1.square().mean()
    loss.backward()
    out = {"loss": loss, "r1": r1, "g1": g1, "h1": h1, "c1": c1, "y": y}
    out.update({"grad/" + n: v.grad for n, v in p.items()})
    write(os.path.join(GOLDEN, "recurrent.safetensors"), out)


torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
main()
