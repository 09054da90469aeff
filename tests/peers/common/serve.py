"""The worker's protocol (tests/bench/worker/worker.h) for peers in Python.

A peer calls serve(open_work): open_work(kind, settings) returns a Work, or
None where the kind is not the peer's.
"""
import argparse
import fnmatch
import json
import os
import sys
import time

import numpy as np

from fill import fill

MOST_RUNS, LEAST_RUNS = 20000, 3


class Work:
    """A work of one peer. Subclasses give `inputs` and `variants`."""

    inputs = {}  # name: shape, or (shape, "int")
    variants = ["eager"]
    updates = False  # does an execution change its inputs?
    batch_bytes = 0  # of the data that set() made ready

    def set(self, arrays):
        """Takes the inputs, numpy arrays by name, and begins at step 0."""
        raise NotImplementedError

    def run(self, variant):
        """One execution, finished when it returns."""
        raise NotImplementedError

    def values(self, variant):
        """Outputs of the last execution, numpy arrays by name."""
        raise NotImplementedError


def shape_of(spec):
    return spec[0] if len(spec) == 2 and spec[1] == "int" else spec


def status_bytes(key):
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Server:
    def __init__(self, open_work):
        self.open_work = open_work
        self.work = None
        self.ranges = {}
        self.filled = False

    def fill_all(self):
        arrays = {}
        for name, spec in self.work.inputs.items():
            shape = shape_of(spec)
            low, high = self.ranges.get(name, (-1.0, 1.0))
            arrays[name] = fill(name, shape, low, high, shape is not spec)
        self.work.set(arrays)

    def open(self, kind, *words):
        settings = dict(word.split("=", 1) for word in words)
        self.close()
        self.ranges = {}
        self.work = self.open_work(kind, settings)
        if self.work is None:
            return {"error": "no kind of work: " + kind}
        self.filled = False
        return {"variants": self.work.variants,
                "tensors": [{"name": n, "dims": list(shape_of(s))}
                            for n, s in self.work.inputs.items()]}

    def fill(self, pattern, low, high):
        for name in self.work.inputs:
            if fnmatch.fnmatchcase(name, pattern):
                self.ranges[name] = (float(low), float(high))
        return {}

    def run(self, variant, seconds):
        if self.work.updates or not self.filled:
            self.fill_all()
        self.filled = True
        run, clock = self.work.run, time.perf_counter
        run(variant)
        times = []
        start = now = clock()
        end = start + float(seconds)
        while len(times) < MOST_RUNS and (len(times) < LEAST_RUNS or now < end):
            begun = now
            run(variant)
            now = clock()
            times.append(now - begun)
        times.sort()
        return {"median": times[len(times) // 2], "least": times[0],
                "count": len(times)}

    def values(self, variant, steps, folder):
        self.fill_all()
        self.filled = not self.work.updates
        for _ in range(int(steps)):
            self.work.run(variant)
        outputs = self.work.values(variant)
        for i, value in enumerate(outputs.values()):
            np.ascontiguousarray(value, np.float32).tofile(
                os.path.join(folder, "%d.f32" % i))
        return {"names": list(outputs)}

    def memory(self, variant, steps):
        """The peak over `steps`, above what was there before the peer had
        its parameters; the batch counts, our arrays do not."""
        self.fill_all()
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")  # the peak begins anew
        before = status_bytes("VmRSS") - self.work.batch_bytes
        for _ in range(int(steps)):
            self.work.run(variant)
        return {"before": before, "now": status_bytes("VmHWM"), "planned": 0}

    def close(self):
        self.work = None
        return {}


def serve(open_work):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    server = Server(open_work)
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        try:
            answer = getattr(server, words[0])(*words[1:])
        except Exception as wrong:  # told, not fatal
            answer = {"error": "%s: %s" % (type(wrong).__name__, wrong)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def thread_count():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args().threads
