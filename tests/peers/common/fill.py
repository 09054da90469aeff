"""The numbers every program computes on: element i of a tensor is a hash of
its name and i. tests/bench/worker/fill.c makes the same, and says more."""
import numpy as np


def name_hash(name):
    h = 2166136261
    for c in name.encode():
        h = ((h ^ c) * 16777619) & 0xFFFFFFFF
    return h


def fill(name, shape, low=-1.0, high=1.0, integer=False):
    count = int(np.prod(shape, dtype=np.int64))
    h = np.arange(count, dtype=np.uint32) + np.uint32(name_hash(name))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    x = low + (high - low) * ((h >> np.uint32(8)) * 2.0 ** -24)
    kind = np.int64 if integer else np.float32
    return x.astype(kind).reshape(shape)
