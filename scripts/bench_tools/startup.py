"""How long a program takes to its first step: cold, and with its machine code
in the cache. Phases are what `ptlc run --time` prints."""
import os
import re
import subprocess
import tempfile

from works import MODELS, training
from workers import BIN

COLD, WARM = 3, 7  # runs
BARS = {"lenet step": (1.0, 0.15)}  # compiled cold; from cache to a step
FIRST_STEP = "from the process' start to the first step"


def phases(model, cache, folder):
    """Seconds of each phase of one run of one step."""
    env = dict(os.environ, PTL_CACHE_DIR=cache)
    run = subprocess.run(
        [os.path.join(BIN, "ptlc"), "run", os.path.join(MODELS, model),
         "--steps", "1", "--time", "--quiet",
         "--out", tempfile.mkdtemp(dir=folder)],
        text=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise OSError(run.stderr.strip())
    times = {name: float(t) for t, name in
             re.findall(r"^ *([0-9.]+) s  (.*)$", run.stderr, re.M)}
    if FIRST_STEP not in times or "compile" not in times:
        raise OSError("`ptlc run --time` tells no time to the first step")
    return times


def middle(runs, key):
    return sorted(runs, key=key)[len(runs) // 2]


def measure(work, folder):
    cold = [phases(work.model, tempfile.mkdtemp(dir=folder), folder)
            for _ in range(COLD)]
    cache = tempfile.mkdtemp(dir=folder)
    warm = [phases(work.model, cache, folder) for _ in range(WARM + 1)][1:]
    cold = middle(cold, lambda p: p["compile"])
    warm = middle(warm, lambda p: p[FIRST_STEP])
    record = {"work": work.name, "compile_cold": cold["compile"],
              "first_step_cached": warm[FIRST_STEP], "cold": cold,
              "cached": warm, "misses": []}
    compile_bar, start_bar = BARS.get(work.name, (None, None))
    if compile_bar and cold["compile"] > compile_bar:
        record["misses"].append("compile > %.2f s" % compile_bar)
    if start_bar and record["first_step_cached"] > start_bar:
        record["misses"].append("first step > %.2f s" % start_bar)
    return record


def run(folder, failures):
    print("\n%-16s %14s %18s" % ("start", "compiled cold", "cached, to step 1"))
    records = []
    for work in training():
        try:
            r = measure(work, folder)
        except OSError as wrong:
            failures.append("start of %s: %s" % (work.name, wrong))
            continue
        records.append(r)
        print("%-16s %12.3f s %16.3f s  %s" % (
            work.name, r["compile_cold"], r["first_step_cached"],
            "MISS " + "; ".join(r["misses"]) if r["misses"] else ""))
        print("  cached: " + ", ".join(
            "%s %.3f" % (n, t) for n, t in r["cached"].items()))
    return records
