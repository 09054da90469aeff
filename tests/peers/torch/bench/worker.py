#!/usr/bin/env python3
"""PyTorch as a peer of scripts/bench: worker.py [--threads N]."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "common")]

import torch

from serve import serve, thread_count

import convolutions
import operators
import products
import training

KINDS = {}
for module in (products, operators, convolutions, training):
    KINDS.update(module.KINDS)


def open_work(kind, settings):
    torch._dynamo.reset()
    return KINDS[kind](settings) if kind in KINDS else None


def warm_up():
    """Threads, pools and libraries are there before memory is measured."""
    a = torch.ones(256, 256, requires_grad=True)
    image, window = (a @ a)[None, None], a[:3, :3][None, None]
    torch.nn.functional.conv2d(image, window).sum().backward()
    torch.optim.AdamW([a], fused=True).step()


if __name__ == "__main__":
    torch.set_num_threads(thread_count())
    torch.set_num_interop_threads(1)
    warm_up()
    serve(open_work)
