#!/usr/bin/env python3
"""JAX on the CPU as a peer of scripts/bench: worker.py [--threads N].

XLA takes as many threads as the process may use cores, so that is what is
set."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "common")]

from serve import serve, thread_count

if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-thread_count():])

import jax

import operators
import training

KINDS = {**operators.KINDS, **training.KINDS}


def open_work(kind, settings):
    jax.clear_caches()
    return KINDS[kind](settings) if kind in KINDS else None


if __name__ == "__main__":
    serve(open_work)
