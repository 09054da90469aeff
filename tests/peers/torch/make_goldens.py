#!/usr/bin/env python3
"""Writes tests/golden/torch from PyTorch, and the data beside this script.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.9.1
    /tmp/torch/bin/python tests/peers/torch/make_goldens.py

The network is that of mlp.ptl, in f64 on one thread. mlp.csv is its data,
in.safetensors the same as `ptlc grad` takes it. Golden files:

    grad.safetensors       loss, logits, grad/PATH at the first step
    OPTIMIZER.safetensors  losses of 5 steps, then PATH after them and the
                           optimizer's slots as PATH/SLOT

optimizers.txt gives each optimizer as PTL writes it; tests/cli/torch.sh runs
ptlc on both and compares.
"""
import os

import torch

from tensors import write

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "golden", "torch")
ROWS, INPUTS, CLASSES = 12, 5, 4
SIZES = [("f1", 7, 5), ("f2", 6, 7), ("f3", 4, 6)]
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.25),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.875,
                                          weight_decay=0.0625),
    "adam": lambda p: torch.optim.Adam(p, lr=0.0625, betas=(0.75, 0.875),
                                       eps=2.0 ** -20),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.0625, betas=(0.75, 0.875),
                                         eps=2.0 ** -20, weight_decay=0.25),
    "clipped": lambda p: torch.optim.SGD(p, lr=0.25, momentum=0.875),
    "adamw_clipped": lambda p: torch.optim.AdamW(
        p, lr=0.0625, betas=(0.75, 0.875), eps=2.0 ** -20, weight_decay=0.25),
    "adafactor": lambda p: torch.optim.Adafactor(
        p, lr=0.25, beta2_decay=-0.75, eps=(2.0 ** -23, 2.0 ** -10), d=1.0,
        weight_decay=0.125),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.875,
                                          weight_decay=0.0625, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(
        p, lr=0.0625, alpha=0.75, eps=2.0 ** -10, weight_decay=0.0625,
        momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(
        p, lr=0.125, eps=2.0 ** -10, weight_decay=0.0625,
        initial_accumulator_value=0.125),
    "nadam": lambda p: torch.optim.NAdam(
        p, lr=0.0625, betas=(0.75, 0.875), eps=2.0 ** -10,
        weight_decay=0.0625, momentum_decay=0.5),
    "adamax": lambda p: torch.optim.Adamax(
        p, lr=0.0625, betas=(0.75, 0.875), eps=2.0 ** -10,
        weight_decay=0.0625),
}
CLIPS = {"clipped": 0.25, "adamw_clipped": 0.125}
SLOTS = {"momentum_buffer": "v", "exp_avg": "m", "exp_avg_sq": "v",
         "square_avg": "v", "sum": "v", "exp_inf": "u", "row_var": "rows", "col_var": "cols", "variance": "v"}


def grid(m, k):
    return torch.tensor([[((7 * i + 3 * j + i * j) % 11 - 5) / 8.0
                          for j in range(k)] for i in range(m)])


def ramp(m):
    return torch.tensor([(i % 3 - 1) / 16.0 for i in range(m)])


def parameters():
    out = {}
    for name, m, k in SIZES:
        out["net.%s.w" % name] = grid(m, k)
        out["net.%s.b" % name] = ramp(m)
    return {n: t.requires_grad_() for n, t in out.items()}


def data():
    x = torch.tensor([[((5 * n + 3 * i + n * i * i) % 17 - 8) / 4.0
                       for i in range(INPUTS)] for n in range(ROWS)])
    label = torch.tensor([(3 * n + n * n) % CLASSES for n in range(ROWS)])
    return x, label


def forward(p, x):
    h = torch.tanh(x @ p["net.f1.w"].T + p["net.f1.b"])
    pre = h @ p["net.f2.w"].T + p["net.f2.b"]
    assert pre.abs().min() > 1e-6  # nobody's relu sits on its corner
    return torch.relu(pre) @ p["net.f3.w"].T + p["net.f3.b"]


def slot_of(name, key):
    # rmsprop's v is the mean square
    return "m" if (name, key) == ("rmsprop", "momentum_buffer") else SLOTS[key]


def train(optimizer_name, make, clip, x, label):
    p = parameters()
    optimizer = make(list(p.values()))
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward(p, x), label)
        loss.backward()
        losses.append(loss.item())
        if clip:
            norm = torch.nn.utils.clip_grad_norm_(list(p.values()), clip)
            assert len(losses) > 1 or norm > 2 * clip
        optimizer.step()
    out = {"losses": torch.tensor(losses)}
    for name, t in p.items():
        out[name] = t
        for key in SLOTS:
            if optimizer.state[t].get(key) is not None:
                value = optimizer.state[t][key]
                if key in ("row_var", "col_var"):
                    value = value.reshape(-1)
                out["%s/%s" % (name, slot_of(optimizer_name, key))] = value
    return out


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    os.makedirs(GOLDEN, exist_ok=True)
    x, label = data()
    with open(os.path.join(HERE, "mlp.csv"), "w") as f:
        for row, t in zip(x.tolist(), label.tolist()):
            f.write(",".join("%g" % v for v in row) + ",%d\n" % t)
    write(os.path.join(HERE, "in.safetensors"), {"x": x, "label": label})

    p = parameters()
    logits = forward(p, x)
    loss = torch.nn.functional.cross_entropy(logits, label)
    loss.backward()
    out = {"loss": loss, "logits": logits}
    out.update({"grad/" + n: t.grad for n, t in p.items()})
    write(os.path.join(GOLDEN, "grad.safetensors"), out)
    for name, make in OPTIMIZERS.items():
        write(os.path.join(GOLDEN, name + ".safetensors"),
              train(name, make, CLIPS.get(name), x, label))


if __name__ == "__main__":
    main()
